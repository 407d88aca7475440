"""Pseudo-objects: their form, that a seed fixes them, and that what is plain to see is found."""

import unittest

import numpy as np
from train.regions import ALIKE, AREA, regions


def discs(side: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """A noisy image with one large bright disc and four small dark ones: uint8 [side, side, 3], int [side, side]."""
    y, x = np.mgrid[:side, :side]
    labels = np.zeros((side, side), int)
    for label, (cx, cy, r) in enumerate([(60, 60, 40), (130, 30, 12), (130, 70, 12), (130, 120, 12), (40, 130, 12)], 1):
        labels[(x - cx) ** 2 + (y - cy) ** 2 < r**2] = label
    level = np.array([120, 210, 40, 40, 40, 40])[labels] + np.random.default_rng(0).normal(0, 5, labels.shape)
    return np.repeat(np.clip(level, 0, 255).astype(np.uint8)[..., None], 3, -1), labels


def overlap(a, b) -> float:
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


class Regions(unittest.TestCase):
    def setUp(self):
        self.image, self.labels = discs()

    def test_form(self):
        masks, of_class = regions(self.image, np.random.default_rng(0), 6)
        self.assertEqual((masks.dtype, masks.shape[1:]), (np.uint8, (160, 160)))
        self.assertEqual((of_class.dtype, len(of_class)), (bool, len(masks)))
        self.assertTrue(2 <= len(masks) <= 6)
        self.assertLessEqual(set(np.unique(masks)), {0, 1})
        for i, mask in enumerate(masks):
            self.assertTrue(AREA[0] <= mask.mean() <= AREA[1])
            for other in masks[:i]:
                self.assertLessEqual(overlap(mask > 0, other > 0), ALIKE)

    def test_a_seed_fixes_the_regions(self):
        first, again = (regions(self.image, np.random.default_rng(4))[0] for _ in range(2))
        np.testing.assert_array_equal(first, again)

    def test_finds_the_disc_and_the_class_of_small_ones(self):
        disc, small = 0.0, 0.0
        for seed in range(4):
            masks, of_class = regions(self.image, np.random.default_rng(seed), 12)
            disc = max([disc] + [overlap(m > 0, self.labels == 1) for m in masks[~of_class]])
            small = max([small] + [overlap(m > 0, self.labels > 1) for m in masks[of_class]])
        self.assertGreater(disc, 0.9)
        self.assertGreater(small, 0.8)

    def test_one_object_is_connected(self):
        from scipy import ndimage

        masks, of_class = regions(self.image, np.random.default_rng(2), 12)
        for mask in masks[~of_class]:
            self.assertEqual(ndimage.label(mask, np.ones((3, 3)))[1], 1)

    def test_a_flat_image_has_none(self):
        masks, of_class = regions(np.full((50, 70, 3), 90, np.uint8), np.random.default_rng(0))
        self.assertEqual((masks.shape, of_class.shape), ((0, 50, 70), (0,)))

    def test_other_forms_of_image(self):
        grey, _ = regions(self.image[:, :100, 0], np.random.default_rng(0), 5)
        self.assertEqual(grey.shape[1:], (160, 100))
        with self.assertRaisesRegex(ValueError, "float64"):
            regions(self.image / 255, np.random.default_rng(0))


if __name__ == "__main__":
    unittest.main()
