"""Writes sentence.flac and silero.json, what tests/vad.rs compares Silero's probabilities with.

    apt install flite && pip install numpy soundfile onnxruntime silero-vad==6.2.3 --no-deps
    python silero.py FOLDER

The folder holds the files of the package's `silero_vad/data`, and `files/silero_vad.onnx` of the tags v4.0 and v5.0 of
the repository snakers4/silero-vad as silero_vad_v4.0.onnx and silero_vad_v5.0.onnx.

The sentence is spoken by flite's slt voice, with half a second of silence before it and one second after. Context and
state are handled as in silero-vad's own `OnnxWrapper` (`utils_vad.py`) of each version.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime
import soundfile

HERE = pathlib.Path(__file__).parent
FILES = ["silero_vad_v4.0.onnx", "silero_vad_v5.0.onnx", "silero_vad.onnx", "silero_vad_16k_op15.onnx", "silero_vad_half.onnx", "silero_vad_op18_ifless.onnx"]


def probabilities(path, samples):
    session = onnxruntime.InferenceSession(str(path))
    inputs = [port.name for port in session.get_inputs()]
    rate = {"sr": np.array(16000, np.int64)} if "sr" in inputs else {}
    if "state" in inputs:
        context, states = 64, {"state": np.zeros((2, 1, 128), np.float32)}
    else:
        context, states = 0, {name: np.zeros((2, 1, 64), np.float32) for name in "hc"}
    outputs, padded, out = [{"state": "stateN"}.get(name, name + "n") for name in states], np.pad(samples, (context, 0)), []
    for start in range(0, len(samples) - 511, 512):
        feed = {"input": padded[None, start : start + context + 512]} | states | rate
        probability, *values = session.run(["output", *outputs], feed)
        states = dict(zip(states, values))
        out.append(round(float(probability[0, 0]), 6))
    return out


with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
    subprocess.run(["flite", "-voice", "slt", "-t", "What time is it in the kitchen?", "-o", wav.name], check=True)
    speech, rate = soundfile.read(wav.name, dtype="int16")
assert rate == 16000
sound = np.concatenate([np.zeros(8000, np.int16), speech, np.zeros(16000, np.int16)])
soundfile.write(HERE / "sentence.flac", sound, rate)
samples, _ = soundfile.read(HERE / "sentence.flac", dtype="float32")
data = pathlib.Path(sys.argv[1])
values = {
    name: {
        "sha256": hashlib.sha256((data / name).read_bytes()).hexdigest(),
        "probabilities": probabilities(data / name, samples),
    }
    for name in FILES
}
(HERE / "silero.json").write_text(json.dumps(values, indent=1) + "\n")
