"""Every module takes the official checkpoint by its names and shapes, and nothing else."""

import tempfile
import unittest
from math import prod
from pathlib import Path

import torch

from export import dinov2, sam
from export.__main__ import dinov2_variant, main, sam_variant
from export.weights import CheckpointError, load

from .official import CHECKPOINTS


def build(name):
    family, *parts = name.split("-")
    if family == "dinov2":
        return dinov2.Dinov2(parts[0], 4 if "reg" in parts else 0)
    return sam.build("mobile" if family == "mobile" else parts[-1])


def synthetic(shapes):
    return {name: torch.zeros(shape, dtype=torch.int64 if not shape else torch.float32) for name, shape in shapes.items()}


class Checkpoints(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_names_and_shapes(self):
        for name, (shapes, parameters) in CHECKPOINTS.items():
            with self.subTest(name):
                with torch.device("meta"):
                    module = build(name)
                self.assertEqual({key: tuple(value.shape) for key, value in module.state_dict().items()}, shapes)
                trained = {name for name, _ in module.named_parameters()}
                self.assertEqual(sum(prod(shape) for key, shape in shapes.items() if key in trained), parameters)

    def test_strict_load(self):
        for name in ("dinov2-small", "dinov2-small-reg", "mobile-sam"):
            with self.subTest(name):
                path = self.folder / f"{name}.pth"
                torch.save(synthetic(CHECKPOINTS[name][0]), path)
                load(build(name), path, name)

    def test_size_is_read_from_the_checkpoint(self):
        path = self.folder / "small.pth"
        torch.save(synthetic(CHECKPOINTS["dinov2-small-reg"][0]), path)
        self.assertEqual(dinov2_variant(path), ("small", 4))
        torch.save({"image_encoder.pos_embed": torch.zeros(1, 64, 64, 1024)}, path)
        self.assertEqual(sam_variant(path), "l")

    def test_another_checkpoint_is_refused(self):
        path = self.folder / "other.pth"
        state = synthetic(CHECKPOINTS["dinov2-small"][0])
        del state["blocks.3.ls1.gamma"]
        torch.save(state, path)
        with self.assertRaisesRegex(CheckpointError, "blocks.3.ls1.gamma"):
            load(build("dinov2-small"), path, "dinov2-small")

    def test_a_file_that_is_none_is_refused(self):
        path = self.folder / "none.pth"
        path.write_bytes(b"<html>not found</html>")
        for family in ("dinov2", "sam", "mobile-sam"):
            with self.subTest(family):
                self.assertEqual(main([family, "--checkpoint", str(path), "--out", str(self.folder)]), 1)
        self.assertEqual(main(["sam", "--checkpoint", str(path) + "x", "--out", str(self.folder)]), 1)


if __name__ == "__main__":
    unittest.main()
