"""Golden arrays: a plain transcription of docs/method.md (strategy ap-medsam), independent of the TypeScript.

Run:  python make_golden.py          (Python >= 3.10, numpy; writes *.json beside this script; deterministic)

Everything is written as slow loops on purpose: this file is read as the specification, not run for speed. Tokens are
rounded to 4 decimals, then to float32, and all arithmetic after that is float64, so a float32 implementation that reads
the same JSON agrees in every index and within 1e-4 in every distance. `check_gap` refuses a case whose outcome hangs
on a difference smaller than float32 can tell (exact ties are fine, they are what case `ties` is about).

Conventions: patch index = row * grid.width + column; grids, sizes, points are {width, height} / [x, y]; a mask is
{size, runs}, runs row-major, alternating, background first. Distances are Euclidean.

Layout of a prompt case (aTwoBlobs, bThin, cBest, dNoBackground, eAllFail, fTies, gOne, gOneBest, hLarge):
  about                     one sentence
  dim                       length of a token
  reference, target         {grid, size, tokens}; tokens flat [grid.height * grid.width * dim]; size in px of the image
  mask                      support mask in referencePx
  support                   {coverage [n], foreground, background, rule: whole | half | best}
  supportGbmseg             {foreground, background}: last row and column skipped, no fallback
  matching                  {nearestTarget [n], nearestTargetDistance [n], farthestTarget [n], farthestTargetDistance [n],
                             nearestReference [m], nearestReferenceDistance [m]}, n reference and m target patches
  apMedsam                  (all five switches on)
    positives, negatives    patch indices before backward matching, ascending; `negatives` already lacks those that are
                            positives after backward matching
    positivesBackward, negativesBackward   what backward matching kept, ascending
    selfMeans               mean token distance of each of positivesBackward to the others; null when fewer than 4
    selfLimit               mean + 2 population standard deviations of selfMeans; null when fewer than 4
    positivesSelf           what self matching kept, ascending
    hard                    hard negatives, ascending; `nearestReference` not in F, and not in positivesBackward or
                            negativesBackward
    positivesChosen         at most 16 of positivesSelf in the order of farthest-point sampling
    sparseOrder             negativesBackward and hard in the order of the visit
    sparseKept              those kept, in the order of the visit
    rSparse, rExclusive     px of the target image
    absent                  true when no positive survived; then the fields after positivesSelf are null, and
                            `candidates` lists the positives alone
    candidates              positives, then negatives, then hard, each ascending by patch: {label, source, patchIndex,
                            referencePatch, backPatch, forwardDistance, backwardDistance, point [x, y], reason}, with
                            the names of src/core/prompting/prompts.ts. Hard: referencePatch = best (farthest) proposer and
                            forwardDistance = that distance.
  gbmseg
    positivesForward, negativesForward     p(i) of each i in F (B), in order, with repetitions
    positivesBackward, negativesBackward   the same with -1 where backward matching rejected
    positives, negatives, hard             repetitions removed, in order of first appearance; -1 at most once
    positivePoints, negativePoints, hardPoints           [x, y] integers in targetPx
    negativesSparse, hardSparse            representatives of the groups (patch indices), in order of the groups
    negativesExclusive                     those of negativesSparse that are >= 128 px from all positives
    labels, points                         final prompt: positives 1, then negativesExclusive and hardSparse 0
    absent                  true when F is empty; then everything after negativesForward is null

aTwoBlobsWithout.json, hLargeWithout.json: ap-medsam on that case with one switch off, {backward, self, hard, sparse,
exclusive}, each {absent, candidates: [source, label, patchIndex, reason]}. backward off: positives and negatives are not
filtered, hard keeps its own nearest-reference condition; a patch that is both is a positive. sparse off: neither the 16
positives nor r_sparse.

masks.json: {a, b (masks), components: {count, areas, boxes [left, top, right, bottom]} of a, in order of the first
pixel in row-major order, dice, iou, boundaryF: {tolerance, value, boundaryA,
boundaryB (pixels on the boundary)}, default: {tolerance, value}, cocoA: uncompressed COCO counts of a}
resize.json: {input {size, data}, output {size, data}, threshold, mask (runs of output > threshold), nearest: {input,
output (masks)}}
"""

