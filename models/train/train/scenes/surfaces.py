"""Seen from above: vessels over a ground, flaws of a material, patches of texture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .looks import Look, colours, looks
from .recipe import Draw, sometimes
from .shapes import Shape, path, scattered, tree, tube
from .textures import TEXTURES


def vessels(rng: np.random.Generator, channels: int) -> Draw:
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
    fade = sometimes(rng, 0.3, 0.3, 0.8)

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


def defects(rng: np.random.Generator, channels: int) -> Draw:
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


def blobs(rng: np.random.Generator, channels: int) -> Draw:
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
