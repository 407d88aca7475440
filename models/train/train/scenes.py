"""Synthetic pairs of images with masks: what a class is, drawn rather than labelled.

Few openly licensed sets are labelled; a decoder trained on those alone learns their kinds. Here a recipe is drawn at
random (an organ in a body, a cell in a smear, a dark blob in speckle, ...), then drawn twice: same looks and shapes,
other places, sizes and brightness. Everything else in the image is there to be told from the class.

Coordinates of outlines are unit coordinates: (x, y) in 0..1 over the square image. Lengths named *_px are pixels of an
image of REFERENCE_SIZE and scale with the size asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage
from scipy.spatial import cKDTree

REFERENCE_SIZE = 320
#: Least and most share of the image that the class may cover.
AREA = (0.003, 0.60)
#: Least `contrast` of a class to its surroundings, grey levels.
VISIBLE = 7.0
#: Share of scenes in colour.
COLOURED = 0.3
#: Side of the periodic texture tiles, pixels.
TILE = 640
#: The tiles are the same in every process, so that a scene depends on its generator only.
TILE_SEED = 20
POINTS = 56

Draw = Callable[["Canvas", np.random.Generator], None]


@dataclass
class Scene:
    """Two images of one class, drawn independently: the first to refer to, the second to find the class in.

    images: two uint8 [H, W, 3], RGB (grey scenes have equal channels); masks: two uint8 [H, W] of 0 and 1, each with
    AREA[0]..AREA[1] of its pixels set; family: name of the recipe, a key of FAMILIES.
    """

    images: list[np.ndarray]
    masks: list[np.ndarray]
    family: str


def scene(rng: np.random.Generator, size: int = REFERENCE_SIZE) -> Scene:
    """A random scene of square images, `size` pixels a side (32..TILE; else ValueError).

    The same generator state gives the same scene.
    """
    if not 32 <= size <= TILE:
        raise ValueError(f"size: expected 32 to {TILE} pixels, found {size}")
    names = list(FAMILIES)
    weights = np.array([FAMILIES[name][1] for name in names], float)
    while True:
        name = names[rng.choice(len(names), p=weights / weights.sum())]
        made = pair(rng, name, size)
        if made:
            return made


def pair(rng: np.random.Generator, name: str, size: int) -> Scene | None:
    """Both drawings of one recipe, or None where its class came out too small, too large or unseen."""
    channels = 3 if rng.random() < COLOURED else 1
    film = Film.random(rng)
    draw = FAMILIES[name][0](rng, channels, film)
    made = Scene([], [], name)
    for _ in range(4):
        canvas = Canvas(rng, size, channels)
        draw(canvas, rng)
        if not AREA[0] <= canvas.label.mean() <= AREA[1]:
            continue
        image = film.develop(canvas.light, rng)
        if contrast(image, canvas.label) < VISIBLE:
            continue
        made.images.append(image)
        made.masks.append(canvas.label.astype(np.uint8))
        if len(made.images) == 2:
            return made
    return None


def contrast(image: np.ndarray, label: np.ndarray) -> float:
    """How a class bool [H, W] differs from what is around it in an image uint8 [H, W, 3], in grey levels.

    The larger of the differences of means and of deviations, over channels; infinite where there is nothing around it.
    """
    image, label = image[::3, ::3], label[::3, ::3]
    around = ndimage.binary_dilation(label, iterations=4) & ~label
    if not label.any() or not around.any():
        return np.inf
    inside, outside = image[label].astype(np.float32), image[around].astype(np.float32)
    gaps = np.abs(inside.mean(0) - outside.mean(0)), np.abs(inside.std(0) - outside.std(0))
    return float(np.max(gaps))


# Textures


@lru_cache(maxsize=1)
def tiles() -> dict[str, list[np.ndarray]]:
    """Periodic textures by name, each float32 [TILE, TILE] of mean 0 and deviation 1."""
    rng = np.random.default_rng(TILE_SEED)
    fy = np.fft.fftfreq(TILE)[:, None]
    fx = np.fft.rfftfreq(TILE)[None, :]
    f = np.hypot(fx, fy)
    f[0, 0] = 1

    def filtered(gain):
        spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE))) * gain
        spectrum[0, 0] = 0
        return np.fft.irfft2(spectrum, s=(TILE, TILE))

    def band(centre, width=0.35):
        return np.exp(-0.5 * (np.log(f / centre) / width) ** 2)

    def worley(count):
        points = rng.random((count, 2)) * TILE
        grid = np.stack(np.meshgrid(*[np.arange(0, TILE, 2)] * 2, indexing="ij"), -1).reshape(-1, 2)
        near = cKDTree(points, boxsize=TILE).query(grid, k=2)[0]
        return np.kron((near[:, 1] - near[:, 0]).reshape(TILE // 2, -1), np.ones((2, 2))) ** 0.5

    def speckle(across, along):
        gain = np.exp(-((fx * across) ** 2 + (fy * along) ** 2))
        return np.log(np.hypot(filtered(gain), filtered(gain)) + 1e-4).clip(-9)

    def grating(kx, ky):
        y, x = np.mgrid[:TILE, :TILE] / TILE
        warp = filtered(f**-2.0)
        return np.sin(2 * np.pi * (kx * x + ky * y) + 0.8 * warp / warp.std())

    kinds = {
        "cloud": [filtered(f**-p) for p in (1.6, 2.2)],
        "pink": [filtered(f**-p) for p in (0.8, 1.1)],
        "fine": [filtered(np.exp(-((f / s) ** 2))) for s in (0.5, 0.25)],
        "blotch": [filtered(band(c)) for c in (0.02, 0.05)],
        "spots": [np.maximum(filtered(band(c)), 0) ** 2 for c in (0.03, 0.07)],
        "ridge": [-np.abs(filtered(band(c, 0.5))) for c in (0.012, 0.03)],
        "fibre": [filtered(np.exp(-((fx * a) ** 2) - (fy * b) ** 2)) for a, b in ((60, 2), (25, 3))],
        "mesh": [worley(n) for n in (500, 1800)],
        "speckle": [speckle(a, b) for a, b in ((5, 3), (9, 4))],
        "grating": [grating(kx, ky) for kx, ky in ((40, 3), (19, 26))],
    }

    def standard(tile):
        tile = np.clip((tile - tile.mean()) / tile.std(), -4, 4)
        return np.ascontiguousarray(tile, np.float32)

    return {name: [standard(tile) for tile in made] for name, made in kinds.items()}


TEXTURES = ("cloud", "pink", "fine", "blotch", "spots", "ridge", "fibre", "mesh", "speckle", "grating")
ORGANIC = ("cloud", "pink", "fine", "blotch", "speckle", "cloud", "pink")


def texture(
    rng: np.random.Generator, name: str, height: int, width: int, zoom: float = 1.0, variant: int = 0
) -> np.ndarray:
    """A random window of a tile, float32 [height, width], about mean 0 and deviation 1; zoom > 1 is coarser."""
    tile = tiles()[name][variant]
    # Resizing costs: what is near enough is left as it is.
    zoom = 1.0 if 0.85 < zoom < 1.18 else max(zoom, max(height, width) / TILE)
    rows, columns = max(1, round(height / zoom)), max(1, round(width / zoom))
    top, left = rng.integers(TILE - rows + 1), rng.integers(TILE - columns + 1)
    window = tile[top : top + rows, left : left + columns]
    if rng.random() < 0.5:
        window = window[:, ::-1]
    if rng.random() < 0.5:
        window = window[::-1]
    if (rows, columns) == (height, width):
        return window
    return stretched(window, height, width)


def stretched(values: np.ndarray, height: int, width: int, smooth: bool = False) -> np.ndarray:
    """float32 [h, w] resized to [height, width]."""
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(np.ascontiguousarray(values, np.float32)).resize((width, height), how))


@dataclass(frozen=True)
class Look:
    """How a structure looks: colour float32 [channels] in 0..1, and a texture of deviation `contrast` around it."""

    colour: np.ndarray
    texture: str = "cloud"
    zoom: float = 1.0
    contrast: float = 0.04
    variant: int = 0

    def varied(self, rng: np.random.Generator, by: float = 0.03) -> Look:
        """The same look in another image: brightness moves for all channels alike, hue little."""
        shift = rng.normal(0, by) + rng.normal(0, by * 0.4, self.colour.shape)
        return replace(
            self,
            colour=np.clip(self.colour + shift, 0, 1).astype(np.float32),
            zoom=self.zoom * rng.uniform(0.85, 1.2),
            contrast=self.contrast * rng.uniform(0.8, 1.25),
        )


def colours(
    rng: np.random.Generator, count: int, channels: int, apart: float = 0.13, low=0.05, high=0.95, off=()
) -> list[np.ndarray]:
    """`count` colours, float32 [channels], in low..high and `apart` from each other and from those in `off`,
    as far as that can be had."""
    made: list[np.ndarray] = []
    tint = rng.uniform(-1, 1, 3)
    while len(made) < count:
        gap = apart
        while True:
            colour = np.full(channels, rng.uniform(low, high))
            if channels == 3:
                own = rng.uniform(-1, 1, 3)
                colour = np.clip(colour + 0.13 * tint + 0.16 * own, 0, 1)
            if all(np.abs(colour - other).mean() >= gap for other in (*made, *off)):
                break
            gap *= 0.95
        made.append(colour.astype(np.float32))
    return made


def looks(rng: np.random.Generator, count: int, channels: int, kinds=ORGANIC, contrast=(0.01, 0.08), **ranges) -> list:
    """`count` looks told apart by colour, most by texture as well."""
    return [
        Look(
            colour,
            str(rng.choice(kinds)),
            float(np.exp(rng.uniform(-0.7, 0.9))),
            rng.uniform(*contrast),
            int(rng.integers(2)),
        )
        for colour in colours(rng, count, channels, **ranges)
    ]


# Shapes


@dataclass(frozen=True)
class Shape:
    """A family of closed outlines: an ellipse made square, tapered, bent and wavy.

    aspect: length by width; square: exponent of the superellipse, 2 for none; waves: complex [K], harmonics 2..K+1 of
    the radius; spread: how much each member's own waves differ.
    """

    aspect: float = 1.0
    square: float = 2.0
    bend: float = 0.0
    taper: float = 0.0
    waves: np.ndarray = field(default_factory=lambda: np.zeros(5, complex))
    spread: float = 0.04

    @staticmethod
    def random(rng: np.random.Generator, wavy: float = 0.12, long: float = 2.2) -> Shape:
        falling = 1 / np.arange(1, 7) ** rng.uniform(0.8, 1.8)
        waves = rng.uniform(0, wavy) * falling * (rng.standard_normal(6) + 1j * rng.standard_normal(6))
        return Shape(
            aspect=float(np.exp(rng.uniform(0, np.log(long)))),
            square=rng.choice([2.0, 2.0, 2.0, 2.6, 3.5]),
            bend=rng.choice([0, 0, rng.uniform(0, 0.6)]),
            taper=rng.choice([0, 0, rng.uniform(-0.4, 0.4)]),
            waves=waves,
            spread=rng.uniform(0.1, 0.6) * wavy,
        )

    def outline(self, rng: np.random.Generator, centre, radius: float, angle: float = 0.0) -> np.ndarray:
        """One member, float [POINTS, 2]; radius: that of the circle of about the same area; angle in radians."""
        return self.outlines(rng, np.asarray(centre, float)[None], radius, angle)[0]

    def outlines(self, rng: np.random.Generator, centres, radii, angles=None) -> list[np.ndarray]:
        """A member at each of the centres [n, 2]; radii, angles: one for all or [n]; angles None: any. As `outline`."""
        n, harmonics = len(centres), len(self.waves)
        if n == 0:
            return []
        own = self.spread / np.arange(1, harmonics + 1)
        noise = rng.standard_normal((2, n, harmonics))
        waves = self.waves + own * (noise[0] + 1j * noise[1])
        r = np.clip(1 + (waves @ _harmonics(harmonics)).real, 0.35, 1.9)
        t = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
        c, s = np.cos(t), np.sin(t)
        r = r / (np.abs(c) ** self.square + np.abs(s) ** self.square) ** (1 / self.square)
        stretch = np.sqrt(self.aspect * rng.uniform(0.9, 1.1, (n, 1)))
        x, y = r * c * stretch, r * s / stretch
        if self.taper:
            y = y * (1 + self.taper * x / stretch)
        if self.bend:
            y = y + self.bend * (x * x / stretch**2 - 0.4) / stretch * 1.2
        angles = rng.uniform(0, 2 * np.pi, n) if angles is None else np.broadcast_to(angles, n)
        c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
        radii = np.broadcast_to(radii, n)[:, None, None]
        return list(np.asarray(centres)[:, None] + radii * np.stack([x * c - y * s, x * s + y * c], -1))


@lru_cache(maxsize=4)
def _harmonics(count: int) -> np.ndarray:
    """Harmonics 2..count+1 around an outline, complex [count, POINTS]."""
    t = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    return np.exp(1j * np.outer(np.arange(2, count + 2), t))


def path(rng: np.random.Generator, start, heading: float, length: float, wiggle: float, steps: int = 24) -> np.ndarray:
    """A smooth random curve, float [steps, 2], of the given length from `start`; wiggle: turn along it, radians."""
    turns = np.convolve(rng.standard_normal(steps + 8), np.hanning(9) / 2, "valid")[:steps] * wiggle / np.sqrt(steps)
    headings = heading + np.cumsum(turns)
    moves = np.stack([np.cos(headings), np.sin(headings)], 1) * length / steps
    return np.asarray(start) + np.cumsum(moves, 0)


def tube(line: np.ndarray, width) -> np.ndarray:
    """Outline of a tube along a curve [N, 2]; width: one number, or one for each point."""
    ahead = np.gradient(line, axis=0)
    normal = np.stack([-ahead[:, 1], ahead[:, 0]], 1) / (np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9)
    half = np.broadcast_to(np.asarray(width, float) / 2, len(line))[:, None]
    return np.concatenate([line + normal * half, (line - normal * half)[::-1]])


def tree(rng: np.random.Generator, start, heading, length, width, depth: int, wiggle: float) -> list[np.ndarray]:
    """Outlines of a tube that branches `depth` times, thinner each time."""
    line = path(rng, start, heading, length, wiggle)
    made = [tube(line, np.linspace(width, width * 0.7, len(line)))]
    if depth > 0:
        for side in (-1, 1):
            fork = int(rng.integers(len(line) // 3, len(line)))
            ahead = line[fork] - line[fork - 1]
            turned = np.arctan2(ahead[1], ahead[0]) + side * rng.uniform(0.25, 0.9)
            made += tree(rng, line[fork], turned, length * rng.uniform(0.6, 0.9), width * 0.68, depth - 1, wiggle)
    return made


def scattered(rng: np.random.Generator, count: int, apart: float, low=0.02, high=0.98) -> np.ndarray:
    """Up to `count` points, float [n, 2], in low..high and at least `apart` from each other."""
    points = rng.uniform(low, high, (min(count * 3, 400), 2))
    far = np.square(points[:, None] - points[None]).sum(-1) >= apart**2
    free = np.ones(len(points), bool)
    made = []
    while len(made) < count and free.any():
        made.append(int(free.argmax()))
        free &= far[made[-1]]
        free[made[-1]] = False
    return points[made]


# Drawing


def _blurred(image: Image.Image, sigma: float) -> Image.Image:
    """An image "L" blurred; what takes most of a scene's time: a small blur is one box, a large one is done small."""
    if sigma < 1.3:
        return image.filter(ImageFilter.BoxBlur(((12 * sigma**2 + 1) ** 0.5 - 1) / 2))
    if sigma < 1.8 or min(image.size) < 16:
        return image.filter(ImageFilter.GaussianBlur(sigma))
    by = 2 if sigma < 5 else 4
    small = image.reduce(by).filter(ImageFilter.GaussianBlur(sigma / by))
    return small.resize(image.size, Image.Resampling.BILINEAR)


