"""The modules are what their papers and released code say, and their exported form is the same function."""

import copy
import unittest

import torch
from torch.nn import functional as F

from export import dinov2, layers, sam, sam_decoder, sam_vit, tiny_vit
from export.attention import fold
from export.weights import randomise


def filled(module):
    randomise(module, 3)
    return module.eval()


class Positions(unittest.TestCase):
    """Against the calls of F.interpolate that DINOv2's released code makes."""

    def test_without_registers(self):
        model = filled(dinov2.Dinov2("small"))
        table = self.table(model)
        for height, width in ((37, 37), (37, 36), (40, 40), (20, 46), (16, 16), (1, 74)):
            with self.subTest(f"{height} x {width}"):
                wanted = table
                if (height, width) != (37, 37):
                    scale = ((height + 0.1) / 37, (width + 0.1) / 37)
                    wanted = F.interpolate(table, scale_factor=scale, mode="bicubic")
                self.check(model, height, width, wanted)

    def test_with_registers(self):
        model = filled(dinov2.Dinov2("small", 4))
        table = self.table(model)
        for height, width in ((37, 37), (40, 40), (20, 46), (16, 16), (1, 74)):
            with self.subTest(f"{height} x {width}"):
                wanted = F.interpolate(table, size=(height, width), mode="bicubic", antialias=True)
                self.check(model, height, width, wanted)

    def table(self, model):
        return model.pos_embed[:, 1:].reshape(1, 37, 37, -1).permute(0, 3, 1, 2)

    def check(self, model, height, width, wanted):
        self.assertEqual(tuple(wanted.shape[2:]), (height, width))
        found = model.positions(height, width)
        torch.testing.assert_close(found, wanted.flatten(2).transpose(1, 2), atol=2e-5, rtol=0)


class ExportedForm(unittest.TestCase):
    def same(self, module, *inputs):
        folded = copy.deepcopy(module)
        fold(folded)
        with torch.no_grad():
            found, wanted = folded(*inputs), module(*inputs)
        if not isinstance(found, tuple):
            found, wanted = (found,), (wanted,)
        for one, other in zip(found, wanted):
            torch.testing.assert_close(one, other, atol=2e-5 * float(other.abs().max()), rtol=0)

    def test_dinov2(self):
        self.same(filled(dinov2.Dinov2("small", 4)), torch.randn(2, 3, 42, 70))

    def test_gated(self):
        block = filled(dinov2.Block(dinov2.Size(64, 1, 2, gated=96)))
        self.same(block, torch.randn(2, 11, 64))

    def test_sam_attention(self):
        for side in (14, 64):
            with self.subTest(side):
                self.same(filled(sam_vit.Attention(32, 2, side)), torch.randn(2, side, side, 32))

    def test_tiny_vit(self):
        self.same(filled(tiny_vit.TinyVitBlock(32, 2, 10, 7)), torch.randn(1, 32, 10, 10))
        self.same(filled(tiny_vit.MbConv(8)), torch.randn(1, 8, 9, 9))

    def test_decoder(self):
        decoder = filled(sam_decoder.SamDecoder(multimask=True))
        coords, labels = 1024 * torch.rand(2, 5, 2), torch.tensor([[1.0, 0, 2, 3, -1]] * 2)
        self.same(decoder, torch.randn(1, 256, 64, 64), coords, labels, torch.randn(1, 1, 256, 256), torch.ones(1))


class Parts(unittest.TestCase):
    def test_windows(self):
        x = torch.arange(2 * 10 * 10 * 3).reshape(2, 10, 10, 3)
        windows = layers.to_windows(x, 10, 4)
        self.assertEqual(tuple(windows.shape), (18, 4, 4, 3))
        self.assertTrue(torch.equal(windows[1], x[0, :4, 4:8]))
        self.assertTrue((windows[2][:, 2:] == 0).all())
        self.assertTrue(torch.equal(layers.from_windows(windows, 10, 4), x))

    def test_relative_positions(self):
        """Against the sum written out: what a query adds for a key is its product with the vectors of their distances."""
        side, attention = 5, filled(sam_vit.Attention(8, 1, 5))
        x = torch.randn(1, side, side, 8)
        q, k, v = attention.qkv(x.reshape(1, side * side, 8)).chunk(3, -1)
        rows = torch.empty(side * side, 8)
        for i in range(side * side):
            logits = torch.empty(side * side)
            for j in range(side * side):
                down, across = i // side - j // side, i % side - j % side
                bias = attention.rel_pos_h[down + side - 1] + attention.rel_pos_w[across + side - 1]
                logits[j] = q[0, i] @ k[0, j] / 8**0.5 + q[0, i] @ bias
            rows[i] = logits.softmax(0) @ v[0]
        torch.testing.assert_close(attention(x).reshape(-1, 8), attention.proj(rows), atol=1e-5, rtol=0)

    def test_attention_biases(self):
        """MobileSAM's table has a bias for each pair of absolute distances, in order of first sight: row by row."""
        attention = tiny_vit.Attention(32, 2, 7)
        distances = torch.arange(49)
        for i, j in ((0, 0), (0, 10), (10, 0), (3, 45), (48, 5)):
            down, across = abs(i // 7 - j // 7), abs(i % 7 - j % 7)
            self.assertEqual(int(distances[attention.indices[i, j]]), 7 * down + across)

    def test_preprocess(self):
        image = torch.tensor(sam.MEAN) + torch.tensor(sam.STD) * torch.ones(600, 1024, 3)
        x = sam.preprocess(image)
        self.assertEqual(tuple(x.shape), (1, 3, 1024, 1024))
        torch.testing.assert_close(x[:, :, :600], torch.ones(1, 3, 600, 1024))
        self.assertTrue((x[:, :, 600:] == 0).all())

    def test_one_mask_of_four(self):
        """One point and its padding: the best of the last three. More: the first."""
        many, one = sam_decoder.SamDecoder(True), sam_decoder.SamDecoder(False)
        for decoder in (many, one):
            filled(decoder)
        image, mask = torch.randn(1, 256, 64, 64), torch.zeros(1, 1, 256, 256)
        for points in (2, 3, 9):
            coords, labels = 1024 * torch.rand(2, points, 2), torch.ones(2, points)
            with torch.no_grad():
                masks, iou = many(image, coords, labels, mask, torch.zeros(1))
                chosen, best = one(image, coords, labels, mask, torch.zeros(1))
            for i in range(2):
                index = 1 + int(iou[i, 1:].argmax()) if points == 2 else 0
                torch.testing.assert_close(chosen[i, 0], masks[i, index])
                torch.testing.assert_close(best[i, 0], iou[i, index])


if __name__ == "__main__":
    unittest.main()
