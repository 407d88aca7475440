"""Closed outlines, float [N, 2] in unit coordinates: blobs of a kind, tubes, trees; and points to put them at."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

POINTS = 56
"""Of a blob's outline."""


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
