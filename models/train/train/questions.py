"""What the decoder is asked in training: rounds of points, boxes and mask prompts, each following from its last answer."""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import prior
from .clicks import Click, loose_box, middle, next_click, one_component
from .decoder import BACKGROUND, FOREGROUND, MASK_STRIDE, PADDING, PROMPT_STRIDE
from .encoder import Encoded
from .manner import PLAIN, Manner

STRONG_SHARE = 0.12
POINTLESS_SHARE = 0.3
PRIORLESS_SHARE = 0.12
SHIFT = 1.5
"""Standard deviation of the shifts, of priors whose own is 2; half as much where the prior is adapted."""
BOX_SHARE = 0.2
FORGETFUL_SHARE = 0.15
"""Of the later rounds: all clicks are given again, but no mask, as after a click was moved."""


@dataclass
class Question:
    """float32 tensors as the decoder takes them."""

    point_coords: Tensor
    point_labels: Tensor
    mask_input: Tensor
    has_mask_input: Tensor
    trusted: Tensor
    """1 for points that a person set, [batch, points]: matched ones may be wrong."""
    shifted: Tensor
    """1 where the zero of the prior was moved, [batch]."""


@dataclass
class Dialogue:
    """One batch's rounds. The first `pairs` targets have a reference, the others clicks alone."""

    target: Encoded
    truth: Tensor
    """float32 [batch, 1, height, width] of 0 and 1."""
    classifier: prior.Classifier
    matched: list[list[prior.MatchedPoint]]
    rng: np.random.Generator
    manner: Manner = PLAIN
    round: int = 0
    points: list[list[tuple[float, float, float, bool]]] = field(init=False)
    """x, y in pixels, label, whether trusted."""

    def __post_init__(self) -> None:
        self.pairs = len(self.matched)
        batch = len(self.truth)
        self.points = [[] for _ in range(batch)]
        height, width = self.truth.shape[-2:]
        self.grid = (height // 8, width // 8)
        device = self.truth.device
        self.mask = torch.zeros(batch, 1, height // PROMPT_STRIDE, width // PROMPT_STRIDE, device=device)
        self.has = torch.zeros(batch, device=device)
        self.small_truth = F.avg_pool2d(self.truth, PROMPT_STRIDE)[:, 0].cpu().numpy() > 0.5
        for k, mask in enumerate(self.small_truth):
            # Objects thinner than a cell keep their best-covered ones.
            if not mask.any():
                share = F.avg_pool2d(self.truth[k : k + 1], PROMPT_STRIDE)[0, 0].cpu().numpy()
                self.small_truth[k] = share >= share.max()

    def first(self) -> Question:
        if self.pairs:
            self.ask_reference()
        for k in range(self.pairs, len(self.truth)):
            truth = self.small_truth[k]
            if self.rng.random() < BOX_SHARE:
                self.add(k, *loose_box(truth, self.rng))
                if self.rng.random() < 0.5:
                    continue
            x, y = middle(one_component(truth, self.rng), self.rng)
            self.add(k, (x, y, FOREGROUND))
        return self.question()

    def ask_reference(self) -> None:
        tokens = self.target.tokens
        self.scores = prior.self_trained(self.classifier, self.classifier.scores(tokens), tokens)
        self.strong = torch.from_numpy(self.rng.random(self.pairs) < STRONG_SHARE).to(self.has.device)
        shifted = self.rng.random(self.pairs) < self.manner.shifted_share
        self.shifts = torch.from_numpy(np.where(shifted, self.rng.normal(0, SHIFT, self.pairs), 0)).to(self.scores).unsqueeze(1)
        self.give_prior(prior.spread(self.scores) + self.shifts)
        for k, found in enumerate(self.matched):
            if self.rng.random() < POINTLESS_SHARE:
                continue
            for label, least in ((FOREGROUND, 1), (BACKGROUND, 0)):
                some = [point for point in found if point[2] == label]
                count = int(self.rng.integers(least, max(least, len(some)) + 1))
                self.points[k] += [(*point, False) for point in some[:count]]
            if self.points[k] and self.rng.random() < PRIORLESS_SHARE:
                self.has[k] = 0

    def give_prior(self, scores: Tensor) -> None:
        prompt = prior.as_prompt(scores, self.grid)
        self.mask[: self.pairs] = torch.where(self.strong.reshape(-1, 1, 1, 1), (prompt + 1) * 3, prompt)
        self.has[: self.pairs] = 1

    def following(self, logits: Tensor) -> Question:
        """The next round after an answer of logits [batch, 1, height/2, width/2]."""
        self.round += 1
        small = F.avg_pool2d(logits, PROMPT_STRIDE // MASK_STRIDE)
        drawn = (small[:, 0] > 0).cpu().numpy()
        adapting = self.round == 1 and self.pairs > 0
        asked = range(self.pairs if adapting else 0, len(self.truth))
        previous = small.clamp(-20, 20)
        forgets = torch.from_numpy(self.rng.random(len(self.truth)) < FORGETFUL_SHARE).to(self.has.device)
        forgets[: self.pairs] = False
        for k in asked:
            click = next_click(drawn[k], self.small_truth[k], self.rng)
            if click is not None:
                self.add(k, click)
        start = self.pairs if adapting else 0
        self.mask[start:] = previous[start:]
        self.has[start:] = 1 - forgets[start:].float()
        if adapting:
            adapted = prior.adapted(self.classifier, self.scores, self.target.tokens, logits[: self.pairs])
            self.give_prior(adapted + self.shifts / 2)
        return self.question()

    def add(self, k: int, *clicks: Click) -> None:
        self.points[k] += [(x * PROMPT_STRIDE, y * PROMPT_STRIDE, label, True) for x, y, label in clicks]

    def question(self) -> Question:
        most = max(1, *(len(points) for points in self.points))
        rows = np.zeros((len(self.points), most, 4), np.float32)
        rows[:, :, 2] = PADDING
        for k, points in enumerate(self.points):
            if points:
                rows[k, : len(points)] = points
        table = torch.from_numpy(rows).to(self.has.device)
        mask = self.mask.clone()
        shifted = torch.zeros_like(self.has)
        if self.pairs and self.round < 2:
            shifted[: self.pairs] = (self.shifts[:, 0] != 0).float()
        return Question(table[:, :, :2], table[:, :, 2], mask, self.has.clone(), table[:, :, 3], shifted)
