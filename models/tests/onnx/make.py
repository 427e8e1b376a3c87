"""Writes the ONNX files of the engine tests, and what they give, as computed by ONNX's own reference evaluator.

    python3 -m venv venv && venv/bin/pip install onnx==1.23.2 numpy
    venv/bin/python models/tests/onnx/make.py

The files are committed; run this only to change them.
"""

import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = pathlib.Path(__file__).parent
TYPES = {"f32": TensorProto.FLOAT, "i64": TensorProto.INT64, "i32": TensorProto.INT32, "bool": TensorProto.BOOL}
NUMPY = {"f32": np.float32, "i64": np.int64, "i32": np.int32, "bool": np.bool_}
rng = np.random.default_rng(7)


def weights(*shape, scale=0.5):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def build(name, nodes, inputs, outputs, constants, metadata=None):
    """Ports are (name, element, shape); an axis that is a string is symbolic."""
    ports = lambda items: [helper.make_tensor_value_info(n, TYPES[e], s) for n, e, s in items]
    init = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, name, ports(inputs), ports(outputs), init)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, HERE / f"{name}.onnx")
    return model


def pack(array, element):
    array = np.asarray(array)
    return {"element": element, "shape": list(array.shape), "data": array.reshape(-1).tolist()}


cases = []


def case(name, nodes, inputs, outputs, constants, feeds, tolerance=1e-5):
    model = build(name, nodes, inputs, outputs, constants)
    evaluator = ReferenceEvaluator(model)
    runs = []
    for feed in feeds:
        feed = {n: np.asarray(feed[n], dtype=NUMPY[e]) for n, e, _ in inputs}
        got = evaluator.run(None, feed)
        runs.append({
            "inputs": {n: pack(feed[n], e) for n, e, _ in inputs},
            "outputs": {n: pack(g, e) for (n, e, _), g in zip(outputs, got)},
        })
    cases.append({"name": name, "tolerance": tolerance, "runs": runs})


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(" "), outputs.split(" "), **attributes)


def linear():
    case(
        "linear",
        [node("MatMul", "x w", "m"), node("Add", "m b", "s"), node("Relu", "s", "y")],
        [("x", "f32", [2, 3])], [("y", "f32", [2, 4])],
        {"w": weights(3, 4), "b": weights(4)},
        [{"x": weights(2, 3)}],
    )


def symbolic():
    """A symbolic axis that changes from run to run, and shape arithmetic on it."""
    case(
        "symbolic",
        [
            node("Shape", "x", "shape"), node("Gather", "shape one", "length", axis=0),
            node("MatMul", "x w", "m"), node("Softmax", "m", "p", axis=-1),
            node("ReduceMean", "p", "mean", axes=[1], keepdims=0),
        ],
        [("x", "f32", [1, "time", 3])],
        [("p", "f32", [1, "time", 5]), ("mean", "f32", [1, 5]), ("length", "i64", [])],
        {"w": weights(3, 5, scale=2.0), "one": np.int64(1)},
        [{"x": weights(1, t, 3)} for t in (4, 7, 1, 4)],
    )


def kinds():
    """All four element types at the border."""
    case(
        "kinds",
        [
            node("Gather", "table ids", "rows", axis=0), node("Where", "keep rows zero", "kept"),
            node("Cast", "count", "c", to=TensorProto.FLOAT), node("Mul", "kept c", "y"),
            node("Add", "ids ids", "twice"), node("Not", "keep", "drop"), node("Add", "count count", "more"),
        ],
        [("ids", "i64", [3]), ("count", "i32", [1]), ("keep", "bool", [3, 1])],
        [("y", "f32", [3, 2]), ("twice", "i64", [3]), ("more", "i32", [1]), ("drop", "bool", [3, 1])],
        {"table": weights(6, 2), "zero": np.float32(0)},
        [{"ids": [5, 0, 2], "count": [3], "keep": [[True], [False], [True]]}],
    )


def causal():
    """A causal convolution with its cache as input and output, layer normalisation and GELU's erf."""
    case(
        "causal",
        [
            node("Concat", "cache x", "xx", axis=2), node("Conv", "xx w b", "c", group=2),
            node("Slice", "xx from to axis", "cache_out"),
            node("Transpose", "c", "t", perm=[0, 2, 1]), node("LayerNormalization", "t g h", "n", axis=-1),
            node("Erf", "n", "e"), node("Sigmoid", "e", "y"),
        ],
        [("x", "f32", [1, 4, 6]), ("cache", "f32", [1, 4, 2])],
        [("y", "f32", [1, 6, 4]), ("cache_out", "f32", [1, 4, 2])],
        {
            "w": weights(4, 2, 3), "b": weights(4), "g": weights(4), "h": weights(4),
            "from": np.array([-2]), "to": np.array([2**31]), "axis": np.array([2]),
        },
        [{"x": weights(1, 4, 6), "cache": weights(1, 4, 2)}],
    )


