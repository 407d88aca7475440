"""Labelled sets in memory: `<set>/images/<stem>.png|jpg` with `<set>/masks/<stem>.png`, one class per set."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

TRAINING_SETS = (
    "dsb_fluo",
    "dsb_histo",
    "spider_vertebra",
    "carotid_lumen",
    "brisc_tumor",
    "fetal_head",
    "drishti_disc",
    "mt_fray",
)
"""Licences: see the data card in models/README.md."""

UNSEEN_SETS = ("cxr_lung", "lung_ct", "wbc2_cell", "busi_benign")
"""Nothing is trained on them. Of finished candidates, the better one here was shipped."""

LONG_SIDE = 448
"""Larger images are scaled down to it: training never asks for more."""

THUMBNAIL = 16
SAME_PICTURE = 3.0
"""Mean difference of thumbnails in grey values below which two files show the same picture."""


@dataclass
class Labelled:
    """An image with its object: uint8 [height, width, 3] RGB, uint8 [height, width] of 0 and 1."""

    name: str
    image: np.ndarray
    mask: np.ndarray
    regions: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint8))
    """Pseudo-regions, uint8 [count, height, width] of 0 and 1; none unless prepared."""


def load_sets(
    data: Path, names: Iterable[str] = TRAINING_SETS, *, without: Path | None = None, long_side: int = LONG_SIDE
) -> dict[str, list[Labelled]]:
    """The sets by name, images in the order of their names.

    Args:
        without: a folder of sets whose pictures are left out wherever they turn up, whatever their name there.

    Raises FileNotFoundError where a set or a mask is missing, ValueError where a mask has another size than its image.
    """
    shown = [] if without is None else [thumbnail(Image.open(path)) for path in sorted(without.glob("*/images/*"))]
    sets: dict[str, list[Labelled]] = {}
    for name in names:
        files = sorted((data / name / "images").glob("*"))
        if not files:
            raise FileNotFoundError(f"{data / name / 'images'}: expected images, found none")
        sets[name] = [load_pair(file, long_side) for file in files if not is_among(file, shown)]
    return sets


def load_pair(file: Path, long_side: int) -> Labelled:
    mask_file = file.parent.parent / "masks" / f"{file.stem}.png"
    if not mask_file.exists():
        raise FileNotFoundError(f"{mask_file}: expected the mask of {file.name}, found none")
    image, mask = Image.open(file).convert("RGB"), Image.open(mask_file).convert("L")
    if image.size != mask.size:
        raise ValueError(f"{mask_file}: expected {image.size} pixels as its image has, found {mask.size}")
    scale = min(1.0, long_side / max(image.size))
    size = tuple(max(1, round(side * scale)) for side in image.size)
    pixels = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    labels = np.asarray(mask.resize(size, Image.Resampling.BOX)) > 127
    return Labelled(file.stem, pixels, labels.astype(np.uint8))


def thumbnail(image: Image.Image) -> np.ndarray:
    """Grey values stretched to 0..255, float32 [16, 16]: what two versions of a picture have in common."""
    grey = np.asarray(image.convert("L").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX), np.float32)
    return (grey - grey.min()) * (255 / max(1.0, float(np.ptp(grey))))


def is_among(file: Path, shown: list[np.ndarray]) -> bool:
    if not shown:
        return False
    own = thumbnail(Image.open(file))
    return any(float(np.abs(own - other).mean()) < SAME_PICTURE for other in shown)
