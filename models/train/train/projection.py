"""The encoder's patch tokens: 128 numbers each, the directions in which the levels of the pyramid vary most.

A token joins three levels of the pyramid, each of unit length: 1,088 numbers, of which most vary little and only teach a reference
of few patches by heart. The basis comes from images without their masks (principal components about zero, so that cosines stay
what they are: Eckart and Young 1936). Each level is projected at its own stride and enlarged afterwards, which costs less than
the tokens of full length did.

    python -m train.projection <data> --out embedded-encoder.onnx
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import Tensor

from .encoder import opened
from .scenes import scene
from .sets import TRAINING_SETS, load_sets

LEVELS = {"match_s8": 192, "match_s16": 576, "features_s32": 320}
"""Outputs of the encoder that make a token, with their channels."""

DIM = 128
SIDE = 384
MOST_IMAGES = 40
"""Of each set, and of scenes: each counts as much as the others."""

LARGEST_DIFFERENCE = 5e-3
"""Of token values, between NumPy in float32 and ONNX Runtime with the basis stored in half precision."""


def unit(x: Tensor) -> Tensor:
    """Vectors of length 1 along channels of [batch, channels, h, w]; zeros stay."""
    return x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)


def joined(levels: Sequence[Tensor]) -> Tensor:
    """Unit levels [batch, channels, h, w] on the grid of the first, one after the other: [batch, all channels, h, w]."""
    size = levels[0].shape[-2:]
    return torch.cat([F.interpolate(level, size, mode="bilinear", align_corners=False) for level in levels], 1)


def second_moment(images: Iterable[np.ndarray], session: onnxruntime.InferenceSession) -> np.ndarray:
    """Mean outer product of the unit tokens of full length, float64 [1088, 1088], of images uint8 [height, width, 3]."""
    total, count = np.zeros((sum(LEVELS.values()),) * 2), 0
    for image in images:
        pixels = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
        levels = session.run(list(LEVELS), {"pixel_values": np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])})
        rows = unit(joined([unit(torch.from_numpy(level)) for level in levels]))[0].flatten(1).T.double().numpy()
        total += rows.T @ rows
        count += len(rows)
    return total / count


def principal_basis(moments: Sequence[np.ndarray], dim: int = DIM) -> np.ndarray:
    """Orthonormal columns float32 [1088, dim], largest first, of the mean of the moments. Signs: the largest entry is positive."""
    _, vectors = np.linalg.eigh(np.mean(moments, 0))
    basis = vectors[:, ::-1][:, :dim]
    basis = basis * np.sign(basis[np.abs(basis).argmax(0), np.arange(dim)])
    return np.ascontiguousarray(basis, np.float32)


def with_basis(model: onnx.ModelProto, basis: np.ndarray) -> onnx.ModelProto:
    """The encoder with tokens projected on the columns of `basis`, whatever tokens it gave before."""
    graph = model.graph
    kept = needed_for(graph, [out.name for out in graph.output if out.name != "patch_tokens"])
    dim = basis.shape[1]
    nodes, tensors = [], []

    def constant(name: str, value: np.ndarray) -> str:
        tensors.append(numpy_helper.from_array(value, name))
        return name

    def node(op: str, inputs: Sequence[str], out: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op, inputs, [out], **attributes))
        return out

    def normalised(x: str, name: str) -> str:
        length = node("ReduceL2", [x], f"{name}_l2", axes=[1], keepdims=1)
        return node("Div", [x, node("Max", [length, "token_epsilon"], f"{name}_length")], f"{name}_unit")

    constant("token_epsilon", np.array([1e-12], np.float32))
    constant("token_0", np.array([0], np.int64))
    constant("token_2", np.array([2], np.int64))
    constant("token_4", np.array([4], np.int64))
    shape = node("Shape", ["match_s8"], "token_shape8")
    grid = node("Slice", [shape, "token_2", "token_4"], "token_grid")
    parts = []
    for start, (level, channels) in zip(np.cumsum([0, *LEVELS.values()]), LEVELS.items(), strict=False):
        name = f"token_{level}"
        half = constant(f"{name}_half", basis[start : start + channels].T.astype(np.float16)[:, :, None, None])
        weight = node("Cast", [half], f"{name}_basis", to=TensorProto.FLOAT)
        part = node("Conv", [normalised(level, name), weight], f"{name}_part", kernel_shape=[1, 1])
        if level != "match_s8":
            own = node("Slice", [node("Shape", [part], f"{name}_shape"), "token_0", "token_2"], f"{name}_start")
            size = node("Concat", [own, grid], f"{name}_size", axis=0)
            modes = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
            part = node("Resize", [part, "", "", size], f"{name}_large", **modes)
        parts.append(part)
    total = node("Add", [node("Add", parts[:2], "token_two"), parts[2]], "token_sum")
    rows = node("Reshape", [normalised(total, "token"), constant("token_rows", np.array([0, dim, -1], np.int64))], "token_columns")
    node("Transpose", [rows], "patch_tokens", perm=[0, 2, 1])

    used = {name for one in kept for name in one.input}
    outputs = [out for out in graph.output if out.name != "patch_tokens"]
    tokens = helper.make_tensor_value_info("patch_tokens", TensorProto.FLOAT, ["batch", "patches", dim])
    initializers = [*(one for one in graph.initializer if one.name in used), *tensors]
    made = helper.make_graph([*kept, *nodes], graph.name, list(graph.input), [*outputs, tokens], initializers)
    result = helper.make_model(made, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    onnx.checker.check_model(result)
    return result


def needed_for(graph: onnx.GraphProto, names: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes that these outputs follow from, in their order."""
    wanted, kept = set(names), []
    for one in reversed(graph.node):
        if wanted.intersection(one.output):
            wanted.update(one.input)
            kept.append(one)
    return kept[::-1]


