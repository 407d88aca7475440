"""python -m export dinov2 | sam | mobile-sam (--checkpoint <file> | --random) --out <folder> [--int8 [static]]"""

import argparse
import copy
import sys
from pathlib import Path

import numpy as np
import torch

from . import dinov2, graph, inputs, manifest, parity, quantise, sam, sam_vit
from .attention import fold
from .weights import CheckpointError, load, randomise

RANDOM_ORIGIN = "Random weights, for tests of speed only: its masks mean nothing"
#: Images to calibrate on; more change the ranges little.
CALIBRATION_IMAGES = 32


class Failure(Exception):
    """Told to the person in one line."""


def main(argv=None) -> int:
    args = parse(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        entries = args.export(args)
    except (CheckpointError, Failure, OSError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    for made in entries:
        manifest.add(args.out, made)
    print(f"\nListed in {args.out / manifest.MANIFEST}. To use them:\n")
    for made in entries:
        print(manifest.import_command(args.out, made))
    return 0


def parse(argv):
    parser = argparse.ArgumentParser(prog="export", description="Official checkpoints to ONNX graphs for AP-MedSAM.")
    families = parser.add_subparsers(dest="family", required=True)
    common = argparse.ArgumentParser(add_help=False)
    source = common.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", type=Path, help="official .pth or .pt file; the size is read from it")
    source.add_argument("--random", action="store_true", help="random weights, for tests of speed")
    common.add_argument("--seed", type=int, default=0, help="of random weights")
    common.add_argument("--out", type=Path, required=True, help="folder for the graphs and manifest.json")
    common.add_argument(
        "--int8",
        nargs="?",
        const="dynamic",
        choices=["dynamic", "static"],
        help="also a variant with int8 linear layers; static needs --calibrate",
    )
    common.add_argument("--calibrate", type=Path, metavar="FOLDER", help="images like those that will be labelled")

    encoder = families.add_parser("dinov2", parents=[common], help="DINOv2 encoders")
    encoder.add_argument("--size", choices=dinov2.SIZES, default="small", help="with --random")
    encoder.add_argument("--registers", action="store_true", help="with --random: the variant with four registers")
    encoder.set_defaults(export=export_dinov2)

    for name, sizes in (("sam", list(sam_vit.SIZES)), ("mobile-sam", ["mobile"])):
        segmenter = families.add_parser(name, parents=[common], help=f"{name} encoder and decoder")
        segmenter.add_argument("--size", choices=sizes, default=sizes[0], help="with --random")
        segmenter.add_argument("--multimask", action="store_true", help="a decoder that gives all four masks")
        segmenter.set_defaults(export=export_sam)

    args = parser.parse_args(argv)
    if args.int8 == "static" and args.calibrate is None:
        parser.error("--int8 static needs --calibrate with a folder of images")
    return args


def export_dinov2(args) -> list[dict]:
    size, registers = args.size, 4 if args.registers else 0
    if args.checkpoint:
        size, registers = dinov2_variant(args.checkpoint)
    name = f"dinov2-{size}{'-reg' if registers else ''}"
    module = dinov2.Dinov2(size, registers)
    fill(module, args, name)

    names = ["last_hidden_state", "tokens_pre_norm"]
    path = args.out / f"{name}.onnx"
    example = torch.zeros(1, 3, 4 * dinov2.PATCH, 5 * dinov2.PATCH)
    axes = {"pixel_values": {0: "batch", 2: "height", 3: "width"}}
    axes |= {output: {0: "batch", 1: "tokens"} for output in names}
    write(module, [example], path, ["pixel_values"], names, axes)
    images = {
        "noise, 518 x 518": inputs.noise(518, 518),
        "structured, 518 x 518": inputs.structured(518, 518),
        "structured, 280 x 644": inputs.structured(280, 644),
    }
    samples = [
        parity.sample(module, label, {"pixel_values": inputs.dinov2_input(image)}) for label, image in images.items()
    ]
    variants = {"": path}
    check(path, samples)
    if args.int8:
        variants["-int8"] = path.with_name(f"{name}-int8.onnx")
        quantised(args, path, variants["-int8"], lambda file: {
            "pixel_values": inputs.dinov2_input(inputs.read(file, size=(518, 518)))
        })
        check(variants["-int8"], samples, exact=False)
    settings = {"inputSide": 518, "registers": registers, "preNormTokens": "tokens_pre_norm"}
    return [
        manifest.entry(
            f"{name}{suffix}",
            "encoder",
            "dinov2",
            f"DINOv2 {size.capitalize()}{', 4 registers' if registers else ''}{label_of(suffix, args)}",
            origin(args, "DINOv2, Meta AI"),
            {"model": file},
            **settings,
        )
        for suffix, file in variants.items()
    ]


def export_sam(args) -> list[dict]:
    mobile = args.family == "mobile-sam"
    size = "mobile" if mobile else args.size
    if args.checkpoint and not mobile:
        size = sam_variant(args.checkpoint)
    name = "mobile-sam" if mobile else f"sam-vit-{size}"
    module = sam.build(size)
    fill(module, args, name)

    encoder = sam.PreparingEncoder(module.image_encoder) if mobile else module.image_encoder
    path = args.out / f"{name}-encoder.onnx"
    feed = "input_image" if mobile else "x"
    example = torch.zeros(768, sam.SIDE, 3) if mobile else torch.zeros(1, 3, sam.SIDE, sam.SIDE)
    axes = {feed: {0: "height", 1: "width"}} if mobile else {}
    write(encoder, [example], path, [feed], ["image_embeddings"], axes)
    prepare = (lambda image: image) if mobile else inputs.sam_input
    images = {"noise, 1024 x 768": inputs.noise(768, 1024), "structured, 640 x 1024": inputs.structured(1024, 640)}
    samples = [parity.sample(encoder, label, {feed: prepare(image)}) for label, image in images.items()]
    check(path, samples)
    variants = {"": path}
    if args.int8:
        variants["-int8"] = path.with_name(f"{name}-int8-encoder.onnx")
        quantised(args, path, variants["-int8"], lambda file: {feed: prepare(inputs.read(file, long_side=sam.SIDE))})
        check(variants["-int8"], samples, exact=False)

    decoder_path = args.out / f"{name}-decoder.onnx"
    export_decoder(module.decoder(args.multimask), decoder_path)
    maker = "MobileSAM, Kyung Hee University" if mobile else "Segment Anything, Meta AI"
    title = "MobileSAM" if mobile else f"SAM ViT-{size.upper()}"
    return [
        manifest.entry(
            f"{name}{suffix}",
            "segmenter",
            args.family,
            f"{title}{label_of(suffix, args)}",
            origin(args, maker),
            {"encoder": file, "decoder": decoder_path},
            inputSide=sam.SIDE,
        )
        for suffix, file in variants.items()
    ]


def export_decoder(decoder, path: Path) -> None:
    names = ["image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input"]
    axes = {
        "point_coords": {0: "prompts", 1: "points"},
        "point_labels": {0: "prompts", 1: "points"},
        "mask_input": {0: "masks"},
        "low_res_masks": {0: "prompts"},
        "iou_predictions": {0: "prompts"},
    }
    samples = [
        parity.sample(decoder, label, decoder_feeds(points, prompts, has_mask))
        for label, points, prompts, has_mask in (
            ("9 points", 9, 1, 0), ("1 point and padding, mask prompt", 2, 1, 1), ("3 prompts of 4 points", 4, 3, 0)
        )
    ]
    example = [torch.from_numpy(array) for array in samples[2].feeds.values()]
    write(decoder, example, path, names, ["low_res_masks", "iou_predictions"], axes)
    check(path, samples)


def decoder_feeds(points: int, prompts: int, has_mask: float) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(points)
    labels = generator.integers(0, 4, (prompts, points)).astype(np.float32)
    labels[:, -1] = -1
    return {
        "image_embeddings": generator.standard_normal((1, 256, 64, 64), np.float32),
        "point_coords": (sam.SIDE * generator.random((prompts, points, 2))).astype(np.float32),
        "point_labels": labels,
        "mask_input": generator.standard_normal((1, 1, 256, 256), np.float32),
        "has_mask_input": np.float32([has_mask]),
    }


def dinov2_variant(checkpoint: Path) -> tuple[str, int]:
    """Size and number of registers."""
    state = read_state(checkpoint)
    dim = width_of(state, "pos_embed")
    size = next((size for size, facts in dinov2.SIZES.items() if facts.dim == dim), None)
    if size is None:
        raise Failure(f"{checkpoint}: expected a checkpoint of DINOv2, found no position embedding of one of its sizes")
    registers = state.get("register_tokens")
    return size, 0 if registers is None else registers.shape[1]


def sam_variant(checkpoint: Path) -> str:
    dim = width_of(read_state(checkpoint), "image_encoder.pos_embed")
    size = next((size for size, facts in sam_vit.SIZES.items() if facts.dim == dim), None)
    if size is None:
        raise Failure(f"{checkpoint}: expected a checkpoint of SAM, found no position embedding of one of its sizes")
    return size


def read_state(checkpoint: Path) -> dict:
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    except OSError:
        raise
    except Exception:  # An old or broken file: reading it in earnest says what is wrong.
        try:
            state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        except Exception as error:
            raise Failure(f"{checkpoint}: not a PyTorch checkpoint: {error}") from error
    return state if isinstance(state, dict) else {}


def width_of(state: dict, name: str) -> int | None:
    tensor = state.get(name)
    return tensor.shape[-1] if isinstance(tensor, torch.Tensor) else None


def fill(module, args, what: str) -> None:
    if args.random:
        randomise(module, args.seed)
    else:
        load(module, args.checkpoint, what)
    module.eval()


def write(module, example, path: Path, names, outputs, axes) -> None:
    exported = copy.deepcopy(module).eval()
    fold(exported)
    graph.export(exported, example, path, names, outputs, axes)
    size = sum(file.stat().st_size for file in graph.files(path))
    print(f"\n{path.name}: {size / 1e6:.1f} MB")


def quantised(args, source: Path, target: Path, feeds_of) -> None:
    if args.int8 == "dynamic":
        quantise.dynamic(source, target)
    else:
        images = inputs.calibration_images(args.calibrate, CALIBRATION_IMAGES)
        quantise.static(source, target, [feeds_of(file) for file in images])
    print(f"\n{target.name}: {target.stat().st_size / 1e6:.1f} MB")


def check(path: Path, samples: list[parity.Sample], exact=True) -> None:
    """Prints how far the graph is from PyTorch. Raises Failure where that is more than rounding, if it should be exact."""
    for label, found in parity.compare(path, samples):
        print(f"  {label}: {found}")
        if exact and not found.relative <= parity.LARGEST_RELATIVE:
            raise Failure(f"{path}: differs from PyTorch by more than rounding")


def label_of(suffix: str, args) -> str:
    return f", int8 ({args.int8})" if suffix else ""


def origin(args, maker: str) -> str:
    return RANDOM_ORIGIN if args.random else f"{maker}; exported from {args.checkpoint.name}"


if __name__ == "__main__":
    sys.exit(main())
