"""int8 variants of exported graphs: the linear layers, where nearly all the work of a vision transformer lies. Convolutions,
norms and the attention itself stay float32."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from .graph import save


def linear_layers(path: Path) -> list[str]:
    """Names of the graph's matrix products with constant weights and a bias: its linear layers, not the resampling of the
    position embedding, which is a product with constants too."""
    graph = onnx.load(path, load_external_data=False).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    with_bias = {
        name
        for node in graph.node
        if node.op_type == "Add" and any(len(constants[i].dims) == 1 for i in node.input if i in constants)
        for name in node.input
    }
    return [
        node.name
        for node in graph.node
        if node.op_type == "MatMul" and node.input[1] in constants and node.output[0] in with_bias
    ]


def dynamic(source: Path, target: Path) -> None:
    """int8 weights by output channel; activations become uint8 when the graph runs, with the range that they have then."""
    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul"],
        nodes_to_quantize=linear_layers(source),
        per_channel=True,
        weight_type=QuantType.QInt8,
        use_external_data_format=False,
    )
    save(onnx.load(target), target)


class Samples(CalibrationDataReader):
    def __init__(self, samples):
        self.remaining = iter(samples)

    def get_next(self):
        return next(self.remaining, None)


def static(source: Path, target: Path, samples: list[dict[str, np.ndarray]]) -> None:
    """As `dynamic`, with ranges of the activations that were measured on samples (input name -> array), in QDQ form."""
    with tempfile.TemporaryDirectory() as folder:
        # Calibrating writes the graph anew with every activation as an output: beside the target it might be taken for one.
        quantize_static(
            source,
            Path(folder) / "graph.onnx",
            Samples(samples),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul"],
            nodes_to_quantize=linear_layers(source),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul"], "CalibMovingAverage": True},
        )
        save(onnx.load(Path(folder) / "graph.onnx"), target)
