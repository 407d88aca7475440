"""The prompts of GBMSeg's released script (Liu et al., MICCAI 2024, arXiv 2406.16271) as plain NumPy, transcribed from the
method's description (docs/method.md, and the quirks of gbmsegPrompts.ts), independent of the TypeScript. All in float64.
"""

import numpy as np

SPARSE_RADIUS = 64
EXCLUSIVE_RADIUS = 128
REJECTED = -1


def distances(reference, target):
    squared = (reference**2).sum(1)[:, None] + (target**2).sum(1)[None, :] - 2 * reference @ target.T
    return np.sqrt(np.maximum(squared, 0))


def unique_in_order(values):
    return list(dict.fromkeys(int(v) for v in values))


def point_of(patch, grid, size):
    """Floor division puts the rejected index -1 above the image; Python rounds halves to even."""
    row, column = patch // grid["width"], patch % grid["width"]
    return (
        round((column + 0.5) * size["width"] / grid["width"]),
        round((row + 0.5) * size["height"] / grid["height"]),
    )


def group_by_first_visit(points, positives, radius):
    """One point for each group of points within the radius of the first unvisited one: the farthest from the positives."""
    far = [np.mean([np.hypot(x - px, y - py) for px, py in positives]) for x, y in points]
    visited, kept = set(), []
    for start, (x, y) in enumerate(points):
        if start in visited:
            continue
        members = [
            k for k, (ox, oy) in enumerate(points)
            if k != start and k not in visited and np.hypot(x - ox, y - oy) <= radius
        ] + [start]
        visited.update(members)
        best = members[0]
        for k in members:
            if far[k] >= far[best]:
                best = k
        kept.append(points[best])
    return kept


def gbmseg_prompts(reference, target, foreground, background, grid, size):
    """[(x, y, label)]: positives, sparse and exclusive negatives, sparse hard negatives; None without foreground."""
    if len(foreground) == 0:
        return None
    table = distances(reference, target)
    nearest, farthest, back = table.argmin(1), table.argmax(1), table.argmin(0)
    in_foreground, in_background = set(foreground), set(background)
    positives = unique_in_order(nearest[i] if back[nearest[i]] in in_foreground else REJECTED for i in foreground)
    negatives = unique_in_order(nearest[i] if back[nearest[i]] in in_background else REJECTED for i in background)
    hard = [j for j in unique_in_order(farthest[list(foreground)]) if back[j] not in in_foreground]
    place = lambda patches: [point_of(patch, grid, size) for patch in patches]
    positive_points = place(positives)
    negative_points = group_by_first_visit(place(negatives), positive_points, SPARSE_RADIUS)
    negative_points = [
        (x, y) for x, y in negative_points
        if min(np.hypot(x - px, y - py) for px, py in positive_points) >= EXCLUSIVE_RADIUS
    ]
    hard_points = group_by_first_visit(place(hard), positive_points, SPARSE_RADIUS)
    return [(*p, 1) for p in positive_points] + [(*p, 0) for p in negative_points + hard_points]
