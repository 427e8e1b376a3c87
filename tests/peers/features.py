"""Compares the filterbank with kaldi-native-fbank: the same values, and the time for ten seconds of sound.

    pip install numpy kaldi-native-fbank && python tests/peers/features.py

Both run on one thread. What it takes to hand the samples from Python to the peer, which a frame every 5 s shows, is
taken off its time; its time is that of the processor, ours is divan's median on the wall, for the better of three runs
each. That the values agree is checked by `cargo nextest run -p rejoinder-models --test features`.
"""

import re
import statistics
import subprocess
import time

import kaldi_native_fbank as knf
import numpy as np

SECONDS, RATE = 10, 16000


def peer_ms(hop_ms, rounds=50):
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.frame_opts.frame_shift_ms = hop_ms
    options.mel_opts.num_bins = 80
    options.mel_opts.high_freq = -400
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, SECONDS * RATE).astype(np.float32)
    times = []
    for _ in range(rounds):
        start = time.process_time()
        fbank = knf.OnlineFbank(options)
        fbank.accept_waveform(RATE, samples)
        fbank.input_finished()
        times.append((time.process_time() - start) * 1e3)
        assert fbank.num_frames_ready == SECONDS * 1000 // hop_ms
    return statistics.median(times)


def our_ms():
    command = "cargo bench -q -p rejoinder-models --profile dev --bench signal -- fbank_of_ten_seconds"
    lines = subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout.splitlines()
    row = next(line for line in lines if "kaldi" in line)
    value, unit = re.findall(r"([\d.]+) (µs|ms)", row)[2]
    return float(value) * (1e-3 if unit == "µs" else 1)


ours = min(our_ms() for _ in range(3))
theirs = min(peer_ms(10) - peer_ms(5000) for _ in range(3))
for name, ms in [("rejoinder-models", ours), ("kaldi-native-fbank", theirs)]:
    print(f"{name:20} {ms:6.2f} ms for {SECONDS} s of sound, {SECONDS * 1e3 / ms:7.0f} times real time (median)")
