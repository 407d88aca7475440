"""Pseudo-objects of real images without labels: regions that somebody could have meant by a click.

Segmented small and three ways, because each errs in its own: grown merges of Felzenszwalb's regions (Felzenszwalb and
Huttenlocher 2004), grown merges of SLIC superpixels (Achanta et al. 2012), and brightness or colour classes by k-means.
What is kept is smooth, has true edges along its border, and differs from what was kept before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.segmentation import felzenszwalb, slic

#: Long side at which images are segmented, pixels.
WORKING_SIDE = 192
#: Least and most share of the image one region covers.
AREA = (0.005, 0.5)
#: Regions more alike than this (intersection over union) are one.
ALIKE = 0.8
#: Least gradient along a border, times the mean gradient of the image.
EDGE = 1.25
#: Least gradient along the weakest quarter of a border, times the mean gradient of the image.
WEAKEST = 0.45
#: Least ratio of the gradient along a border to that three pixels inside and outside of it.
RIDGE = 1.12
#: Mean width below which a ring is a halo, pixels of the working frame.
THIN = 6.0
#: Pixels around a mask that are looked at.
MARGIN = 8
#: Most perimeter^2 / (4 pi area) of one object; a circle has 1, a tube eight times as long as wide 3.
RAGGED = 4.0


@dataclass
class Candidate:
    """mask: bool [h, w], working frame; of_class: several components alike; worth: higher is kept first."""

    mask: np.ndarray
    of_class: bool
    worth: float


def regions(image: np.ndarray, rng: np.random.Generator, count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Up to `count` regions of an image uint8 [H, W, 3] (or [H, W]), sizes as different as the image allows.

    Returns masks uint8 [n, H, W] of 0 and 1, each covering AREA[0]..AREA[1] of the image, no two overlapping by more
    than ALIKE, and of_class bool [n]: whether a mask is a class (several components alike) rather than one object.
    n < count where the image shows fewer, 0 where it is flat. The same generator state gives the same regions.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ValueError(f"image: expected uint8 [H, W, 3] or [H, W], found {image.dtype} {list(image.shape)}")
    height, width = image.shape[:2]
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, -1)
    shrink = min(1.0, WORKING_SIDE / max(height, width))
    small = Image.fromarray(image[..., :3])
    small = small.resize((max(8, round(width * shrink)), max(8, round(height * shrink))), Image.Resampling.BOX)
    pixels = np.asarray(small, np.float32) / 255
    found = _chosen(_candidates(pixels, rng), count, rng)
    masks = np.zeros((len(found), height, width), np.uint8)
    for mask, candidate in zip(masks, found, strict=True):
        large = Image.fromarray(candidate.mask.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
        mask[:] = np.asarray(large) > 0.5
    return masks, np.array([candidate.of_class for candidate in found], bool)


def _candidates(pixels: np.ndarray, rng: np.random.Generator) -> list[Candidate]:
    """All that is worth keeping; pixels: float32 [h, w, 3] in 0..1."""
    # Dark images have their objects in the lowest values: stretch what is used of the range, lift the shadows.
    low, high = np.quantile(pixels, (0.005, 0.995))
    pixels = np.clip((pixels - low) / max(high - low, 0.05), 0, 1) ** rng.uniform(0.45, 1)
    blur = rng.uniform(1, 2.5)
    calm = ndimage.gaussian_filter(pixels, (blur, blur, 0))
    slope = np.hypot(ndimage.sobel(calm, 0), ndimage.sobel(calm, 1)).max(-1)
    if slope.mean() < 1e-4:
        return []
    slope = slope / slope.mean()
    made: list[Candidate] = []
    spread = max(float(calm.std()), 0.02)
    scale = float(np.exp(rng.uniform(np.log(20), np.log(200)))) * spread / 0.2
    for segments, tries in (
        (felzenszwalb(calm, scale=scale, sigma=0.5, min_size=30), 36),
        (
            slic(
                calm,
                n_segments=int(rng.integers(60, 250)),
                compactness=rng.uniform(0.15, 0.8) * spread,
                start_label=0,
                convert2lab=False,
                max_num_iter=5,
            ),
            16,
        ),
    ):
        for mask in _grown(segments, calm, rng, tries):
            _keep(made, mask, False, slope, rng)
    for classes in _brightness_classes(pixels, rng):
        for mask, of_class in _parts(classes, rng):
            _keep(made, mask, of_class, slope, rng)
    return made


def _grown(segments: np.ndarray, pixels: np.ndarray, rng: np.random.Generator, tries: int):
    """Merges of neighbouring segments [h, w] of like colour, up to random sizes; yields bool [h, w]."""
    number = int(segments.max()) + 1
    sizes = np.bincount(segments.ravel(), minlength=number).astype(float)
    means = np.stack([np.bincount(segments.ravel(), plane.ravel(), number) for plane in np.moveaxis(pixels, -1, 0)], 1)
    means /= np.maximum(sizes, 1)[:, None]
    touching = np.zeros((number, number), bool)
    for a, b in ((segments[1:], segments[:-1]), (segments[:, 1:], segments[:, :-1])):
        touching[a.ravel(), b.ravel()] = True
    touching |= touching.T
    np.fill_diagonal(touching, False)
    typical = np.median(np.linalg.norm(means - means.mean(0), axis=1)) + 1e-3
    for _ in range(tries):
        goal = np.exp(rng.uniform(np.log(AREA[0]), np.log(AREA[1]))) * segments.size
        # Any segment as likely as another: small ones are objects as often as large ones.
        start = int(rng.integers(number))
        inside = np.zeros(number, bool)
        inside[start] = True
        beside = touching[start].copy()
        limit = typical * rng.uniform(0.3, 1.1)
        area, mean = sizes[start], means[start]
        while area < goal and beside.any():
            at = np.flatnonzero(beside)
            far = np.square(means[at] - mean).sum(1)
            best = at[far.argmin()]
            if far.min() > limit**2:
                break
            inside[best] = True
            beside |= touching[best]
            beside &= ~inside
            mean = (mean * area + means[best] * sizes[best]) / (area + sizes[best])
            area += sizes[best]
        yield inside[segments]


def _brightness_classes(pixels: np.ndarray, rng: np.random.Generator):
    """Yields int [h, w]: the pixels by k-means of colour after a blur, with few classes, and with more."""
    for k in (2, int(rng.integers(2, 5)), int(rng.integers(3, 6))):
        blur = float(np.exp(rng.uniform(np.log(0.8), np.log(4))))
        values = ndimage.gaussian_filter(pixels, (blur, blur, 0)).reshape(-1, 3)
        centres = values[rng.choice(len(values), k, replace=False)]
        sample = values[rng.choice(len(values), min(3000, len(values)), replace=False)]
        for _ in range(8):
            nearest = _nearest(sample, centres)
            for i in range(k):
                if (nearest == i).any():
                    centres[i] = sample[nearest == i].mean(0)
        yield _nearest(values, centres).reshape(pixels.shape[:2])


def _nearest(values: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Index of the nearest centre: [n, 3] and [k, 3] to int [n]."""
    return ((centres**2).sum(1) - 2 * values @ centres.T).argmin(1)


