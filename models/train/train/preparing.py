"""Training images with their pseudo-regions, which are found once and kept."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from .regions import regions
from .sets import Labelled, load_sets

REGIONS = 12


def prepare_sets(data: Path, names: Iterable[str], samples: Path, kept: Path, seed: int) -> dict[str, list[Labelled]]:
    """The sets without what the shipped samples show, each image with its regions.

    Args:
        kept: folder of regions that were found before, by content of the image.
    """
    kept.mkdir(parents=True, exist_ok=True)
    sets = load_sets(data, names, without=samples)
    for images in sets.values():
        for one in images:
            content = hashlib.sha256(one.image.tobytes()).hexdigest()
            file = kept / f"{content[:24]}-{seed}.npz"
            if not file.exists():
                rng = np.random.default_rng((seed, int(content[:8], 16)))
                found, _ = regions(one.image, rng, REGIONS)
                np.savez_compressed(file, found=np.packbits(found, axis=-1), width=found.shape[-1])
            with np.load(file) as stored:
                one.regions = np.unpackbits(stored["found"], axis=-1, count=int(stored["width"]))
    return sets