class Canvas:
    """light: float32 [channels, H, W], about 0..1; label: bool [H, W], the class as far as nothing lies over it."""

    def __init__(self, rng: np.random.Generator, size: int, channels: int):
        self.rng, self.size, self.channels = rng, size, channels
        self.scale = size / REFERENCE_SIZE
        self.light = np.zeros((channels, size, size), np.float32)
        self.label = np.zeros((size, size), bool)

    def fill(self, look: Look) -> None:
        grain = texture(self.rng, look.texture, self.size, self.size, look.zoom * self.scale, look.variant)
        self.light[:] = look.colour[:, None, None] + look.contrast * grain

    def paint(
        self,
        outlines: list[np.ndarray],
        look: Look,
        *,
        of_class: bool = False,
        over: bool = True,
        soft_px: float = 0.9,
        opacity: float = 1.0,
        uneven: float = 0.0,
        dome: float = 0.0,
        fade: float = 0.0,
        adds: float = 0.0,
    ) -> None:
        """Draws outlines in one look.

        of_class: they join the class; otherwise, where `over`, they hide it. soft_px: blur of the border. uneven:
        deviation of brightness between outlines. dome: how much brighter (darker, below 0) the middle is than the rim.
        fade: how far the border melts into its surroundings at two random places. adds: instead of covering what is
        there, as X-rays do: this much more light.
        """
        if not outlines:
            return
        rng, size, soft = self.rng, self.size, float(soft_px) * self.scale
        margin = int(3 * soft) + 2
        every = np.concatenate(outlines) * size
        left, top = np.maximum(np.floor(every.min(0)).astype(int) - margin, 0)
        right, bottom = np.minimum(np.ceil(every.max(0)).astype(int) + margin, size)
        width, height = right - left, bottom - top
        if width < 2 or height < 2:
            return
        flat = Image.new("L", (width, height))
        pen = ImageDraw.Draw(flat)
        shades = Image.new("L", (width, height), 128) if uneven else None
        shader = ImageDraw.Draw(shades) if shades else None
        levels = np.clip(128 + 42 * rng.standard_normal(len(outlines)), 0, 255).astype(int).tolist()
        for outline, level in zip(outlines, levels, strict=True):
            points = (outline * size - (left, top)).ravel().tolist()
            pen.polygon(points, fill=255)
            if shader:
                shader.polygon(points, fill=level)
        inside = np.asarray(flat) > 0
        window = (slice(top, bottom), slice(left, right))
        alpha = np.asarray(_blurred(flat, soft), np.float32) * np.float32(opacity / 255)
        if fade:
            for at in rng.choice(len(every), 2):
                x, y = every[at] - (left, top)
                reach = rng.uniform(0.15, 0.4) * max(width, height)
                bump = np.exp(-(((np.arange(height) - y) / reach) ** 2)).astype(np.float32)[:, None] * np.exp(
                    -(((np.arange(width) - x) / reach) ** 2)
                ).astype(np.float32)
                alpha = alpha * (1 - np.float32(fade) * bump)
        here = self.light[:, window[0], window[1]]
        if adds:
            here += np.float32(adds) * alpha
        else:
            value = texture(rng, look.texture, height, width, look.zoom * self.scale, look.variant) * np.float32(
                look.contrast
            )
            if shades:
                level = np.asarray(_blurred(shades, soft), np.float32)
                value = value + (level - 128) * np.float32(uneven / 42)
            if dome:
                reach = 0.09 * np.sqrt(inside.mean() * width * height / len(outlines)) + 1
                value = value + np.float32(dome) * (
                    np.asarray(_blurred(flat, float(3 * reach)), np.float32) / 255 - np.float32(0.6)
                )
            for channel, colour in zip(here, np.broadcast_to(look.colour, len(here)), strict=True):
                channel += alpha * (value + colour - channel)
        if of_class:
            self.label[window] |= inside
        elif over and not adds:
            self.label[window] &= ~inside


