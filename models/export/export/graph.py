"""PyTorch modules -> ONNX files."""

import contextlib
import logging
import warnings
from pathlib import Path

import onnx
import torch

OPSET = 17
#: A graph of more bytes than this is written with its weights in a file beside it: protocol buffers end at 2 GiB.
LARGEST_SINGLE_FILE = 1_900_000_000


@torch.no_grad()
def export(module, example, path: Path, inputs, outputs, dynamic) -> None:
    """Writes a module as ONNX.

    inputs, outputs: names, in order. dynamic: name -> {axis: name of the size}.
    """
    module.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    with quiet():
        torch.onnx.export(
            module,
            tuple(example),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=dynamic,
            do_constant_folding=True,
            custom_opsets={"com.microsoft": 1},
        )
    tidy(path)


def tidy(path: Path) -> None:
    """Collects weights that a large export scatters over many files, and checks the graph."""
    model = onnx.load(path)
    scattered = {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    save(model, path)
    for name in scattered - {data_file(path).name}:
        (path.parent / name).unlink(missing_ok=True)
    onnx.checker.check_model(str(path))


def save(model: onnx.ModelProto, path: Path) -> None:
    data_file(path).unlink(missing_ok=True)
    large = model.ByteSize() > LARGEST_SINGLE_FILE
    onnx.save(model, path, save_as_external_data=large, location=data_file(path).name, size_threshold=1024)


def data_file(path: Path) -> Path:
    """Where the weights of a large graph lie."""
    return path.with_name(f"{path.name}_data")


def files(path: Path) -> list[Path]:
    """The files of a graph: itself, and its weights where they lie beside it."""
    return [path, data_file(path)] if data_file(path).exists() else [path]


@contextlib.contextmanager
def quiet():
    """Without the exporter's remarks about shapes that are constant here on purpose."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
