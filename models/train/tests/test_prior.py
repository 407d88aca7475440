"""The foreground prior: against the closed form, its constants against those of the engine."""

import re
import unittest
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from train import prior

CORE = Path(__file__).parents[3] / "src" / "core"


def constant(file: str, name: str) -> float:
    """A number, or a quotient of two, that a TypeScript file of the engine defines."""
    found = re.search(rf"\bconst {name} = ([\d.]+)(?: / ([\d.]+))?;", (CORE / file).read_text(encoding="utf-8"))
    if found is None:
        raise AssertionError(f"{file} defines no number {name}")
    return float(Fraction(found[1]) / Fraction(found[2] or 1))


def unit_tokens(seed: int, batch: int, patches: int, dim: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(batch, patches, dim, generator=random) + 0.5, dim=2)


def closed_form(tokens, shares, use=None, near=None) -> tuple[np.ndarray, float]:
    """Weights and bias of one image: centred, weighted ridge regression as textbooks have it."""
    rows = np.ones(len(shares), bool) if use is None else use.numpy() > 0
    x, share = tokens.double().numpy()[rows], shares.double().numpy()[rows]
    positive = (share >= min(0.5, share.max())) & (share > 0)
    goal = np.where(positive & (share < 0.5), 1.0, 2 * share - 1)
    weight = np.where(positive, len(x) / 2 / positive.sum(), len(x) / 2 / max(1, (~positive).sum()))
    start = np.zeros(x.shape[1]), 0.0
    if near is not None:
        start = near.weights[0].double().numpy(), float(near.bias[0])
        goal = goal - x @ start[0] - start[1]
    mean, mean_goal = np.average(x, 0, weight), np.average(goal, weights=weight)
    centred = x - mean
    penalty = constant("foregroundPrior.ts", "PENALTY") * len(x) / len(shares)
    normal = centred.T @ (weight[:, None] * centred) + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(normal, centred.T @ (weight * (goal - mean_goal)))
    return start[0] + weights, start[1] + mean_goal - mean @ weights


