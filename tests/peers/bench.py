"""Sets `rejoinder bench` beside its peers: kaldi-native-fbank, and ONNX Runtime in Python on the recogniser's own file.

    pip install numpy onnxruntime kaldi-native-fbank
    python tests/peers/bench.py [PROGRAM]

The peer recogniser does the same work on the same sound: kaldi-native-fbank's features, the same ONNX file in ONNX
Runtime on one thread with its states carried along, and the best token of each frame. sherpa-onnx does not open the
file: its online recognisers know their models by metadata and tensor names of their own (zipformer2, wenet, NeMo and
T-one), and ours has other states. Times are medians on the wall. Ours and theirs take turns three times, and the
better median counts, for a busy machine tells less on it.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
import wave

import kaldi_native_fbank as knf
import numpy as np
import onnxruntime

BUNDLE = pathlib.Path("models/pretrained/asr-en")
CALLER = "tests/fixtures/audio/what_time_is_it.wav"
RATE, PIECE = 16_000, 5_120
ROUNDS, SECONDS, TURNS = 15, 10, 3


def caller(length):
    with wave.open(CALLER) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32)
    return np.resize(samples, length)


def fbank(card):
    features = card["features"]
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = features["snip_edges"]
    options.mel_opts.num_bins = features["bins"]
    options.mel_opts.low_freq = features["low_hz"]
    options.mel_opts.high_freq = features["high_hz"]
    return knf.OnlineFbank(options)


def features_ms(card):
    samples = caller(SECONDS * RATE).tolist()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        peer = fbank(card)
        peer.accept_waveform(RATE, samples)
        peer.input_finished()
        times.append((time.perf_counter() - began) * 1e3)
    # What it takes to hand the samples over from Python, which is no fault of the peer.
    handing = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        options = knf.FbankOptions()
        options.frame_opts.frame_shift_ms = 5_000
        options.frame_opts.dither = 0
        peer = knf.OnlineFbank(options)
        peer.accept_waveform(RATE, samples)
        handing.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times) - statistics.median(handing)


def recogniser_ms(card):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = str(BUNDLE / card["files"]["model"]["path"])
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    chunking, bins = card["chunking"], card["features"]["bins"]
    left, chunk = chunking["left_frames"], chunking["chunk_frames"]
    outputs = ["log_probs"] + [state["output"] for state in card["states"]]
    times, samples = [], caller(5 * RATE)
    for _ in range(ROUNDS):
        peer, taken = fbank(card), 0
        frames = np.full((left, bins), chunking["pad_value"], np.float32)
        states = {state["input"]: np.zeros(state["shape"], np.float32) for state in card["states"]}
        valid = 0
        for start in range(0, len(samples) - PIECE + 1, PIECE):
            piece = samples[start : start + PIECE].tolist()
            began = time.perf_counter()
            peer.accept_waveform(RATE, piece)
            rows = [peer.get_frame(frame) for frame in range(taken, peer.num_frames_ready)]
            taken += len(rows)
            frames = np.concatenate([frames, *(row[None] for row in rows)]) if rows else frames
            while len(frames) >= left + chunk:
                inputs = {"x": frames[None, : left + chunk], **states}
                if "valid" in chunking:
                    inputs[chunking["valid"]["input"]] = np.array([valid], np.float32)
                    valid = min(valid + chunk // chunking["subsampling"], chunking["valid"]["limit"])
                log_probs, *carried = session.run(outputs, inputs)
                states = {state["input"]: value for state, value in zip(card["states"], carried)}
                log_probs[0].argmax(axis=1)
                frames = frames[chunk:]
            times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


def ours():
    program = sys.argv[1:] or ["cargo", "run", "-q", "-p", "rejoinder", "--"]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "bench.json"
        command = [*program, "bench", "--rounds", str(ROUNDS), "--json", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return {part["part"]: part["median_ms"] for part in json.loads(path.read_text())["parts"]}


def main():
    card = tomllib.loads((BUNDLE / "card.toml").read_text())
    parts = {
        "features, 10 s": ("kaldi-native-fbank", features_ms),
        "recogniser, 320 ms, greedy": ("kaldi-native-fbank + ONNX Runtime in Python", recogniser_ms),
    }
    turns = [(ours(), {part: measure(card) for part, (_, measure) in parts.items()}) for _ in range(TURNS)]
    print(f"{'median, ms, one thread':28}{'ours':>10}{'theirs':>10}{'ratio':>8}")
    for part, (peer, _) in parts.items():
        own, theirs = (min(turn[side][part] for turn in turns) for side in (0, 1))
        print(f"{part:28}{own:10.2f}{theirs:10.2f}{theirs / own:8.2f}  {peer}")


main()
