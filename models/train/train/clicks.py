"""Simulated clicks: where a person would correct a mask (as RITM, Sofiiuk et al. 2021, arXiv 2102.06583)."""

import numpy as np
from scipy import ndimage

from .decoder import BACKGROUND, BOTTOM_RIGHT, FOREGROUND, TOP_LEFT

Click = tuple[float, float, float]
"""x and y in cells of the maps, label."""


def next_click(drawn: np.ndarray, truth: np.ndarray, rng: np.random.Generator | None = None) -> Click | None:
    """The deepest place of what is missed or wrongly drawn; None where nothing is wrong.

    Args:
        drawn, truth: bool [height, width].
        rng: clicks as people do: some other deep place, of the largest region as often as of the deepest one.
    """
    errors = [(truth & ~drawn, FOREGROUND), (drawn & ~truth, BACKGROUND)]
    errors = [(error, label) for error, label in errors if error.any()]
    if not errors:
        return None
    if rng is not None and rng.random() < 0.5:
        regions = [(largest_region(error, rng), label) for error, label in errors]
        error, label = max(regions, key=lambda of: of[0].sum())
        return *middle(error, rng), label
    depths = [depth_of(error) for error, _ in errors]
    if rng is not None:
        depths = [depth * rng.uniform(0.8, 1.0) for depth in depths]
    which = int(np.argmax([depth.max() for depth in depths]))
    return *deep_place(depths[which], rng), errors[which][1]


def largest_region(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of the largest regions of bool [height, width]."""
    regions, count = ndimage.label(mask, np.ones((3, 3)))
    areas = np.bincount(regions.ravel())[1:] * rng.uniform(0.5, 1.0, count)
    return regions == int(areas.argmax()) + 1


def middle(region: np.ndarray, rng: np.random.Generator | None) -> tuple[float, float]:
    """x and y of the place of a region farthest from its border, or of some other deep one."""
    return deep_place(depth_of(region), rng)


def depth_of(region: np.ndarray) -> np.ndarray:
    """Distance to what lies outside, the image's border included; float64 [height, width]."""
    return ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]


def deep_place(depth: np.ndarray, rng: np.random.Generator | None) -> tuple[float, float]:
    if rng is None:
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    else:
        places = np.argwhere(depth >= rng.uniform(0.4, 1.0) * depth.max())
        y, x = places[rng.integers(len(places))]
    return float(x) + 0.5, float(y) + 0.5


def one_component(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of the regions of a mask of bool [height, width], larger ones more often; all of it where they are specks."""
    regions, count = ndimage.label(mask, np.ones((3, 3)))
    if count <= 1:
        return mask
    areas = np.bincount(regions.ravel())[1:].astype(float)
    if areas.max() < 12:
        return mask
    areas[areas < 12] = 0
    chosen = rng.choice(count, p=np.sqrt(areas) / np.sqrt(areas).sum())
    return regions == chosen + 1


def loose_box(mask: np.ndarray, rng: np.random.Generator) -> list[Click]:
    """The bounding box of a mask, each side moved by up to a tenth of the extent: its two corners."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)
    extent = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    box += rng.uniform(-0.1, 0.1, 4) * extent
    return [(box[0], box[1], TOP_LEFT), (box[2], box[3], BOTTOM_RIGHT)]
