"""What the decoder is asked, round by round."""

import unittest
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from train import prior, questions
from train.clicks import next_click
from train.decoder import BACKGROUND, BOTTOM_RIGHT, FOREGROUND, PADDING, TOP_LEFT
from train.encoder import Encoded
from train.manner import BOLD, PLAIN, Manner
from train.questions import SHIFT, Dialogue

HEIGHT, WIDTH = 64, 96
PAIRS = 3
BATCH = 8


def shares(**changed: float):
    """Of the questions of one kind, instead of those that the recipe asks with."""
    return mock.patch.multiple(questions, **changed)


def squares() -> torch.Tensor:
    """One or two rectangles on the grid of the prompts in every mask, float32 [batch, 1, height, width] of 0 and 1."""
    truth = torch.zeros(BATCH, 1, HEIGHT, WIDTH)
    for k in range(BATCH):
        truth[k, 0, 8:32, 4 * k : 4 * k + 24] = 1
        truth[k, 0, 44:60, 60:80] = k % 2
    return truth


def dialogue(seed: int = 0, pairs: int = PAIRS, truth: torch.Tensor | None = None, manner: Manner = PLAIN) -> Dialogue:
    truth = squares() if truth is None else truth
    random = torch.Generator().manual_seed(5)
    tokens = F.normalize(torch.randn(pairs, HEIGHT * WIDTH // 64, 16, generator=random), dim=2)
    classifier = prior.fit(tokens, prior.coverage(truth[:pairs])) if pairs else prior.Classifier(torch.zeros(0, 16), torch.zeros(0))
    matched = [[(8.0 * i + 4, 12.0, 1.0) for i in range(5)] + [(4.0, 60.0, 0.0), (92.0, 4.0, 0.0)] for _ in range(pairs)]
    target = Encoded(torch.zeros(len(truth), 3, HEIGHT, WIDTH), {}, tokens)
    return Dialogue(target, truth, classifier, matched, np.random.default_rng(seed), manner)


def first_scores(asked: Dialogue) -> torch.Tensor:
    """What is first said of the targets, [pairs, patches]."""
    tokens = asked.target.tokens
    return prior.self_trained(asked.classifier, asked.classifier.scores(tokens), tokens)


def answer(seed: int = 1) -> torch.Tensor:
    """Logits of some wrong masks, [batch, 1, height/2, width/2]."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn(BATCH, 1, HEIGHT // 16, WIDTH // 16, generator=random)
    return F.interpolate(coarse, scale_factor=8.0, mode="bilinear") * 30


def right_answer(truth: torch.Tensor) -> torch.Tensor:
    return (F.avg_pool2d(truth, 2) - 0.5) * 20


class First(unittest.TestCase):
    def test_pairs_get_their_prior(self):
        with shares(STRONG_SHARE=0, PRIORLESS_SHARE=0):
            asked = dialogue()
            question = asked.first()
        wanted = prior.as_prompt(prior.spread(first_scores(asked)), (HEIGHT // 8, WIDTH // 8))
        torch.testing.assert_close(question.mask_input[:PAIRS], wanted)
        np.testing.assert_array_equal(question.has_mask_input, [1] * PAIRS + [0] * (BATCH - PAIRS))
        with shares(STRONG_SHARE=1, PRIORLESS_SHARE=0):
            strong = dialogue().first()
        # As strongPrompt of src/core/strategies/apMedSam/referenceModel.ts.
        torch.testing.assert_close(strong.mask_input[:PAIRS], (wanted + 1) * 3)

    def test_some_priors_are_shifted_as_a_whole(self):
        shifts = []
        for seed in range(60):
            with shares(STRONG_SHARE=0, PRIORLESS_SHARE=0):
                asked = dialogue(seed, manner=BOLD)
                question = asked.first()
            wanted = prior.as_prompt(prior.spread(first_scores(asked)), (HEIGHT // 8, WIDTH // 8))
            apart = (question.mask_input[:PAIRS] - wanted).flatten(1)
            self.assertLess(float(apart.std(1).max()), 1e-4)
            shifts += apart.mean(1).tolist()
            np.testing.assert_array_equal(question.shifted[:PAIRS], np.abs(shifts[-PAIRS:]) > 1e-4)
        moved = np.abs(shifts) > 1e-4
        self.assertAlmostEqual(moved.mean(), BOLD.shifted_share, delta=0.12)
        self.assertAlmostEqual(np.std(np.array(shifts)[moved]), SHIFT, delta=0.4)
        self.assertTrue(question.shifted.any())
        self.assertTrue(asked.following(answer()).shifted.any(), "the adapted prior is shifted too")
        self.assertFalse(asked.following(answer()).shifted.any(), "clicks and the last answer are as they are")

    def test_pairs_get_some_of_their_matched_points(self):
        counts = set()
        for seed in range(40):
            asked = dialogue(seed)
            question = asked.first()
            for k in range(PAIRS):
                given = question.point_labels[k] != PADDING
                points = torch.cat([question.point_coords[k], question.point_labels[k, :, None]], 1)[given].tolist()
                self.assertLessEqual({tuple(point) for point in points}, set(asked.matched[k]))
                self.assertFalse(question.trusted[k].any(), "matches may be wrong")
                if points:
                    self.assertIn(FOREGROUND, [label for *_, label in points])
                else:
                    self.assertEqual(float(question.has_mask_input[k]), 1, "something has to be asked with")
                counts.add(len(points))
        self.assertEqual(counts, set(range(8)))

    def test_the_others_get_a_click_or_a_box(self):
        kinds = set()
        for seed in range(30):
            question = dialogue(seed).first()
            truth = F.avg_pool2d(squares(), 4)[:, 0] > 0.5
            for k in range(PAIRS, BATCH):
                given = question.point_labels[k] != PADDING
                labels, coords = question.point_labels[k][given], question.point_coords[k][given]
                np.testing.assert_array_equal(question.trusted[k], given)
                kinds.add(tuple(labels.tolist()))
                for (x, y), label in zip(coords.tolist(), labels.tolist(), strict=True):
                    if label == FOREGROUND:
                        self.assertTrue(truth[k, int(y // 4), int(x // 4)])
                if TOP_LEFT in labels:
                    rows, columns = (np.flatnonzero(truth[k].numpy().any(axis)) * 4 for axis in (1, 0))
                    wanted = [columns[0], rows[0], columns[-1] + 4, rows[-1] + 4]
                    extent = np.tile([wanted[2] - wanted[0], wanted[3] - wanted[1]], 2)
                    self.assertLessEqual(np.abs((coords[:2].numpy().ravel() - wanted) / extent).max(), 0.1001)
        box = (TOP_LEFT, BOTTOM_RIGHT)
        self.assertEqual(kinds, {(FOREGROUND,), box, (*box, FOREGROUND)})

    def test_objects_thinner_than_a_cell_can_be_clicked(self):
        truth = squares()
        truth[PAIRS:] = 0
        truth[PAIRS:, 0, 20, 10:50] = 1
        with shares(BOX_SHARE=0):
            question = dialogue(truth=truth).first()
        for k in range(PAIRS, BATCH):
            clicked = question.point_labels[k] == FOREGROUND
            self.assertEqual(int(clicked.sum()), 1)
            x, y = question.point_coords[k][clicked][0].tolist()
            self.assertTrue(20 <= y < 24 and 8 <= x < 52)


class Following(unittest.TestCase):
    def check_clicks(self, asked: Dialogue, before: list[int], logits: torch.Tensor, who: range) -> None:
        small = F.avg_pool2d(logits, 2)[:, 0] > 0
        truth = F.avg_pool2d(asked.truth, 4)[:, 0] > 0.5
        for k in range(BATCH):
            added = asked.points[k][before[k] :]
            self.assertEqual(len(added), k in who)
            for x, y, label, trusted in added:
                self.assertTrue(trusted)
                row, column = int(y // 4), int(x // 4)
                self.assertEqual((bool(truth[k, row, column]), bool(small[k, row, column])), (label == 1, label != 1))

    def test_everybody_but_adapting_pairs_gets_a_click_on_an_error(self):
        asked = dialogue()
        asked.first()
        for turn, who in ((1, range(PAIRS, BATCH)), (2, range(BATCH)), (3, range(BATCH))):
            before = [len(points) for points in asked.points]
            logits = answer(turn)
            question = asked.following(logits)
            self.check_clicks(asked, before, logits, who)
            for k in range(BATCH):
                given = [(*point[:3], float(point[3])) for point in asked.points[k]]
                rows = torch.cat(
                    [question.point_coords[k], question.point_labels[k, :, None], question.trusted[k, :, None]], 1
                )
                torch.testing.assert_close(rows[: len(given)], torch.tensor(given, dtype=torch.float32).reshape(-1, 4))
                self.assertTrue((rows[len(given) :, 2] == PADDING).all())
                self.assertFalse(rows[len(given) :, 3].any())

    def test_without_references_everybody_is_clicked_from_the_first(self):
        asked = dialogue(pairs=0)
        question = asked.first()
        self.assertFalse(question.has_mask_input.any())
        before = [len(points) for points in asked.points]
        logits = answer()
        asked.following(logits)
        self.check_clicks(asked, before, logits, range(BATCH))

    def test_mask_prompts_are_the_last_logits(self):
        with shares(FORGETFUL_SHARE=0, STRONG_SHARE=0):
            asked = dialogue()
            asked.first()
            first, second = answer(1), answer(2)
            adapting, later = asked.following(first), asked.following(second)
        averaged = [F.avg_pool2d(logits, 2).clamp(-20, 20) for logits in (first, second)]
        self.assertGreater(float(F.avg_pool2d(second, 2).abs().max()), 20)
        torch.testing.assert_close(adapting.mask_input[PAIRS:], averaged[0][PAIRS:])
        torch.testing.assert_close(later.mask_input, averaged[1])
        for question in (adapting, later):
            self.assertTrue((question.has_mask_input == 1).all())
        adapted = prior.adapted(asked.classifier, first_scores(asked), asked.target.tokens, first[:PAIRS])
        torch.testing.assert_close(adapting.mask_input[:PAIRS], prior.as_prompt(adapted, (HEIGHT // 8, WIDTH // 8)))

    def test_only_those_without_reference_forget_the_mask(self):
        with shares(FORGETFUL_SHARE=1):
            asked = dialogue()
            asked.first()
            for turn in (1, 2):
                question = asked.following(answer(turn))
                np.testing.assert_array_equal(question.has_mask_input, [1] * PAIRS + [0] * (BATCH - PAIRS))

    def test_a_perfect_answer_adds_no_click(self):
        asked = dialogue()
        asked.first()
        asked.following(answer())
        before = [len(points) for points in asked.points]
        question = asked.following(right_answer(asked.truth))
        self.assertEqual([len(points) for points in asked.points], before)
        torch.testing.assert_close(question.mask_input, F.avg_pool2d(right_answer(asked.truth), 2))

    def test_an_earlier_question_stays_as_it_was(self):
        asked = dialogue()
        question = asked.first()
        kept = [value.clone() for value in vars(question).values()]
        asked.following(answer())
        for value, other in zip(vars(question).values(), kept, strict=True):
            torch.testing.assert_close(value, other)

    def test_a_seed_fixes_the_dialogue(self):
        first, again, other = (dialogue(seed) for seed in (3, 3, 4))
        rows = [[asked.first(), asked.following(answer())][1].point_coords for asked in (first, again, other)]
        torch.testing.assert_close(rows[0], rows[1], atol=0, rtol=0)
        self.assertFalse(rows[0].shape == rows[2].shape and torch.equal(rows[0], rows[2]))

    def test_clicks_are_in_pixels_of_the_input(self):
        asked = dialogue(pairs=0)
        asked.first()
        before = [len(points) for points in asked.points]
        logits = answer()
        with mock.patch.object(questions, "next_click", lambda drawn, truth, rng: next_click(drawn, truth)):
            asked.following(logits)
        for k in range(BATCH):
            x, y, label = next_click(
                (F.avg_pool2d(logits[k], 2)[0] > 0).numpy(), (F.avg_pool2d(asked.truth[k], 4)[0] > 0.5).numpy()
            )
            self.assertEqual(asked.points[k][before[k] :], [(4 * x, 4 * y, label, True)])
            self.assertIn(label, (FOREGROUND, BACKGROUND))


if __name__ == "__main__":
    unittest.main()
