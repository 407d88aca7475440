"""The basis of the tokens, and the graph that projects on it."""

import unittest

import numpy as np
import onnx
import torch
from train.encoder import opened
from train.projection import DIM, LEVELS, difference, joined, principal_basis, second_moment, unit, with_basis

from . import made


def orthonormal(dim: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(sum(LEVELS.values()), dim))
    return np.linalg.qr(rows)[0].astype(np.float32)


class Basis(unittest.TestCase):
    def test_is_that_of_the_singular_values(self):
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(200, 12)) * np.arange(12, 0, -1)
        basis = principal_basis([rows.T @ rows / 200], 3)
        wanted = np.linalg.svd(rows)[2][:3].T
        np.testing.assert_allclose(np.abs(np.sum(basis * wanted, 0)), 1, atol=1e-5)
        self.assertTrue((basis[np.abs(basis).argmax(0), range(3)] > 0).all())

    def test_every_set_counts_the_same(self):
        one, other = np.diag([1.0, 0, 0]), np.diag([0, 1.5, 0])
        np.testing.assert_allclose(principal_basis([one, other], 1)[:, 0], [0, 1, 0], atol=1e-6)

    def test_moment_is_that_of_unit_tokens(self):
        session = opened(made.ENCODER.read_bytes())
        moment = second_moment([made.discs(1)[0]], session)
        self.assertAlmostEqual(float(np.trace(moment)), 1, places=5)
        np.testing.assert_allclose(moment, moment.T, atol=1e-9)


class Graph(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shipped = onnx.load(made.ENCODER)
        cls.basis = orthonormal(16)
        cls.model = with_basis(cls.shipped, cls.basis)

    def test_tokens_are_the_projected_levels(self):
        pixels = np.random.default_rng(1).uniform(0, 255, (2, 3, 64, 96)).astype(np.float32)
        tokens, *levels = opened(self.model.SerializeToString()).run(["patch_tokens", *LEVELS], {"pixel_values": pixels})
        self.assertEqual(tokens.shape, (2, 8 * 12, 16))
        np.testing.assert_allclose(np.linalg.norm(tokens, axis=2), 1, atol=1e-5)
        full = joined([unit(torch.from_numpy(level)) for level in levels]).numpy()
        own = full[1, :, 3, 5] @ self.basis
        np.testing.assert_allclose(tokens[1, 3 * 12 + 5], own / np.linalg.norm(own), atol=2e-3)
        self.assertLess(difference(self.model, self.basis, 96, 64), 2e-3)

    def test_all_else_is_as_before(self):
        pixels = np.random.default_rng(2).uniform(0, 255, (1, 3, 64, 64)).astype(np.float32)
        names = [out.name for out in self.shipped.graph.output if out.name != "patch_tokens"]
        for found, wanted in zip(
            *(opened(of.SerializeToString()).run(names, {"pixel_values": pixels}) for of in (self.model, self.shipped)), strict=True
        ):
            np.testing.assert_array_equal(found, wanted)

    def test_a_second_basis_takes_the_place_of_the_first(self):
        again = with_basis(self.model, self.basis)
        self.assertEqual(again.SerializeToString(), self.model.SerializeToString())

    def test_the_shipped_encoder_was_made_so(self):
        tokens = next(out for out in self.shipped.graph.output if out.name == "patch_tokens")
        self.assertEqual(tokens.type.tensor_type.shape.dim[2].dim_value, DIM)
        self.assertEqual([node.name for node in self.shipped.graph.node], [node.name for node in with_basis(self.shipped, orthonormal(DIM)).graph.node])


if __name__ == "__main__":
    unittest.main()
