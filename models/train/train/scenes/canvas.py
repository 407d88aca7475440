"""Outlines to light, with the class that they make."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .looks import Look
from .textures import texture

REFERENCE_SIZE = 320
"""Side of the image that lengths named *_px belong to."""


class Canvas:
    """light: float32 [channels, H, W], about 0..1; label: bool [H, W], the class as far as nothing lies over it."""

    def __init__(self, rng: np.random.Generator, size: int, channels: int):
        self.rng, self.size, self.channels = rng, size, channels
        self.scale = size / REFERENCE_SIZE
        self.light = np.zeros((channels, size, size), np.float32)
        self.label = np.zeros((size, size), bool)

    def fill(self, look: Look) -> None:
        grain = texture(self.rng, look.texture, self.size, self.size, look.zoom * self.scale, look.variant)
        self.light[:] = look.colour[:, None, None] + look.contrast * grain

    def paint(
        self,
        outlines: list[np.ndarray],
        look: Look,
        *,
        of_class: bool = False,
        over: bool = True,
        soft_px: float = 0.9,
        opacity: float = 1.0,
        uneven: float = 0.0,
        dome: float = 0.0,
        fade: float = 0.0,
        adds: float = 0.0,
    ) -> None:
        """Draws outlines in one look.

        of_class: they join the class; otherwise, where `over`, they hide it. soft_px: blur of the border. uneven:
        deviation of brightness between outlines. dome: how much brighter (darker, below 0) the middle is than the rim.
        fade: how far the border melts into its surroundings at two random places. adds: instead of covering what is
        there, as X-rays do: this much more light.
        """
        if not outlines:
            return
        rng, size, soft = self.rng, self.size, float(soft_px) * self.scale
        margin = int(3 * soft) + 2
        every = np.concatenate(outlines) * size
        left, top = np.maximum(np.floor(every.min(0)).astype(int) - margin, 0)
        right, bottom = np.minimum(np.ceil(every.max(0)).astype(int) + margin, size)
        width, height = right - left, bottom - top
        if width < 2 or height < 2:
            return
        flat = Image.new("L", (width, height))
        pen = ImageDraw.Draw(flat)
        shades = Image.new("L", (width, height), 128) if uneven else None
        shader = ImageDraw.Draw(shades) if shades else None
        levels = np.clip(128 + 42 * rng.standard_normal(len(outlines)), 0, 255).astype(int).tolist()
        for outline, level in zip(outlines, levels, strict=True):
            points = (outline * size - (left, top)).ravel().tolist()
            pen.polygon(points, fill=255)
            if shader:
                shader.polygon(points, fill=level)
        inside = np.asarray(flat) > 0
        window = (slice(top, bottom), slice(left, right))
        alpha = np.asarray(blurred(flat, soft), np.float32) * np.float32(opacity / 255)
        if fade:
            for at in rng.choice(len(every), 2):
                x, y = every[at] - (left, top)
                reach = rng.uniform(0.15, 0.4) * max(width, height)
                bump = np.exp(-(((np.arange(height) - y) / reach) ** 2)).astype(np.float32)[:, None] * np.exp(
                    -(((np.arange(width) - x) / reach) ** 2)
                ).astype(np.float32)
                alpha = alpha * (1 - np.float32(fade) * bump)
        here = self.light[:, window[0], window[1]]
        if adds:
            here += np.float32(adds) * alpha
        else:
            value = texture(rng, look.texture, height, width, look.zoom * self.scale, look.variant) * np.float32(
                look.contrast
            )
            if shades:
                level = np.asarray(blurred(shades, soft), np.float32)
                value = value + (level - 128) * np.float32(uneven / 42)
            if dome:
                reach = 0.09 * np.sqrt(inside.mean() * width * height / len(outlines)) + 1
                value = value + np.float32(dome) * (
                    np.asarray(blurred(flat, float(3 * reach)), np.float32) / 255 - np.float32(0.6)
                )
            for channel, colour in zip(here, np.broadcast_to(look.colour, len(here)), strict=True):
                channel += alpha * (value + colour - channel)
        if of_class:
            self.label[window] |= inside
        elif over and not adds:
            self.label[window] &= ~inside


def blurred(image: Image.Image, sigma: float) -> Image.Image:
    """An image "L" blurred; what takes most of a scene's time: a small blur is one box, a large one is done small."""
    if sigma < 1.3:
        return image.filter(ImageFilter.BoxBlur(((12 * sigma**2 + 1) ** 0.5 - 1) / 2))
    if sigma < 1.8 or min(image.size) < 16:
        return image.filter(ImageFilter.GaussianBlur(sigma))
    by = 2 if sigma < 5 else 4
    small = image.reduce(by).filter(ImageFilter.GaussianBlur(sigma / by))
    return small.resize(image.size, Image.Resampling.BILINEAR)
