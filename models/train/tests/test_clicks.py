"""Simulated clicks: the deepest place of what is wrong, against a search through all pixels; objects and boxes of a mask."""

import unittest

import numpy as np
from scipy import ndimage
from train.clicks import loose_box, next_click, one_component
from train.decoder import BACKGROUND, BOTTOM_RIGHT, FOREGROUND, TOP_LEFT


def blots(seed: int, height: int = 17, width: int = 23) -> np.ndarray:
    """Random smooth regions, some of them cut by the border; bool [height, width]."""
    noise = np.random.default_rng(seed).standard_normal((height, width))
    return ndimage.gaussian_filter(noise, 2) > 0.05


def depth(error: np.ndarray, y: int, x: int) -> float:
    """Distance of a pixel to the nearest one that is no error, or lies outside the image."""
    height, width = error.shape
    calm = [
        (row, column)
        for row in range(-1, height + 1)
        for column in range(-1, width + 1)
        if not (0 <= row < height and 0 <= column < width and error[row, column])
    ]
    return min(np.hypot(y - row, x - column) for row, column in calm)


def deepest(drawn: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Of equals what is missed before what is wrongly drawn, then the first in reading order."""
    best, click = 0.0, (0.0, 0.0, 0.0)
    for error, label in ((truth & ~drawn, FOREGROUND), (drawn & ~truth, BACKGROUND)):
        for y, x in np.argwhere(error):
            if (own := depth(error, y, x)) > best:
                best, click = own, (x + 0.5, y + 0.5, label)
    return click


class NextClick(unittest.TestCase):
    def test_is_the_deepest_place_of_all_errors(self):
        labels = set()
        for seed in range(12):
            drawn, truth = blots(seed), blots(100 + seed)
            click = next_click(drawn, truth)
            self.assertEqual(click, deepest(drawn, truth))
            labels.add(click[2])
        self.assertEqual(labels, {FOREGROUND, BACKGROUND})

    def test_nothing_wrong_no_click(self):
        for rng in (None, np.random.default_rng(0)):
            self.assertIsNone(next_click(blots(1), blots(1), rng))

    def test_the_border_of_the_image_is_outside(self):
        everything = np.ones((9, 9), bool)
        self.assertEqual(next_click(~everything, everything), (4.5, 4.5, FOREGROUND))
        self.assertEqual(next_click(everything, ~everything), (4.5, 4.5, BACKGROUND))

    def test_one_pixel_is_hit(self):
        empty = np.zeros((6, 8), bool)
        one = empty.copy()
        one[5, 0] = True
        for rng in (None, np.random.default_rng(0)):
            self.assertEqual(next_click(empty, one, rng), (0.5, 5.5, FOREGROUND))
            self.assertEqual(next_click(one, empty, rng), (0.5, 5.5, BACKGROUND))

    def test_as_people_click_it_lies_in_an_error_of_its_kind(self):
        rng = np.random.default_rng(3)
        # One drawn beside where it should be: as much is missed as wrong.
        drawn, truth = np.zeros((2, 20, 30), bool)
        drawn[4:14, 2:16] = truth[4:14, 14:28] = True
        seen = set()
        for _ in range(200):
            x, y, label = next_click(drawn, truth, rng)
            at = int(y), int(x)
            self.assertEqual((x % 1, y % 1), (0.5, 0.5))
            self.assertEqual((truth[at], drawn[at]), (True, False) if label == FOREGROUND else (False, True))
            seen.add((x, y, label))
        self.assertGreater(len(seen), 10)
        self.assertEqual({label for *_, label in seen}, {FOREGROUND, BACKGROUND})


class OneComponent(unittest.TestCase):
    def test_is_one_of_the_regions_and_not_a_speck(self):
        mask = np.zeros((40, 40), bool)
        mask[2:12, 2:12] = mask[20:25, 20:25] = mask[30, 30] = True
        # Touches the large region at a corner: belongs to it.
        mask[12, 12] = True
        large, small = np.zeros_like(mask), np.zeros_like(mask)
        large[:13, :13], small[20:25, 20:25] = mask[:13, :13], True
        rng = np.random.default_rng(0)
        counts = {"large": 0, "small": 0}
        for _ in range(300):
            chosen = one_component(mask, rng)
            counts["large"] += np.array_equal(chosen, large)
            counts["small"] += np.array_equal(chosen, small)
        self.assertEqual(sum(counts.values()), 300)
        # By the roots of their areas, 101 and 25: two thirds.
        self.assertAlmostEqual(counts["large"] / 300, 2 / 3, delta=0.08)

    def test_one_region_or_specks_alone_stay(self):
        rng = np.random.default_rng(0)
        one = np.zeros((12, 12), bool)
        one[3:9, 3:9] = True
        specks = np.zeros((12, 12), bool)
        specks[::4, ::4] = True
        for mask in (one, specks, np.zeros((12, 12), bool)):
            np.testing.assert_array_equal(one_component(mask, rng), mask)


class LooseBox(unittest.TestCase):
    def test_every_side_is_within_a_tenth(self):
        mask = np.zeros((50, 60), bool)
        mask[10:30, 5:45] = mask[20, 50] = True
        rng = np.random.default_rng(0)
        boxes = []
        for _ in range(200):
            (left, top, first), (right, bottom, second) = loose_box(mask, rng)
            self.assertEqual((first, second), (TOP_LEFT, BOTTOM_RIGHT))
            boxes.append((left, top, right, bottom))
        off = (np.array(boxes) - (5, 10, 51, 30)) / (46, 20, 46, 20)
        self.assertLessEqual(np.abs(off).max(), 0.1)
        self.assertTrue((np.ptp(off, axis=0) > 0.15).all(), "all sides move")


if __name__ == "__main__":
    unittest.main()