class Fit(unittest.TestCase):
    def setUp(self):
        self.tokens = unit_tokens(0, 1, 80, 24)
        random = torch.Generator().manual_seed(1)
        self.shares = (torch.rand(1, 80, generator=random) * 2 - 1).clamp(0, 1)

    def check(self, shares, **options):
        use = options.get("use")
        found = prior.fit(self.tokens, shares, **options)
        weights, bias = closed_form(self.tokens[0], shares[0], None if use is None else use[0], options.get("near"))
        np.testing.assert_allclose(found.weights[0].numpy(), weights, atol=2e-5)
        self.assertAlmostEqual(float(found.bias[0]), bias, places=4)

    def test_is_the_weighted_ridge_solution(self):
        self.check(self.shares)
        few = torch.zeros(1, 80)
        few[0, 3:6] = 1
        self.check(few)

    def test_of_a_thin_object_the_best_covered_patches_stand_for_it(self):
        thin = self.shares * 0.3
        self.check(thin)
        self.assertTrue((thin < 0.5).all())
        # How thin makes no difference to it.
        best = torch.zeros(1, 80)
        best[0, int(thin.argmax())] = 1
        thinnest, whole = (prior.fit(self.tokens, best * share) for share in (0.01, 1))
        torch.testing.assert_close(thinnest.weights, whole.weights)

    def test_object_everywhere(self):
        self.check(torch.ones(1, 80))

    def test_patches_out_of_use_teach_nothing(self):
        use = (torch.arange(80) % 3 > 0).float()[None]
        self.check(self.shares, use=use)
        changed = torch.where(use > 0, self.shares, 1 - self.shares)
        found, other = (prior.fit(self.tokens, shares, use=use) for shares in (self.shares, changed))
        torch.testing.assert_close(found.weights, other.weights)

    def test_near_a_classifier(self):
        near = prior.fit(self.tokens, self.shares.flip(1))
        self.check(self.shares, near=near)
        self.check(self.shares, near=near, use=(torch.arange(80) % 2).float()[None])

    def test_without_foreground_all_is_background(self):
        nothing = torch.zeros(1, 80)
        found = prior.fit(self.tokens, nothing)
        self.assertEqual((float(found.weights.abs().max()), float(found.bias)), (0, -1))
        near = prior.fit(self.tokens, self.shares)
        for use in (None, nothing):
            kept = prior.fit(self.tokens, nothing, near=near, use=use)
            torch.testing.assert_close(kept.weights, near.weights)
            torch.testing.assert_close(kept.bias, near.bias)

    def test_rows_of_a_batch_are_independent(self):
        tokens = unit_tokens(4, 3, 60, 16)
        shares = torch.rand(3, 60, generator=torch.Generator().manual_seed(5))
        shares[1] = 0
        shares[2] *= 0.2
        use = (torch.rand(3, 60, generator=torch.Generator().manual_seed(6)) > 0.3).float()
        together = prior.fit(tokens, shares, use=use)
        for k in range(3):
            alone = prior.fit(tokens[k : k + 1], shares[k : k + 1], use=use[k : k + 1])
            torch.testing.assert_close(together.weights[k], alone.weights[0], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(together.bias[k], alone.bias[0], atol=1e-5, rtol=1e-4)


class Prompt(unittest.TestCase):
    def test_spread_has_deviation_2_and_keeps_zero(self):
        scores = torch.tensor([[0.0, 0.1, -0.3, 0.8, 0.2], [0.0, 1.0, 2.0, 3.0, 4.0]])
        found = prior.spread(scores)
        np.testing.assert_allclose(found.numpy().std(1), 2, rtol=1e-4)
        torch.testing.assert_close(found, scores * (found[:, 1:2] / scores[:, 1:2]))
        self.assertEqual(float(prior.spread(torch.zeros(1, 4)).abs().max()), 0)

    def test_grid_is_row_major_and_doubled(self):
        scores = torch.arange(12.0)[None]
        found = prior.as_prompt(scores, (3, 4))
        self.assertEqual(found.shape, (1, 1, 6, 8))
        # Cells' means: a linear map stays itself but at the border.
        np.testing.assert_allclose(F.avg_pool2d(found, 2)[0, 0, 1, 1:3], [5, 6], atol=1e-5)
        self.assertEqual((float(found[0, 0, 0, 0]), float(found[0, 0, -1, -1])), (0, 11))

    def test_coverage(self):
        mask = torch.zeros(1, 1, 16, 24)
        mask[0, 0, 8:12, 16:] = 1
        np.testing.assert_array_equal(prior.coverage(mask), [[0, 0, 0, 0, 0, 0.5]])


class Adapted(unittest.TestCase):
    def setUp(self):
        self.tokens = unit_tokens(7, 1, 48, 16)
        shares = (torch.arange(48) % 4 == 0).float()[None]
        self.classifier = prior.fit(self.tokens, shares)
        self.scores = self.classifier.scores(self.tokens)
        random = torch.Generator().manual_seed(8)
        self.cells = torch.randn(1, 1, 6, 8, generator=random) * 4
        self.logits = self.cells.repeat_interleave(4, 2).repeat_interleave(4, 3)

    def test_learns_from_what_is_sure_as_the_engine_does(self):
        at = self.cells.flatten(1)
        found = prior.adapted(self.classifier, self.scores, self.tokens, self.logits)
        own = prior.fit(
            self.tokens,
            (at > 0).float(),
            use=(at.abs() > constant("adaptation.ts", "LEAST_LOGIT")).float(),
            near=self.classifier,
            iterations=int(constant("adaptation.ts", "ITERATIONS")),
        )
        share = constant("adaptation.ts", "ADAPTED_SHARE")
        wanted = share * prior.spread(own.scores(self.tokens)) + (1 - share) * prior.spread(self.scores)
        torch.testing.assert_close(found, wanted)
        self.assertGreater(float((found - prior.spread(self.scores)).abs().max()), 0.1)

    def test_learns_from_what_it_is_itself_sure_of(self):
        found = prior.self_trained(self.classifier, self.scores, self.tokens)
        scores = self.scores[0].numpy()
        ordered = np.sort(scores)
        median = ordered[24]
        reach = constant("adaptation.ts", "SURE_SHARE") * (ordered[int(constant("foregroundPrior.ts", "HIGHEST") * 47)] - median)
        object_, ground = scores > median + reach, scores < median + reach / 2
        self.assertTrue(0 < object_.sum() < ground.sum() < 48)
        own = prior.fit(
            self.tokens,
            torch.from_numpy(object_)[None].float(),
            use=torch.from_numpy(object_ | ground)[None].float(),
            near=self.classifier,
            iterations=int(constant("adaptation.ts", "ITERATIONS")),
        )
        share = constant("adaptation.ts", "ADAPTED_SHARE")
        wanted = share * prior.spread(own.scores(self.tokens)) + (1 - share) * prior.spread(self.scores)
        torch.testing.assert_close(found, wanted)

    def test_where_nothing_is_sure_the_prior_stays(self):
        for logits in (torch.zeros_like(self.logits), torch.full_like(self.logits, -9)):
            found = prior.adapted(self.classifier, self.scores, self.tokens, logits)
            torch.testing.assert_close(found, prior.spread(self.scores))


class Constants(unittest.TestCase):
    """What the decoder is trained on is what the engine will ask it: a number changed there has to be changed here."""

    def test_agree_with_the_engine(self):
        self.assertEqual(constant("foregroundPrior.ts", "PENALTY"), prior.PENALTY)
        self.assertEqual(constant("adaptation.ts", "LEAST_LOGIT"), prior.SURE)
        self.assertAlmostEqual(constant("adaptation.ts", "ADAPTED_SHARE"), prior.ADAPTED_SHARE)
        self.assertEqual(constant("adaptation.ts", "SURE_SHARE"), prior.SURE_SHARE)
        self.assertEqual(constant("foregroundPrior.ts", "HIGHEST"), prior.HIGHEST)


class MatchedPoints(unittest.TestCase):
    COLUMNS = 8

    def points(self, reference, shares, target, most=8, seed=0):
        random = torch.Generator().manual_seed(seed)
        return prior.matched_points(reference, shares, target, self.COLUMNS, most, random)

    def test_lie_on_cells_whose_match_leads_back(self):
        labels = []
        for seed in range(20):
            reference = unit_tokens(seed, 1, 40, 12)[0]
            random = torch.Generator().manual_seed(50 + seed)
            # Seen again with noise, elsewhere.
            target = F.normalize(reference + 0.25 * torch.randn(40, 12, generator=random), dim=1)
            target = target[torch.randperm(40, generator=random)]
            shares = (torch.arange(40) < 14).float()
            shares[14:17] = 0.4
            found = self.points(reference, shares, target, seed=seed)
            self.assertEqual(len(set(found)), len(found))
            for x, y, label in found:
                self.assertEqual((x % 8, y % 8), (4, 4))
                cell = int(y // 8) * self.COLUMNS + int(x // 8)
                forward = (reference @ target.T).argmax(1)
                back = int((reference @ target[cell]).argmax())
                object_ = shares >= 0.999 if label == 1 else shares <= 0
                self.assertTrue(object_[back])
                self.assertIn(cell, forward[object_].tolist())
                labels.append(label)
            for label in (0.0, 1.0):
                self.assertLessEqual(sum(point[2] == label for point in found), 8)
        self.assertEqual(set(labels), {0.0, 1.0})

    def test_at_most_as_many_as_asked_for(self):
        reference = torch.eye(40)
        found = self.points(reference, (torch.arange(40) < 20).float(), reference, most=3)
        self.assertEqual([label for *_, label in found], [1, 1, 1, 0, 0, 0])

    def test_none_where_too_few_come_back(self):
        least = constant("strategies/apMedSam.ts", "LEAST_CONSISTENCY")
        # Exactly half is enough, the most that is under half is not.
        for count in (7, 8):
            axes = torch.eye(2 * count)
            background = axes[count:]
            foreground = 0.75**0.5 * axes[:count] + 0.5 * background
            reference = torch.cat([foreground, background])
            shares = torch.cat([torch.ones(count), torch.zeros(count)])
            for returning in range(count + 1):
                # The others' nearest is what the background is nearer to.
                target = torch.cat([foreground[:returning], background[returning:]])
                found = self.points(reference, shares, target)
                positive = {point for point in found if point[2] == 1}
                cells = range(returning) if returning / count >= least else ()
                self.assertEqual(positive, {(8.0 * k + 4, 4.0, 1.0) for k in cells})
                self.assertEqual(bool(found), bool(cells))

    def test_without_a_whole_patch_the_best_covered_one_proposes(self):
        reference = torch.eye(12)
        shares = torch.zeros(12)
        shares[9], shares[2] = 0.4, 0.1
        found = self.points(reference, shares, reference)
        self.assertEqual([point for point in found if point[2] == 1], [(12.0, 12.0, 1.0)])


if __name__ == "__main__":
    unittest.main()
