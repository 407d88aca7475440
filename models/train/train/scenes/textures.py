"""Periodic noise of many kinds, made once and cut out where it is wanted."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

#: Side of the periodic texture tiles, pixels.
TILE = 640
#: The tiles are the same in every process, so that a scene depends on its generator only.
TILE_SEED = 20

TEXTURES = ("cloud", "pink", "fine", "blotch", "spots", "ridge", "fibre", "mesh", "speckle", "grating")
ORGANIC = ("cloud", "pink", "fine", "blotch", "speckle", "cloud", "pink")


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
