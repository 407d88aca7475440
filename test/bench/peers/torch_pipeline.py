"""The pipeline in PyTorch eager, float32, as a peer of test/bench/architectures.ts: read, DINOv2 at 518, match, SAM's encoder
at 1024, decoder, mask. Random weights of the seed that the graphs were exported with, so that both sides compute the same.

Prompts are given: what a Python peer would need for choosing them is left out, in its favour.

Started once per pair of models; every line on standard input is a request in JSON, every line on standard output its answer.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "models" / "export"))

from export import dinov2, inputs, sam  # noqa: E402
from export.weights import randomise  # noqa: E402

SIDE = 518


class Pipeline:
    def __init__(self, encoder, segmenter, seed):
        self.dinov2 = dinov2.Dinov2(encoder)
        self.sam = sam.build(segmenter)
        for module in (self.dinov2, self.sam):
            randomise(module, seed)
            module.eval()
        self.decoder = self.sam.decoder(multimask=False).eval()
        self.reference = None

    def prepare(self, image):
        self.reference = F.normalize(self.tokens(read(image)), dim=-1)

    def tokens(self, image):
        pixels = inputs.dinov2_input(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32))
        return self.dinov2(torch.from_numpy(pixels))[0][0, 1:]

    def segment(self, path, points, labels):
        """points: x, y in pixels of the image. -> stage -> milliseconds, and the mask's area as a share of the image."""
        clock = Clock()
        image = read(path)
        clock.end("read")
        tokens = self.tokens(image)
        clock.end("encode")
        similarity = self.reference @ F.normalize(tokens, dim=-1).T
        similarity.argmax(1), similarity.argmin(1), similarity.argmax(0)
        clock.end("match")
        width, height = image.size
        scale = sam.SIDE / max(width, height)
        placed = (int(width * scale + 0.5), int(height * scale + 0.5))
        resized = np.asarray(image.resize(placed, Image.Resampling.BILINEAR), np.float32)
        embedding = self.sam.image_encoder(sam.preprocess(torch.from_numpy(resized)))
        clock.end("embed")
        coords = torch.tensor(points + [[0, 0]], dtype=torch.float32)[None] * scale
        marks = torch.tensor(labels + [-1], dtype=torch.float32)[None]
        low, _ = self.decoder(embedding, coords, marks, torch.zeros(1, 1, 256, 256), torch.zeros(1))
        clock.end("decode")
        full = F.interpolate(low, (sam.SIDE, sam.SIDE), mode="bilinear", align_corners=False)
        full = F.interpolate(full[..., : placed[1], : placed[0]], (height, width), mode="bilinear", align_corners=False)
        mask = full[0, 0] > 0
        clock.end("mask")
        return clock.times, float(mask.float().mean())


class Clock:
    def __init__(self):
        self.times, self.last = {}, time.perf_counter()

    def end(self, stage):
        now = time.perf_counter()
        self.times[stage], self.last = 1000 * (now - self.last), now


def read(path):
    return Image.open(path).convert("RGB")


def peak_rss():
    """In bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", required=True, choices=dinov2.SIZES)
    parser.add_argument("--segmenter", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pipeline = Pipeline(args.encoder, args.segmenter, args.seed)
    for line in sys.stdin:
        request = json.loads(line)
        if "reference" in request:
            pipeline.prepare(request["reference"])
            answer = {"versions": f"Python {sys.version.split()[0]}, PyTorch {torch.__version__}, Pillow {Image.__version__}"}
        else:
            times, area = pipeline.segment(request["image"], request["points"], request["labels"])
            times["total"] = sum(times.values())
            answer = {"times": times, "area": area, "peakRss": peak_rss()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
