"""Weights: of a checkpoint, or random ones for tests of speed, which does not depend on them."""

import hashlib
import math
from pathlib import Path

import torch
from torch import nn


class CheckpointError(Exception):
    """A checkpoint that is not the one asked for; the message is for the person who chose it."""


def load(module: nn.Module, path: Path, what: str) -> None:
    """Loads an official checkpoint strictly: every name and shape must be there, and none besides."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # What torch raises depends on how the file is broken.
        raise CheckpointError(f"{path}: not a PyTorch checkpoint: {error}") from error
    if isinstance(state, dict) and isinstance(state.get("model"), dict):
        state = state["model"]
    try:
        module.load_state_dict(state, strict=True)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: not the checkpoint of {what}: {error}") from error


@torch.no_grad()
def randomise(module: nn.Module, seed: int) -> None:
    """Fills every parameter and buffer of a checkpoint with reproducible values that leave no part of the network idle."""
    generator = torch.Generator().manual_seed(seed)
    for name, values in module.state_dict().items():
        if not values.is_floating_point():
            continue
        noise = torch.randn(values.shape, generator=generator)
        last = name.rsplit(".", 1)[-1]
        if last == "running_var" or (last == "weight" and values.dim() == 1):
            values.copy_(1 + 0.1 * noise.clamp(-3, 3))
        elif last == "gamma":
            values.copy_(0.3 + 0.05 * noise)
        elif last in ("bias", "running_mean"):
            values.copy_(0.05 * noise)
        elif last == "weight" and values.dim() > 1 and not is_embedding(module, name):
            values.copy_(noise / math.sqrt(values[0].numel()))
        elif last == "positional_encoding_gaussian_matrix":
            values.copy_(noise)
        else:
            values.copy_(0.2 * noise)


def is_embedding(module: nn.Module, name: str) -> bool:
    return isinstance(module.get_submodule(name.rsplit(".", 1)[0]), nn.Embedding)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
