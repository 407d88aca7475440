"""Channels of zeros change no answer, and stand only where a device computes wrongly without them."""

import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from train.channels import with_whole_groups


def model(channels: int, kernel: int = 3, groups: int = 1) -> onnx.ModelProto:
    """One convolution to 8 channels of random weights."""
    random = np.random.default_rng(channels)
    weights = random.normal(size=(8, channels // groups, kernel, kernel)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv", pads=[kernel // 2] * 4, group=groups)
    graph = helper.make_graph(
        [node],
        "convolution",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, 9, 7])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 9, 7])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answer(one: onnx.ModelProto, channels: int) -> np.ndarray:
    session = onnxruntime.InferenceSession(one.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).normal(size=(1, channels, 9, 7)).astype(np.float32)
    return session.run(None, {"x": x})[0]


class Channels(unittest.TestCase):
    def test_are_added_up_to_the_next_group(self):
        for channels in (5, 6, 9, 15, 21):
            before = model(channels)
            after = with_whole_groups(before)
            (weights,) = (one for one in after.graph.initializer if one.data_type == TensorProto.FLOAT)
            self.assertEqual(weights.dims[1] % 4, 0)
            self.assertEqual(weights.dims[1], channels + -channels % 4)
            np.testing.assert_allclose(answer(after, channels), answer(before, channels), atol=1e-4, rtol=1e-5)
            self.assertEqual(with_whole_groups(after), after)

    def test_are_left_alone_elsewhere(self):
        for one in (model(3), model(8), model(15, kernel=1), model(18, groups=2)):
            self.assertEqual(with_whole_groups(one), one)


if __name__ == "__main__":
    unittest.main()
