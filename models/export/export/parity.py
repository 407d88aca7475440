"""An exported graph beside the PyTorch module that it was made of."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch

#: More than this, as a share of the largest value, is no rounding: the export is wrong.
LARGEST_RELATIVE = 1e-3


@dataclass(frozen=True)
class Difference:
    output: str
    #: Largest difference, and the same as a share of the largest value.
    absolute: float
    relative: float
    #: Length of the difference as a share of the length of the values: what quantising cost.
    overall: float

    def __str__(self):
        return (
            f"{self.output}: max abs {self.absolute:.2e}, max rel {self.relative:.2e}, overall {self.overall:.2e}"
        )


@dataclass(frozen=True)
class Sample:
    """An input, and what PyTorch makes of it."""

    label: str
    #: Input name -> array, in the order of the module's arguments.
    feeds: dict[str, np.ndarray]
    expected: list[np.ndarray]


@torch.no_grad()
def sample(module, label: str, feeds: dict[str, np.ndarray]) -> Sample:
    expected = module(*(torch.from_numpy(array) for array in feeds.values()))
    outputs = expected if isinstance(expected, tuple) else (expected,)
    return Sample(label, feeds, [output.numpy() for output in outputs])


def compare(path: Path, samples: list[Sample]) -> list[tuple[str, Difference]]:
    """Labels and differences, output by output of every sample."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return [
        (sample.label, difference(name, found, wanted))
        for sample in samples
        for name, found, wanted in zip(names, session.run(names, sample.feeds), sample.expected)
    ]


def difference(name: str, found: np.ndarray, wanted: np.ndarray) -> Difference:
    if found.shape != wanted.shape:
        raise ValueError(f"{name}: the graph gives {found.shape}, PyTorch {wanted.shape}")
    gap = np.abs(found - wanted)
    largest = float(np.abs(wanted).max()) or 1.0
    length = float(np.linalg.norm(wanted)) or 1.0
    return Difference(name, float(gap.max()), float(gap.max()) / largest, float(np.linalg.norm(found - wanted)) / length)
