"""Stage by stage: what the engine dumped (dump.ts) against the peers on the same tokens and logits.

Run:  python compare.py <folder written by dump.ts>...     (Python >= 3.10, numpy, scipy)
"""

import json
import sys
from pathlib import Path

import numpy as np

import gbmseg_peer
import matcher_peer

TOLERANCE = 1e-4


def compare(folder):
    stages = json.loads((folder / "stages.json").read_text())
    load = lambda name: np.load(folder / f"{name}.npy").astype(float)
    reference, target, logits = load("reference_tokens"), load("target_tokens"), load("logits")
    grid, size = stages["grid"], stages["size"]
    foreground = np.array(stages["foreground"])
    rows = []

    kept, weaker, rejected, returned, similarity = matcher_peer.bidirectional(reference, target, foreground)
    for name, ours in (("kept", kept), ("weaker", weaker), ("rejected", rejected)):
        theirs = [(p["referencePatch"], p["targetPatch"], p["backPatch"]) for p in stages[name]]
        rows.append((f"matches {name}", len(theirs), len(set(theirs) ^ {pair[:3] for pair in ours}), 0.0))
    theirs = {p["targetPatch"]: p["cosine"] for p in stages["kept"]}
    rows.append(("cosines", len(theirs), 0, max(abs(pair[3] - theirs.get(pair[1], np.inf)) for pair in kept)))
    points = matcher_peer.patch_centres([pair[1] for pair in kept], grid, size)
    same = len(points) == len(stages["points"])
    rows.append(("points", len(points), int(not same), float(np.abs(points - stages["points"]).max()) if same else np.inf))

    worst = dict(emd=0.0, purity=0.0, coverage=0.0, total=0.0)
    scores = []
    rules = stages["settings"]["selection"]
    for mask, ours in zip(logits > 0, stages["scores"]):
        one = matcher_peer.scores_of_mask(mask, similarity, points, grid, size)
        scores.append(one)
        summed = matcher_peer.total(one, rules["alpha"], rules["beta"], rules["exponent"])
        for name, value in zip(worst, (*one, summed)):
            worst[name] = max(worst[name], abs(value - ours[name]))
    rows += [(name, len(logits), 0, value) for name, value in worst.items()]
    stable = max(abs(matcher_peer.stability(one) - ours) for one, ours in zip(logits, stages["stabilities"]))
    rows.append(("stability", len(logits), 0, stable))
    chosen = matcher_peer.select(scores, rules)
    rows.append(("selected masks", len(chosen), int(chosen != stages["selected"]), 0.0))

    if stages["gbmseg"] is not None:
        ours = [tuple(prompt) for prompt in stages["gbmseg"]["prompts"]]
        peer = gbmseg_peer.gbmseg_prompts(
            reference, target, stages["gbmseg"]["foreground"], stages["gbmseg"]["background"], grid, size
        )
        rows.append(("gbmseg prompts", len(ours), len(set(ours) ^ set(peer)), 0.0))
    return rows


def main():
    failed = False
    for name in sys.argv[1:]:
        print(name)
        for what, count, different, error in compare(Path(name)):
            bad = different > 0 or error > TOLERANCE
            failed |= bad
            print(f"  {what:18} {count:5}   different {different:3}   largest error {error:.1e}{'   <--' if bad else ''}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
