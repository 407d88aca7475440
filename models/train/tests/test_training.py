"""Runs that stop and go on, learning, and the graph that comes of it."""

import itertools
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import onnxruntime
import torch
from train import batches
from train.batches import load_batches
from train.exporting import INPUTS, LARGEST_DIFFERENCE, Positional, export
from train.questions import Question
from train.sets import load_sets
from train.training import Settings, Training, is_lone_click, ranking_loss, run, true_iou

from . import made

SETTINGS = Settings(batches=3, bold_batches=2, size=4, pairs=2, warmup=2, seed=5)
CPU = torch.device("cpu")


class Runs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        patched = mock.patch.multiple(batches, SIDES=(64, 96), SIDE_SHARES=(0.5, 0.5))
        patched.start()
        self.addCleanup(patched.stop)
        made.write_set(self.folder / "one", range(4))
        self.sets = load_sets(self.folder, ("one",))

    def finish(self, training: Training, checkpoint: Path) -> list[str]:
        lines: list[str] = []
        of = training.batches(self.sets, made.ENCODER)
        run(training, of, checkpoint, validate=lambda decoder: {"samples Dice": 0.5}, report=lines.append)
        return lines

    def assert_same_weights(self, found: Training, wanted: Training) -> None:
        for one, other in ((found.decoder, wanted.decoder), (found.averaged, wanted.averaged)):
            for (name, value), same in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
                self.assertTrue(torch.equal(value, same), name)

    def test_a_run_that_stopped_ends_as_one_that_did_not(self):
        whole = Training(SETTINGS, CPU)
        start = {name: value.clone() for name, value in whole.decoder.state_dict().items()}
        lines = self.finish(whole, self.folder / "whole.pt")
        self.assertRegex(lines[0], r"^batch 3/5  mask loss \d")
        self.assertRegex(lines[1], r"^batch 5/5  mask loss \d")
        self.assertEqual(whole.curve[-1]["samples Dice"], 0.5)

        # In the first part, between the two, and in the second.
        for at in (2, 3, 4):
            stopped = Training(SETTINGS, CPU)
            for batch in itertools.islice(load_batches(stopped.batches(self.sets, made.ENCODER)), at):
                stopped.step(batch)
            checkpoint = self.folder / "checkpoint.pt"
            stopped.save(checkpoint)
            torch.manual_seed(99)
            resumed = Training(SETTINGS, CPU)
            resumed.load(checkpoint)
            self.assertEqual((resumed.batch, resumed.steps), (at, stopped.steps))
            self.assert_same_weights(resumed, stopped)
            self.finish(resumed, checkpoint)
            self.assertEqual((resumed.batch, resumed.steps), (5, whole.steps))
            self.assert_same_weights(resumed, whole)
        self.assertFalse(all(torch.equal(value, start[name]) for name, value in whole.decoder.state_dict().items()))

        done = Training(SETTINGS, CPU)
        done.load(checkpoint)
        self.assertEqual(self.finish(done, checkpoint), [], "nothing is left to do")
        self.assert_same_weights(done, whole)
        self.assertEqual(list(self.folder.glob("*.part")), [])

    def test_a_checkpoint_of_another_run_is_refused(self):
        path = self.folder / "checkpoint.pt"
        Training(SETTINGS, CPU).save(path)
        for changed, expected, found in (
            (replace(SETTINGS, seed=6), "seed 6", "seed 5"),
            (replace(SETTINGS, batches=9, rate=0.1), "batches 9, rate 0.1", "batches 3, rate 0.0015"),
        ):
            with self.assertRaises(ValueError) as caught:
                Training(changed, CPU).load(path)
            wanted = f"{path}: expected the checkpoint of a run with {expected}, found one with {found}"
            self.assertEqual(str(caught.exception), wanted)

    def test_losses_fall_on_one_batch(self):
        training = Training(replace(SETTINGS, batches=1000, warmup=1, average=0.9), CPU)
        batch = training.batches(self.sets, made.ENCODER).batch(0, made.encoder())
        measured = [training.step(batch) for _ in range(12)]
        first, last = (
            {name: float(np.mean([one[name] for one in of])) for name in measured[0]} for of in (measured[:2], measured[-2:])
        )
        self.assertLess(last["mask loss"], 0.7 * first["mask loss"])
        self.assertLess(last["estimate loss"], first["estimate loss"])
        self.assertGreater(last["IoU"], first["IoU"])

    def test_the_second_part_starts_from_the_average(self):
        training = Training(replace(SETTINGS, batches=1, bold_batches=1), CPU)
        one, other = (training.batches(self.sets, made.ENCODER).batch(number, made.encoder()) for number in (0, 1))
        training.step(one)
        average = {name: value.clone() for name, value in training.averaged.state_dict().items()}
        with mock.patch.object(training, "learn", return_value={"mask loss": 0.0}):
            training.step(other)
        for name, value in training.decoder.state_dict().items():
            self.assertTrue(torch.equal(value, average[name]), name)
        self.assertEqual((training.steps, training.optimiser.state), (0, {}))

    def test_what_comes_of_it_is_the_mean_of_both_parts(self):
        training = Training(replace(SETTINGS, batches=1, bold_batches=1, average=0.5), CPU)
        of = training.batches(self.sets, made.ENCODER)
        training.step(of.batch(0, made.encoder()))
        plain = {name: value.clone() for name, value in training.averaged.state_dict().items()}
        for name, value in training.result().state_dict().items():
            self.assertTrue(torch.equal(value, plain[name]), name)
        training.step(of.batch(1, made.encoder()))
        checkpoint = self.folder / "checkpoint.pt"
        training.save(checkpoint)
        loaded = Training(training.settings, CPU)
        loaded.load(checkpoint)
        for done in (training, loaded):
            for name, value in done.result().state_dict().items():
                torch.testing.assert_close(value, (plain[name] + training.averaged.state_dict()[name]) / 2)

    def test_the_rate_rises_and_falls_in_each_part(self):
        training = Training(Settings(batches=400, bold_batches=400, warmup=40), CPU)
        rates = []
        for training.batch in range(800):
            rates.append(training.rate())
        for part, highest in ((rates[:400], 1.5e-3), (rates[400:], 6e-4)):
            peak = int(np.argmax(part))
            self.assertTrue(30 <= peak <= 45)
            self.assertAlmostEqual(part[peak] / highest, 1, delta=0.05)
            self.assertTrue((np.diff(part[: peak + 1]) > 0).all() and (np.diff(part[peak:]) < 0).all())
            self.assertTrue(0 < part[-1] < 0.01 * part[peak])


