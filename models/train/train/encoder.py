"""The embedded encoder as it is shipped: frozen, run by ONNX Runtime."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from .decoder import FEATURES


@dataclass
class Encoded:
    """A batch of images of one size. All float32."""

    pixel_values: Tensor
    """[batch, 3, height, width], RGB 0..255."""
    features: dict[str, Tensor]
    """See FEATURES."""
    tokens: Tensor
    """[batch, height/8 * width/8, dim], of unit length, row-major."""

    def to(self, device: torch.device) -> "Encoded":
        features = {name: value.to(device) for name, value in self.features.items()}
        return Encoded(self.pixel_values.to(device), features, self.tokens.to(device))


class Encoder:
    def __init__(self, path: Path, threads: int):
        self.session = opened(path.read_bytes(), threads)

    def encode(self, images: np.ndarray) -> Encoded:
        """Images uint8 [batch, height, width, 3]; height and width are multiples of 32."""
        pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)
        names = ["patch_tokens", *FEATURES]
        tokens, *features = (
            torch.from_numpy(value) for value in self.session.run(names, {"pixel_values": pixels})
        )
        return Encoded(torch.from_numpy(pixels), dict(zip(FEATURES, features, strict=True)), tokens)


def opened(model: bytes, threads: int = 0) -> onnxruntime.InferenceSession:
    """The encoder's graph on the CPU; with 0 threads as many as the runtime takes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Its int8 weights are only storage: with quantised arithmetic it would be slower and less exact.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
