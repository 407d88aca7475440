"""Images to compare and calibrate with: float32 [H, W, 3], RGB in 0..255."""

from pathlib import Path

import numpy as np

from . import dinov2, sam

EXTENSIONS = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"}


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)


def structured(height: int, width: int) -> np.ndarray:
    """A ramp with stripes and a bright disc: smooth and sharp places, dark and bright ones."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    ramp = 200 * x / width
    stripes = 40 * (np.floor(y / 16) % 2)
    disc = (x - 0.4 * width) ** 2 + (y - 0.6 * height) ** 2 < (0.2 * min(height, width)) ** 2
    red = np.where(disc, 250, ramp)
    return np.stack([red, ramp + stripes, 255 - ramp], -1).clip(0, 255).astype(np.float32)


def calibration_images(folder: Path, limit: int) -> list[Path]:
    """The first images of a folder, by name. Raises ValueError where there are none."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS)
    if not found:
        raise ValueError(f"{folder}: no images to calibrate with")
    return found[:limit]


def read(path: Path, size: tuple[int, int] | None = None, long_side: int | None = None) -> np.ndarray:
    """An image file, stretched to (width, height) or brought to a long side."""
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    if long_side:
        scale = long_side / max(image.size)
        size = tuple(max(1, round(side * scale)) for side in image.size)
    if size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32)


def dinov2_input(image: np.ndarray) -> np.ndarray:
    """-> pixel_values [1, 3, H, W]."""
    normalised = (image / 255 - np.float32(dinov2.MEAN)) / np.float32(dinov2.STD)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None])


def sam_input(image: np.ndarray) -> np.ndarray:
    """Long side at most 1024 -> x [1, 3, 1024, 1024]."""
    normalised = (image - np.float32(sam.MEAN)) / np.float32(sam.STD)
    x = np.zeros((1, 3, sam.SIDE, sam.SIDE), np.float32)
    x[0, :, : image.shape[0], : image.shape[1]] = normalised.transpose(2, 0, 1)
    return x
