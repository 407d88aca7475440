"""The training run: rounds of questions, one step of the optimiser after each.

In two parts: the second starts from the averaged weights of the first, at a lower rate, and asks more boldly. What comes of the
run is the mean of the two parts' averages (Wortsman et al. 2022, arXiv 2109.01903): on kinds of images that neither has seen, about
as good as the better of them.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .batches import Batch, Batches, load_batches
from .decoder import MASK_STRIDE, Decoder, Points
from .encoder import Encoded
from .manner import Manner
from .questions import Dialogue, Question
from .sets import Labelled


@dataclass(frozen=True)
class Settings:
    batches: int = 1900
    """Of the first part."""
    bold_batches: int = 1000
    """Of the second."""
    size: int = 16
    pairs: int = 8
    rate: float = 1.5e-3
    bold_rate: float = 6e-4
    decay: float = 1e-2
    warmup: int = 100
    average: float = 0.998
    """Of the weights, per step."""
    long_share: float = 0.25
    """Of the batches with eight rounds, of which half are learnt from; the others have four."""
    estimate_batches: int = 120
    """That the IoU prediction is fitted to in the end."""
    seed: int = 0

    @property
    def total(self) -> int:
        """Batches of the whole run."""
        return self.batches + self.bold_batches


RANKING = 0.3
"""Of the loss of estimates in the wrong order, beside their squared error."""


class Training:
    """State of a run; `step` goes through one batch."""

    def __init__(self, settings: Settings, device: torch.device):
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.device = device
        self.decoder = Decoder().to(device, memory_format=torch.channels_last)
        self.averaged = Decoder().to(device, memory_format=torch.channels_last).eval()
        self.averaged.load_state_dict(self.decoder.state_dict())
        self.averaged.requires_grad_(False)
        self.batch = 0
        self.start_part()
        self.curve: list[dict[str, float]] = []
        self.estimate: dict[str, Tensor] | None = None
        """Weights of the IoU prediction, fitted to what came of the run."""

    def start_part(self) -> None:
        """From the averaged weights, with an optimiser that knows no steps yet."""
        self.plain = {name: value.clone() for name, value in self.averaged.state_dict().items()}
        self.decoder.load_state_dict(self.plain)
        self.optimiser = torch.optim.AdamW(self.decoder.parameters(), weight_decay=self.settings.decay)
        self.steps = 0

    def result(self) -> Decoder:
        """The averaged weights, in the second part half and half with those that the first ended with; with the estimate once it is
        fitted to them."""
        result = Decoder().to(self.device, memory_format=torch.channels_last).eval()
        own = self.averaged.state_dict()
        bold = self.batch > self.settings.batches
        result.load_state_dict({name: torch.lerp(self.plain[name], value, 0.5) for name, value in own.items()} if bold else own)
        if self.estimate is not None:
            result.iou.load_state_dict(self.estimate)
        return result.requires_grad_(False)

    def save(self, path: Path) -> None:
        state = {
            "settings": asdict(self.settings),
            "decoder": self.decoder.state_dict(),
            "averaged": self.averaged.state_dict(),
            "plain": self.plain,
            "optimiser": self.optimiser.state_dict(),
            "batch": self.batch,
            "steps": self.steps,
            "curve": self.curve,
            "estimate": self.estimate,
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def load(self, path: Path) -> None:
        """Raises ValueError where the file is of a run with other settings."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        own, other = asdict(self.settings), state["settings"]
        if other != own:
            differing = [name for name in own | other if own.get(name) != other.get(name)]
            expected, found = (", ".join(f"{name} {of.get(name)}" for name in differing) for of in (own, other))
            raise ValueError(f"{path}: expected the checkpoint of a run with {expected}, found one with {found}")
        self.decoder.load_state_dict(state["decoder"])
        self.averaged.load_state_dict(state["averaged"])
        self.plain = state["plain"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.batch, self.steps, self.curve = state["batch"], state["steps"], state["curve"]
        self.estimate = state["estimate"]

    def batches(self, sets: dict[str, list[Labelled]], encoder: Path) -> Batches:
        of = self.settings
        return Batches(sets, encoder, size=of.size, pairs=of.pairs, seed=of.seed, start=self.batch, bold=of.batches, end=of.total)

    def batches_for_estimate(self, sets: dict[str, list[Labelled]], encoder: Path) -> Batches:
        of = self.settings
        end = of.total + of.estimate_batches
        return Batches(sets, encoder, size=of.size, pairs=of.pairs, seed=of.seed, start=of.total, bold=of.batches, end=end)

    def step(self, batch: Batch) -> dict[str, float]:
        """Returns losses and IoU, the means over the batch's rounds."""
        if batch.number == self.settings.batches:
            self.start_part()
        rng = np.random.default_rng((self.settings.seed, 1, batch.number))
        batch = batch.to(self.device)
        target, truth = batch.targets, batch.masks.float()
        dialogue = Dialogue(target, truth, batch.classifier, batch.matched, rng, batch.manner)
        long = rng.random() < self.settings.long_share
        question = dialogue.first()
        measured: list[dict[str, float]] = []
        rounds = 8 if long else 4
        for turn in range(rounds):
            learns = not long or turn % 2 == 1
            with torch.set_grad_enabled(learns):
                logits, iou = ask(self.decoder, target, question)
            if learns:
                measured.append(self.learn(logits, iou, truth, question, batch.manner))
            if turn < rounds - 1:
                question = dialogue.following(logits.detach())
        self.batch = batch.number + 1
        return {name: float(np.mean([one[name] for one in measured])) for name in measured[0]}

    def learn(self, logits: Tensor, iou: Tensor, truth: Tensor, question: Question, manner: Manner) -> dict[str, float]:
        small = F.avg_pool2d(truth, MASK_STRIDE)
        mask_loss = mask_losses(logits, small, question, truth, lone_overlap=manner.lone_overlap)
        hard = true_iou(logits, small)
        estimate_loss = (iou.squeeze(1) - hard).square().mean() + RANKING * ranking_loss(iou.squeeze(1), hard)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        self.optimiser.zero_grad(set_to_none=True)
        (mask_loss + estimate_loss).backward()
        # Apart, so that a large error of the estimate does not slow down the mask.
        estimate = list(self.decoder.iou.parameters())
        mask = [of for name, of in self.decoder.named_parameters() if not name.startswith("iou.")]
        for parameters in (mask, estimate):
            nn.utils.clip_grad_norm_(parameters, 1.0)
        self.optimiser.step()
        self.steps += 1
        self.update_average()
        return {"mask loss": mask_loss.item(), "estimate loss": estimate_loss.item(), "IoU": hard.mean().item()}

    def is_bold(self) -> bool:
        """Whether the batch at hand is of the second part."""
        return self.batch >= self.settings.batches

    def rate(self) -> float:
        """In each of the two parts: up for the warm-up, then down along half a cosine."""
        of = self.settings
        start, count, most = (of.batches, of.bold_batches, of.bold_rate) if self.is_bold() else (0, of.batches, of.rate)
        done = (self.batch - start) / count
        up = min(1.0, (self.batch - start + 1) / of.warmup)
        return most * up * (0.005 + 0.995 * 0.5 * (1 + float(np.cos(np.pi * done))))

    def update_average(self) -> None:
        share = min(self.settings.average, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for average, own in zip(self.averaged.parameters(), self.decoder.parameters(), strict=True):
                average.lerp_(own, 1 - share)


def ask(decoder: Decoder, target: Encoded, question: Question) -> tuple[Tensor, Tensor]:
    """Logits [batch, 1, height/2, width/2] and IoU predictions [batch, 1], float32."""
    features = {name: value.contiguous(memory_format=torch.channels_last) for name, value in target.features.items()}
    device = target.pixel_values.device.type
    prompts = (question.point_coords, question.point_labels, question.mask_input, question.has_mask_input)
    # Not on a CPU: few have fast bfloat16, and runs there shall round alike.
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device != "cpu"):
        logits, iou = decoder(target.pixel_values, features, *prompts)
    return logits.float(), iou.float()


def mask_losses(logits: Tensor, small: Tensor, question: Question, truth: Tensor, *, lone_overlap: bool = False) -> Tensor:
    """Cross entropy, heavier where a person has clicked, and soft Dice (Milletari et al. 2016, arXiv 1606.04797), of all questions but
    those with a shifted prior.

    Args:
        logits, small: [batch, 1, height/2, width/2]; `small` is the truth's share per cell.
        lone_overlap: see `Manner`.
    """
    points = Points(truth, question.point_coords, torch.where(question.trusted > 0, question.point_labels, -1.0))
    clicked = points.discs(logits.shape[-2], logits.shape[-1], MASK_STRIDE, 6.0).amax(1, keepdim=True)
    entropy = F.binary_cross_entropy_with_logits(logits, small, reduction="none") * (1 + 3 * clicked)
    drawn = torch.sigmoid(logits)
    common = (drawn * small).sum((1, 2, 3))
    total = (drawn.square() + small.square()).sum((1, 2, 3))
    dice = 1 - (2 * common + 1) / (total + 1)
    alone = is_lone_click(question).float() if lone_overlap else torch.zeros_like(dice)
    each = (2 - 1.2 * alone) * entropy.mean((1, 2, 3)) + (1 + alone) * dice
    return (each * (1 - question.shifted)).sum() / (1 - question.shifted).sum().clamp(min=1)


def is_lone_click(question: Question) -> Tensor:
    """Whether all that is asked is one click of a person, bool [batch]."""
    return (question.trusted.sum(1) == 1) & ((question.point_labels >= 0).sum(1) == 1) & (question.has_mask_input == 0)


def ranking_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """How often, and how badly, of two answers the worse one is thought better (RankNet, Burges et al. 2005). Both [batch]."""
    gap = truth.unsqueeze(1) - truth.unsqueeze(0)
    apart = predicted.unsqueeze(1) - predicted.unsqueeze(0)
    return (gap.abs() * F.softplus(-10 * gap.sign() * apart)).mean()


def true_iou(logits: Tensor, small: Tensor) -> Tensor:
    """float32 [batch]."""
    drawn, object_ = logits > 0, small > 0.5
    common = (drawn & object_).sum((1, 2, 3)).float()
    either = (drawn | object_).sum((1, 2, 3)).float()
    return torch.where(either > 0, common / either.clamp(min=1), torch.ones_like(common))


def run(
    training: Training,
    batches: Batches,
    checkpoint: Path,
    *,
    validate: Callable[[Decoder], dict[str, float]],
    report: Callable[[str], None],
) -> None:
    """Goes through what is left of the run; saves every 100 batches, validates every 200."""
    settings = training.settings
    total = settings.total
    seen: list[dict[str, float]] = []
    started, first = time.monotonic(), training.batch
    for batch in load_batches(batches):
        seen.append(training.step(batch))
        done = training.batch
        if done % 20 == 0 or done in (settings.batches, total):
            means = {name: float(np.mean([one[name] for one in seen])) for name in seen[0]}
            seen.clear()
            spent = time.monotonic() - started
            left = spent / (done - first) * (total - done)
            report(
                f"batch {done}/{total}  "
                + "  ".join(f"{name} {value:.3f}" for name, value in means.items())
                + f"  {spent / (done - first):.2f} s/batch, {left / 60:.0f} min left"
            )
            training.curve.append({"batch": done, **means})
        if done % 200 == 0 or done == total:
            scores = validate(training.result())
            training.curve[-1] |= scores
            report("validation  " + "  ".join(f"{name} {value:.3f}" for name, value in scores.items()))
        if done % 100 == 0 or done == total:
            training.save(checkpoint)
