"""The embedded decoder, from labelled sets to ONNX: see `python -m train --help` and the README beside this package."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from .curve import draw_curve
from .encoder import Encoder
from .estimate import collect, fit_head
from .evaluate import evaluate, prepare
from .exporting import export
from .preparing import prepare_sets
from .scenes import scene
from .sets import TRAINING_SETS, UNSEEN_SETS, Labelled, load_sets
from .training import Settings, Training, run

MODELS = Path(__file__).parents[2]
VALIDATION_SCENES = 8


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    try:
        work(options)
    except (OSError, ValueError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    parser.add_argument("data", type=Path, help="folder of labelled sets, each with images/ and masks/")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint, curve and embedded-decoder.onnx")
    parser.add_argument("--batches", type=int, default=Settings.batches)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--evaluate", action="store_true", help="only measure the run's decoder on the unseen sets")
    return parser.parse_args(arguments)


def work(options: argparse.Namespace) -> None:
    """Raises OSError or ValueError, with one sentence to show, where a file is missing or not as expected."""
    checkpoint = options.out / "checkpoint.pt"
    if options.evaluate and not checkpoint.exists():
        raise FileNotFoundError(f"{checkpoint}: expected the checkpoint of a run to evaluate, found none")
    options.out.mkdir(parents=True, exist_ok=True)
    encoder = Encoder(MODELS / "embedded-encoder.onnx", options.threads)
    training = Training(Settings(batches=options.batches, seed=options.seed), torch.device(options.device))
    if checkpoint.exists():
        training.load(checkpoint)
        print(f"goes on after batch {training.batch}", flush=True)
    if not options.evaluate:
        train(training, options, encoder, checkpoint)
    there = [name for name in UNSEEN_SETS if (options.data / name).exists()]
    for name, images in load_sets(options.data, there).items():
        asked = [prepare(one, encoder) for one in images[:20]]
        print(name, "  ".join(f"{key} {value:.3f}" for key, value in evaluate(training.result(), asked).items()), flush=True)


def train(training: Training, options: argparse.Namespace, encoder: Encoder, checkpoint: Path) -> None:
    """What is left of the run, its curve and its graph."""
    sets = prepare_sets(options.data, TRAINING_SETS, MODELS / "samples", options.out / "regions", options.seed)
    print(", ".join(f"{name}: {len(images)} images" for name, images in sets.items()), flush=True)
    validation = validation_images(encoder)
    run(
        training,
        training.batches(sets, MODELS / "embedded-encoder.onnx"),
        checkpoint,
        validate=lambda decoder: validate(decoder, validation),
        report=lambda line: print(line, flush=True),
    )
    if training.estimate is None:
        print(f"fits the IoU prediction to {training.settings.estimate_batches} more batches", flush=True)
        answers = collect(training.result(), training.batches_for_estimate(sets, MODELS / "embedded-encoder.onnx"), training.device)
        training.estimate = fit_head(answers, training.settings.seed).state_dict()
        training.save(checkpoint)
    draw_curve(training.curve, options.out / "curve.png")
    (options.out / "curve.json").write_text(json.dumps(training.curve, indent=1))
    worst = export(training.result().cpu(), options.out / "embedded-decoder.onnx")
    print(f"embedded-decoder.onnx: largest difference from PyTorch {worst:.2g}")


def validation_images(encoder: Encoder) -> dict[str, list]:
    """The shipped samples, which are never trained on, and pairs of scenes that no batch contains."""
    samples = load_sets(MODELS / "samples", sorted(path.name for path in (MODELS / "samples").iterdir() if path.is_dir()))
    shown = {name: [prepare(one, encoder) for one in images[:6]] for name, images in samples.items()}
    for number in range(VALIDATION_SCENES):
        made = scene(np.random.default_rng((2**31, number)))
        pair = [Labelled(f"scene {number}", image, mask) for image, mask in zip(made.images, made.masks, strict=True)]
        shown[f"scene {number}"] = [prepare(one, encoder) for one in pair]
    return shown


def validate(decoder: torch.nn.Module, shown: dict[str, list]) -> dict[str, float]:
    """Means over samples and scenes, each of equal weight."""
    groups: dict[str, list[dict[str, float]]] = {"samples": [], "scenes": []}
    for name, images in shown.items():
        groups["scenes" if name.startswith("scene ") else "samples"].append(evaluate(decoder, images, rounds=5))
    keys = ("Dice", "IoU@1", "IoU@3", "IoU@5")
    return {f"{group} {key}": float(np.mean([one[key] for one in of])) for group, of in groups.items() for key in keys}


# Where worker processes are spawned, they import this file again.
if __name__ == "__main__":
    sys.exit(main())
