"""What WebRTC's own echo canceller leaves of the echoes of `models/tests/enhance.rs`: the peer's column there.

    pip install numpy soundfile livekit && python tests/peers/echo.py

livekit carries libwebrtc, C++, whose AEC3 is the original of the port that Rejoinder uses. The signals are those of the
test, sample for sample, but for 16-bit rounding.
"""

from pathlib import Path

import numpy as np
import soundfile
from livekit import rtc

RATE, FRAME = 16000, 160
FIXTURES = Path(__file__).parent.parent / "fixtures"
ROOMS = ["sb_rir4", "wa_dining-room"]
DELAYS_MS = [20, 80, 200]
LAG = 128


def fixture(name):
    samples, rate = soundfile.read(FIXTURES / name, dtype="float32")
    assert rate == RATE
    return samples


def far_end(seconds):
    speech = np.concatenate([fixture(f"audio/{name}.wav") for name in ("coffee_order", "set_a_timer", "sum")])
    return np.resize(speech, seconds * RATE)


def noise(length, level_db):
    state, out = 1, np.empty(length, np.float32)
    for i in range(length):
        state = (state * 1664525 + 1013904223) % 2**32
        out[i] = state / (2**32 - 1) * 2 - 1
    return out * 10 ** (level_db / 20) * 3**0.5


def echo(sound, room, loss_db, delay_ms):
    response = fixture(f"caller/{room}.flac")
    response = response[np.abs(response).argmax() :]
    response = response * 10 ** (-loss_db / 20) / np.sqrt(np.sum(response**2))
    late = np.concatenate([np.zeros(delay_ms * 16, np.float32), sound])[: len(sound)]
    size = 1 << (len(late) + len(response)).bit_length()
    return np.fft.irfft(np.fft.rfft(late, size) * np.fft.rfft(response, size))[: len(sound)]


def cancel(heard, played):
    apm, out = rtc.AudioProcessingModule(echo_cancellation=True), []
    heard, played = (np.round(x * 32767).clip(-32768, 32767).astype(np.int16) for x in (heard, played))
    for at in range(0, len(heard) // FRAME * FRAME, FRAME):
        frames = [rtc.AudioFrame(bytearray(x[at : at + FRAME].tobytes()), RATE, 1, FRAME) for x in (played, heard)]
        apm.process_reverse_stream(frames[0])
        apm.set_stream_delay_ms(0)
        apm.process_stream(frames[1])
        out.append(np.frombuffer(bytes(frames[1]._data), np.int16))
    return np.concatenate(out) / 32767


def db(samples):
    return 10 * np.log10(max(np.mean(samples**2), 1e-10))


def si_sdr(reference, found):
    scaled = reference * (reference @ found) / (reference @ reference)
    return 10 * np.log10(np.sum(scaled**2) / np.sum((found - scaled) ** 2))


def main():
    far = far_end(12)
    for room in ROOMS:
        for delay_ms in DELAYS_MS:
            heard = echo(far, room, 6, delay_ms) + noise(len(far), -70)
            out = cancel(heard, far)
            print(f"{room}, {delay_ms} ms: {db(heard[4 * RATE :]) - db(out[4 * RATE :]):.1f} dB")
    far, voice, start = far_end(16), fixture("caller/latte.flac"), 9 * RATE
    near = np.zeros_like(far)
    near[start : start + len(voice)] = voice

    def during(samples, late):
        part = samples[start + late : start + late + len(voice)]
        return part[1:] - 0.97 * part[:-1]

    alone = during(cancel(near, np.zeros_like(far)), LAG)
    for room in ROOMS:
        heard = echo(far, room, 6, 40) + near
        after = si_sdr(alone, during(cancel(heard, far), LAG))
        print(f"{room}, double talk: {si_sdr(during(near, 0), during(heard, 0)):.1f} dB -> {after:.1f} dB")


main()