def _parts(classes: np.ndarray, rng: np.random.Generator):
    """Of each class its large components, and several together; yields (mask bool [h, w], whether several)."""
    for k in range(int(classes.max()) + 1):
        mask = _tidied(classes == k, rng)
        labels, number = ndimage.label(mask)
        if number == 0:
            continue
        sizes = np.bincount(labels.ravel(), minlength=number + 1)
        sizes[0] = 0
        large = np.flatnonzero(sizes >= AREA[0] * mask.size)
        for label in rng.permutation(large)[:5]:
            yield labels == label, False
        least = max(8.0, 0.06 * sizes.max())
        alike = np.flatnonzero(sizes >= least)
        if len(alike) > 1:
            yield np.isin(labels, alike), True
            # Those of the commonest size alone: many small ones beside a large one of the same brightness.
            typical = np.median(sizes[alike])
            near = alike[(sizes[alike] > typical / 2.5) & (sizes[alike] < typical * 2.5)]
            if 1 < len(near) < len(alike):
                yield np.isin(labels, near), True


def _tidied(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Without hairs, specks and, mostly, holes. bool [h, w]."""
    reach = rng.uniform(1.0, 2.6)
    # Blur and threshold opens and closes at once, and rounds what a superpixel left square.
    smooth = ndimage.gaussian_filter(np.pad(mask, 6, "edge").astype(np.float32), reach)[6:-6, 6:-6] > 0.5
    if rng.random() < 0.75:
        smooth = ndimage.binary_fill_holes(smooth)
    return smooth


def _keep(
    made: list[Candidate], whole: np.ndarray, of_class: bool, slope: np.ndarray, rng: np.random.Generator
) -> None:
    """Adds a mask to `made` if its size, border and shape are those of something one could mean."""
    if not AREA[0] / 2 <= whole.mean() <= AREA[1] * 1.2:
        return
    # Only where it is: most are small. The margin is wider than what anything below looks beyond a border.
    rows, columns = (np.flatnonzero(whole.any(axis)) for axis in (1, 0))
    window = tuple(slice(max(0, at[0] - MARGIN), at[-1] + 1 + MARGIN) for at in (rows, columns))
    mask, slope = whole[window], slope[window]
    if not of_class:
        labels, number = ndimage.label(_tidied(mask, rng))
        if number == 0:
            return
        mask = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    mask, border = _without_halo(mask)
    area, length = int(mask.sum()), int(border.sum())
    if not AREA[0] * 1.05 <= area / whole.size <= AREA[1] * 0.98:
        return
    number = ndimage.label(mask)[1] if of_class else 1
    # Of the border on the image's own edge nothing is known: it counts neither for nor against.
    ragged = (1.1 * length) ** 2 / (4 * np.pi * area) / number
    if ragged > RAGGED * (2 if of_class else 1) or length == 0 or not _has_edge(mask, border, slope):
        return
    full = np.zeros_like(whole)
    full[window] = mask
    # The weakest third counts: a region with a true edge all round is better than one half of it.
    weakest = float(np.quantile(slope[border], 0.3))
    # What lies along the frame for long is mostly the ground around the subject.
    framed = sum(int(side.sum()) for side in (full[0], full[-1], full[:, 0], full[:, -1]))
    made.append(Candidate(full, of_class, weakest / (1 + 0.3 * ragged) * (1 - 0.8 * framed / (framed + length))))


def _without_halo(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mask and its border, bool [h, w]: filled where it was a thin ring: the blur of an edge."""
    border = mask & ~ndimage.binary_erosion(mask, border_value=1)
    if 2 * mask.sum() < THIN * border.sum():
        filled = ndimage.binary_fill_holes(mask)
        if filled.sum() > 1.25 * mask.sum():
            return filled, filled & ~ndimage.binary_erosion(filled, border_value=1)
    return mask, border


def _has_edge(mask: np.ndarray, border: np.ndarray, slope: np.ndarray) -> bool:
    """Whether the border of a mask lies on an edge, mostly: steep, and steeper than beside it.

    Without the second a halo around an object passes; without the quantile a square cut out of a plain ground does.
    """
    if slope[border].mean() < EDGE or np.quantile(slope[border], 0.25) < WEAKEST:
        return False
    outer = ndimage.binary_dilation(mask, iterations=4) & ~ndimage.binary_dilation(mask, iterations=2)
    inner = ndimage.binary_erosion(mask, iterations=3, border_value=1)
    inner &= ~ndimage.binary_erosion(inner, iterations=2, border_value=1)
    return all(slope[border].mean() > RIDGE * slope[shell].mean() for shell in (outer, inner) if shell.any())


def _chosen(candidates: list[Candidate], count: int, rng: np.random.Generator) -> list[Candidate]:
    """Up to `count` of different sizes, the better first, none nearly the same as another."""
    order = sorted(candidates, key=lambda candidate: -candidate.worth * np.exp(rng.normal(0, 0.4)))
    bins = np.linspace(np.log(AREA[0]), np.log(AREA[1]), 6)[1:-1]
    queues: list[list[Candidate]] = [[] for _ in range(len(bins) + 1)]
    for candidate in order:
        queues[int(np.digitize(np.log(candidate.mask.mean()), bins))].append(candidate)
    kept: list[Candidate] = []
    while any(queues) and len(kept) < count:
        for at in rng.permutation(len(queues)):
            while queues[at] and len(kept) < count:
                candidate = queues[at].pop(0)
                if all(_overlap(candidate.mask, other.mask) <= ALIKE * 0.95 for other in kept):
                    kept.append(candidate)
                    break
    return kept


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks that are not empty."""
    both = np.count_nonzero(a & b)
    return both / (np.count_nonzero(a) + np.count_nonzero(b) - both)