@dataclass(frozen=True)
class Film:
    """What the instrument does to the light: both images of a scene share it, nearly."""

    blur_px: float = 0.0
    noise: float = 0.02
    grain: float = 1.0
    speckle: float = 0.0
    bias: float = 0.1
    gamma: float = 1.0
    contrast: float = 1.0
    invert: bool = False

    @staticmethod
    def random(rng: np.random.Generator) -> Film:
        return Film(
            blur_px=rng.choice([0, 0, rng.uniform(0.4, 1.6)]),
            noise=rng.choice([0.0, rng.uniform(0.005, 0.03), rng.uniform(0.02, 0.08)]),
            grain=rng.uniform(1.0, 2.0),
            speckle=rng.choice([0, 0, 0, 0, rng.uniform(0.05, 0.25)]),
            bias=rng.uniform(0, 0.3),
            gamma=float(np.exp(rng.uniform(-0.4, 0.4))),
            contrast=rng.choice([1.0, rng.uniform(0.5, 1.2)]),
            invert=bool(rng.random() < 0.15),
        )

    def develop(self, light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """light: float32 [channels, H, W] to uint8 [H, W, 3]."""
        channels, height, width = light.shape
        if self.bias:
            low = rng.normal(0, 1, (4, 4)) * self.bias * rng.uniform(0.5, 1.1)
            light = light * (1 + stretched(np.clip(low, -0.5, 0.5), height, width, smooth=True))
        if self.speckle:
            amount = np.float32(self.speckle * rng.uniform(0.85, 1.15))
            light = light * (1 + amount * texture(rng, "speckle", height, width, rng.uniform(0.8, 1.3)))
        gamma = self.gamma * np.exp(rng.normal(0, 0.08))
        contrast = self.contrast * rng.uniform(0.92, 1.08)
        ramp = np.linspace(0, 1, 256) ** gamma
        ramp = np.clip(0.5 + contrast * (ramp - 0.5) + rng.normal(0, 0.03), 0, 1)
        if self.invert:
            ramp = 1 - ramp
        table = np.round(255 * ramp).astype(np.uint8)
        noise = texture(rng, "fine", height, width, self.grain) * np.float32(self.noise) if self.noise else 0
        planes = []
        for channel in light:
            if self.blur_px:
                image = Image.fromarray(np.clip(channel * 255, 0, 255).astype(np.uint8))
                image = _blurred(image, float(self.blur_px) * width / REFERENCE_SIZE)
                channel = np.asarray(image, np.float32) * np.float32(1 / 255)
            planes.append(table[np.clip((channel + noise) * 255, 0, 255).astype(np.uint8)])
        return np.stack(planes * (3 // channels), -1)


def _sometimes(rng, probability: float, low: float, high: float) -> float:
    return float(rng.uniform(low, high)) if rng.random() < probability else 0.0


# Families: each draws the recipe once, and returns what draws one image of it.


def body(rng: np.random.Generator, channels: int, film: Film) -> Draw:
    """A slice through a body: an outline, a rind, organs of several kinds, some in pairs; the class is one kind."""
    count = int(rng.integers(2, 6))
    air = looks(rng, 1, channels, high=0.1, contrast=(0, 0.02))[0]
    flesh, rind, bone, vessel, *kinds = looks(rng, count + 4, channels, apart=0.12)
    outer = Shape.random(rng, 0.05, 1.6)
    large = rng.uniform(0.36, 0.48) if rng.random() < 0.75 else rng.uniform(0.6, 0.8)
    shapes = [Shape.random(rng, 0.14) for _ in kinds]
    radii = np.exp(rng.uniform(np.log(0.12), np.log(0.34), count))
    pairs = rng.random(count) < 0.35
    places = rng.uniform(-0.6, 0.6, (count, 2))
    angles = rng.uniform(-np.pi, np.pi, count)
    which = int(rng.integers(count))
    if rng.random() < 0.5:
        # Large and paired, tall, of the body's darkest or lightest look: what fills a chest.
        pairs[which], radii[which] = True, rng.uniform(0.26, 0.42)
        places[which] = rng.uniform(0.42, 0.54), rng.uniform(-0.15, 0.15)
        shapes[which] = replace(shapes[which], aspect=rng.uniform(1.3, 2), bend=rng.uniform(0, 0.5))
        angles[which] = np.pi / 2 + rng.normal(0, 0.2)
        if rng.random() < 0.7 and flesh.colour.mean() > 0.3:
            kinds[which] = replace(kinds[which], colour=np.full(channels, rng.uniform(0, 0.15), np.float32))
    soft = rng.uniform(0.7, 3.5)
    fade = _sometimes(rng, 0.35, 0.4, 1.0)
    walls = rng.random() < 0.3
    inside = _sometimes(rng, 0.5, 3, 16)
    order = [k for k in rng.permutation(count) if k != which]
    order.insert(int(rng.integers(max(1, count - 1), count + 1)), which)

    def draw(canvas, rng):
        canvas.fill(air)
        middle = 0.5 + rng.normal(0, 0.025, 2)
        r = large * rng.uniform(0.9, 1.08)
        tilt = rng.normal(0, 0.08)
        canvas.paint([outer.outline(rng, middle, r, tilt)], rind.varied(rng))
        canvas.paint([outer.outline(rng, middle, r * rng.uniform(0.86, 0.94), tilt)], flesh.varied(rng))
        stretch = np.array([np.sqrt(outer.aspect), 1 / np.sqrt(outer.aspect)]) * r
        for at in rng.uniform(-0.75, 0.75, (int(rng.integers(0, 4)), 2)):
            canvas.paint([Shape(1.3).outline(rng, middle + at * stretch, r * rng.uniform(0.05, 0.14))], bone)
        for k in order:
            look, sides = kinds[k].varied(rng), (-1, 1) if pairs[k] else (1,)
            made = []
            for side in sides:
                place = (places[k] + rng.normal(0, 0.04, 2)) * (side, 1)
                size = r * radii[k] * rng.uniform(0.8, 1.2)
                part = shapes[k].outline(rng, (0, 0), size, angles[k] + rng.normal(0, 0.12))
                made.append(middle + place * stretch + part * (side, 1))
            if walls:
                shell = [m.mean(0) + (m - m.mean(0)) * 1.1 for m in made]
                canvas.paint(shell, bone, soft_px=soft, opacity=0.8)
            canvas.paint(made, look, of_class=k == which, soft_px=soft, fade=fade)
            if k == which and inside:
                spots = []
                for m in made:
                    for _ in range(int(inside / len(made)) + 1):
                        at = m.mean(0) + (m[rng.integers(len(m))] - m.mean(0)) * rng.uniform(0, 0.8)
                        line = path(rng, at, rng.uniform(0, 7), rng.uniform(0.01, 0.06), 1, 6)
                        spots.append(tube(line, rng.uniform(0.004, 0.014)))
                canvas.paint(spots, vessel, over=False, opacity=rng.uniform(0.3, 0.9))

    return draw


def projection(rng: np.random.Generator, channels: int, film: Film) -> Draw:
    """A radiograph: organs add up instead of hiding each other; ribs and a spine cross them; borders are soft."""
    base = looks(rng, 1, channels, low=0.45, high=0.75)[0]
    shape = Shape.random(rng, 0.08, 1.5)
    chamber = replace(shape, aspect=rng.uniform(1.4, 2.1), bend=rng.uniform(-0.1, 0.5), taper=rng.uniform(0, 0.45))
    blob = Shape.random(rng, 0.1, 1.6)
    dark = -rng.uniform(0.14, 0.42)
    bright = rng.uniform(0.1, 0.25)
    high, r = rng.uniform(0.4, 0.55), rng.uniform(0.13, 0.22)
    gap = r * rng.uniform(0.95, 1.2)
    ribs = int(rng.integers(0, 10))
    rib = rng.uniform(0.02, 0.09)
    soft = rng.uniform(2, 7)
    fade = _sometimes(rng, 0.6, 0.3, 0.9)
    wanted = rng.choice(["chambers", "chambers", "blob", "bubbles"])
    above = bool(rng.random() < 0.5)

    def draw(canvas, rng):
        look = base.varied(rng)
        canvas.fill(look)
        centre = np.array([0.5, high]) + rng.normal(0, 0.03, 2)
        trunk = Shape(0.8, 3.0).outline(rng, centre + (0, 0.1), 0.5 * rng.uniform(0.9, 1.1))
        canvas.paint([trunk], look, adds=rng.uniform(0, 0.2), soft_px=8)
        k = rng.uniform(0.85, 1.15)
        two = [
            centre + (side * gap * k, rng.normal(0, 0.015)) + chamber.outline(rng, (0, 0), r * k, upright) * (side, 1)
            for side, upright in ((-1, np.pi / 2 + rng.normal(0, 0.1)), (1, np.pi / 2 + rng.normal(0, 0.1)))
        ]
        heart = [
            blob.outline(
                rng, centre + (rng.uniform(-0.02, 0.08), r * k * 0.7), 0.1 * rng.uniform(0.8, 1.4), rng.normal(0, 0.4)
            )
        ]
        bubbles = [
            Shape(1.3).outline(rng, at, rng.uniform(0.02, 0.05), rng.uniform(0, 3))
            for at in rng.uniform((0.25, 0.72), (0.75, 0.95), (3, 2))
        ]
        for m in two:
            canvas.paint(
                [m], look, adds=dark * rng.uniform(0.85, 1.15), soft_px=soft, fade=fade, of_class=wanted == "chambers"
            )
        canvas.paint(
            [tube(path(rng, centre - (0, 0.7), np.pi / 2, 1.5, 0.3), 0.07 * k)], look, adds=bright * 0.8, soft_px=2.5
        )
        canvas.paint(heart, look, adds=bright, soft_px=soft, fade=fade, of_class=wanted == "blob")
        if wanted == "chambers" and above:
            x, y = (heart[0] * canvas.size).T
            cover = Image.new("L", (canvas.size, canvas.size))
            ImageDraw.Draw(cover).polygon(np.stack([x, y], 1).ravel().tolist(), fill=1)
            canvas.label &= np.asarray(cover) == 0
            canvas.paint(heart, look, adds=-dark * 0.8, soft_px=soft * 0.7)
        canvas.paint(bubbles, look, adds=dark * 0.8, soft_px=2, of_class=wanted == "bubbles")
        bars = []
        for i in range(ribs):
            y = centre[1] - 0.3 + 0.6 * i / ribs + rng.normal(0, 0.008)
            for side in (-1, 1):
                x = np.linspace(0.02, 0.42, 16)
                curve = np.stack([centre[0] + side * x, y + 0.5 * x * x + 0.06 * np.sin(x * 8)], 1)
                bars.append(tube(curve, 0.022))
        canvas.paint(bars, look, adds=rib, soft_px=1.3)

    return draw


def cells(rng: np.random.Generator, channels: int, film: Film) -> Draw:
    """A smear: many plain cells, few large ones with a nucleus, specks; the class is one of those, or the nucleus."""
    ground = looks(rng, 1, channels, contrast=(0, 0.02), low=0.75, high=0.95)[0]
    if rng.random() < 0.25:
        ground = replace(ground, colour=1 - ground.colour)
    kinds = ("cloud", "fine", "spots", "blotch", "pink")
    off = [ground.colour]
    plain, plasm, core, third = looks(rng, 4, channels, apart=0.12, low=0.1, high=0.85, kinds=kinds, off=off)
    small = rng.uniform(0.03, 0.065)
    big = small * rng.uniform(1.3, 2.6)
    shape_small, shape_big = (replace(Shape.random(rng, w, 1.3), square=2.0, bend=0.0) for w in (0.04, 0.1))
    lobes = int(rng.integers(1, 5))
    share = rng.uniform(0.45, 0.75)
    hollow = _sometimes(rng, 0.6, 0.1, 0.3)
    dense = rng.uniform(0.15, 1.0)
    wanted = rng.choice(["big", "big", "core", "plain", "third"])
    close = rng.random() < 0.35
    soft = rng.uniform(0.7, 1.6)

    def draw(canvas, rng):
        canvas.fill(ground.varied(rng, 0.015))
        zoom = rng.uniform(1.6, 3.0) if close else rng.uniform(0.85, 1.15)
        s, b = small * zoom, big * zoom
        count = int(dense * min(90, 0.28 / s**2)) + 1
        where = scattered(rng, count, s * 1.75, -0.03, 1.03)
        crowd = shape_small.outlines(rng, where, s * rng.uniform(0.85, 1.15, len(where)))
        canvas.paint(
            crowd,
            plain.varied(rng),
            soft_px=soft,
            uneven=0.03,
            dome=-hollow if plain.colour.mean() > ground.colour.mean() else hollow,
            of_class=wanted == "plain",
        )
        margin = 0.12
        for at in scattered(rng, int(rng.integers(1, 3 if close else 5)), b * 2.1, margin, 1 - margin):
            r = b * rng.uniform(0.85, 1.2)
            canvas.paint(
                [shape_big.outline(rng, at, r, rng.uniform(0, 7))],
                plasm.varied(rng, 0.02),
                soft_px=soft,
                of_class=wanted == "big",
            )
            turn = rng.uniform(0, 7)
            nucleus = [
                Shape(1.2, spread=0.05).outline(
                    rng,
                    at + r * (0.42 if lobes > 1 else 0.1) * np.array([np.cos(turn + i * 1.7), np.sin(turn + i * 1.7)]),
                    r * share * (1 if lobes == 1 else 0.62),
                    rng.uniform(0, 7),
                )
                for i in range(lobes)
            ]
            canvas.paint(nucleus, core.varied(rng, 0.02), soft_px=soft, of_class=wanted == "core", over=wanted != "big")
        specks = [
            Shape(1.1).outline(rng, at, s * rng.uniform(0.25, 0.45))
            for at in scattered(rng, int(rng.integers(3, 14)), s)
        ]
        canvas.paint(specks, third.varied(rng), soft_px=soft, of_class=wanted == "third", over=False)

    return draw


def ultrasound(rng: np.random.Generator, channels: int, film: Film) -> Draw:
    """Speckled layers with dark or bright blobs, a round skull-like ring or a lying vessel, and shadows below them."""
    kind = rng.choice(["blob", "blob", "blob", "ring", "vessel"])
    bands = looks(
        rng,
        int(rng.integers(3, 7)),
        1,
        kinds=("fibre", "cloud", "fibre", "pink"),
        contrast=(0.03, 0.12),
        low=0.28,
        high=0.75,
        apart=0.07,
    )
    dark = bool(rng.random() < 0.8)
    level = rng.uniform(0.02, 0.16) if dark else rng.uniform(0.75, 0.95)
    inside = Look(np.full(1, level, np.float32), "cloud", 1.0, rng.uniform(0.01, 0.05))
    wall = Look(np.full(1, rng.uniform(0.7, 1) if dark else 0.12, np.float32), "pink", 1.0, 0.1 if dark else 0.03)
    shape = Shape.random(rng, rng.choice([0.06, 0.2]), 2.0)
    radius = np.exp(rng.uniform(np.log(0.06), np.log(0.22)))
    shade = rng.uniform(-0.2, 0.2)
    soft = rng.uniform(1.2, 5)
    fade = _sometimes(rng, 0.5, 0.3, 0.9)
    fan = rng.random() < 0.3
    speckle = rng.uniform(0.2, 0.42)
    coarse, variant = rng.uniform(0.7, 1.8), int(rng.integers(2))
    rim = rng.random() < 0.35
    lobule = Shape.random(rng, 0.1, 3.0)
    lobules = int(rng.choice([0, rng.integers(3, 12)]))

    def draw(canvas, rng):
        canvas.fill(bands[0].varied(rng))
        y = rng.uniform(0.05, 0.2)
        for band in bands[1:]:
            x = np.linspace(-0.05, 1.05, 24)
            top = (
                y
                + rng.normal(0, 0.06) * (x - 0.5)
                + rng.uniform(0, 0.03) * np.sin(x * rng.uniform(3, 9) + rng.uniform(0, 7))
            )
            canvas.paint(
                [np.concatenate([np.stack([x, top], 1), [[1.05, 1.1], [-0.05, 1.1]]])],
                band.varied(rng),
                soft_px=rng.uniform(1, 5),
            )
            y += rng.uniform(0.06, 0.3)
        if lobules:
            where = rng.uniform(0, 1, (lobules, 2))
            made = lobule.outlines(rng, where, rng.uniform(0.04, 0.13, lobules), rng.normal(0, 0.3, lobules))
            canvas.paint(made, bands[1], opacity=0.6, uneven=0.1, soft_px=2)
        streaks = [
            tube(path(rng, at, rng.normal(0, 0.25), rng.uniform(0.05, 0.3), 0.6, 10), rng.uniform(0.004, 0.012))
            for at in rng.uniform(0, 1, (int(rng.integers(2, 9)), 2))
        ]
        canvas.paint(streaks, wall, opacity=0.6, soft_px=1.5)
        # Darker patches of no clear border are not the class.
        vague = [
            Shape(1.8, spread=0.15).outline(rng, at, rng.uniform(0.04, 0.1)) for at in rng.uniform(0.05, 0.95, (2, 2))
        ]
        canvas.paint(vague, Look(np.full(1, 0.25, np.float32)), opacity=0.45, soft_px=9)
        at = rng.uniform(0.28, 0.72, 2)
        r = radius * rng.uniform(0.75, 1.3)
        if kind == "ring":
            r = max(r, 0.13) * 1.25
            skull = Shape(rng.uniform(1.1, 1.4), spread=0.015).outline(rng, at, r, rng.uniform(0, 3))
            canvas.paint([skull], wall, soft_px=1.5, fade=0.9, of_class=True)
            core = at + (skull - at) * (1 - 0.012 / r)
            canvas.paint([core], replace(inside, colour=bands[-1].colour * 0.6), soft_px=2, of_class=True)
            within = [at + (rng.uniform(-0.45, 0.45, 2)) * r for _ in range(3)]
            canvas.paint(
                [Shape(2.5).outline(rng, p, r * 0.15, rng.uniform(0, 3)) for p in within],
                wall,
                opacity=0.5,
                soft_px=3,
                over=False,
            )
            body_outline = skull
        else:
            if kind == "vessel":
                line = path(rng, (-0.05, at[1]), rng.normal(0, 0.12), 1.15, 0.5)
                body_outline = tube(line, r * rng.uniform(0.5, 1.1))
                canvas.paint([tube(line, r * 1.1 + 0.02)], wall, soft_px=2, opacity=0.6)
            else:
                body_outline = shape.outline(rng, at, r, rng.normal(0, 0.3))
                if rim:
                    canvas.paint([at + (body_outline - at) * 1.08], wall, soft_px=3, opacity=0.4)
            canvas.paint([body_outline], inside.varied(rng, 0.02), soft_px=soft, fade=fade, of_class=True)
        if kind != "vessel" and abs(shade) > 0.06:
            left, low = body_outline.min(0)
            right, high = body_outline.max(0)
            inset = 0.15 * (right - left)
            below = np.array([[left + inset, high], [right - inset, high], [right, 1.1], [left, 1.1]])
            canvas.paint([below], inside, adds=shade, soft_px=6)
        canvas.light *= 1 + np.float32(speckle) * texture(
            rng, "speckle", canvas.size, canvas.size, coarse * canvas.scale, variant
        )
        canvas.light *= np.linspace(1.15, rng.uniform(0.45, 1.0), canvas.size, dtype=np.float32)[:, None]
        if fan:
            t = np.linspace(-0.6, 0.6, 24)
            arc = np.stack([0.5 + 1.15 * np.sin(t), -0.18 + 1.15 * np.cos(t)], 1)
            sector = np.concatenate([arc, [[0.6, 0.0], [0.4, 0.0]]])
            keep = Image.new("L", (canvas.size, canvas.size))
            ImageDraw.Draw(keep).polygon((sector * canvas.size).ravel().tolist(), fill=1)
            seen = np.asarray(keep) > 0
            canvas.light *= seen
            canvas.label &= seen

    return draw


def vessels(rng: np.random.Generator, channels: int, film: Film) -> Draw:
    """Branching tubes over a textured ground with a disc and blobs; the class is the tubes, or the disc."""
    ground, blood, disc, other = looks(rng, 4, channels, apart=0.14)
    thick = np.exp(rng.uniform(np.log(0.008), np.log(0.06)))
    depth = int(rng.integers(0, 4))
    count = int(rng.integers(1, 5)) if thick < 0.03 else 1
    wiggle = rng.uniform(0.2, 1.8)
    wanted = rng.choice(["tubes", "tubes", "disc"])
    radial = rng.random() < 0.4
    round_view = rng.random() < 0.3
    cross = rng.random() < 0.4
    soft = rng.uniform(0.7, 1.8)
    fade = _sometimes(rng, 0.3, 0.3, 0.8)

    def draw(canvas, rng):
        canvas.fill(ground.varied(rng))
        centre = rng.uniform(0.3, 0.7, 2)
        r = rng.uniform(0.06, 0.12)
        blobs = [Shape(1.3, spread=0.1).outline(rng, p, rng.uniform(0.02, 0.07)) for p in scattered(rng, 4, 0.2)]
        canvas.paint(blobs, other.varied(rng), soft_px=2)
        canvas.paint(
            [Shape(1.1, spread=0.02).outline(rng, centre, r)], disc.varied(rng), soft_px=2.5, of_class=wanted == "disc"
        )
        made = []
        for _ in range(count):
            heading = rng.uniform(0, 7) if radial else rng.normal(0, 0.3)
            start = centre if radial else (-0.02, rng.uniform(0.15, 0.85))
            made += tree(
                rng,
                start,
                heading,
                rng.uniform(0.35, 0.6) if depth else 1.2,
                thick * rng.uniform(0.8, 1.2),
                depth,
                wiggle,
            )
        if cross:
            line = path(rng, (rng.uniform(0.2, 0.8), -0.05), np.pi / 2, 1.2, 1.5)
            canvas.paint([tube(line, thick * 1.8)], other.varied(rng), soft_px=soft)
        canvas.paint(
            made, blood.varied(rng), soft_px=soft, fade=fade, of_class=wanted == "tubes", over=False, dome=0.05
        )
        if round_view:
            y, x = np.ogrid[: canvas.size, : canvas.size]
            seen = (x / canvas.size - 0.5) ** 2 + (y / canvas.size - 0.5) ** 2 < 0.48**2
            canvas.light *= seen
            canvas.label &= seen

    return draw


def nuclei(rng: np.random.Generator, channels: int, film: Film) -> Draw:
    """Many small instances, glowing or stained, of one kind or two; the class is one kind."""
    glow = rng.random() < 0.5
    if glow:
        ground = looks(rng, 1, channels, low=0.02, high=0.15, contrast=(0, 0.03))[0]
        mine, other = looks(rng, 2, channels, low=0.3, high=0.95, apart=0.2, contrast=(0.02, 0.08))
    else:
        ground = looks(
            rng,
            1,
            channels,
            low=0.55,
            high=0.9,
            contrast=(0.03, 0.12),
            kinds=("ridge", "mesh", "fibre", "cloud", "blotch"),
        )[0]
        mine, other = looks(
            rng, 2, channels, low=0.1, high=0.5, apart=0.15, contrast=(0.03, 0.1), kinds=("spots", "blotch", "pink")
        )
    radius = np.exp(rng.uniform(np.log(0.012), np.log(0.06)))
    number = int(min(100, rng.uniform(0.04, 0.35) / (3.2 * radius**2))) + 1
    shape, odd = Shape.random(rng, 0.08, 1.8), Shape.random(rng, 0.15, 3.0)
    rivals = int(number * rng.choice([0, rng.uniform(0.1, 0.8)]))
    ratio = rng.choice([0.5, 0.7, 1.5])
    close = rng.uniform(1.3, 2.2)
    uneven = rng.uniform(0, 0.1)
    soft = rng.uniform(0.7, 2)
    dome = _sometimes(rng, 0.5, -0.15, 0.2)
    layers = rng.random() < 0.4
    stripe = looks(
        rng, 1, channels, contrast=(0.03, 0.1), low=0.2 if not glow else 0.05, high=0.8 if not glow else 0.25
    )[0]

    def draw(canvas, rng):
        canvas.fill(ground.varied(rng, 0.02))
        r = radius * rng.uniform(0.8, 1.25)
        if layers:
            patches = [
                Shape(2, spread=0.15).outline(rng, p, rng.uniform(0.08, 0.25), rng.uniform(0, 3))
                for p in rng.uniform(0, 1, (3, 2))
            ]
            canvas.paint(patches, stripe.varied(rng, 0.02), opacity=0.7, soft_px=3)
        n = max(1, int(number * rng.uniform(0.6, 1.3)))
        points = scattered(rng, n + rivals, r * close, 0, 1)
        rng.shuffle(points)
        theirs, ours = points[: min(rivals, len(points) // 2)], points[min(rivals, len(points) // 2) :]
        canvas.paint(odd.outlines(rng, theirs, r * ratio), other.varied(rng), uneven=uneven / 2, soft_px=soft)
        canvas.paint(
            shape.outlines(rng, ours, r * np.exp(rng.normal(0, 0.15, len(ours)))),
            mine.varied(rng),
            uneven=uneven,
            soft_px=soft,
            dome=dome,
            of_class=True,
        )

    return draw


def defects(rng: np.random.Generator, channels: int, film: Film) -> Draw:
    """A surface of regular texture with flaws of several kinds; the class is one kind."""
    ground = looks(
        rng,
        1,
        channels,
        kinds=("fibre", "grating", "mesh", "fine", "pink", "cloud"),
        low=0.3,
        high=0.8,
        contrast=(0.03, 0.12),
    )[0]
    shades = looks(rng, 3, channels, kinds=TEXTURES, contrast=(0.02, 0.15), apart=0.15)
    # One of them is the ground's colour nearly: it shows by its texture.
    shades[0] = replace(
        shades[0],
        colour=np.clip(ground.colour + rng.uniform(0.08, 0.18) * rng.choice([-1, 1]), 0, 1).astype(np.float32),
    )
    kinds = rng.permutation(["crack", "stain", "pits", "scratch", "edge"])[:3]
    wanted = kinds[0]
    shape = Shape.random(rng, 0.25, 2.5)
    size = np.exp(rng.uniform(np.log(0.06), np.log(0.2)))
    width = rng.uniform(0.008, 0.03)
    tile = rng.random() < 0.3
    soft = rng.uniform(0.7, 2.5)
    joint = looks(rng, 1, channels)[0]

    def draw(canvas, rng):
        canvas.fill(ground.varied(rng))
        if tile:
            step = rng.uniform(0.2, 0.5)
            lines = [
                np.array([[v, -0.1], [v + 0.012, -0.1], [v + 0.012, 1.1], [v, 1.1]])
                for v in np.arange(rng.uniform(0, step), 1, step)
            ]
            canvas.paint(lines + [m[:, ::-1] for m in lines], joint)
        for kind, look in reversed(list(zip(kinds, shades, strict=True))):
            if kind != wanted and rng.random() < 0.3:
                continue
            if kind == "crack":
                made = tree(
                    rng,
                    rng.uniform(0.05, 0.5, 2),
                    rng.uniform(-0.5, 1.8),
                    rng.uniform(0.3, 0.6),
                    width,
                    int(rng.integers(0, 3)),
                    rng.uniform(0.8, 2.2),
                )
            elif kind == "stain":
                made = [
                    shape.outline(rng, p, size * rng.uniform(0.7, 1.3), rng.uniform(0, 7))
                    for p in scattered(rng, int(rng.integers(1, 4)), size * 2, 0.1, 0.9)
                ]
            elif kind == "pits":
                made = [
                    Shape(1.2, spread=0.1).outline(rng, p, size * 0.2 * rng.uniform(0.7, 1.4))
                    for p in scattered(rng, int(rng.integers(4, 20)), size * 0.6)
                ]
            elif kind == "scratch":
                made = [
                    tube(path(rng, p, rng.uniform(0, 7), rng.uniform(0.2, 0.7), 0.4), width * 0.7)
                    for p in rng.uniform(0.2, 0.8, (int(rng.integers(1, 5)), 2))
                ]
            else:
                x = np.linspace(-0.05, 1.05, 40)
                y = rng.uniform(0.08, 0.3) + 0.03 * np.convolve(rng.standard_normal(48), np.ones(9) / 3, "valid")
                made = [np.concatenate([np.stack([x, y], 1), [[1.1, -0.1], [-0.1, -0.1]]])]
                if rng.random() < 0.5:
                    made = [m[:, ::-1] for m in made]
            canvas.paint(made, look.varied(rng), soft_px=soft, of_class=kind == wanted)

    return draw


def rings(rng: np.random.Generator, channels: int, film: Film) -> Draw:
    """Nested outlines, as of an eye, a heart in section or a stem; the class is one ring, or all within one outline."""
    count = int(rng.integers(2, 5))
    ground, clutter, *shells = looks(rng, count + 2, channels, apart=0.12)
    shape = Shape.random(rng, 0.08, 1.5)
    large = rng.uniform(0.14, 0.42)
    cuts = np.sort(rng.uniform(0.3, 0.9, count - 1))[::-1]
    if count > 2:
        cuts = np.linspace(0.82, 0.3, count - 1) + rng.normal(0, 0.03, count - 1)
    ratios = [1.0, *cuts]
    which = int(rng.integers(count))
    filled = bool(rng.random() < 0.5)
    off = rng.uniform(0, 0.08)
    soft = rng.uniform(0.8, 4)
    fade = _sometimes(rng, 0.4, 0.4, 1.0)
    several = large < 0.2 and rng.random() < 0.5

    def draw(canvas, rng):
        canvas.fill(ground.varied(rng))
        blobs = [
            Shape(1.5, spread=0.12).outline(rng, p, rng.uniform(0.04, 0.14), rng.uniform(0, 3))
            for p in scattered(rng, int(rng.integers(1, 6)), 0.25)
        ]
        canvas.paint(blobs, clutter.varied(rng), soft_px=soft)
        decoy = [
            Shape(1.2, spread=0.05).outline(rng, p, rng.uniform(0.03, 0.08)) for p in rng.uniform(0.05, 0.95, (2, 2))
        ]
        canvas.paint(decoy, shells[which - 1].varied(rng), soft_px=soft)
        own = [look.varied(rng) for look in shells]
        for at in (
            scattered(rng, 3 if several else 1, large * 2.1, 0.25, 0.75) if several else [rng.uniform(0.38, 0.62, 2)]
        ):
            r = large * rng.uniform(0.8, 1.2)
            first = shape.outline(rng, at, r, rng.uniform(0, 7) if several else rng.normal(0, 0.3))
            for k, ratio in enumerate(ratios):
                part = at + rng.normal(0, off, 2) * r * (k > 0) + (first - at) * ratio
                canvas.paint([part], own[k], soft_px=soft, fade=fade, of_class=k == which, over=not filled or k < which)

    return draw


def blobs(rng: np.random.Generator, channels: int, film: Film) -> Draw:
    """Shapes that differ from the ground, and from other shapes, by texture more than by colour."""
    names = rng.permutation(TEXTURES)[:3]
    colour = colours(rng, 1, channels, low=0.35, high=0.65)[0]
    near = rng.uniform(0, 0.07)
    ground, mine, other = (
        Look(
            np.clip(colour + rng.normal(0, 1) * near, 0, 1).astype(np.float32),
            str(name),
            float(np.exp(rng.uniform(-0.6, 0.6))),
            rng.uniform(0.09, 0.2),
            int(rng.integers(2)),
        )
        for name in names
    )
    shapes = [Shape.random(rng, 0.2), Shape.random(rng, 0.2)]
    radius = np.exp(rng.uniform(np.log(0.07), np.log(0.28)))
    soft = rng.uniform(0.8, 4)
    number = 1 if radius > 0.15 else int(rng.integers(1, 6))

    def draw(canvas, rng):
        canvas.fill(ground.varied(rng, 0.01))
        r = radius * rng.uniform(0.8, 1.2)
        points = scattered(rng, number + int(rng.integers(1, 4)), r * 1.8, 0.12, 0.88)
        canvas.paint(
            [shapes[1].outline(rng, p, r * rng.uniform(0.5, 1), rng.uniform(0, 7)) for p in points[number:]],
            other.varied(rng, 0.01),
            soft_px=soft,
        )
        canvas.paint(
            [shapes[0].outline(rng, p, r, rng.uniform(0, 7)) for p in points[:number]],
            mine.varied(rng, 0.01),
            soft_px=soft,
            of_class=True,
        )

    return draw


def column(rng: np.random.Generator, channels: int, film: Film) -> Draw:
    """A row of like blocks along a curve with cushions between and a cord beside: the class is one of the three."""
    ground, block, cushion, cord, other = looks(rng, 5, channels, apart=0.12)
    number = int(rng.integers(4, 9))
    thick = rng.uniform(0.08, 0.17)
    shape = Shape(rng.uniform(1.0, 1.5), rng.choice([2.6, 4.0, 5.0]), waves=Shape.random(rng, 0.05).waves, spread=0.03)
    tight = rng.uniform(0.7, 0.95)
    wanted = rng.choice(["block", "block", "cushion", "cord"])
    soft = rng.uniform(0.8, 2.5)
    upright = rng.random() < 0.8
    wiggle = rng.uniform(0.05, 0.5)

    def draw(canvas, rng):
        canvas.fill(ground.varied(rng))
        line = path(rng, (rng.uniform(0.35, 0.6), -0.02), np.pi / 2 + rng.normal(0, 0.1), 1.1, wiggle, 60)
        if not upright:
            line = line[:, ::-1]
        clutter = [
            Shape(2, spread=0.12).outline(rng, p, rng.uniform(0.05, 0.15), rng.uniform(0, 3))
            for p in rng.uniform(0, 1, (4, 2))
        ]
        canvas.paint(clutter, other.varied(rng), soft_px=3)
        ahead = np.gradient(line, axis=0)
        normal = np.stack([-ahead[:, 1], ahead[:, 0]], 1) / np.linalg.norm(ahead, axis=1, keepdims=True)
        canvas.paint(
            [tube(line - normal * thick * 0.95, thick * 0.45)],
            cord.varied(rng),
            soft_px=soft,
            of_class=wanted == "cord",
        )
        canvas.paint(
            [tube(line, thick * 0.8)], cushion.varied(rng), soft_px=soft, of_class=wanted == "cushion", opacity=0.9
        )
        blocks = []
        for at in np.linspace(2, len(line) - 3, number).astype(int):
            angle = np.arctan2(ahead[at, 1], ahead[at, 0]) + np.pi / 2 + rng.normal(0, 0.06)
            blocks.append(shape.outline(rng, line[at], tight * 0.5 * min(1.1 / number, thick * 1.3), angle))
        canvas.paint(blocks, block.varied(rng), soft_px=soft, uneven=0.02, of_class=wanted == "block")

    return draw


#: Recipe and weight by name. Heavier: what a folder of medical images most often holds.
FAMILIES: dict[str, tuple[Callable[[np.random.Generator, int, Film], Draw], float]] = {
    "body": (body, 2.0),
    "projection": (projection, 1.2),
    "cells": (cells, 1.6),
    "ultrasound": (ultrasound, 1.8),
    "vessels": (vessels, 1.0),
    "nuclei": (nuclei, 1.2),
    "defects": (defects, 1.0),
    "rings": (rings, 1.2),
    "blobs": (blobs, 0.8),
    "column": (column, 0.8),
}
