"""The IoU prediction, fitted once more when the decoder is done.

Averaging weights moves what the estimate was fitted to, and while the mask still learns its answers keep changing. So its small head
starts anew on the answers of the finished decoder, of batches that the run did not contain. Nothing else changes.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .batches import Batches, load_batches
from .decoder import MASK_STRIDE, Decoder, estimate_head
from .questions import Dialogue
from .training import RANKING, ask, ranking_loss, true_iou

ROUNDS = 4
STEPS = 3000
GROUPS = 8
"""Rounds of a batch that a step learns from: answers are ranked within a round."""
RATE = 2e-3
DECAY = 1e-2
DROPPED = 0.2
"""Of the hidden units, while fitting."""


@dataclass
class Answers:
    """What the head is given, float32 [rounds, batch, facts], and the true IoU, float32 [rounds, batch]."""

    facts: Tensor
    iou: Tensor


@torch.inference_mode()
def collect(decoder: Decoder, batches: Batches, device: torch.device) -> Answers:
    """Answers to the first rounds of questions of every batch."""
    given: list[Tensor] = []
    hook = decoder.iou.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0].float().cpu()))
    found: list[Tensor] = []
    try:
        for batch in load_batches(batches):
            batch = batch.to(device)
            truth = batch.masks.float()
            rng = np.random.default_rng((batches.seed, 1, batch.number))
            dialogue = Dialogue(batch.targets, truth, batch.classifier, batch.matched, rng, batch.manner)
            question = dialogue.first()
            for turn in range(ROUNDS):
                logits, _ = ask(decoder, batch.targets, question)
                found.append(true_iou(logits, F.avg_pool2d(truth, MASK_STRIDE)).cpu())
                if turn < ROUNDS - 1:
                    question = dialogue.following(logits)
    finally:
        hook.remove()
    return Answers(torch.stack(given), torch.stack(found))


def fit_head(answers: Answers, seed: int) -> nn.Sequential:
    """A head that is near to the true IoU and ranks as it does."""
    facts = answers.facts.flatten(0, 1)
    mean, spread = facts.mean(0), facts.std(0) + 1e-3
    standard = (answers.facts - mean) / spread
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = estimate_head()
        optimiser = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
        first, activation, last = head
        for _ in range(STEPS):
            chosen = torch.randperm(len(standard), generator=generator)[:GROUPS]
            hidden = F.dropout(activation(first(standard[chosen])), DROPPED)
            predicted = torch.sigmoid(last(hidden)).squeeze(2)
            truth = answers.iou[chosen]
            ranking = torch.stack([ranking_loss(one, other) for one, other in zip(predicted, truth, strict=True)]).mean()
            loss = (predicted - truth).square().mean() + RANKING * ranking
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    # What was standardised is given as it is from now on.
    with torch.no_grad():
        first.weight /= spread
        first.bias -= first.weight @ mean
    return head.requires_grad_(False)
