"""The command: from a folder of sets to a graph, and what it says where something is missing."""

import contextlib
import io
import json
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from train import __main__ as command
from train import batches, estimate
from train.training import Settings

from . import made


@dataclass(frozen=True)
class Tiny(Settings):
    bold_batches: int = 1
    size: int = 3
    pairs: int = 2
    estimate_batches: int = 2


class Command(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data, self.out = Path(folder.name) / "data", Path(folder.name) / "out"
        made.write_set(self.data / "discs", range(3))
        made.write_set(self.data / "new", range(3, 5))
        for patched in (
            mock.patch.multiple(batches, SIDES=(64, 96), SIDE_SHARES=(0.5, 0.5)),
            mock.patch.multiple(command, TRAINING_SETS=("discs",), UNSEEN_SETS=("new", "absent")),
            mock.patch.object(command, "Settings", Tiny),
            mock.patch.object(command, "VALIDATION_SCENES", 1),
            mock.patch.object(estimate, "STEPS", 20),
            mock.patch.object(command, "evaluate", lambda *_, **__: dict.fromkeys(("Dice", "IoU@1", "IoU@3", "IoU@5"), 0.5)),
        ):
            patched.start()
            self.addCleanup(patched.stop)

    def call(self, *options: str) -> tuple[int, str, str]:
        said, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
            code = command.main([str(self.data), "--out", str(self.out), "--device", "cpu", "--threads", "1", *options])
        return code, said.getvalue(), errors.getvalue()

    def test_trains_exports_and_evaluates(self):
        code, said, _ = self.call("--batches", "2")
        self.assertEqual(code, 0)
        for part in ("discs: 3 images", "batch 2/3  mask loss", "batch 3/3  mask loss", "validation  samples Dice 0.500", "fits the IoU prediction to 2 more batches", "largest difference", "new Dice"):
            self.assertIn(part, said)
        self.assertNotIn("absent", said)
        names = {path.name for path in self.out.iterdir()}
        self.assertEqual(names, {"checkpoint.pt", "curve.json", "curve.png", "embedded-decoder.onnx", "regions"})
        curve = json.loads((self.out / "curve.json").read_text())
        self.assertEqual([row["batch"] for row in curve], [2, 3])
        self.assertIn("scenes IoU@5", curve[-1])

        code, said, _ = self.call("--batches", "2", "--evaluate")
        self.assertEqual((code, said.splitlines()[0]), (0, "goes on after batch 3"))
        self.assertNotIn("discs", said)
        code, _, errors = self.call("--batches", "3")
        self.assertEqual(code, 1)
        self.assertRegex(errors, r"^train: .*checkpoint\.pt: expected .* batches 3, found .* batches 2\n$")

    def test_says_in_one_line_what_is_missing(self):
        code, _, errors = self.call("--evaluate")
        self.assertEqual(code, 1)
        self.assertRegex(errors, r"^train: .*checkpoint\.pt: expected the checkpoint of a run to evaluate, found none\n$")
        self.assertFalse(self.out.exists())
        with mock.patch.object(command, "TRAINING_SETS", ("discs", "lost")):
            code, _, errors = self.call("--batches", "2")
        self.assertEqual(code, 1)
        self.assertRegex(errors, r"^train: .*lost.images: expected images, found none\n$")


if __name__ == "__main__":
    unittest.main()
