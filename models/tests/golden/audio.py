"""Writes tone.{opus,ogg,mp3,flac} and audio.json, what tests/audio.rs reads and compares.

    pip install numpy av soundfile && python audio.py

The files hold a chirp of 0.4 s at 16 kHz, coded by PyAV 18 (ffmpeg: libopus, libmp3lame, flac) and by soundfile
(libvorbis). The values are what PyAV (Opus, FLAC) and libsndfile (Vorbis, MP3) decode.
"""

import json
import pathlib

import av
import numpy as np
import soundfile

HERE = pathlib.Path(__file__).parent
RATE = 16000
TIME = np.arange(int(0.4 * RATE)) / RATE
CHIRP = (0.4 * np.sin(2 * np.pi * (200 * TIME + 1500 * TIME**2))).astype(np.float32)


def encode(name, codec, rate=RATE, bit_rate=None):
    with av.open(str(HERE / name), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        if bit_rate:
            stream.bit_rate = bit_rate
        pcm = (CHIRP * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = RATE
        for ready in av.AudioResampler(format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size or 0).resample(frame):
            container.mux(stream.encode(ready))
        container.mux(stream.encode(None))


def decode(name):
    with av.open(str(HERE / name)) as container:
        rate = container.streams.audio[0].rate
        to_float = av.AudioResampler(format="flt", layout="mono", rate=rate)
        pieces = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in to_float.resample(frame)]
    return np.concatenate(pieces), rate


encode("tone.opus", "libopus", rate=48000, bit_rate=16000)
encode("tone.flac", "flac")
encode("tone.mp3", "libmp3lame", bit_rate=32000)
soundfile.write(HERE / "tone.ogg", CHIRP, RATE, format="OGG", subtype="VORBIS")

values = {}
for name in ["tone.opus", "tone.flac", "tone.mp3", "tone.ogg"]:
    samples, rate = soundfile.read(HERE / name) if name.endswith((".ogg", ".mp3")) else decode(name)
    every = [round(float(x), 5) for x in samples[::97]]
    values[name] = {"rate": rate, "length": len(samples), "every_97th": every}
(HERE / "audio.json").write_text(json.dumps(values, indent=1) + "\n")
