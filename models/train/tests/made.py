"""Made-up inputs of the decoder, labelled sets and trained weights for the tests."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from train.decoder import Decoder
from train.encoder import Encoder
from train.exporting import example

ENCODER = Path(__file__).parents[2] / "embedded-encoder.onnx"


def encoder() -> Encoder:
    return Encoder(ENCODER, threads=1)


def decoder(seed: int = 0) -> Decoder:
    """As if trained: no weight is zero, so that no branch is silent."""
    torch.manual_seed(seed)
    made = Decoder().eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.03 * torch.randn_like(parameter)
    return made


def inputs(height: int, width: int, points: int, batch: int = 1, seed: int = 0) -> dict[str, torch.Tensor]:
    """Inputs of the exported graph with points of all labels; different in every row of the batch."""
    rows = [example(height, width, points, seed=100 * seed + k) for k in range(batch)]
    made = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    random = torch.Generator().manual_seed(seed)
    made["point_labels"] = torch.randint(-1, 2, (batch, points), generator=random).float()
    if points > 2:
        made["point_labels"][:, :2] = torch.tensor([2.0, 3.0])
        made["point_coords"][:, 0] *= 0.4
        made["point_coords"][:, 1] = made["point_coords"][:, 1] * 0.4 + torch.tensor([width, height]) * 0.5
    return made


def discs(number: int, height: int = 72, width: int = 88) -> tuple[np.ndarray, np.ndarray]:
    """A bright disc over noise, uint8 [height, width, 3], and its mask, uint8 [height, width] of 0 and 255."""
    rng = np.random.default_rng(number)
    mask = Image.new("L", (width, height))
    x, y, r = rng.uniform(0.3, 0.7) * width, rng.uniform(0.3, 0.7) * height, rng.uniform(8, 18)
    ImageDraw.Draw(mask).ellipse((x - r, y - r, x + r, y + r), fill=255)
    labels = np.asarray(mask)
    level = np.where(labels > 0, rng.uniform(150, 220), rng.uniform(40, 110)) + rng.normal(0, 12, labels.shape)
    return np.repeat(np.clip(level, 0, 255).astype(np.uint8)[..., None], 3, -1), labels


def write_set(folder: Path, numbers: range) -> None:
    """A labelled set of discs as the recipe reads it."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in numbers:
        image, mask = discs(number)
        Image.fromarray(image).save(folder / "images" / f"disc_{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"disc_{number}.png")
