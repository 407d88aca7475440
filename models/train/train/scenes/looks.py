"""How a structure looks: its colour, and the texture around it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .textures import ORGANIC


@dataclass(frozen=True)
class Look:
    """How a structure looks: colour float32 [channels] in 0..1, and a texture of deviation `contrast` around it."""

    colour: np.ndarray
    texture: str = "cloud"
    zoom: float = 1.0
    contrast: float = 0.04
    variant: int = 0

    def varied(self, rng: np.random.Generator, by: float = 0.03) -> Look:
        """The same look in another image: brightness moves for all channels alike, hue little."""
        shift = rng.normal(0, by) + rng.normal(0, by * 0.4, self.colour.shape)
        return replace(
            self,
            colour=np.clip(self.colour + shift, 0, 1).astype(np.float32),
            zoom=self.zoom * rng.uniform(0.85, 1.2),
            contrast=self.contrast * rng.uniform(0.8, 1.25),
        )


def colours(
    rng: np.random.Generator, count: int, channels: int, apart: float = 0.13, low=0.05, high=0.95, off=()
) -> list[np.ndarray]:
    """`count` colours, float32 [channels], in low..high and `apart` from each other and from those in `off`,
    as far as that can be had."""
    made: list[np.ndarray] = []
    tint = rng.uniform(-1, 1, 3)
    while len(made) < count:
        gap = apart
        while True:
            colour = np.full(channels, rng.uniform(low, high))
            if channels == 3:
                own = rng.uniform(-1, 1, 3)
                colour = np.clip(colour + 0.13 * tint + 0.16 * own, 0, 1)
            if all(np.abs(colour - other).mean() >= gap for other in (*made, *off)):
                break
            gap *= 0.95
        made.append(colour.astype(np.float32))
    return made


def looks(rng: np.random.Generator, count: int, channels: int, kinds=ORGANIC, contrast=(0.01, 0.08), **ranges) -> list:
    """`count` looks told apart by colour, most by texture as well."""
    return [
        Look(
            colour,
            str(rng.choice(kinds)),
            float(np.exp(rng.uniform(-0.7, 0.9))),
            rng.uniform(*contrast),
            int(rng.integers(2)),
        )
        for colour in colours(rng, count, channels, **ranges)
    ]
