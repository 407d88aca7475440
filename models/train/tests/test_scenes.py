"""The synthetic scenes: their form, that a seed fixes them, and that a class can be told from its surroundings."""

import unittest

import numpy as np
from train.scenes import scene
from train.scenes.canvas import Canvas
from train.scenes.composing import AREA, FAMILIES, VISIBLE, contrast, pair
from train.scenes.looks import Look
from train.scenes.shapes import Shape, scattered, tube
from train.scenes.textures import TILE, tiles


class Scenes(unittest.TestCase):
    def test_form_of_every_family(self):
        for name in FAMILIES:
            rng = np.random.default_rng(3)
            made = None
            while made is None:
                made = pair(rng, name, 128)
            self.assertEqual(made.family, name)
            self.assertEqual((len(made.images), len(made.masks)), (2, 2))
            for image, mask in zip(made.images, made.masks, strict=True):
                self.assertEqual((image.shape, image.dtype), ((128, 128, 3), np.uint8))
                self.assertEqual((mask.shape, mask.dtype), ((128, 128), np.uint8))
                self.assertLessEqual(set(np.unique(mask)), {0, 1})
                self.assertTrue(AREA[0] <= mask.mean() <= AREA[1], name)
                self.assertGreater(image.std(), 3, name)
            self.assertTrue((made.masks[0] != made.masks[1]).any(), "drawn independently")

    def test_a_seed_fixes_the_scene(self):
        first, again, other = (scene(np.random.default_rng(seed), 96) for seed in (5, 5, 6))
        for a, b in zip(first.images + first.masks, again.images + again.masks, strict=True):
            np.testing.assert_array_equal(a, b)
        self.assertTrue((first.images[0] != other.images[0]).any())

    def test_grey_more_often_than_colour(self):
        rng = np.random.default_rng(0)
        grey = [bool(np.ptp(scene(rng, 64).images[0], axis=-1).max() == 0) for _ in range(60)]
        self.assertTrue(0.55 <= np.mean(grey) <= 0.9, np.mean(grey))

    def test_the_class_can_be_seen(self):
        rng = np.random.default_rng(1)
        for _ in range(20):
            made = scene(rng, 128)
            for image, mask in zip(made.images, made.masks, strict=True):
                self.assertGreaterEqual(contrast(image, mask > 0), VISIBLE, made.family)

    def test_contrast_is_of_brightness_or_of_texture(self):
        label = np.zeros((90, 90), bool)
        label[30:60, 30:60] = True
        brighter = np.where(label, 130, 100).astype(np.uint8)
        chequered = np.where(label & (np.indices(label.shape).sum(0) // 3 % 2 == 0), 120, 100)
        chequered[label] -= 10
        for grey, expected in ((brighter, 30), (np.full_like(brighter, 9), 0), (chequered, 10)):
            image = np.repeat(np.asarray(grey, np.uint8)[..., None], 3, -1)
            self.assertAlmostEqual(contrast(image, label), expected, delta=0.5)
        self.assertEqual(contrast(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), bool)), np.inf)

    def test_sizes_out_of_range_are_refused(self):
        for size in (8, TILE + 1):
            with self.assertRaisesRegex(ValueError, "size"):
                scene(np.random.default_rng(0), size)

    def test_textures_are_standard_and_periodic(self):
        for name, variants in tiles().items():
            for tile in variants:
                self.assertEqual((tile.shape, tile.dtype), ((TILE, TILE), np.float32))
                self.assertLess(abs(tile.mean()), 0.1, name)
                self.assertTrue(0.8 < tile.std() < 1.1, name)


class Outlines(unittest.TestCase):
    def test_an_even_shape_is_a_circle_of_its_radius(self):
        outline = Shape(spread=0.0).outline(np.random.default_rng(0), (0.5, 0.4), 0.2)
        x, y = (outline - (0.5, 0.4)).T
        area = 0.5 * abs(np.sum(x * np.roll(y, 1) - y * np.roll(x, 1)))
        self.assertAlmostEqual(area, np.pi * 0.2**2, delta=0.002)

    def test_a_tube_is_as_wide_as_asked(self):
        line = np.stack([np.linspace(0, 1, 11), np.full(11, 0.5)], 1)
        outline = tube(line, 0.1)
        np.testing.assert_allclose(np.unique(outline[:, 1].round(6)), [0.45, 0.55])

    def test_scattered_points_keep_apart(self):
        points = np.array(scattered(np.random.default_rng(0), 50, 0.1))
        distances = np.linalg.norm(points[:, None] - points[None], axis=-1) + np.eye(len(points))
        self.assertGreaterEqual(distances.min(), 0.1)

    def test_what_covers_the_class_is_not_of_it(self):
        canvas = Canvas(np.random.default_rng(0), 64, 1)
        look = Look(np.array([0.5], np.float32))
        square = np.array([[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]])
        canvas.paint([square], look, of_class=True)
        canvas.paint([square * [0.5, 1]], look)
        self.assertFalse(canvas.label[32, 16])
        self.assertTrue(canvas.label[32, 40])
        canvas.paint([square], look, over=False)
        self.assertTrue(canvas.label[32, 40])


if __name__ == "__main__":
    unittest.main()
