"""What a family of scenes is: a function that draws a recipe at random and returns what draws one image of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .canvas import Canvas

Draw = Callable[[Canvas, np.random.Generator], None]
Family = Callable[[np.random.Generator, int], Draw]
"""Takes the number of channels, 1 or 3, besides the generator."""


def sometimes(rng: np.random.Generator, probability: float, low: float, high: float) -> float:
    return float(rng.uniform(low, high)) if rng.random() < probability else 0.0
