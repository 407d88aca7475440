"""Convolutions with a number of input channels that every device computes right, by channels of zeros.

ONNX Runtime 1.30's WebGPU kernel is wrong where the channels are a multiple of 3 and not of 4, unless there are just 3 of them or
the kernel is 1 x 1. The program pads such convolutions of any model when it opens it for WebGPU; a file of ours is made to need none.

    python -m train.channels ../embedded-decoder.onnx --out embedded-decoder.onnx
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

GROUP = 4


def with_whole_groups(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with zero channels added to the input and the weights of every convolution of one group and a kernel over 1 x 1 whose input
    channels are more than 3 and no multiple of GROUP; the same answers up to rounding. Weights that are no initializers are left alone.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    padded: dict[str, str] = {}
    for node in graph.node:
        tensor = weights.get(node.input[1]) if node.op_type == "Conv" else None
        missing = 0 if tensor is None else missing_channels(node, tensor)
        if missing > 0:
            if node.input[1] not in padded:
                padded[node.input[1]] = f"{tensor.name}_of_whole_groups"
                graph.initializer.append(numpy_helper.from_array(widened(tensor, missing), padded[node.input[1]]))
            pads = f"{node.output[0]}_missing_channels"
            rank = len(tensor.dims)
            graph.initializer.append(numpy_helper.from_array(np.array([0] * (rank + 1) + [missing] + [0] * (rank - 2)), pads))
            whole = f"{node.output[0]}_whole_groups"
            nodes.append(helper.make_node("Pad", [node.input[0], pads], [whole], f"{node.name}_whole_groups"))
            node.input[0], node.input[1] = whole, padded[node.input[1]]
        nodes.append(node)
    for name in padded:
        if not any(name in node.input for node in nodes):
            graph.initializer.remove(weights[name])
    changed = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(changed)
    onnx.checker.check_model(result)
    return result


def missing_channels(node: onnx.NodeProto, weights: onnx.TensorProto) -> int:
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    _, channels, *kernel = weights.dims
    if groups != 1 or channels <= 3 or max(kernel) == 1:
        return 0
    return -channels % GROUP


def widened(weights: onnx.TensorProto, missing: int) -> np.ndarray:
    values = numpy_helper.to_array(weights)
    return np.concatenate([values, np.zeros((values.shape[0], missing, *values.shape[2:]), values.dtype)], axis=1)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m train.channels", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    onnx.save(with_whole_groups(onnx.load(options.model)), options.out)


if __name__ == "__main__":
    main(sys.argv[1:])
