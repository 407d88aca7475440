"""Light to pixels: what an instrument adds of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .canvas import REFERENCE_SIZE, blurred
from .textures import stretched, texture


@dataclass(frozen=True)
class Film:
    """What the instrument does to the light: both images of a scene share it, nearly."""

    blur_px: float = 0.0
    noise: float = 0.02
    grain: float = 1.0
    speckle: float = 0.0
    bias: float = 0.1
    gamma: float = 1.0
    contrast: float = 1.0
    invert: bool = False

    @staticmethod
    def random(rng: np.random.Generator) -> Film:
        return Film(
            blur_px=rng.choice([0, 0, rng.uniform(0.4, 1.6)]),
            noise=rng.choice([0.0, rng.uniform(0.005, 0.03), rng.uniform(0.02, 0.08)]),
            grain=rng.uniform(1.0, 2.0),
            speckle=rng.choice([0, 0, 0, 0, rng.uniform(0.05, 0.25)]),
            bias=rng.uniform(0, 0.3),
            gamma=float(np.exp(rng.uniform(-0.4, 0.4))),
            contrast=rng.choice([1.0, rng.uniform(0.5, 1.2)]),
            invert=bool(rng.random() < 0.15),
        )

    def develop(self, light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """light: float32 [channels, H, W] to uint8 [H, W, 3]."""
        channels, height, width = light.shape
        if self.bias:
            low = rng.normal(0, 1, (4, 4)) * self.bias * rng.uniform(0.5, 1.1)
            light = light * (1 + stretched(np.clip(low, -0.5, 0.5), height, width, smooth=True))
        if self.speckle:
            amount = np.float32(self.speckle * rng.uniform(0.85, 1.15))
            light = light * (1 + amount * texture(rng, "speckle", height, width, rng.uniform(0.8, 1.3)))
        gamma = self.gamma * np.exp(rng.normal(0, 0.08))
        contrast = self.contrast * rng.uniform(0.92, 1.08)
        ramp = np.linspace(0, 1, 256) ** gamma
        ramp = np.clip(0.5 + contrast * (ramp - 0.5) + rng.normal(0, 0.03), 0, 1)
        if self.invert:
            ramp = 1 - ramp
        table = np.round(255 * ramp).astype(np.uint8)
        noise = texture(rng, "fine", height, width, self.grain) * np.float32(self.noise) if self.noise else 0
        planes = []
        for channel in light:
            if self.blur_px:
                image = Image.fromarray(np.clip(channel * 255, 0, 255).astype(np.uint8))
                image = blurred(image, float(self.blur_px) * width / REFERENCE_SIZE)
                channel = np.asarray(image, np.float32) * np.float32(1 / 255)
            planes.append(table[np.clip((channel + noise) * 255, 0, 255).astype(np.uint8)])
        return np.stack(planes * (3 // channels), -1)
