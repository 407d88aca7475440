"""Matcher's maths (Liu et al., ICLR 2024, arXiv 2305.13310) as plain NumPy and SciPy, transcribed from the method's
description (docs/method.md, strategy matcher) and the paper, independent of the TypeScript. Everything in float64.

Tokens are rows of length 1; patch index = row * width + column; points are (x, y) in pixels of the target.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import coo_matrix

MANY_PAIRS = 40
MOST_TOKENS = 384


def bidirectional(reference, target, foreground):
    """Forward one-to-one assignment on the foreground, backward on the target patches found.

    Returns (kept, weaker, rejected, returned, similarity): lists of (reference patch, target patch, back patch, cosine),
    `kept` and `weaker` most similar first.
    """
    similarity = reference[foreground] @ target.T
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    back = target[columns] @ reference.T
    back_rows, back_columns = linear_sum_assignment(back, maximize=True)
    back_of = dict(zip(back_rows.tolist(), back_columns.tolist()))
    pairs = [
        (int(foreground[row]), int(column), back_of.get(at, -1), float(similarity[row, column]))
        for at, (row, column) in enumerate(zip(rows, columns))
    ]
    inside = set(int(i) for i in foreground)
    came_back = [pair for pair in pairs if pair[2] in inside]
    rejected = [pair for pair in pairs if pair[2] not in inside] if came_back else []
    candidates = sorted(came_back or pairs, key=lambda pair: (-pair[3], pair[1]))
    most = len(candidates) // 2 if len(candidates) > MANY_PAIRS else len(candidates)
    return candidates[:most], candidates[most:], rejected, bool(came_back), similarity


def patch_centres(patches, grid, size):
    patches = np.asarray(patches)
    x = (patches % grid["width"] + 0.5) * size["width"] / grid["width"]
    y = (patches // grid["width"] + 0.5) * size["height"] / grid["height"]
    return np.stack([x, y], axis=1)


def coverage_of_patches(mask, grid):
    """Share of each patch that a mask [h, w] of the whole image covers, exact where a pixel lies in several patches."""

    def overlaps(pixels, cells):
        # Length of pixel p inside cell c, in units of 1 / cells pixel.
        start = np.maximum(np.arange(pixels)[:, None] * cells, np.arange(cells)[None, :] * pixels)
        end = np.minimum((np.arange(pixels)[:, None] + 1) * cells, (np.arange(cells)[None, :] + 1) * pixels)
        return np.maximum(0, end - start)

    height, width = mask.shape
    down = overlaps(height, grid["height"])
    across = overlaps(width, grid["width"])
    return (down.T @ mask.astype(float) @ across).reshape(-1) / (height * width)


def patches_inside(mask, grid):
    share = coverage_of_patches(mask, grid)
    half = np.flatnonzero(share >= 0.5)
    return half if len(half) > 0 else np.flatnonzero(share > 0)


def thinned(rows):
    if len(rows) <= MOST_TOKENS:
        return rows
    return rows[np.arange(MOST_TOKENS) * len(rows) // MOST_TOKENS]


def earth_movers_distance(cost):
    """Exact transport between uniform weights, as the linear programme that it is."""
    sources, sinks = cost.shape
    at = np.arange(sources * sinks)
    ones = np.ones(sources * sinks)
    constraints = coo_matrix(
        (
            np.concatenate([ones, ones]),
            (np.concatenate([at // sinks, sources + at % sinks]), np.concatenate([at, at])),
        ),
        shape=(sources + sinks, sources * sinks),
    )
    weights = np.concatenate([np.full(sources, 1 / sources), np.full(sinks, 1 / sinks)])
    # One constraint follows from the others.
    solved = linprog(cost.reshape(-1), A_eq=constraints.tocsr()[:-1], b_eq=weights[:-1], method="highs")
    if not solved.success:
        raise RuntimeError(solved.message)
    return float(solved.fun)


def scores_of_mask(mask, similarity, points, grid, size):
    """(emd, purity, coverage) of a mask [h, w] that covers the target."""
    inside = patches_inside(mask, grid)
    if len(inside) == 0:
        return 0.0, 0.0, 0.0
    height, width = mask.shape
    columns = np.clip(np.floor(points[:, 0] * width / size["width"]), 0, width - 1).astype(int)
    rows = np.clip(np.floor(points[:, 1] * height / size["height"]), 0, height - 1).astype(int)
    hits = int(mask[rows, columns].sum())
    cost = (1 - similarity[np.ix_(thinned(np.arange(len(similarity))), thinned(inside))]) / 2
    emd = earth_movers_distance(np.maximum(cost, 0))
    return 1 - emd, hits / len(inside), hits / len(points) if len(points) else 0.0


def total(scores, alpha, beta, exponent):
    emd, purity, coverage = scores
    return alpha * emd + beta * purity * coverage**exponent


def stability(logits):
    outer = (logits > -1).sum()
    return float((logits > 1).sum() / outer) if outer else 0.0


def select(scores, rules):
    """Indices of the masks to merge, best first."""
    if not scores:
        return []
    totals = np.array([total(one, rules["alpha"], rules["beta"], rules["exponent"]) for one in scores])
    passing = [
        k for k, (_, purity, coverage) in enumerate(scores)
        if purity >= rules["leastPurity"] and coverage >= rules["leastCoverage"]
    ] or list(range(len(scores)))
    ranked = sorted(passing, key=lambda k: (-totals[k], k))
    distance = 1 - totals[ranked]
    if rules["cut"] == "share":
        keep = totals[ranked] >= 0.7 * totals[ranked[0]]
    else:
        keep = (distance < 0.33) & ((distance - distance[0]) / (distance.max() + 1e-6) < 0.1)
    keep[0] = True
    return [k for k, kept in zip(ranked, keep) if kept][: rules["merged"]]
