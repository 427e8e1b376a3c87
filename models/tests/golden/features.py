"""Writes features.json, the reference values of tests/features.rs.

    pip install numpy kaldi-native-fbank && python features.py

`kaldi*` come from kaldi-native-fbank 1.23. The others are written here from their published definitions:
SpeechBrain's `processing/features.py` (STFT, spectral_magnitude, Filterbank), Whisper's `audio.py`
(log_mel_spectrogram without padding to 30 s), librosa's `filters.mel` and HiFi-GAN's `meldataset.py`.
"""

import json
import pathlib

import kaldi_native_fbank as knf
import numpy as np


def signal(length):
    """Noise under a rising envelope with a triangle wave: exact in any language."""
    state, out = 1, np.zeros(length)
    for n in range(length):
        state = (state * 1664525 + 1013904223) % 2**32
        noise = (state >> 16) / 65536.0 - 0.5
        triangle = abs((n % 64) / 32.0 - 1.0) - 0.5
        out[n] = noise * (n % 1024) / 1024.0 + 0.25 * triangle
    return out.astype(np.float32)


def kaldi(samples, bins=80, snip_edges=False):
    options = knf.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = snip_edges
    options.mel_opts.num_bins = bins
    options.mel_opts.high_freq = -400
    fbank = knf.OnlineFbank(options)
    fbank.accept_waveform(16000, samples.tolist())
    fbank.input_finished()
    return np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])


def power(samples, n_fft, hop, window, pad, mode):
    padded = np.pad(samples.astype(np.float64), pad, mode=mode)
    frames = (len(padded) - n_fft) // hop + 1
    return np.stack([np.abs(np.fft.rfft(padded[f * hop : f * hop + n_fft] * window)) ** 2 for f in range(frames)])


def htk_mel(hz):
    return 2595 * np.log10(1 + hz / 700)


def htk_hz(mel):
    return 700 * (10 ** (mel / 2595) - 1)


def speechbrain(samples, bins=40, n_fft=400, hop=160):
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    spectrum = power(samples, n_fft, hop, window, n_fft // 2, "constant")
    hz = htk_hz(np.linspace(htk_mel(0), htk_mel(8000), bins + 2))
    band, centre = (hz[1:] - hz[:-1])[:-1], hz[1:-1]
    slope = (np.linspace(0, 8000, n_fft // 2 + 1)[None] - centre[:, None]) / band[:, None]
    energy = spectrum @ np.maximum(0, np.minimum(slope + 1, -slope + 1)).T
    decibel = 10 * np.log10(np.maximum(energy, 1e-10))
    return np.maximum(decibel, decibel.max() - 80)


def slaney_mel(hz):
    return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1) / 1000) * 27 / np.log(6.4))


def slaney_hz(mel):
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def triangles(edges, rate, n_fft, equal_area):
    frequency = np.linspace(0, rate / 2, n_fft // 2 + 1)[None]
    lower = (frequency - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    upper = (edges[2:, None] - frequency) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.maximum(0, np.minimum(lower, upper))
    return weights * (2 / (edges[2:] - edges[:-2]))[:, None] if equal_area else weights


def slaney(rate, n_fft, bins, low, high, equal_area=True):
    edges = slaney_hz(np.linspace(slaney_mel(low), slaney_mel(high), bins + 2))
    return triangles(edges, rate, n_fft, equal_area)


def hann(length):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def whisper(samples):
    spectrum = power(samples, 400, 160, hann(400), 200, "reflect")[:-1]
    log = np.log10(np.maximum(spectrum @ slaney(16000, 400, 80, 0.0, 8000.0).T, 1e-10))
    return (np.maximum(log, log.max() - 8) + 4) / 4


def hifi_gan(samples):
    spectrum = power(samples, 1024, 256, hann(1024), (1024 - 256) // 2, "reflect")
    return np.log(np.maximum(np.sqrt(spectrum) @ slaney(22050, 1024, 80, 0.0, 8000.0).T, 1e-5))


def centred(samples):
    """24 kHz, a window of 600 in 1024 samples, HTK's scale, power, heights of 1, as librosa.feature.melspectrogram."""
    window = np.pad(hann(600), (1024 - 600) // 2)
    spectrum = power(samples, 1024, 300, window, 512, "reflect")
    edges = htk_hz(np.linspace(htk_mel(50), htk_mel(11000), 22))
    return np.log(np.maximum(spectrum @ triangles(edges, 24000, 1024, False).T, 1e-6))


def causal(samples):
    """As `centred`, but each frame ends with its hop, and there are zeros before the first sample."""
    frames = -(-len(samples) // 300)
    padded = np.concatenate([np.zeros(300), samples.astype(np.float64), np.zeros(300)])
    pieces = np.stack([np.pad(padded[f * 300 : f * 300 + 600] * hann(600), (0, 424)) for f in range(frames)])
    spectrum = np.abs(np.fft.rfft(pieces)) ** 2
    edges = htk_hz(np.linspace(htk_mel(50), htk_mel(11000), 22))
    return np.log(np.maximum(spectrum @ triangles(edges, 24000, 1024, False).T, 1e-6))


LONG, SHORT = signal(2407), signal(163)
CASES = {
    "kaldi": kaldi(LONG),
    "kaldi_short": kaldi(SHORT),
    "kaldi_snip": kaldi(LONG, bins=23, snip_edges=True),
    "speechbrain": speechbrain(LONG),
    "whisper": whisper(LONG),
    "hifi_gan": hifi_gan(LONG),
    "centred": centred(LONG),
    "causal": causal(LONG),
}

lines = [f'  "{name}": {json.dumps([[round(float(x), 4) for x in row] for row in rows])}' for name, rows in CASES.items()]
pathlib.Path(__file__).with_suffix(".json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
