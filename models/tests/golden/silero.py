"""Writes sentence.flac and silero.json, what tests/vad.rs compares Silero's probabilities with.

    apt install flite && pip install numpy soundfile onnxruntime silero-vad==6.2.3 --no-deps
    python silero.py SITE_PACKAGES/silero_vad/data

The sentence is spoken by flite's slt voice, with half a second of silence before it and one second after. Context and
state are handled as in silero-vad's own `OnnxWrapper` (`utils_vad.py`).
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
FILES = ["silero_vad.onnx", "silero_vad_16k_op15.onnx", "silero_vad_half.onnx", "silero_vad_op18_ifless.onnx"]


def probabilities(path, samples):
    session = onnxruntime.InferenceSession(str(path))
    has_rate = any(port.name == "sr" for port in session.get_inputs())
    state, context, out = np.zeros((2, 1, 128), np.float32), np.zeros((1, 64), np.float32), []
    for start in range(0, len(samples) - 511, 512):
        window = np.concatenate([context, samples[None, start : start + 512]], axis=1)
        feed = {"input": window, "state": state} | ({"sr": np.array(16000, np.int64)} if has_rate else {})
        probability, state = session.run(["output", "stateN"], feed)
        context = window[:, -64:]
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
