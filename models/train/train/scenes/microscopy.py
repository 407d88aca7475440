"""Many small instances: cells of a smear, nuclei."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .looks import looks
from .recipe import Draw, sometimes
from .shapes import Shape, scattered


def cells(rng: np.random.Generator, channels: int) -> Draw:
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
    hollow = sometimes(rng, 0.6, 0.1, 0.3)
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


def nuclei(rng: np.random.Generator, channels: int) -> Draw:
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
    dome = sometimes(rng, 0.5, -0.15, 0.2)
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
