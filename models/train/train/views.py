"""What a picture may look like another time: cut out, mirrored, turned, brighter, noisier, in other colours."""

from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass
class Look:
    """Changes of colour that a reference and its targets share: folders have one look."""

    gamma: float
    contrast: float
    brightness: float
    inverted: bool
    channels: np.ndarray
    """float32 [3, 3], applied to RGB."""


def random_look(rng: np.random.Generator) -> Look:
    channels = np.eye(3, dtype=np.float32)
    kind = rng.random()
    if kind < 0.2:
        channels = np.full((3, 3), 1 / 3, np.float32)
    elif kind < 0.4:
        channels = np.eye(3, dtype=np.float32)[rng.permutation(3)]
    return Look(
        gamma=float(np.exp(rng.normal(0, 0.3))),
        contrast=float(np.exp(rng.normal(0, 0.2))),
        brightness=float(rng.normal(0, 0.08)),
        inverted=bool(rng.random() < 0.12),
        channels=channels,
    )


def view(
    image: np.ndarray, mask: np.ndarray, size: tuple[int, int], look: Look, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A random view: uint8 [height, width, 3] and uint8 [height, width] of 0 and 1 that is not empty, for `size` = (height, width)."""
    for _ in range(6):
        box = random_box(mask, rng)
        cut = mask[box[1] : box[3], box[0] : box[2]]
        if cut.sum() >= 0.5 * mask.sum() and cut.any():
            break
    else:
        box = (0, 0, mask.shape[1], mask.shape[0])
    height, width = size
    pixels = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, box=box))
    labels = np.asarray(Image.fromarray(mask * 255).resize((width, height), Image.Resampling.BILINEAR, box=box)) > 127
    if not labels.any():
        labels = np.asarray(Image.fromarray(mask * 255).resize((width, height), Image.Resampling.BOX)) > 0
        pixels = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    if rng.random() < 0.5:
        pixels, labels = pixels[:, ::-1], labels[:, ::-1]
    if rng.random() < 0.25:
        pixels, labels = pixels[::-1], labels[::-1]
    if height == width and rng.random() < 0.25:
        pixels, labels = pixels.transpose(1, 0, 2), labels.T
    return recoloured(pixels, look, rng), np.ascontiguousarray(labels, np.uint8)


def random_box(mask: np.ndarray, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of 45 to 100 % of each side."""
    height, width = mask.shape
    if rng.random() < 0.3:
        return 0, 0, width, height
    share = rng.uniform(0.45, 1.0)
    sides = [max(16, min(side, int(side * share * np.exp(rng.normal(0, 0.12))))) for side in (width, height)]
    left, top = (int(rng.integers(0, side - part + 1)) for side, part in zip((width, height), sides))
    return left, top, left + sides[0], top + sides[1]


def recoloured(pixels: np.ndarray, look: Look, rng: np.random.Generator) -> np.ndarray:
    x = pixels.astype(np.float32) / 255
    x = x @ look.channels.T
    gamma = look.gamma * float(np.exp(rng.normal(0, 0.15)))
    x = np.power(np.clip(x, 0, 1), gamma)
    middle = float(x.mean())
    x = (x - middle) * look.contrast * float(np.exp(rng.normal(0, 0.1))) + middle + look.brightness + rng.normal(0, 0.03)
    if look.inverted:
        x = 1 - x
    if rng.random() < 0.3:
        x = x + rng.normal(0, rng.uniform(0.005, 0.05), (*x.shape[:2], 1)).astype(np.float32)
    return (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
