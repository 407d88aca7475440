"""From a family to two images that show its class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .canvas import REFERENCE_SIZE, Canvas
from .film import Film
from .microscopy import cells, nuclei
from .rays import projection, ultrasound
from .recipe import Family
from .sections import body, column, rings
from .surfaces import blobs, defects, vessels
from .textures import TILE

#: Least and most share of the image that the class may cover.
AREA = (0.003, 0.60)
#: Least `contrast` of a class to its surroundings, grey levels.
VISIBLE = 7.0
#: Share of scenes in colour.
COLOURED = 0.3

#: Recipe and weight by name. Heavier: what a folder of medical images most often holds.
FAMILIES: dict[str, tuple[Family, float]] = {
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
    draw = FAMILIES[name][0](rng, channels)
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
