"""The trained decoder as an ONNX file with the contract of models/README.md, and how far it is from PyTorch's answers."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from .channels import with_whole_groups
from .decoder import FEATURES, PADDING, Decoder

OPSET = 17
INPUTS = ("pixel_values", *FEATURES, "point_coords", "point_labels", "mask_input", "has_mask_input")
OUTPUTS = ("masks", "iou_predictions")
LARGEST_DIFFERENCE = 5e-3
"""Of logits, between PyTorch and ONNX Runtime, on every shape that is tried."""


class Positional(nn.Module):
    """The decoder with its features as single arguments, as graphs have them."""

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder = decoder

    def forward(self, pixel_values: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        features = dict(zip(FEATURES, rest, strict=False))
        return self.decoder(pixel_values, features, *rest[len(FEATURES) :])


def export(decoder: Decoder, path: Path) -> float:
    """Writes the graph, runs it on three shapes and returns the largest difference of its logits from PyTorch's.

    Raises ValueError where that is over LARGEST_DIFFERENCE.
    """
    model = Positional(decoder).eval()
    inputs = example(256, 224, 3, seed=0)
    axes = {name: {0: "batch"} for name in (*INPUTS, *OUTPUTS)}
    for name in ("pixel_values", "mask_input", "masks", *FEATURES):
        axes[name] |= {2: f"{name}_height", 3: f"{name}_width"}
    for name in ("point_coords", "point_labels"):
        axes[name][1] = "points"
    torch.onnx.export(
        model,
        tuple(inputs.values()),
        str(path),
        input_names=list(INPUTS),
        output_names=list(OUTPUTS),
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    onnx.save(with_whole_groups(onnx.load(path)), path)
    worst = max(difference(model, path, example(*shape, seed=k)) for k, shape in enumerate([(256, 224, 3), (384, 320, 1), (64, 96, 24)]))
    if worst > LARGEST_DIFFERENCE:
        raise ValueError(f"{path}: logits are up to {worst:.2g} away from PyTorch's, expected at most {LARGEST_DIFFERENCE}")
    return worst


def difference(model: nn.Module, path: Path, inputs: dict[str, Tensor]) -> float:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    masks, iou = session.run(list(OUTPUTS), {name: value.numpy() for name, value in inputs.items()})
    with torch.inference_mode():
        own_masks, own_iou = model(*inputs.values())
    return float(max(np.abs(masks - own_masks.numpy()).max(), np.abs(iou - own_iou.numpy()).max()))


def example(height: int, width: int, points: int, seed: int) -> dict[str, Tensor]:
    """Inputs of random content; float32, shapes as in the contract, batch 1."""
    random = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=random)

    features = {
        name: uniform(1, channels, height // stride_of(name), width // stride_of(name)) for name, channels in FEATURES.items()
    }
    labels = torch.randint(0, 2, (1, points), generator=random).float()
    labels[:, -1] = PADDING
    return {
        "pixel_values": uniform(1, 3, height, width) * 255,
        **features,
        "point_coords": uniform(1, points, 2) * torch.tensor([width, height]),
        "point_labels": labels,
        "mask_input": (uniform(1, 1, height // 4, width // 4) - 0.5) * 20,
        "has_mask_input": torch.ones(1),
    }


def stride_of(feature: str) -> int:
    return int(feature.rsplit("_s", 1)[1])