def vocoder():
    """Strided transposed convolution, leaky ReLU and tanh, over a symbolic length."""
    case(
        "vocoder",
        [
            node("ConvTranspose", "mel w b", "u", strides=[4], pads=[2, 2]), node("LeakyRelu", "u", "l", alpha=0.1),
            node("Conv", "l v", "c", pads=[2, 2], dilations=[1]), node("Tanh", "c", "audio"),
        ],
        [("mel", "f32", [1, 3, "frames"])], [("audio", "f32", [1, 1, "samples"])],
        {"w": weights(3, 4, 8), "b": weights(4), "v": weights(1, 4, 5)},
        [{"mel": weights(1, 3, t)} for t in (5, 9)],
    )


def integers():
    """The dynamic 8-bit matrix product that quantised exports use."""
    # In 7 bits: with 8, processors without VNNI overflow in ONNX Runtime.
    table = (rng.integers(-127, 128, (8, 4)) // 2).astype(np.int8)
    case(
        "integers",
        [
            node("DynamicQuantizeLinear", "x", "q scale zero"), node("MatMulInteger", "q w zero", "m"),
            node("Cast", "m", "f", to=TensorProto.FLOAT), node("Mul", "scale step", "s"), node("Mul", "f s", "y"),
        ],
        [("x", "f32", [3, 8])], [("y", "f32", [3, 4])],
        {"w": table, "step": np.float32(0.01)},
        [{"x": weights(3, 8, scale=1.0)}],
        tolerance=1e-4,
    )


def zero_points():
    """The same product of several rows at once, with a zero point for each column of the weights, and without any."""
    own = np.random.default_rng(8)
    case(
        "zero_points",
        [
            node("DynamicQuantizeLinear", "x", "q scale zero"),
            node("MatMulInteger", "q w zero columns", "m"), node("MatMulInteger", "q w", "plain"),
        ],
        [("x", "f32", [2, 3, 8])], [("m", "i32", [2, 3, 4]), ("plain", "i32", [2, 3, 4])],
        {"w": own.integers(-63, 64, (8, 4)).astype(np.int8), "columns": np.array([-3, 0, 5, 60], np.int8)},
        [{"x": own.standard_normal((2, 3, 8))}],
        tolerance=0.0,
    )


def recurrent():
    """An LSTM step with its state as input and output, as published voice activity models have."""
    case(
        "recurrent",
        [node("LSTM", "x w r b  h c", "y hn cn", hidden_size=4)],
        [("x", "f32", [2, 1, 3]), ("h", "f32", [1, 1, 4]), ("c", "f32", [1, 1, 4])],
        [("y", "f32", [2, 1, 1, 4]), ("hn", "f32", [1, 1, 4]), ("cn", "f32", [1, 1, 4])],
        {"w": weights(1, 16, 3), "r": weights(1, 16, 4), "b": weights(1, 32)},
        [{"x": weights(2, 1, 3), "h": weights(1, 1, 4), "c": weights(1, 1, 4)}],
    )


# A recogniser that keeps the contract of a streaming Conformer-CTC, with one small layer and random weights.
LEFT, CHUNK, STRIDE, BINS, DIM, HEADS, CONV, LIMIT = 14, 32, 8, 80, 16, 2, 3, 8
PIECES = ["<blk>", "<unk>", "▁a", "▁be", "c", "d", "▁ef", "g", "h", "▁i"]
PHONES = 4
STEPS = CHUNK // STRIDE
HEAD = DIM // HEADS

CARD = f"""
name = "tiny"
task = "asr"
family = "conformer-ctc"
summary = "random weights, for the tests"
licence = "CC0-1.0"
sample_rate = 16000

[origin]
recipe = "models/tests/onnx/make.py"
data = []
commit = "none"

[features]
flavour = "kaldi"

[normalization]
mean = {[-8.0] * BINS}
std = {[3.0] * BINS}

[chunking]
left_frames = {LEFT}
chunk_frames = {CHUNK}
subsampling = {STRIDE}
pad_value = 0.0
valid = {{ input = "left_valid", limit = {LIMIT} }}

[[states]]
input = "cache_k"
output = "cache_k_out"
shape = [1, {HEADS}, {LIMIT}, {HEAD}]

[[states]]
input = "cache_v"
output = "cache_v_out"
shape = [1, {HEADS}, {LIMIT}, {HEAD}]

[[states]]
input = "cache_conv"
output = "cache_conv_out"
shape = [1, {CONV - 1}, {DIM}]
"""


def heads(source, name):
    """(1, time, dim) to (1, head, time, head size)."""
    return [
        node("Reshape", f"{source} split", f"{name}_s"),
        node("Transpose", f"{name}_s", name, perm=[0, 2, 1, 3]),
    ]


def recognizer():
    nodes = [
        node("Transpose", "x", "xt", perm=[0, 2, 1]), node("Conv", "xt w_in", "c0", strides=[STRIDE]),
        node("Tanh", "c0", "t0"), node("Transpose", "t0", "h0", perm=[0, 2, 1]),
        # Convolution over time with its cache.
        node("Concat", "cache_conv h0", "hh", axis=1),
        node("Slice", "hh from_conv end axis1", "cache_conv_out"),
        node("Transpose", "hh", "ht", perm=[0, 2, 1]), node("Conv", "ht w_conv", "c1"),
        node("Transpose", "c1", "h1", perm=[0, 2, 1]),
        # Attention over the cache and the chunk; what the cache does not hold yet is masked.
        node("MatMul", "h1 w_q", "q0"), node("MatMul", "h1 w_k", "k0"), node("MatMul", "h1 w_v", "v0"),
        *heads("q0", "q"), *heads("k0", "k1"), *heads("v0", "v1"),
        node("Concat", "cache_k k1", "k", axis=2), node("Concat", "cache_v v1", "v", axis=2),
        node("Slice", "k from_kv end axis2", "cache_k_out"), node("Slice", "v from_kv end axis2", "cache_v_out"),
        node("Transpose", "k", "kt", perm=[0, 1, 3, 2]), node("MatMul", "q kt", "scores"),
        node("Sub", "limit left_valid", "first"), node("Less", "positions first", "masked"),
        node("Where", "masked low scores", "s"), node("Softmax", "s", "p", axis=-1), node("MatMul", "p v", "a"),
        node("Transpose", "a", "at", perm=[0, 2, 1, 3]), node("Reshape", "at join", "aj"),
        node("Add", "h1 aj", "h2"), node("MatMul", "h2 w_out", "logits"), node("LogSoftmax", "logits", "log_probs", axis=-1),
        # Two frames of phones for each frame of tokens.
        node("MatMul", "h2 w_phones", "sounds"), node("Reshape", "sounds halves", "sh"),
        node("LogSoftmax", "sh", "phones", axis=-1),
    ]
    caches = [
        ("cache_k", "f32", [1, HEADS, LIMIT, HEAD]), ("cache_v", "f32", [1, HEADS, LIMIT, HEAD]),
        ("cache_conv", "f32", [1, CONV - 1, DIM]),
    ]
    inputs = [("x", "f32", [1, LEFT + CHUNK, BINS]), *caches, ("left_valid", "f32", [1])]
    outputs = [("log_probs", "f32", [1, STEPS, len(PIECES)]), ("phones", "f32", [1, 2 * STEPS, PHONES]), *[(f"{n}_out", e, s) for n, e, s in caches]]
    constants = {
        "w_in": weights(DIM, BINS, LEFT + 1, scale=0.06), "w_conv": weights(DIM, DIM, CONV, scale=0.4),
        "w_q": weights(DIM, DIM), "w_k": weights(DIM, DIM), "w_v": weights(DIM, DIM),
        "w_out": weights(DIM, len(PIECES), scale=2.0),
        "split": np.array([1, STEPS, HEADS, HEAD]), "join": np.array([1, STEPS, DIM]),
        "end": np.array([2**31]), "axis1": np.array([1]), "axis2": np.array([2]),
        "from_conv": np.array([-(CONV - 1)]), "from_kv": np.array([-LIMIT]),
        "limit": np.array([LIMIT], np.float32), "positions": np.arange(LIMIT + STEPS, dtype=np.float32),
        "low": np.float32(-1e4), "w_phones": weights(DIM, 2 * PHONES, scale=2.0), "halves": np.array([1, 2 * STEPS, PHONES]),
    }
    tokens = "".join(f"{piece} {i}\n" for i, piece in enumerate(PIECES))
    build("recognizer", nodes, inputs, outputs, constants, {"rejoinder.card": CARD, "rejoinder.file.tokens": tokens})


for make in (linear, symbolic, kinds, causal, vocoder, integers, zero_points, recurrent, recognizer):
    make()
(HERE / "cases.json").write_text(json.dumps(cases, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
