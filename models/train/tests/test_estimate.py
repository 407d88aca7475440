"""The IoU prediction that is fitted to the finished decoder."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

import torch
from scipy.stats import spearmanr
from train import batches, estimate
from train.decoder import FACTS
from train.estimate import Answers, collect, fit_head
from train.sets import load_sets
from train.training import Settings, Training

from . import made


def answers(seed: int) -> Answers:
    """Facts on scales of their own; the IoU follows from two of them."""
    random = torch.Generator().manual_seed(seed)
    facts = torch.randn(40, 16, FACTS, generator=random)
    iou = torch.sigmoid(1.5 * facts[:, :, 0] - facts[:, :, 3])
    return Answers(facts * torch.linspace(0.1, 9, FACTS) + 5, iou)


class Head(unittest.TestCase):
    def test_is_near_to_the_truth_and_ranks_as_it_does_on_answers_never_seen(self):
        with mock.patch.object(estimate, "STEPS", 300):
            head = fit_head(answers(0), 0)
        other = answers(1)
        predicted = torch.sigmoid(head(other.facts)).squeeze(2)
        self.assertGreater(spearmanr(predicted.flatten(), other.iou.flatten()).statistic, 0.95)
        self.assertLess(float((predicted - other.iou).abs().mean()), 0.06)

    def test_follows_from_the_seed_and_leaves_other_chance_alone(self):
        with mock.patch.object(estimate, "STEPS", 5):
            torch.manual_seed(3)
            one = fit_head(answers(0), 1)
            drawn = torch.rand(1)
            other, another = fit_head(answers(0), 1), fit_head(answers(0), 2)
        for first, second, third in zip(one.parameters(), other.parameters(), another.parameters(), strict=True):
            self.assertTrue(torch.equal(first, second))
            self.assertFalse(torch.equal(first, third))
        torch.manual_seed(3)
        self.assertTrue(torch.equal(torch.rand(1), drawn))


class Collecting(unittest.TestCase):
    def test_takes_four_rounds_of_batches_that_the_run_has_not_seen(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.multiple(batches, SIDES=(64, 96), SIDE_SHARES=(0.5, 0.5)):
            made.write_set(Path(folder) / "one", range(4))
            training = Training(Settings(batches=3, bold_batches=2, size=3, pairs=2, estimate_batches=2), torch.device("cpu"))
            of = training.batches_for_estimate(load_sets(Path(folder), ("one",)), made.ENCODER)
            self.assertEqual(list(of.numbers), [5, 6])
            decoder = training.result()
            found = collect(decoder, of, training.device)
            self.assertEqual(found.facts.shape, (8, 3, FACTS))
            self.assertEqual(found.iou.shape, (8, 3))
            self.assertTrue(bool(((found.iou >= 0) & (found.iou <= 1)).all()))
            again = collect(decoder, of, training.device)
            self.assertTrue(torch.equal(found.facts, again.facts))

            training.estimate = {name: value + 1 for name, value in decoder.iou.state_dict().items()}
            self.assertTrue(torch.equal(training.result().iou[0].bias, training.estimate["0.bias"]))
            path = Path(folder) / "checkpoint.pt"
            training.save(path)
            loaded = Training(training.settings, training.device)
            loaded.load(path)
            self.assertTrue(torch.equal(loaded.result().iou[2].weight, training.estimate["2.weight"]))

