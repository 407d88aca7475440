"""Batches follow from seed and number alone, and what the samples show is never among them."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from train import batches, sets
from train.batches import Batch, Batches, random_region
from train.manner import BOLD, PLAIN
from train.sets import Labelled, load_sets

from . import made

SAMPLES = Path(__file__).parents[2] / "samples"


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    """All that a batch holds, by name."""
    return {
        "pixels": batch.targets.pixel_values,
        **batch.targets.features,
        "tokens": batch.targets.tokens,
        "masks": batch.masks,
        "weights": batch.classifier.weights,
        "bias": batch.classifier.bias,
        "matched": torch.tensor([point for of in batch.matched for point in of]).reshape(-1, 3),
    }


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class Numbered(Folder):
    def setUp(self):
        super().setUp()
        # Small, for time.
        patched = mock.patch.multiple(batches, SIDES=(64, 96), SIDE_SHARES=(0.5, 0.5))
        patched.start()
        self.addCleanup(patched.stop)
        for name, numbers in (("one", range(3)), ("two", range(3, 7))):
            made.write_set(self.folder / name, numbers)
        self.sets = load_sets(self.folder, ("one", "two"))
        self.encoder = made.encoder()

    def numbered(self, seed: int, start: int = 0, end: int = 4) -> Batches:
        return Batches(self.sets, made.ENCODER, size=4, pairs=2, seed=seed, start=start, bold=2, end=end)

    def assert_same(self, found: Batch, wanted: Batch) -> None:
        self.assertEqual((found.number, found.matched), (wanted.number, wanted.matched))
        one, other = tensors(found), tensors(wanted)
        for name, value in one.items():
            self.assertTrue(torch.equal(value, other[name]), name)

    def test_a_number_fixes_the_batch_whatever_came_before(self):
        all_of_them = list(self.numbered(seed=1))
        self.assertEqual([batch.number for batch in all_of_them], [0, 1, 2, 3])
        self.assert_same(self.numbered(seed=1).batch(3, self.encoder), all_of_them[3])
        np.random.seed(7)
        torch.manual_seed(7)
        for found, wanted in zip(self.numbered(seed=1, start=2), all_of_them[2:], strict=True):
            self.assert_same(found, wanted)

    def test_the_second_part_is_bold(self):
        of = self.numbered(seed=1)
        self.assertEqual([of.manner(number) for number in range(4)], [PLAIN, PLAIN, BOLD, BOLD])

    def test_other_seeds_and_numbers_differ(self):
        first, next_one = list(self.numbered(seed=1, end=2))
        other = self.numbered(seed=2).batch(0, self.encoder)
        for batch in (next_one, other):
            one, two = first.targets.pixel_values, batch.targets.pixel_values
            self.assertFalse(one.shape == two.shape and torch.equal(one, two))

    def test_form(self):
        for batch in self.numbered(seed=3):
            _, _, height, width = batch.targets.pixel_values.shape
            self.assertIn((height, width), [(a, b) for a in (64, 96) for b in (64, 96)])
            self.assertEqual((batch.masks.shape, batch.masks.dtype), ((4, 1, height, width), torch.uint8))
            self.assertLessEqual(set(batch.masks.unique().tolist()), {0, 1})
            self.assertTrue((batch.masks.sum((1, 2, 3)) > 0).all())
            self.assertEqual(batch.targets.tokens.shape[:2], (2, height * width // 64))
            self.assertEqual((len(batch.classifier.weights), len(batch.matched)), (2, 2))
            for x, y, _ in (point for of in batch.matched for point in of):
                self.assertTrue(0 < x < width and 0 < y < height)


class Regions(unittest.TestCase):
    def test_larger_ones_come_more_often_where_asked_for(self):
        regions = np.zeros((2, 20, 20), np.uint8)
        regions[0, :2, :8] = 1
        regions[1, :12, :12] = 1
        one = Labelled("one", np.zeros((20, 20, 3), np.uint8), regions[0], regions)
        rng = np.random.default_rng(0)
        for larger, share in ((False, 0.5), (True, 0.75)):
            large = np.mean([random_region(one, rng, larger).sum() == 144 for _ in range(600)])
            self.assertAlmostEqual(large, share, delta=0.06)


class Sets(Folder):
    def copy(self, image: Path, name: str, scale: float) -> None:
        """A labelled copy of a picture, of another size and name."""
        picture = Image.open(image).convert("RGB")
        picture = picture.resize([round(side * scale) for side in picture.size], Image.Resampling.BICUBIC)
        for kind in ("images", "masks"):
            (self.folder / "mixed" / kind).mkdir(parents=True, exist_ok=True)
        picture.save(self.folder / "mixed" / "images" / f"{name}.jpg", quality=85)
        Image.new("L", picture.size, 255).save(self.folder / "mixed" / "masks" / f"{name}.png")

    def test_pictures_of_the_samples_are_left_out(self):
        made.write_set(self.folder / "mixed", range(3))
        samples = sorted(SAMPLES.glob("*/images/*"))
        self.assertEqual(len(samples), 18)
        for k, image in enumerate(samples):
            self.copy(image, f"scan{k:02}", (0.6, 1.0, 1.3)[k % 3])
        self.assertEqual(len(load_sets(self.folder, ("mixed",))["mixed"]), 3 + 18)
        left = load_sets(self.folder, ("mixed",), without=SAMPLES)["mixed"]
        self.assertEqual([one.name for one in left], ["disc_0", "disc_1", "disc_2"])

    def test_a_sample_is_no_other_sample(self):
        shown = [sets.thumbnail(Image.open(path)) for path in sorted(SAMPLES.glob("*/images/*"))]
        for k, one in enumerate(shown):
            others = shown[:k] + shown[k + 1 :]
            least = min(float(np.abs(one - other).mean()) for other in others)
            self.assertGreater(least, sets.SAME_PICTURE)

    def test_form_and_order(self):
        made.write_set(self.folder / "discs", range(8, 12))
        loaded = load_sets(self.folder, ("discs",), long_side=44)["discs"]
        self.assertEqual([one.name for one in loaded], ["disc_10", "disc_11", "disc_8", "disc_9"])
        for one in loaded:
            self.assertEqual((one.image.shape, one.image.dtype), ((36, 44, 3), np.uint8))
            self.assertEqual((one.mask.shape, one.mask.dtype), ((36, 44), np.uint8))
            self.assertEqual(set(np.unique(one.mask)), {0, 1})
        large = load_sets(self.folder, ("discs",), long_side=1000)["discs"][0]
        np.testing.assert_array_equal(large.mask, made.discs(10)[1] > 0)
        np.testing.assert_array_equal(large.image, made.discs(10)[0])

    def test_what_is_missing_is_named(self):
        with self.assertRaisesRegex(FileNotFoundError, "discs.images: expected images, found none"):
            load_sets(self.folder, ("discs",))
        made.write_set(self.folder / "discs", range(2))
        mask = self.folder / "discs" / "masks" / "disc_1.png"
        Image.new("L", (5, 4)).save(mask)
        with self.assertRaisesRegex(ValueError, r"disc_1\.png: expected \(88, 72\) pixels .* found \(5, 4\)"):
            load_sets(self.folder, ("discs",))
        mask.unlink()
        with self.assertRaisesRegex(FileNotFoundError, r"disc_1\.png: expected the mask of disc_1\.png, found none"):
            load_sets(self.folder, ("discs",))


if __name__ == "__main__":
    unittest.main()
