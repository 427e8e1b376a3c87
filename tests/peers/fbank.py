"""Golden numbers of SpeechBrain's filterbank.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/fbank.py

Writes models/tests/golden/fbank.json: SpeechBrain's Fbank of a piece of a spoken question, (frames, bins).
"""

import json
import pathlib

import soundfile
import torch
from speechbrain.lobes.features import Fbank

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIP, FIRST, SAMPLES = "tests/fixtures/audio/what_time_is_it.wav", 4_000, 4_000


def main():
    samples, rate = soundfile.read(ROOT / CLIP, dtype="float32")
    piece = samples[FIRST : FIRST + SAMPLES]
    frames = Fbank(sample_rate=rate)(torch.from_numpy(piece).unsqueeze(0))[0]
    golden = {"clip": CLIP, "first": FIRST, "samples": SAMPLES}
    golden["frames"] = [[float(f"{value:.7g}") for value in row] for row in frames.tolist()]
    path = ROOT / "models/tests/golden/fbank.json"
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes, {len(frames)} frames")


main()
