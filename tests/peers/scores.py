"""Golden reports of `rejoinder-train score`: by SpeechBrain, and by NIST's md-eval.pl, which SpeechBrain's DER runs.

    pip install speechbrain==1.1.2 torch torchaudio spy-der tabulate click
    python tests/peers/scores.py md-eval-22.pl

md-eval-22.pl is in https://github.com/nryant/dscore under scorelib/ and needs Perl. Writes
training/tests/golden/scores.json: transcripts with the report that ErrorRateStats writes; RTTM files with md-eval's times
for each collar, with and without overlaps, and those of spyder, a second judge, over the same time; signals with their
SI-SNR by cal_si_snr.
"""

import io
import itertools
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import spyder
import torch
from speechbrain.dataio.wer import print_alignments, print_wer_summary
from speechbrain.nnet.losses import cal_si_snr
from speechbrain.utils.edit_distance import wer_details_by_utterance, wer_summary

PATH = pathlib.Path(__file__).resolve().parents[2] / "training/tests/golden/scores.json"
KINDS = ["SCORED SPEAKER TIME", "MISSED SPEAKER TIME", "FALARM SPEAKER TIME", "SPEAKER ERROR TIME"]
TEXTS = {
    "a-1": ("the cat sat on the mat", "the cat sat mat"),
    "a-2": ("good morning", "good morning"),
    "b-1": ("turn the lights off please", "turn delights of of please"),
    "b-2": ("where did you put it", None),
    "c-1": ("naïve façade", "a naive façade"),
    "c-2": ("nothing was heard", ""),
}


def words():
    references = {key: reference.split() for key, (reference, _) in TEXTS.items()}
    hypotheses = {key: hypothesis.split() for key, (_, hypothesis) in TEXTS.items() if hypothesis is not None}
    details = wer_details_by_utterance(references, hypotheses, compute_alignments=True, scoring_mode="all")
    report, alignments = io.StringIO(), io.StringIO()
    print_wer_summary(wer_summary(details), report)
    print_alignments(details, alignments)

    def characters(texts):
        return {key: list(" ".join(text)) for key, text in texts.items()}

    cer = wer_summary(wer_details_by_utterance(characters(references), characters(hypotheses), scoring_mode="all"))
    characters_line = io.StringIO()
    print_wer_summary(cer, characters_line)
    return {
        "texts": [[key, *texts] for key, texts in TEXTS.items()], "summary": report.getvalue(),
        "characters": characters_line.getvalue().splitlines()[0], "alignments": alignments.getvalue(),
    }  # fmt: skip


def turns(generator, speakers, seconds):
    """Turns with pauses and overlaps, in hundredths of seconds, those of one speaker apart from each other."""
    found, free, at = [], dict.fromkeys(speakers, 0), 0
    while at < seconds * 100:
        speaker = generator.choice([name for name in speakers if free[name] <= at] or [None])
        duration = generator.randrange(40, 600)
        if speaker:
            found.append((speaker, at, at + duration))
            free[speaker] = at + duration + generator.randrange(0, 100)
        at += duration + generator.randrange(-150, 120)
        at = max(at, found[-1][1] + 10)
    return found


def guess(generator, reference, names):
    """The same turns with other bounds and names, some of them lost, some made up."""
    found = []
    for speaker, start, end in reference:
        if generator.random() < 0.1:
            continue
        name = names[speaker] if generator.random() < 0.85 else generator.choice(list(names.values()))
        start, end = max(start + generator.randrange(-60, 60), 0), end + generator.randrange(-60, 60)
        if start < end and not any(other == name and start < b and a < end for other, a, b in found):
            found.append((name, start, end))
    return found


def rttm(recordings):
    return "".join(
        f"SPEAKER {file} 1 {start / 100:.2f} {(end - start) / 100:.2f} <NA> <NA> {speaker} <NA> <NA>\n"
        for file, found in recordings.items()
        for speaker, start, end in found
    )


def md_eval(script, reference, hypothesis, collar, ignore_overlap):
    """Seconds by recording and of all: scored, missed, false alarm, confusion."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / name for name in ("ref.rttm", "hyp.rttm")]
        for path, text in zip(paths, (reference, hypothesis)):
            path.write_text(text)
        command = ["perl", script, "-af", "-r", paths[0], "-s", paths[1], "-c", str(collar), *["-1"] * ignore_overlap]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    files = [found.strip().removeprefix("f=") for found in re.findall(r"Speaker Diarization for(.+?)\*\*\*", text)]
    times = zip(*([float(time) for time in re.findall(rf"{kind} =\s*([\d.]+)", text)] for kind in KINDS))
    return dict(zip(files, map(list, times), strict=True))


def judged_by_spyder(references, hypotheses, file):
    """Seconds with no collar, over the time of the reference, as md-eval."""
    seconds = [[(name, start / 100, end / 100) for name, start, end in turns[file]] for turns in (references, hypotheses)]
    span = [(min(start for _, start, _ in seconds[0]), max(end for _, _, end in seconds[0]))]
    found = spyder.DER(*seconds, uem=span)
    return [found.duration, *(share * found.duration for share in (found.miss, found.falarm, found.conf))]


def diarization(script):
    generator = random.Random(3)
    references, hypotheses = {}, {}
    for file, speakers in [("meeting", "ABCD"), ("call", "AB"), ("crowd", "ABCDEF"), ("alone", "A")]:
        references[file] = turns(generator, [f"spk{name}" for name in speakers], 60)
        names = {f"spk{name}": f"voice_{number}" for number, name in enumerate(reversed(speakers + "X"))}
        hypotheses[file] = guess(generator, references[file], names)
    references["unheard"] = [("spkA", 100, 700)]
    texts = rttm(references), rttm(hypotheses)
    cases = [
        {"collar": collar, "ignore_overlap": alone, "seconds": md_eval(script, *texts, collar, alone)}
        for collar, alone in itertools.product([0, 0.25, 0.5], [False, True])
    ]
    spied = {file: judged_by_spyder(references, hypotheses, file) for file in hypotheses}
    return {"reference": texts[0], "hypothesis": texts[1], "cases": cases, "spyder": spied}


def separation():
    """Sums of sines, made by the test in the same way, at -12 dB so that 16 bits hold them."""
    time = torch.arange(800) / 8000

    def tone(*partials):
        return sum(0.08 * torch.sin(2 * torch.pi * hertz * time) for hertz in partials)

    def stored(signal):
        return (signal * 32768).round() / 32768

    sources = [stored(tone(220, 330)), stored(tone(500, 910)), stored(tone(1200, 1750))]
    noise = [tone(97), 0.5 * tone(310), 0.1 * tone(2100)]
    order = [2, 0, 1]
    estimates = [stored(0.7 * sources[source] + added) for source, added in zip(order, noise)]
    mixture = stored(sum(sources))

    def ratio(estimate, source):
        return -cal_si_snr(source.reshape(-1, 1, 1), estimate.reshape(-1, 1, 1).clone()).item()

    found = [ratio(estimate, sources[source]) for estimate, source in zip(estimates, order)]
    mixed = [ratio(mixture, sources[source]) for source in order]
    signals = {"sources": sources, "estimates": estimates, "mixture": [mixture]}
    integers = {name: [(32768 * signal).int().tolist() for signal in group] for name, group in signals.items()}
    return integers | {"order": order, "si_snr": found, "improvement": [a - b for a, b in zip(found, mixed)]}


def main():
    torch.set_default_dtype(torch.float64)
    golden = {"words": words(), "diarization": diarization(sys.argv[1]), "separation": separation()}
    PATH.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{PATH}: {PATH.stat().st_size} bytes")


main()