class TrueIou(unittest.TestCase):
    def test_against_a_count(self):
        random = torch.Generator().manual_seed(0)
        logits = torch.randn(3, 1, 5, 7, generator=random)
        shares = torch.rand(3, 1, 5, 7, generator=random)
        logits[2], shares[2] = -1, 0
        found = true_iou(logits, shares)
        for k in range(2):
            drawn, truth = logits[k].numpy() > 0, shares[k].numpy() > 0.5
            self.assertAlmostEqual(float(found[k]), (drawn & truth).sum() / (drawn | truth).sum(), places=6)
        self.assertEqual(float(found[2]), 1)


class Losses(unittest.TestCase):
    def test_ranking_counts_pairs_in_the_wrong_order(self):
        truth, predicted = torch.tensor([0.2, 0.9, 0.5]), torch.tensor([0.3, 0.25, 0.8])
        wanted = 0.0
        for i in range(3):
            for j in range(3):
                gap, apart = float(truth[i] - truth[j]), float(predicted[i] - predicted[j])
                wanted += abs(gap) * np.log1p(np.exp(-10 * np.sign(gap) * apart)) / 9
        self.assertAlmostEqual(float(ranking_loss(predicted, truth)), wanted, places=5)
        self.assertLess(float(ranking_loss(truth, truth)), wanted)

    def test_one_click_alone_is_told_from_all_else(self):
        labels = torch.tensor([[1.0, -1, -1], [1, -1, -1], [1, 0, -1], [1, -1, -1], [2, 3, -1]])
        trusted = torch.tensor([[1.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 0]])
        has = torch.tensor([0.0, 1, 0, 0, 0])
        asked = Question(torch.zeros(5, 3, 2), labels, torch.zeros(5, 1, 4, 4), has, trusted, torch.zeros(5))
        self.assertEqual(is_lone_click(asked).tolist(), [True, False, False, False, False])


#: Of the segmenter, by models/README.md: name and rank, all float32.
CONTRACT_INPUTS = {
    "pixel_values": 4,
    "features_s2": 4,
    "features_s4": 4,
    "features_s8": 4,
    "features_s16": 4,
    "features_s32": 4,
    "match_s8": 4,
    "match_s16": 4,
    "point_coords": 3,
    "point_labels": 2,
    "mask_input": 4,
    "has_mask_input": 1,
}
CONTRACT_OUTPUTS = {"masks": 4, "iou_predictions": 2}


def form(values) -> dict[str, tuple[str, int]]:
    return {value.name: (value.type, len(value.shape)) for value in values}


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.decoder = made.decoder(3)
        cls.path = Path(folder.name) / "decoder.onnx"
        cls.worst = export(cls.decoder, cls.path)
        cls.session = onnxruntime.InferenceSession(str(cls.path), providers=["CPUExecutionProvider"])

    def test_has_the_form_of_the_contract(self):
        for values, contract in (
            (self.session.get_inputs(), CONTRACT_INPUTS),
            (self.session.get_outputs(), CONTRACT_OUTPUTS),
        ):
            self.assertEqual(form(values), {name: ("tensor(float)", rank) for name, rank in contract.items()})

    def test_the_shipped_decoder_has_the_same(self):
        shipped = onnxruntime.InferenceSession(
            str(made.ENCODER.with_name("embedded-decoder.onnx")), providers=["CPUExecutionProvider"]
        )
        self.assertEqual(form(shipped.get_inputs()), form(self.session.get_inputs()))
        self.assertEqual(form(shipped.get_outputs()), form(self.session.get_outputs()))

    def test_agrees_with_pytorch(self):
        self.assertLessEqual(self.worst, LARGEST_DIFFERENCE)
        model = Positional(self.decoder).eval()
        for height, width, points, batch in ((64, 96, 5, 1), (96, 32, 1, 3), (128, 160, 12, 2)):
            inputs = made.inputs(height, width, points, batch=batch, seed=batch)
            inputs["has_mask_input"] = (torch.arange(batch) % 2 == 0).float()
            self.assertEqual(tuple(inputs), INPUTS)
            found = self.session.run(None, {name: value.numpy() for name, value in inputs.items()})
            with torch.inference_mode():
                wanted = model(*inputs.values())
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(one, other.numpy(), atol=2e-3, rtol=1e-3)


if __name__ == "__main__":
    unittest.main()
