"""The decoder: what must not matter to it does not, and its maps are what their descriptions say."""

import unittest

import numpy as np
import torch
from train.decoder import BACKGROUND, FEATURES, FOREGROUND, PADDING, Points, centred, likenesses, prototypes
from train.exporting import Positional

from . import made


class Answers(unittest.TestCase):
    def setUp(self):
        self.decoder = made.decoder()
        self.model = Positional(self.decoder).eval()
        self.inputs = made.inputs(64, 96, 6, batch=3)

    @torch.inference_mode()
    def ask(self, **changed) -> tuple[torch.Tensor, torch.Tensor]:
        return self.model(*(self.inputs | changed).values())

    def check(self, found, wanted, tolerance=1e-4):
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)

    def test_shapes(self):
        for height, width, points in ((32, 32, 1), (64, 96, 3), (160, 128, 20)):
            inputs = made.inputs(height, width, points, batch=2)
            with torch.inference_mode():
                masks, iou = self.model(*inputs.values())
            self.assertEqual((masks.shape, masks.dtype), ((2, 1, height // 2, width // 2), torch.float32))
            self.assertEqual((iou.shape, iou.dtype), ((2, 1), torch.float32))
            self.assertTrue(bool(masks.isfinite().all()))
            self.assertTrue(bool(((iou >= 0) & (iou <= 1)).all()))

    def test_items_of_a_batch_do_not_influence_each_other(self):
        together = self.ask()
        for k in range(3):
            alone = self.ask(**{name: value[k : k + 1] for name, value in self.inputs.items()})
            self.check(alone, [answer[k : k + 1] for answer in together])
        self.assertGreater(float((together[0][0] - together[0][1]).abs().max()), 0.1)

    def test_padding_points_change_nothing(self):
        coords, labels = self.inputs["point_coords"], self.inputs["point_labels"]
        padded = self.ask(
            point_coords=torch.cat([coords, torch.rand(3, 5, 2) * 64], 1),
            point_labels=torch.cat([labels, torch.full((3, 5), PADDING)], 1),
        )
        self.check(padded, self.ask())
        clicked = self.ask(
            point_coords=torch.cat([coords, torch.full((3, 1, 2), 30.0)], 1),
            point_labels=torch.cat([labels, torch.full((3, 1), FOREGROUND)], 1),
        )
        self.assertGreater(float((clicked[0] - self.ask()[0]).abs().max()), 0.1)

    def test_order_of_points_changes_nothing(self):
        order = torch.tensor([4, 1, 5, 0, 3, 2])
        shuffled = self.ask(
            point_coords=self.inputs["point_coords"][:, order], point_labels=self.inputs["point_labels"][:, order]
        )
        self.check(shuffled, self.ask())

    def test_a_mask_prompt_counts_only_where_it_is_said_to(self):
        has = torch.tensor([0.0, 1.0, 0.0])
        other = -self.inputs["mask_input"]
        found, changed = self.ask(has_mask_input=has), self.ask(has_mask_input=has, mask_input=other)
        for k in (0, 2):
            self.check([answer[k] for answer in changed], [answer[k] for answer in found])
        self.assertGreater(float((changed[0][1] - found[0][1]).abs().max()), 0.1)

    def test_mask_prompts_are_clipped_at_8(self):
        sign = torch.sign(self.inputs["mask_input"])
        at_limit = self.ask(mask_input=8 * sign)
        self.check(self.ask(mask_input=50 * sign), at_limit)
        self.assertGreater(float((self.ask(mask_input=6 * sign)[0] - at_limit[0]).abs().max()), 0.1)

    def test_the_iou_head_sends_no_gradient_to_the_mask(self):
        _, iou = self.model(*self.inputs.values())
        iou.sum().backward()
        for name, parameter in self.decoder.named_parameters():
            if name.startswith("iou."):
                self.assertGreater(float(parameter.grad.abs().max()), 0, name)
            else:
                self.assertTrue(parameter.grad is None or not parameter.grad.any(), name)

    def test_the_mask_sends_gradient_everywhere_else(self):
        masks, _ = self.model(*self.inputs.values())
        masks.square().sum().backward()
        for name, parameter in self.decoder.named_parameters():
            if not name.startswith("iou."):
                self.assertGreater(float(parameter.grad.abs().max()), 0, name)

    def test_reads_every_feature(self):
        plain = self.ask()[0]
        for name in FEATURES:
            changed = self.ask(**{name: self.inputs[name].flip(3)})[0]
            self.assertGreater(float((changed - plain).abs().max()), 1e-4, name)


class Maps(unittest.TestCase):
    """Against loops over positions and points."""

    def setUp(self):
        random = torch.Generator().manual_seed(0)
        self.x = centred(torch.randn(2, 5, 4, 6, generator=random))
        # The stride is 8: a cell's centre, the border, a place between four cells.
        coords = torch.tensor([[[20.0, 12], [0, 0], [24, 16], [47, 31]], [[5, 30], [44, 4], [9, 9], [30, 3]]])
        self.labels = torch.tensor([[1.0, 0, 1, -1], [0, 0, 0, 2]])
        self.points = Points(torch.zeros(2, 3, 32, 48), coords, self.labels)
        self.coords = coords

    def value_at(self, x: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Bilinear between centres of cells of 8 pixels; beyond the outermost ones theirs."""
        column, row = np.clip(at / 8 - 0.5, 0, (5, 3))
        left, top = min(int(column), 4), min(int(row), 2)
        right, low = column - left, row - top
        upper = x[:, top, left] * (1 - right) + x[:, top, left + 1] * right
        lower = x[:, top + 1, left] * (1 - right) + x[:, top + 1, left + 1] * right
        return upper * (1 - low) + lower * low

    def test_likeness_is_the_cosine_to_the_most_alike_point(self):
        found = self.points.likeness(self.x)
        for k in range(2):
            x = self.x[k].numpy()
            for channel, label in enumerate((FOREGROUND, BACKGROUND)):
                of = [self.value_at(x, at) for at in self.coords[k, self.labels[k] == label].numpy()]
                for row in range(4):
                    for column in range(6):
                        cosines = [value @ x[:, row, column] / np.linalg.norm(value) for value in of]
                        wanted = max(cosines, default=-1)
                        self.assertAlmostEqual(float(found[k, channel, row, column]), wanted, places=4)

    def test_prototypes_are_the_cosines_to_the_means(self):
        foreground = torch.rand(2, 1, 4, 6, generator=torch.Generator().manual_seed(1))
        found = prototypes(self.x, foreground, torch.tensor([1.0, 0]).reshape(2, 1, 1, 1))
        self.assertEqual(float(found[1].abs().max()), 0)
        x, share = self.x[0].numpy(), foreground[0, 0].numpy()
        for channel, weight in enumerate((share, 1 - share)):
            mean = np.zeros(5)
            for row in range(4):
                for column in range(6):
                    mean += weight[row, column] * x[:, row, column]
            for row in range(4):
                for column in range(6):
                    wanted = x[:, row, column] @ mean / np.linalg.norm(mean)
                    self.assertAlmostEqual(float(found[0, channel, row, column]), wanted, places=4)

    def test_likenesses_are_the_cosines_between_means(self):
        shares = torch.rand(2, 4, 4, 6, generator=torch.Generator().manual_seed(2))
        found = likenesses(self.x, shares)
        for k in range(2):
            x, weights = self.x[k].reshape(5, -1).numpy(), shares[k].reshape(4, -1).numpy()
            means = [x @ weight for weight in weights]
            wanted = [
                means[i] @ means[j] / np.linalg.norm(means[i]) / np.linalg.norm(means[j]) for i in range(4) for j in range(i)
            ]
            np.testing.assert_allclose(found[k].numpy(), wanted, atol=1e-4)

    def test_centred_vectors_are_unit_and_tell_positions_apart(self):
        same = centred(torch.ones(1, 5, 4, 6) * 3)
        self.assertLess(float(same.abs().max()), 1e-3)
        torch.testing.assert_close(self.x.square().sum(1), torch.ones(2, 4, 6), atol=1e-4, rtol=0)

    def test_distances_to_the_nearest_point_of_each_kind(self):
        positive, negative = self.points.nearest(4, 6, 8)
        for k in range(2):
            for label, found in ((FOREGROUND, positive), (BACKGROUND, negative)):
                of = self.coords[k, self.labels[k] == label].numpy()
                for row in range(4):
                    for column in range(6):
                        centre = np.array([column + 0.5, row + 0.5]) * 8
                        wanted = min((float(((centre - at) ** 2).sum()) for at in of), default=1e6)
                        self.assertAlmostEqual(float(found[k, 0, row, column]), wanted, delta=1e-2)

    def test_a_box_is_inside_its_corners(self):
        coords, labels = torch.tensor([[[8.0, 4], [40, 24]]]), torch.tensor([[2.0, 3.0]])
        inside, border, has = Points(torch.zeros(1, 3, 32, 48), coords, labels).box(8, 12)
        y, x = np.mgrid[:8, :12] * 4 + 2
        within = (x > 8) & (x < 40) & (y > 4) & (y < 24)
        np.testing.assert_array_equal(inside[0, 0].numpy() > 0.5, within)
        depth = np.minimum(np.minimum(x - 8, 40 - x), np.minimum(y - 4, 24 - y))
        np.testing.assert_allclose(border[0, 0].numpy(), np.exp(-(depth**2) / 72), atol=1e-5)
        self.assertEqual(float(has.min()), 1)
        for one in Points(torch.zeros(1, 3, 32, 48), coords[:, :1], labels[:, :1]).box(8, 12):
            self.assertEqual(float(one.abs().max()), 0)

    def test_colours_alike(self):
        pixels = torch.zeros(1, 3, 8, 12)
        pixels[:, :, :, 6:] = 0.5
        coords, labels = torch.tensor([[[8.0, 16]]]), torch.tensor([[1.0]])
        found = Points(torch.zeros(1, 3, 32, 48), coords, labels).colour_likeness(pixels)
        np.testing.assert_allclose(found[0, 0, :, :5], 1, atol=1e-5)
        np.testing.assert_allclose(found[0, 0, :, 7:], np.exp(-0.75 / 0.08), atol=1e-5)
        self.assertEqual(float(found[0, 1].max()), 0)

    def test_without_a_point_they_say_so(self):
        points = Points(torch.zeros(2, 3, 32, 48), torch.zeros(2, 1, 2), torch.full((2, 1), PADDING))
        self.assertEqual(float(points.likeness(self.x).max()), -1)
        self.assertEqual(float(points.discs(4, 6, 8, 6.0).max()), 0)
        self.assertEqual(float(points.maps(8, 12).abs().max()), 0)


if __name__ == "__main__":
    unittest.main()
