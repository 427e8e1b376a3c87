"""Writes smart_turn.onnx, a model with the contract of Smart Turn v3, and smart_turn.json, what it gives.

    pip install numpy onnx onnxruntime soundfile transformers
    python smart_turn.py

The published weights cannot be shipped; this model weighs each of Whisper's features with a number of its own, so that a
feature at a wrong place shows. Features are those of `inference.py` in pipecat-ai/smart-turn: the last eight seconds
of the waveform, zeros on the left, normalised, through transformers' WhisperFeatureExtractor.
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import soundfile
from onnx import TensorProto, helper, numpy_helper
from transformers import WhisperFeatureExtractor

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(3)
bins = rng.standard_normal((1, 80)).astype(np.float32)
frames = (rng.standard_normal((800, 1)) / 40).astype(np.float32)

graph = helper.make_graph(
    [
        helper.make_node("MatMul", ["bins", "input_features"], ["by_frame"]),
        helper.make_node("MatMul", ["by_frame", "frames"], ["logit3"]),
        helper.make_node("Reshape", ["logit3", "shape"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["logits"]),
    ],
    "smart_turn",
    [helper.make_tensor_value_info("input_features", TensorProto.FLOAT, [1, 80, 800])],
    [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1])],
    [
        numpy_helper.from_array(bins, "bins"),
        numpy_helper.from_array(frames, "frames"),
        numpy_helper.from_array(np.array([1, 1], np.int64), "shape"),
    ],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, HERE / "smart_turn.onnx")

session = onnxruntime.InferenceSession(str(HERE / "smart_turn.onnx"))
extractor = WhisperFeatureExtractor(chunk_length=8)
sound, rate = soundfile.read(HERE / "sentence.flac", dtype="float32")
assert rate == 16000
golden = {}
for name, samples in {"sentence": sound, "thrice": np.tile(sound, 3), "beginning": sound[:20000]}.items():
    window = np.pad(samples[-128000:], (max(0, 128000 - len(samples)), 0))
    inputs = extractor(window, sampling_rate=16000, return_tensors="np", padding="max_length", max_length=128000, truncation=True, do_normalize=True)
    features = inputs.input_features.astype(np.float32)
    assert features.shape == (1, 80, 800)
    golden[name] = round(float(session.run(None, {"input_features": features})[0][0, 0]), 5)
(HERE / "smart_turn.json").write_text(json.dumps(golden) + "\n")