def difference(model: onnx.ModelProto, basis: np.ndarray, height: int, width: int) -> float:
    """Largest of a token value between the graph and this module's own arithmetic, on an image of noise."""
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 3, height, width)).astype(np.float32)
    session = opened(model.SerializeToString())
    tokens, *levels = session.run(["patch_tokens", *LEVELS], {"pixel_values": pixels})
    full = joined([unit(torch.from_numpy(level)) for level in levels])
    own = unit(torch.einsum("bchw,cd->bdhw", full, torch.from_numpy(basis)))
    return float(np.abs(tokens - own.flatten(2).transpose(1, 2).numpy()).max())


def images_of(data: Path, without: Path) -> Iterable[list[np.ndarray]]:
    """The images of every training set but the shipped samples, and scenes."""
    rng = np.random.default_rng(0)
    for images in load_sets(data, TRAINING_SETS, without=without).values():
        chosen = rng.permutation(len(images))[:MOST_IMAGES]
        yield [images[at].image for at in chosen]
    yield [scene(np.random.default_rng((2**30, number))).images[0] for number in range(MOST_IMAGES)]


def main(arguments: Sequence[str] | None = None) -> int:
    models = Path(__file__).parents[2]
    parser = argparse.ArgumentParser(prog="python -m train.projection", description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of labelled sets, each with images/ and masks/")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    options = parser.parse_args(arguments)
    try:
        model = onnx.load(models / "embedded-encoder.onnx")
        session = opened(model.SerializeToString())
        moments = [second_moment(images, session) for images in images_of(options.data, models / "samples")]
        basis = principal_basis(moments)
        share = np.trace(basis.T @ np.mean(moments, 0) @ basis) / np.trace(np.mean(moments, 0))
        made = with_basis(model, basis)
        worst = max(difference(made, basis, *shape) for shape in ((384, 384), (256, 320)))
        if worst > LARGEST_DIFFERENCE:
            raise ValueError(f"{options.out}: tokens are up to {worst:.2g} away from PyTorch's, expected at most {LARGEST_DIFFERENCE}")
        onnx.save(made, options.out)
    except (OSError, ValueError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    print(f"{options.out.name}: {DIM} of {len(basis)} directions keep {share:.1%} of the tokens; largest difference {worst:.2g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
