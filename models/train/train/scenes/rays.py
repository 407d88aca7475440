"""What waves leave on their way: shadows that add up, echoes with speckle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from .looks import Look, looks
from .recipe import Draw, sometimes
from .shapes import Shape, path, tube
from .textures import texture


def projection(rng: np.random.Generator, channels: int) -> Draw:
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
    fade = sometimes(rng, 0.6, 0.3, 0.9)
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


def ultrasound(rng: np.random.Generator, channels: int) -> Draw:
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
    fade = sometimes(rng, 0.5, 0.3, 0.9)
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
