"""Two layers with random weights, and what ONNX Runtime's own quantiser makes of them.

    pip install onnx onnxruntime==1.31.1 && python make.py

Writes layers.onnx (32-bit floats), and expected.json: an input, and the output of the quantised model for one scale a
column, for one scale a weight, and for 7-bit weights.
"""

import json
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(7)
w1 = (rng.standard_normal((24, 32)) * rng.uniform(0.05, 0.5, 32)).astype(np.float32)
w2 = (rng.standard_normal((32, 10)) * 0.2).astype(np.float32)
graph = helper.make_graph(
    [
        helper.make_node("MatMul", ["x", "w1"], ["h"]),
        helper.make_node("Tanh", ["h"], ["t"]),
        helper.make_node("MatMul", ["t", "w2"], ["y"]),
    ],
    "layers",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 5, 24])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5, 10])],
    [numpy_helper.from_array(w1, "w1"), numpy_helper.from_array(w2, "w2")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.save(model, here / "layers.onnx")

x = rng.standard_normal((1, 5, 24)).astype(np.float32)
expected = {"x": x.flatten().tolist()}
cases = {"column": (True, False), "weight": (False, False), "reduced": (True, True)}
for name, (per_channel, reduce_range) in cases.items():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/int8.onnx"
        quantize_dynamic(
            here / "layers.onnx",
            path,
            op_types_to_quantize=["MatMul"],
            per_channel=per_channel,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8,
        )
        operators = [node.op_type for node in onnx.load(path).graph.node]
        assert operators.count("MatMulInteger") == 2, operators
        session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        expected[name] = session.run(["y"], {"x": x})[0].flatten().tolist()
(here / "expected.json").write_text(json.dumps(expected) + "\n")