import json
import math
import os

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


# --- helpers -------------------------------------------------------------------------------------------------------


def check_gap(values, best_is_max=False, gap=2e-4, what=""):
    """The best value must be an exact tie with, or clearly apart from, every other one."""
    best = max(values) if best_is_max else min(values)
    for v in values:
        if v != best and abs(v - best) < gap:
            raise SystemExit(f"{what}: {v} is too close to {best}; choose another seed")


def argmin(values):
    best = 0
    for k in range(len(values)):
        if values[k] < values[best]:
            best = k
    return best


def argmax(values):
    best = 0
    for k in range(len(values)):
        if values[k] > values[best]:
            best = k
    return best


def dist(a, b):
    return math.sqrt(sum((float(x) - float(y)) ** 2 for x, y in zip(a, b)))


def runs_of(mask):
    runs, value, length = [], 0, 0
    for v in mask.reshape(-1):
        if int(v) == value:
            length += 1
        else:
            runs.append(length)
            value, length = int(v), 1
    runs.append(length)
    return runs


def mask_json(mask):
    return {"size": {"width": mask.shape[1], "height": mask.shape[0]}, "runs": runs_of(mask)}


def flood(mask, value, eight):
    """Components of the pixels equal to `value`, in order of their first pixel; each a list of (row, column)."""
    h, w = mask.shape
    steps = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    if eight:
        steps += [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    seen = np.zeros((h, w), bool)
    out = []
    for r in range(h):
        for c in range(w):
            if mask[r, c] != value or seen[r, c]:
                continue
            seen[r, c] = True
            todo, pixels = [(r, c)], []
            while todo:
                y, x = todo.pop()
                pixels.append((y, x))
                for dy, dx in steps:
                    yy, xx = y + dy, x + dx
                    if 0 <= yy < h and 0 <= xx < w and mask[yy, xx] == value and not seen[yy, xx]:
                        seen[yy, xx] = True
                        todo.append((yy, xx))
            out.append(pixels)
    return out


# --- A.2 support patches -------------------------------------------------------------------------------------------


def coverage_of(mask, gw, gh):
    h, w = mask.shape
    out = []
    for row in range(gh):
        top, bottom = row * h / gh, (row + 1) * h / gh
        for col in range(gw):
            left, right = col * w / gw, (col + 1) * w / gw
            total = 0.0
            for y in range(h):
                oy = min(bottom, y + 1) - max(top, y)
                if oy <= 0:
                    continue
                for x in range(w):
                    ox = min(right, x + 1) - max(left, x)
                    if ox > 0 and mask[y, x]:
                        total += ox * oy
            out.append(total / ((right - left) * (bottom - top)))
    return out


def support_patches(coverage):
    n = len(coverage)
    background = [i for i in range(n) if coverage[i] <= 1e-6]
    foreground, rule = [i for i in range(n) if coverage[i] >= 1 - 1e-6], "whole"
    if not foreground:
        foreground, rule = [i for i in range(n) if coverage[i] >= 0.5], "half"
    if not foreground:
        foreground, rule = [argmax(coverage)], "best"
    return foreground, background, rule


def support_patches_gbmseg(coverage, gw, gh):
    inner = [i for i in range(gw * gh) if i % gw < gw - 1 and i // gw < gh - 1]
    return [i for i in inner if coverage[i] >= 1 - 1e-6], [i for i in inner if coverage[i] <= 1e-6]


# --- matching ------------------------------------------------------------------------------------------------------


def match(R, T):
    D = [[dist(r, t) for t in T] for r in R]
    near_t, far_t, near_r = [], [], []
    for i in range(len(R)):
        check_gap(D[i], what=f"nearest target of {i}")
        check_gap(D[i], best_is_max=True, what=f"farthest target of {i}")
        near_t.append(argmin(D[i]))
        far_t.append(argmax(D[i]))
    for j in range(len(T)):
        column = [D[i][j] for i in range(len(R))]
        check_gap(column, what=f"nearest reference of {j}")
        near_r.append(argmin(column))
    return D, near_t, far_t, near_r


def proposals(indices, to, D, farthest=False):
    """{target patch: best proposer} over the given reference patches; ties to the lowest reference patch."""
    best = {}
    for i in indices:
        j = to[i]
        if j not in best:
            best[j] = i
        elif farthest and D[i][j] > D[best[j]][j]:
            best[j] = i
        elif not farthest and D[i][j] < D[best[j]][j]:
            best[j] = i
    return best


# --- strategy ap-medsam ----------------------------------------------------------------------------------------------


def ap_medsam(case, D, near_t, far_t, near_r, backward=True, self_=True, hard_=True, sparse=True, exclusive=True):
    F, B = case["F"], case["B"]
    gw, gh = case["target_grid"]
    W, H = case["target_size"]
    T = case["T"]

    def centre(j):
        return ((j % gw + 0.5) * W / gw, (j // gw + 0.5) * H / gh)

    def squared(a, b):
        return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2

    in_f, in_b = set(F), set(B)
    p_by = proposals(F, near_t, D)
    P = sorted(p_by)
    P1 = [j for j in P if not backward or near_r[j] in in_f]
    n_by = proposals(B, near_t, D)
    N = sorted(j for j in n_by if j not in P1)
    N1 = [j for j in N if not backward or near_r[j] in in_b]

    means = limit = None
    P2 = list(P1)
    if self_ and len(P1) >= 4:
        means = [sum(dist(T[j], T[k]) for k in P1) / (len(P1) - 1) for j in P1]
        m = sum(means) / len(means)
        s = math.sqrt(sum((v - m) ** 2 for v in means) / len(means))
        limit = m + 2 * s
        for v in means:
            if abs(v - limit) < 1e-3:
                raise SystemExit("self matching hangs on rounding; choose another seed")
        P2 = [j for j, v in zip(P1, means) if v <= limit]

    reason = {}
    for j in P:
        reason["p", j] = "failed backward" if j not in P1 else "outlier" if j not in P2 else "kept"
    out = {
        "positives": P,
        "negatives": N,
        "positivesBackward": P1,
        "negativesBackward": N1,
        "selfMeans": means,
        "selfLimit": limit,
        "positivesSelf": P2,
        "hard": None,
        "positivesChosen": None,
        "sparseOrder": None,
        "sparseKept": None,
        "rSparse": None,
        "rExclusive": None,
        "absent": len(P2) == 0,
    }

    def candidate(kind, j, by):
        x, y = centre(j)
        return {
            "label": 1 if kind == "p" else 0,
            "source": "hard" if kind == "h" else "forward",
            "patchIndex": j,
            "referencePatch": by,
            "backPatch": near_r[j],
            "forwardDistance": D[by][j],
            "backwardDistance": D[near_r[j]][j],
            "point": [x, y],
            "reason": reason[kind, j],
        }

    if not P2:
        out["candidates"] = [candidate("p", j, p_by[j]) for j in P]
        return out

    q_by = proposals(F, far_t, D, farthest=True) if hard_ else {}
    Hd = sorted(q for q in q_by if near_r[q] not in in_f and q not in N1 and q not in P1)
    for j in N:
        reason["n", j] = "kept" if j in N1 else "failed backward"
    for j in Hd:
        reason["h", j] = "kept"

    # Farthest-point sampling of the positives.
    check_gap([D[p_by[j]][j] for j in P2], gap=1e-4, what="start of the farthest-point sampling")
    chosen = [P2[argmin([D[p_by[j]][j] for j in P2])]]
    while len(chosen) < min(16 if sparse else len(P2), len(P2)):
        gaps = [-1.0 if j in chosen else min(squared(centre(j), centre(k)) for k in chosen) for j in P2]
        chosen.append(P2[argmax(gaps)])
    for j in P2:
        if j not in chosen:
            reason["p", j] = "thinned"

    # Sparse sampling of the negatives, farthest from the positives first; N and H never share a patch.
    kind_of = {j: "n" for j in N1}
    kind_of.update({j: "h" for j in Hd})
    nearest_positive = {j: min(math.sqrt(squared(centre(j), centre(k))) for k in P2) for j in kind_of}
    order = sorted(kind_of, key=lambda j: (-nearest_positive[j], j))
    long_target, long_reference = max(W, H), max(case["mask"].shape)
    r_sparse = 64 * long_target / 1024
    kept = []
    for j in order:
        if sparse and any(math.sqrt(squared(centre(j), centre(k))) < r_sparse for k in kept):
            reason[kind_of[j], j] = "thinned"
        else:
            kept.append(j)

    # Exclusive sampling.
    areas = [len(c) for c in flood(case["mask"], 1, True)]
    expected = 2 * math.sqrt(sum(areas) / len(areas) / math.pi) * long_target / long_reference
    r_exclusive = min(128 * long_target / 1024, 0.5 * expected)
    for j in kept:
        if exclusive and nearest_positive[j] < r_exclusive:
            reason[kind_of[j], j] = "too close to a positive"

    out.update(
        hard=Hd, positivesChosen=chosen, sparseOrder=order, sparseKept=kept, rSparse=r_sparse, rExclusive=r_exclusive
    )
    out["candidates"] = (
        [candidate("p", j, p_by[j]) for j in P]
        + [candidate("n", j, n_by[j]) for j in N]
        + [candidate("h", j, q_by[j]) for j in Hd]
    )
    return out


# --- strategy gbmseg: the released script with its quirks --------------------------------------------------------------


def first_appearances(values):
    out = []
    for v in values:
        if v not in out:
            out.append(v)
    return out


def gbmseg(case, near_t, far_t, near_r):
    F, B = case["F_gbmseg"], case["B_gbmseg"]
    gw, gh = case["target_grid"]
    W, H = case["target_size"]

    def point(j):
        # Python's floor division and modulo: -1 becomes the last column of row -1, above the image.
        column, row = j % gw, j // gw
        return [round((column + 0.5) * W / gw), round((row + 0.5) * H / gh)]  # round half to even, as in the script

    def px(a, b):
        return math.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2)

    p_forward = [near_t[i] for i in F]
    n_forward = [near_t[i] for i in B]
    out = {"positivesForward": p_forward, "negativesForward": n_forward}
    keys = "positivesBackward negativesBackward positives negatives hard positivePoints negativePoints hardPoints"
    keys += " negativesSparse hardSparse negativesExclusive labels points"
    if not F:
        out.update({k: None for k in keys.split()})
        out["absent"] = True
        return out

    p_back = [j if near_r[j] in F else -1 for j in p_forward]
    n_back = [j if near_r[j] in B else -1 for j in n_forward]
    P, N = first_appearances(p_back), first_appearances(n_back)
    Hd = first_appearances([far_t[i] for i in F if near_r[far_t[i]] not in F])
    positives = [point(j) for j in P]

    def group(indices, radius):
        visited, kept = set(), []
        for a in range(len(indices)):
            if a in visited:
                continue
            joined = [
                b
                for b in range(len(indices))
                if b != a and b not in visited and px(point(indices[a]), point(indices[b])) <= radius
            ]
            members = joined + [a]
            visited.update(members)
            best = None
            means = []
            for b in members:
                mean = sum(px(point(indices[b]), p) for p in positives) / len(positives)
                means.append(mean)
                if best is None or mean >= best[0]:
                    best = (mean, b)
            check_gap(means, best_is_max=True, gap=1e-9, what="mean distance to the positives")
            kept.append(indices[best[1]])
        return kept

    N1, H1 = group(N, 64), group(Hd, 64)
    N2 = [j for j in N1 if min(px(point(j), p) for p in positives) >= 128]
    out.update(
        positivesBackward=p_back,
        negativesBackward=n_back,
        positives=P,
        negatives=N,
        hard=Hd,
        positivePoints=positives,
        negativePoints=[point(j) for j in N],
        hardPoints=[point(j) for j in Hd],
        negativesSparse=N1,
        hardSparse=H1,
        negativesExclusive=N2,
        labels=[1] * len(P) + [0] * (len(N2) + len(H1)),
        points=[point(j) for j in P + N2 + H1],
        absent=False,
    )
    return out


# --- cases -----------------------------------------------------------------------------------------------------------


def rounded(tokens):
    """float32 numbers whose shortest text has 4 decimals: what the JSON says is what both sides compute with."""
    return np.round(tokens, 4).astype(np.float32).astype(np.float64)


def tokens_json(tokens):
    return [round(float(v), 4) for v in tokens.reshape(-1)]


def run_case(name, about, mask, reference_grid, target_grid, target_size, R, T, ablations=False):
    gw, gh = reference_grid
    R, T = rounded(R), rounded(T)
    assert R.shape[0] == gw * gh and T.shape[0] == target_grid[0] * target_grid[1] and R.shape[1] == T.shape[1]
    coverage = coverage_of(mask, gw, gh)
    F, B, rule = support_patches(coverage)
    Fg, Bg = support_patches_gbmseg(coverage, gw, gh)
    case = dict(
        F=F, B=B, F_gbmseg=Fg, B_gbmseg=Bg, mask=mask, target_grid=target_grid, target_size=target_size, T=T
    )
    D, near_t, far_t, near_r = match(R, T)
    ap = ap_medsam(case, D, near_t, far_t, near_r)
    gb = gbmseg(case, near_t, far_t, near_r)
    data = {
        "about": about,
        "dim": int(R.shape[1]),
        "reference": {
            "grid": {"width": gw, "height": gh},
            "size": {"width": mask.shape[1], "height": mask.shape[0]},
            "tokens": tokens_json(R),
        },
        "target": {
            "grid": {"width": target_grid[0], "height": target_grid[1]},
            "size": {"width": target_size[0], "height": target_size[1]},
            "tokens": tokens_json(T),
        },
        "mask": mask_json(mask),
        "support": {"coverage": coverage, "foreground": F, "background": B, "rule": rule},
        "supportGbmseg": {"foreground": Fg, "background": Bg},
        "matching": {
            "nearestTarget": near_t,
            "nearestTargetDistance": [D[i][near_t[i]] for i in range(len(R))],
            "farthestTarget": far_t,
            "farthestTargetDistance": [D[i][far_t[i]] for i in range(len(R))],
            "nearestReference": near_r,
            "nearestReferenceDistance": [D[near_r[j]][j] for j in range(len(T))],
        },
        "apMedsam": ap,
        "gbmseg": gb,
    }
    if ablations:
        without = {}
        for switch in ["backward", "self_", "hard_", "sparse", "exclusive"]:
            off = ap_medsam(case, D, near_t, far_t, near_r, **{switch: False})
            without[switch.strip("_")] = {
                "absent": off["absent"],
                "candidates": [[c["source"], c["label"], c["patchIndex"], c["reason"]] for c in off["candidates"]],
            }
        write(name + "Without", without)
    write(name, data)
    reasons = {}
    for c in ap["candidates"]:
        key = f"{c['source']}{c['label']} {c['reason']}"
        reasons[key] = reasons.get(key, 0) + 1
    print(f"{name:14} F {len(F)} B {len(B)} {rule}  P {len(ap['positives'])} N {len(ap['negatives'])}  {reasons}")
    if not gb["absent"]:
        print(
            f"{'':14} gbmseg F {len(Fg)} P {len(gb['positives'])} N {len(gb['negatives'])} -> {len(gb['negativesSparse'])}"
            f" -> {len(gb['negativesExclusive'])}  H {len(gb['hard'])} -> {len(gb['hardSparse'])}"
        )


def tidy(value):
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, dict):
        return {k: tidy(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [tidy(v) for v in value]
    value = round(float(value), 5)
    return int(value) if value == int(value) else value


def write(name, data):
    lines = [f"{json.dumps(k)}: {json.dumps(tidy(v), separators=(',', ':'))}" for k, v in data.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    assert len(text) < 60_000, f"{name}.json would be {len(text)} bytes"
    with open(os.path.join(HERE, name + ".json"), "w", encoding="utf-8", newline="\n") as f:
        f.write(text)


def disc(mask, cx, cy, rx, ry):
    h, w = mask.shape
    for y in range(h):
        for x in range(w):
            if ((x + 0.5 - cx) / rx) ** 2 + ((y + 0.5 - cy) / ry) ** 2 <= 1:
                mask[y, x] = 1


def scene(rng, coverage, noise, prototypes):
    """One token per patch: foreground and background prototype mixed by coverage, plus noise."""
    fg, bg = prototypes
    return np.array([c * fg + (1 - c) * bg + noise * rng.standard_normal(len(fg)) for c in coverage])


def make_cases():
    # a: two blobs and mixed patches; the target shows the same scene on another grid, plus distractors.
    rng = np.random.default_rng(A_SEED)
    mask = np.zeros((50, 60), np.uint8)
    disc(mask, 20, 20, 22, 21)
    disc(mask, 50, 37, 12, 14)
    fg, bg = rng.standard_normal(16), rng.standard_normal(16)
    R = scene(rng, coverage_of(mask, 6, 5), 0.6, (fg, bg))
    big = np.zeros((120, 140), np.uint8)
    disc(big, 50, 50, 52, 50)
    disc(big, 110, 90, 25, 25)
    T = scene(rng, coverage_of(big, 7, 6), 0.6, (fg, bg))
    T[rng.choice(42, 5, replace=False)] = 1.5 * rng.standard_normal((5, 16))
    run_case(
        "aTwoBlobs", "two blobs, mixed patches, different grids", mask, (6, 5), (7, 6), (140, 120), R, T, ablations=True
    )

    # b: a bar 6 px high over patches of 10 x 10 px: no whole patch, some at least half covered.
    rng = np.random.default_rng(12)
    mask = np.zeros((50, 60), np.uint8)
    mask[12:18, 8:47] = 1
    fg, bg = rng.standard_normal(16), rng.standard_normal(16)
    R = scene(rng, coverage_of(mask, 6, 5), 0.5, (fg, bg))
    bar = np.zeros((30, 35), np.uint8)
    bar[11:15, 6:30] = 1
    T = scene(rng, coverage_of(bar, 7, 6), 0.5, (fg, bg))
    run_case("bThin", "thin bar: half-covered patches stand in", mask, (6, 5), (7, 6), (35, 30), R, T)

    # c: two specks, neither covering half a patch; image size not a multiple of the grid.
    rng = np.random.default_rng(13)
    mask = np.zeros((47, 61), np.uint8)
    mask[20:24, 25:31] = 1
    mask[40:43, 5:8] = 1
    fg, bg = rng.standard_normal(16), rng.standard_normal(16)
    R = scene(rng, np.array(coverage_of(mask, 6, 5)) ** 0.5, 0.4, (fg, bg))
    T = scene(rng, [0.6 if j in (16, 17, 30) else 0.0 for j in range(42)], 0.4, (fg, bg))
    run_case("cBest", "specks: the best-covered patch stands in", mask, (6, 5), (7, 6), (140, 120), R, T)

    # d: everything is labelled. Pitch 5 px in the target: centres end in .5 and gbmseg rounds half to even.
    rng = np.random.default_rng(14)
    mask = np.ones((50, 60), np.uint8)
    R, T = rng.standard_normal((30, 16)), rng.standard_normal((42, 16))
    run_case("dNoBackground", "full support mask: no negatives at all", mask, (6, 5), (7, 6), (35, 30), R, T)

    # e: the target holds background only, so every match of a foreground patch returns elsewhere.
    rng = np.random.default_rng(15)
    mask = np.zeros((50, 60), np.uint8)
    disc(mask, 30, 25, 20, 18)
    fg, bg = 3 * rng.standard_normal(16), rng.standard_normal(16)
    R = scene(rng, coverage_of(mask, 6, 5), 0.4, (fg, bg))
    T = scene(rng, [0.0] * 42, 0.4, (fg, bg))
    run_case("eAllFail", "object absent: every positive fails backward", mask, (6, 5), (7, 6), (140, 120), R, T)

    # f: exact ties. Only a few distinct tokens, repeated over both grids.
    rng = np.random.default_rng(F_SEED)
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 10:40] = 1
    kinds = rng.standard_normal((6, 16))
    cov = coverage_of(mask, 6, 4)
    R = np.array([kinds[int(rng.integers(0, 3))] if c > 0.5 else kinds[int(rng.integers(3, 6))] for c in cov])
    T = np.array([kinds[int(rng.integers(0, 6))] + (0.02 * kinds[5] if j % 5 == 0 else 0) for j in range(30)])
    run_case("fTies", "exact ties: few distinct tokens, repeated", mask, (6, 4), (6, 5), (96, 80), R, T)

    # g: one patch each.
    rng = np.random.default_rng(17)
    R, T = rng.standard_normal((1, 16)), rng.standard_normal((1, 16))
    run_case("gOne", "1 x 1 grids, full mask", np.ones((8, 8), np.uint8), (1, 1), (1, 1), (16, 8), R, T)
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 1:6] = 1
    run_case("gOneBest", "1 x 1 grids, partly covered", mask, (1, 1), (1, 1), (16, 8), R, T)

    # h: many patches, so that thinning to 16 positives, outliers, r_sparse and r_exclusive all have work. The pitch is
    # 16 px and r_sparse 32, gbmseg's radii 64 and 128: distances equal to a radius occur and pin < against <=.
    rng = np.random.default_rng(H_SEED)
    mask = np.zeros((80, 160), np.uint8)
    disc(mask, 50, 40, 36, 34)
    disc(mask, 122, 42, 26, 30)
    fg, bg = 1.3 * rng.standard_normal(6), 1.3 * rng.standard_normal(6)
    cov = coverage_of(mask, 20, 10)
    R = scene(rng, cov, 0.5, (fg, bg))
    big = np.zeros((160, 512), np.uint8)
    disc(big, 150, 80, 80, 64)
    T = scene(rng, coverage_of(big, 32, 10), 0.5, (fg, bg))
    odd = 3 * rng.standard_normal(6)
    inside = [i for i in range(200) if cov[i] >= 1 - 1e-6]
    R[inside[5]] = fg + odd
    T[170] = fg + odd + 0.1 * rng.standard_normal(6)
    T[rng.choice(320, 8, replace=False)] = bg - 2.5 * (fg - bg) + 0.8 * rng.standard_normal((8, 6))
    run_case("hLarge", "many patches: every stage has work", mask, (20, 10), (32, 10), (512, 160), R, T, ablations=True)


# --- masks and rasters -------------------------------------------------------------------------------------------------


def boundary(mask):
    """Foreground pixels with a 4-neighbour in the background; outside the image counts as background."""
    h, w = mask.shape
    out = []
    for y in range(h):
        for x in range(w):
            if not mask[y, x]:
                continue
            for dy, dx in [(-1, 0), (1, 0), (0, -1), (0, 1)]:
                yy, xx = y + dy, x + dx
                if not (0 <= yy < h and 0 <= xx < w) or not mask[yy, xx]:
                    out.append((y, x))
                    break
    return out


def boundary_f(a, b, tolerance):
    ba, bb = boundary(a), boundary(b)

    def share(points, others):
        near = sum(1 for p in points if any((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 <= tolerance**2 for q in others))
        return near / len(points)

    precision, recall = share(ba, bb), share(bb, ba)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def make_masks():
    rng = np.random.default_rng(21)
    a = np.zeros((18, 24), np.uint8)
    disc(a, 8, 8, 6.5, 6)
    disc(a, 19, 12, 4, 5)
    a[7:10, 7:9] = 0
    a[0, 23] = 1
    a[3:5, 15] = 1
    a[5, 16] = 1  # touches the column above only by its corner
    b = np.zeros((18, 24), np.uint8)
    disc(b, 9.5, 8, 6, 6)
    disc(b, 19, 13, 3, 4)
    b[rng.integers(0, 18, 4), rng.integers(0, 24, 4)] = 1
    parts = flood(a, 1, True)
    inter = int((a & b).sum())
    counts, value, length = [], 0, 0
    for x in range(24):
        for y in range(18):
            if a[y, x] == value:
                length += 1
            else:
                counts.append(length)
                value, length = int(a[y, x]), 1
    counts.append(length)
    default = math.ceil(0.008 * math.sqrt(18**2 + 24**2))
    areas = [len(p) for p in parts]
    write(
        "masks",
        {
            "a": mask_json(a),
            "b": mask_json(b),
            "components": {
                "count": len(parts),
                "areas": areas,
                "boxes": [
                    [min(x for _, x in p), min(y for y, _ in p), max(x for _, x in p) + 1, max(y for y, _ in p) + 1]
                    for p in parts
                ],
            },
            "dice": 2 * inter / int(a.sum() + b.sum()),
            "iou": inter / int((a | b).sum()),
            "boundaryF": {
                "tolerance": 2,
                "value": boundary_f(a, b, 2),
                "boundaryA": len(boundary(a)),
                "boundaryB": len(boundary(b)),
            },
            "default": {"tolerance": default, "value": boundary_f(a, b, default)},
            "cocoA": counts,
        },
    )
    print("masks", areas, 2 * inter / int(a.sum() + b.sum()), boundary_f(a, b, 2), boundary_f(a, b, default))

    # Bilinear as torch.nn.functional.interpolate(mode="bilinear", align_corners=False, antialias=False).
    sw, sh, dw, dh = 5, 4, 13, 9
    source = rounded(rng.standard_normal((sh, sw)))
    out = np.zeros((dh, dw))
    for y in range(dh):
        sy = max(0.0, (y + 0.5) * sh / dh - 0.5)
        y0 = int(sy)
        y1, fy = min(y0 + 1, sh - 1), sy - y0
        for x in range(dw):
            sx = max(0.0, (x + 0.5) * sw / dw - 0.5)
            x0 = int(sx)
            x1, fx = min(x0 + 1, sw - 1), sx - x0
            top = source[y0, x0] * (1 - fx) + source[y0, x1] * fx
            bottom = source[y1, x0] * (1 - fx) + source[y1, x1] * fx
            out[y, x] = top * (1 - fy) + bottom * fy
    threshold = 0.1
    assert np.abs(out - threshold).min() > 1e-4
    small = np.zeros((7, 10), np.uint8)
    small[2:6, 1:8] = 1
    small[3, 4] = 0
    nearest = np.zeros((11, 4), np.uint8)
    for y in range(11):
        for x in range(4):
            nearest[y, x] = small[(2 * y + 1) * 7 // (2 * 11), (2 * x + 1) * 10 // (2 * 4)]
    write(
        "resize",
        {
            "input": {"size": {"width": sw, "height": sh}, "data": tokens_json(source)},
            "output": {"size": {"width": dw, "height": dh}, "data": out.reshape(-1).tolist()},
            "threshold": threshold,
            "mask": mask_json((out > threshold).astype(np.uint8)),
            "nearest": {"input": mask_json(small), "output": mask_json(nearest)},
        },
    )


# Seeds chosen so that every reason occurs (a, h) and nothing hangs on rounding.
A_SEED = 19
F_SEED = 1
H_SEED = 2

if __name__ == "__main__":
    make_cases()
    make_masks()
