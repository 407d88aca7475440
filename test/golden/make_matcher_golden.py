"""Golden arrays of strategy `matcher`, made by the NumPy and SciPy transcription in test/bench/peers.

Run:  python make_matcher_golden.py     (Python >= 3.10, numpy, scipy; writes matcher.json beside this script)

Layout of matcher.json: {assignments, transports, cases}
  assignments   [{rows, columns, cost [rows * columns], total}]: least total of a one-to-one assignment
  transports    [{sources, sinks, cost [sources * sinks], total}]: earth mover's distance between uniform weights, as a linear
                programme
  cases         [{about, dim, reference, target: {grid, tokens [patches * dim]}, size, foreground, kept, weaker, rejected
                ([reference patch, target patch, back patch, cosine]), returned, points [[x, y]], masks: {size, logits
                [masks][pixels]}, scores [[emd, purity, coverage]], stabilities, selected: {preset: {rules, indices}}}]
Tokens have length 1 after rounding to 7 decimals, logits are rounded to 3 decimals and never 0, -1 or 1.
"""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "bench" / "peers"))
import matcher_peer  # noqa: E402
from scipy.optimize import linear_sum_assignment  # noqa: E402

RULES = {
    "semantic": dict(alpha=1, beta=0, exponent=0, leastPurity=0.02, leastCoverage=0, merged=9, cut="distance"),
    "object": dict(alpha=0.8, beta=0.2, exponent=1, leastPurity=0, leastCoverage=0, merged=10, cut="share"),
    "part": dict(alpha=0.5, beta=0.5, exponent=0, leastPurity=0, leastCoverage=0.3, merged=5, cut="share"),
}


def unit(tokens):
    return np.round(tokens / np.linalg.norm(tokens, axis=1, keepdims=True), 7)


KINDS = np.random.default_rng(0).normal(size=(2, 8))


def tokens_of(random, inside, noise):
    """Two kinds of patch, object and background, with noise."""
    return unit(KINDS[inside.astype(int)] + noise * random.normal(size=(len(inside), KINDS.shape[1])))


def disc(grid, cx, cy, radius):
    y, x = np.mgrid[0 : grid["height"], 0 : grid["width"]]
    return (((x + 0.5 - cx) ** 2 + (y + 0.5 - cy) ** 2) <= radius**2).reshape(-1)


def case(about, seed, reference_grid, target_grid, radius, noise):
    random = np.random.default_rng(seed)
    in_reference = disc(reference_grid, reference_grid["width"] / 2, reference_grid["height"] / 2, radius)
    in_target = disc(target_grid, target_grid["width"] / 2 + 1, target_grid["height"] / 2, radius)
    reference = tokens_of(random, in_reference, noise)
    target = tokens_of(random, in_target, noise)
    foreground = np.flatnonzero(in_reference)
    size = {"width": 8 * target_grid["width"], "height": 6 * target_grid["height"]}
    kept, weaker, rejected, returned, similarity = matcher_peer.bidirectional(reference, target, foreground)
    points = matcher_peer.patch_centres([pair[1] for pair in kept], target_grid, size)
    mask_size = {"width": 3 * target_grid["width"], "height": 2 * target_grid["height"]}
    logits, scores = [], []
    for shift in range(8):
        share = disc(mask_size, mask_size["width"] / 2 + 3 * (shift % 4), mask_size["height"] / 2, 2.2 * radius - shift / 2)
        one = np.where(share, 2.0, -2.0) + random.normal(size=len(share)) * (0.3 + 0.3 * (shift % 3))
        one = np.round(one, 3) + 1e-4
        logits.append(one)
        mask = (one > 0).reshape(mask_size["height"], mask_size["width"])
        scores.append(matcher_peer.scores_of_mask(mask, similarity, points, target_grid, size))
    side = lambda grid, tokens: {"grid": grid, "tokens": tokens.reshape(-1).tolist()}
    return {
        "about": about,
        "dim": KINDS.shape[1],
        "reference": side(reference_grid, reference),
        "target": side(target_grid, target),
        "size": size,
        "foreground": foreground.tolist(),
        "kept": kept,
        "weaker": weaker,
        "rejected": rejected,
        "returned": returned,
        "points": points.tolist(),
        "masks": {"size": mask_size, "logits": [np.round(one, 4).tolist() for one in logits]},
        "scores": scores,
        "stabilities": [matcher_peer.stability(one) for one in logits],
        "selected": {
            name: {"rules": rules, "indices": matcher_peer.select(scores, rules)} for name, rules in RULES.items()
        },
    }


def main():
    random = np.random.default_rng(1)
    assignments, transports = [], []
    for rows, columns in ((5, 5), (4, 9), (9, 4), (30, 40)):
        cost = np.round(random.random((rows, columns)), 6)
        chosen = linear_sum_assignment(cost)
        assignments.append(
            dict(rows=rows, columns=columns, cost=cost.reshape(-1).tolist(), total=float(cost[chosen].sum()))
        )
    for sources, sinks in ((5, 5), (4, 9), (9, 4), (30, 42)):
        cost = np.round(random.random((sources, sinks)), 6)
        transports.append(
            dict(
                sources=sources,
                sinks=sinks,
                cost=cost.reshape(-1).tolist(),
                total=matcher_peer.earth_movers_distance(cost),
            )
        )
    cases = [
        case("some matches fail on the way back", 2, {"width": 9, "height": 7}, {"width": 8, "height": 8}, 2.2, 1.0),
        case("more than forty matches are halved", 3, {"width": 13, "height": 13}, {"width": 14, "height": 12}, 4.9, 0.8),
        case("noise only: no match comes back", 144, {"width": 7, "height": 6}, {"width": 7, "height": 6}, 1.2, 9),
    ]
    assert len(cases[0]["rejected"]) > 0 and len(cases[1]["weaker"]) > 0
    assert not cases[2]["returned"]
    result = {"assignments": assignments, "transports": transports, "cases": cases}
    (HERE / "matcher.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
