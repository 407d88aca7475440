"""How good a decoder is: from one reference, from clicks, and how well its IoU prediction ranks.

A quick look in Python while training. The numbers that count come from the engine: `npm run bench:accuracy` and `npm run bench:clicks`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.stats import spearmanr
from torch import Tensor

from . import prior
from .clicks import next_click
from .decoder import MASK_STRIDE, PADDING, PROMPT_STRIDE, Decoder
from .encoder import Encoded, Encoder
from .sets import Labelled

SIDE = 288
"""Images are squashed into a square of it, as the engine does."""

ROUNDS = (1, 3, 5, 10)


@dataclass
class Asked:
    """An encoded image with its object."""

    image: Encoded
    truth: np.ndarray
    """bool at the decoder's resolution, [height/2, width/2]."""
    shares: Tensor
    """[1, patches]"""


def prepare(one: Labelled, encoder: Encoder) -> Asked:
    size = (SIDE, SIDE)
    pixels = np.asarray(Image.fromarray(one.image).resize(size, Image.Resampling.BILINEAR))
    mask = torch.from_numpy(np.asarray(Image.fromarray(one.mask * 255).resize(size, Image.Resampling.BILINEAR)).copy()).float()[None, None] / 255
    small = F.avg_pool2d(mask, MASK_STRIDE)[0, 0].numpy() > 0.5
    return Asked(encoder.encode(pixels[None]), small, prior.coverage(mask))


@torch.inference_mode()
def ask(decoder: Decoder, image: Encoded, points: Sequence[tuple[float, float, float]], mask: Tensor | None) -> tuple[Tensor, float]:
    """Logits [1, 1, height/2, width/2] and the IoU prediction, of points (x, y, label) in pixels of the input."""
    height, width = image.pixel_values.shape[-2:]
    table = torch.tensor([list(points) or [(0.0, 0.0, PADDING)]], dtype=torch.float32)
    given = torch.zeros(1, 1, height // PROMPT_STRIDE, width // PROMPT_STRIDE) if mask is None else mask
    has = torch.full((1,), 0.0 if mask is None else 1.0)
    device = next(decoder.parameters()).device
    image = image.to(device)
    prompts = (value.to(device) for value in (table[:, :, :2], table[:, :, 2], given, has))
    logits, iou = decoder(image.pixel_values, image.features, *prompts)
    return logits.cpu(), float(iou)


def overlap(drawn: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Dice and IoU; 1 where both are empty."""
    common, total = int((drawn & truth).sum()), int(drawn.sum() + truth.sum())
    return (2 * common / total, common / (total - common)) if total else (1.0, 1.0)


def one_shot(decoder: Decoder, reference: Asked, target: Asked, *, adapt: bool = True) -> tuple[float, float, float]:
    """Dice, IoU and IoU prediction of the target's mask, from the prior alone, asked again with it adapted."""
    tokens = target.image.tokens
    classifier = prior.fit(reference.image.tokens, reference.shares)
    scores = prior.self_trained(classifier, classifier.scores(tokens), tokens)
    height, width = target.image.pixel_values.shape[-2:]
    grid = (height // 8, width // 8)
    logits, iou = ask(decoder, target.image, [], prior.as_prompt(prior.spread(scores), grid))
    if adapt:
        learnt = prior.adapted(classifier, scores, tokens, logits)
        logits, iou = ask(decoder, target.image, [], prior.as_prompt(learnt, grid))
    return *overlap((logits[0, 0] > 0).numpy(), target.truth), iou


def clicked(decoder: Decoder, target: Asked, rounds: int) -> tuple[list[float], list[float]]:
    """IoU and IoU prediction after every click."""
    drawn = np.zeros_like(target.truth)
    points: list[tuple[float, float, float]] = []
    mask: Tensor | None = None
    found: list[float] = []
    predicted: list[float] = []
    for _ in range(rounds):
        click = next_click(drawn, target.truth)
        if click is not None:
            x, y, label = click
            points.append((x * MASK_STRIDE, y * MASK_STRIDE, label))
        logits, iou = ask(decoder, target.image, points, mask)
        drawn = (logits[0, 0] > 0).numpy()
        mask = F.avg_pool2d(logits, PROMPT_STRIDE // MASK_STRIDE)
        found.append(overlap(drawn, target.truth)[1])
        predicted.append(iou)
    return found, predicted


def evaluate(
    decoder: Decoder, images: Sequence[Asked], *, references: int = 1, rounds: int = 10, clicks: bool = True
) -> dict[str, float]:
    """One-shot Dice with the first images as references of all others, IoU after some clicks, and rank correlations."""
    pairs = [one_shot(decoder, images[r], target) for r in range(references) for k, target in enumerate(images) if k != r]
    scores = {"Dice": float(np.mean([dice for dice, *_ in pairs])), "rho": rank([iou for _, iou, _ in pairs], [p for *_, p in pairs])}
    if clicks:
        rows = [clicked(decoder, target, rounds) for target in images]
        for turn in (turn for turn in ROUNDS if turn <= rounds):
            scores[f"IoU@{turn}"] = float(np.mean([found[turn - 1] for found, _ in rows]))
        turns = [turn - 1 for turn in ROUNDS if turn <= rounds]
        scores["rho clicks"] = rank([f[t] for f, _ in rows for t in turns], [p[t] for _, p in rows for t in turns])
    return scores


def rank(truth: Sequence[float], predicted: Sequence[float]) -> float:
    return float(spearmanr(truth, predicted).statistic) if len(set(truth)) > 1 and len(set(predicted)) > 1 else float("nan")
