"""Cuts through something: a body, nested rings, a column of blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .looks import looks
from .recipe import Draw, sometimes
from .shapes import Shape, path, scattered, tube


def body(rng: np.random.Generator, channels: int) -> Draw:
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
    fade = sometimes(rng, 0.35, 0.4, 1.0)
    walls = rng.random() < 0.3
    inside = sometimes(rng, 0.5, 3, 16)
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


def rings(rng: np.random.Generator, channels: int) -> Draw:
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
    fade = sometimes(rng, 0.4, 0.4, 1.0)
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


def column(rng: np.random.Generator, channels: int) -> Draw:
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
