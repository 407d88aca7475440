"""From the command line to graphs and manifest, with random weights."""

import hashlib
import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from PIL import Image

from export import graph, inputs, parity
from export.__main__ import export_decoder, main
from export.quantise import linear_layers
from export.sam_decoder import SamDecoder
from export.weights import randomise


class Export(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_dinov2(self):
        images = self.folder / "images"
        images.mkdir()
        for seed in range(2):
            Image.fromarray(inputs.noise(60, 80, seed).astype(np.uint8)).save(images / f"{seed}.png")
        out = self.folder / "out"
        arguments = ["dinov2", "--random", "--registers", "--out", str(out), "--int8", "static", "--calibrate", str(images)]
        for _ in range(2):
            self.assertEqual(main(arguments), 0)
        models = json.loads((out / "manifest.json").read_text())["models"]
        self.assertEqual([model["id"] for model in models], ["dinov2-small-reg", "dinov2-small-reg-int8"])
        for model in models:
            [file] = model["files"]
            content = (out / file["file"]).read_bytes()
            self.assertEqual(file["role"], "model")
            self.assertEqual(file["bytes"], len(content))
            self.assertEqual(file["sha256"], hashlib.sha256(content).hexdigest())
        path = out / "dinov2-small-reg.onnx"
        self.assertEqual(len(linear_layers(path)), 12 * 6)
        fused = [node for node in onnx.load(path).graph.node if node.op_type == "MultiHeadAttention"]
        self.assertEqual(len(fused), 12)
        session = onnxruntime.InferenceSession(str(path))
        tokens, before = session.run(None, {"pixel_values": np.zeros((2, 3, 28, 42), np.float32)})
        self.assertEqual(tokens.shape, (2, 1 + 4 + 6, 384))
        self.assertEqual(before.shape, tokens.shape)
        # The final norm leaves tokens of mean 0 and deviation 1, but for its weights, which are near 1.
        self.assertTrue(abs(tokens.std(-1) - 1).max() < 0.2)

    def test_decoder(self):
        decoder = SamDecoder(multimask=False)
        randomise(decoder, 1)
        path = self.folder / "decoder.onnx"
        export_decoder(decoder, path)
        session = onnxruntime.InferenceSession(str(path))
        names = ["image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input"]
        self.assertEqual([value.name for value in session.get_inputs()], names)
        self.assertEqual([value.name for value in session.get_outputs()], ["low_res_masks", "iou_predictions"])

    def test_large_graphs_have_their_weights_beside_them(self):
        decoder = SamDecoder(multimask=False)
        randomise(decoder, 1)
        limit, graph.LARGEST_SINGLE_FILE = graph.LARGEST_SINGLE_FILE, 1_000_000
        try:
            export_decoder(decoder, self.folder / "decoder.onnx")
        finally:
            graph.LARGEST_SINGLE_FILE = limit
        names = sorted(path.name for path in self.folder.iterdir())
        self.assertEqual(names, ["decoder.onnx", "decoder.onnx_data"])

    def test_difference(self):
        found = parity.difference("x", np.float32([1, 2, 4]), np.float32([1, 2, 5]))
        self.assertEqual((found.absolute, found.relative), (1.0, 0.2))
        self.assertAlmostEqual(found.overall, 1 / 30**0.5)
        with self.assertRaises(ValueError):
            parity.difference("x", np.zeros(3), np.zeros(4))


if __name__ == "__main__":
    unittest.main()
