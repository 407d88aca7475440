"""Training batches: each follows from the seed and its number alone, so that a run can go on where it stopped."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch.utils.data import DataLoader, IterableDataset

from . import prior
from .clicks import one_component
from .encoder import Encoded, Encoder
from .manner import BOLD, PLAIN, Manner
from .scenes import scene
from .sets import Labelled
from .views import random_look, view

SIDES = (192, 224, 256, 288, 320, 384)
SIDE_SHARES = (0.2, 0.25, 0.25, 0.15, 0.1, 0.05)

ONE_SHOT_SOURCES = {"sets": 0.6, "scenes": 0.3, "regions": 0.1}

FEW = 3
ONE_OF_MANY_SHARE = 0.6
"""A click may mean the object under it as well as everything like it."""

MOST_POINTS = 8
"""Of each kind, from matches."""


@dataclass
class Batch:
    """Encoded targets. The first of them, as many as there are classifiers, are asked with a reference each, the others with
    clicks alone."""

    number: int
    targets: Encoded
    """Tokens are those of the first targets only."""
    masks: torch.Tensor
    """uint8 [batch, 1, height, width] of 0 and 1."""
    classifier: prior.Classifier
    """What the references teach."""
    matched: list[list[prior.MatchedPoint]]
    """Points that the references' matches lead to."""
    manner: Manner
    """How it is asked."""

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.number, self.targets.to(device), self.masks.to(device), self.classifier.to(device), self.matched, self.manner)


class Batches(IterableDataset):
    def __init__(
        self, sets: dict[str, list[Labelled]], encoder: Path, *, size: int, pairs: int, seed: int, start: int, bold: int, end: int
    ):
        self.sets = list(sets.values())
        self.encoder = encoder
        self.size = size
        self.pairs = pairs
        self.seed = seed
        self.bold = bold
        self.numbers = range(start, end)

    def __iter__(self) -> Iterator[Batch]:
        # Opened where it is used: sessions do not survive a fork.
        encoder = Encoder(self.encoder, threads=1)
        return (self.batch(number, encoder) for number in self.numbers)

    def manner(self, number: int) -> Manner:
        return BOLD if number >= self.bold else PLAIN

    def batch(self, number: int, encoder: Encoder) -> Batch:
        rng = np.random.default_rng((self.seed, number))
        size = tuple(int(rng.choice(SIDES, p=SIDE_SHARES)) for _ in range(2))
        references, targets = [], []
        for _ in range(self.pairs):
            look = random_look(rng)
            pair = self.pair(rng)
            reference, target = (view(image, mask, size, look, rng) for image, mask in pair)
            references.append(reference)
            targets.append(target)
        for _ in range(self.size - self.pairs):
            image, mask = self.single(rng, self.manner(number))
            targets.append(view(image, mask, size, random_look(rng), rng))

        reference = encoder.encode(np.stack([image for image, _ in references])).tokens
        shares = prior.coverage(torch.from_numpy(np.stack([mask for _, mask in references])).float().unsqueeze(1))
        target = encoder.encode(np.stack([image for image, _ in targets]))
        target.tokens = target.tokens[: self.pairs].clone()
        random = torch.Generator().manual_seed(int(rng.integers(2**31)))
        matched = [
            prior.matched_points(reference[k], shares[k], target.tokens[k], size[1] // 8, MOST_POINTS, random)
            for k in range(self.pairs)
        ]
        masks = torch.from_numpy(np.stack([mask for _, mask in targets])).unsqueeze(1)
        return Batch(number, target, masks, prior.fit(reference, shares), matched, self.manner(number))

    def pair(self, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
        source = drawn_from(ONE_SHOT_SOURCES, rng)
        if source == "scenes":
            made = scene(rng)
            return list(zip(made.images, made.masks, strict=True))
        images = self.sets[rng.integers(len(self.sets))]
        if source == "regions":
            one = images[rng.integers(len(images))]
            mask = random_region(one, rng)
            return [(one.image, mask)] * 2
        chosen = rng.choice(len(images), 2, replace=False)
        return [(images[at].image, images[at].mask) for at in chosen]

    def single(self, rng: np.random.Generator, manner: Manner) -> tuple[np.ndarray, np.ndarray]:
        source = drawn_from(manner.click_sources, rng)
        if source == "scenes":
            made = scene(rng)
            image, mask = made.images[0], made.masks[0]
        else:
            images = self.sets[rng.integers(len(self.sets))]
            one = images[rng.integers(len(images))]
            image, mask = one.image, one.mask if source == "sets" else random_region(one, rng, manner.larger_regions)
        _, count = ndimage.label(mask, np.ones((3, 3)))
        if count > 1 and rng.random() < (manner.one_of_few_share if count <= FEW else ONE_OF_MANY_SHARE):
            mask = one_component(mask > 0, rng).astype(np.uint8)
        return image, mask


def drawn_from(shares: dict[str, float], rng: np.random.Generator) -> str:
    return str(rng.choice(list(shares), p=list(shares.values())))


def random_region(one: Labelled, rng: np.random.Generator, larger: bool = False) -> np.ndarray:
    """One of an image's regions, `larger` ones more often where asked for; the object where there are none."""
    if len(one.regions) == 0:
        return one.mask
    sides = np.sqrt(one.regions.mean((1, 2))) if larger else np.ones(len(one.regions))
    return one.regions[rng.choice(len(sides), p=sides / sides.sum())]


def load_batches(batches: Batches) -> DataLoader:
    """Batches in order, made by a process beside the training."""
    return DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=3)
