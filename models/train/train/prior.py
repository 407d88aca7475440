"""What a reference says of a target, batched: the foreground prior, points from matches, and the prior's adaptation.

The same as the engine computes (src/core/tokens/foregroundPrior.ts, matching.ts, adaptation.ts), so that the decoder is trained on what
it will be asked. The engine also lays the reference over the target (alignment.ts), which the decoder is not trained with. Grids have stride 8.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

PENALTY = 10.0
SPREAD = 2.0
SURE = 2.0
ADAPTED_SHARE = 2 / 3
SURE_SHARE = 0.75
HIGHEST = 0.99


MatchedPoint = tuple[float, float, float]
"""x and y in pixels of the input, label."""


@dataclass
class Classifier:
    """weights float32 [batch, dim], bias float32 [batch]."""

    weights: Tensor
    bias: Tensor

    def to(self, device: torch.device) -> "Classifier":
        return Classifier(self.weights.to(device), self.bias.to(device))

    def scores(self, tokens: Tensor) -> Tensor:
        """float32 [batch, patches] of tokens [batch, patches, dim]."""
        return torch.bmm(tokens, self.weights.unsqueeze(2)).squeeze(2) + self.bias.unsqueeze(1)


def coverage(mask: Tensor) -> Tensor:
    """Share of every patch in the object, [batch, patches] of masks [batch, 1, height, width]."""
    return F.avg_pool2d(mask, 8).flatten(1)


def fit(
    tokens: Tensor,
    shares: Tensor,
    *,
    use: Tensor | None = None,
    near: Classifier | None = None,
    iterations: int = 20,
) -> Classifier:
    """Class-balanced ridge regression from tokens [batch, patches, dim] to shares [batch, patches] by conjugate gradient.

    Args:
        use: 0 or 1 [batch, patches]; patches that teach nothing are left out.
        near: what the weights are drawn to.
    """
    use = torch.ones_like(shares) if use is None else use
    shares = shares * use
    best = shares.amax(1, keepdim=True)
    positive = ((shares >= best.clamp(max=0.5)) & (shares > 0)).float() * use
    negative = (1 - positive) * use
    goal = torch.where(positive * (shares < 0.5) > 0, torch.ones_like(shares), 2 * shares - 1)
    count = use.sum(1, keepdim=True)
    weight = count / 2 * (positive / positive.sum(1, keepdim=True).clamp(min=1) + negative / negative.sum(1, keepdim=True).clamp(min=1))
    if near is not None:
        goal = goal - near.scores(tokens)
    penalty = PENALTY * count / shares.shape[1]
    portion = weight / weight.sum(1, keepdim=True).clamp(min=1e-6)
    mean = torch.bmm(portion.unsqueeze(1), tokens).squeeze(1)
    mean_goal = (portion * goal).sum(1, keepdim=True)

    def back(rows: Tensor) -> Tensor:
        return torch.bmm(rows.unsqueeze(1), tokens).squeeze(1) - rows.sum(1, keepdim=True) * mean

    def product(v: Tensor) -> Tensor:
        rows = torch.bmm(tokens, v.unsqueeze(2)).squeeze(2) - (mean * v).sum(1, keepdim=True)
        return back(weight * rows) + penalty * v

    x = torch.zeros_like(mean)
    residual = back(weight * (goal - mean_goal))
    direction = residual.clone()
    squares = residual.square().sum(1, keepdim=True)
    for _ in range(iterations):
        image = product(direction)
        step = squares / (direction * image).sum(1, keepdim=True).clamp(min=1e-12)
        x = x + step * direction
        residual = residual - step * image
        following = residual.square().sum(1, keepdim=True)
        direction = residual + following / squares.clamp(min=1e-12) * direction
        squares = following
    bias = (mean_goal - (mean * x).sum(1, keepdim=True)).squeeze(1)
    nothing = positive.sum(1) == 0
    x = torch.where(nothing.unsqueeze(1), torch.zeros_like(x), x)
    bias = torch.where(nothing, torch.zeros_like(bias) if near is not None else -torch.ones_like(bias), bias)
    return Classifier(x, bias) if near is None else Classifier(near.weights + x, near.bias + bias)


def spread(scores: Tensor) -> Tensor:
    """Scores scaled to a standard deviation of 2; zero stays where it is."""
    return scores * (SPREAD / (scores.std(1, keepdim=True, correction=0) + 1e-6))


def as_prompt(scores: Tensor, grid: tuple[int, int]) -> Tensor:
    """Scores [batch, patches] of a stride-8 grid (rows, columns) as mask prompt [batch, 1, 2 rows, 2 columns]."""
    maps = scores.reshape(-1, 1, *grid)
    return F.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)


def self_trained(classifier: Classifier, scores: Tensor, tokens: Tensor) -> Tensor:
    """Scores [batch, patches] of a classifier that has learnt from the patches that it is itself sure of."""
    ordered = scores.sort(1).values
    patches = scores.shape[1]
    median = ordered[:, patches // 2, None]
    reach = SURE_SHARE * (ordered[:, int(HIGHEST * (patches - 1)), None] - median)
    foreground = scores > median + reach
    background = scores < median + reach / 2
    return learnt(classifier, scores, tokens, foreground.float(), (foreground | background).float())


def adapted(classifier: Classifier, scores: Tensor, tokens: Tensor, logits: Tensor) -> Tensor:
    """Scores [batch, patches] of a classifier that has learnt from the sure part of `logits` [batch, 1, height/2, width/2]."""
    at = F.avg_pool2d(logits, 4).flatten(1)
    return learnt(classifier, scores, tokens, (at > 0).float(), (at.abs() > SURE).float())


def learnt(classifier: Classifier, scores: Tensor, tokens: Tensor, shares: Tensor, use: Tensor) -> Tensor:
    """Scores after learning from the target's own patches in `use`, with a share of those before; all [batch, patches]."""
    own = fit(tokens, shares, use=use, near=classifier, iterations=3)
    return ADAPTED_SHARE * spread(own.scores(tokens)) + (1 - ADAPTED_SHARE) * spread(scores)


def matched_points(
    reference: Tensor, shares: Tensor, target: Tensor, columns: int, most: int, random: torch.Generator
) -> list[MatchedPoint]:
    """Points of one pair from matches that come back, as (x, y, label) in pixels; none where under half of the positives do.

    Args:
        reference, target: tokens [patches, dim] of unit length.
        shares: [patches] of the reference in the object.
        most: of each label.
    """
    points: list[MatchedPoint] = []
    for label, inside in ((1.0, shares >= min(0.999, float(shares.max()))), (0.0, shares <= 0)):
        own = torch.nonzero(inside).squeeze(1)
        if len(own) == 0:
            continue
        chosen = own[torch.randperm(len(own), generator=random)[:48]]
        hits = (reference[chosen] @ target.T).argmax(1)
        back = (target[hits] @ reference.T).argmax(1)
        kept = torch.unique(hits[inside[back]])
        if label == 1.0 and float(inside[back].float().mean()) < 0.5:
            return []
        for patch in kept[torch.randperm(len(kept), generator=random)[:most]].tolist():
            points.append((8 * (patch % columns) + 4.0, 8 * (patch // columns) + 4.0, label))
    return points if any(label == 1.0 for *_, label in points) else []
