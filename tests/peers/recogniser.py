"""Runs the recogniser's test clips through pocketsphinx en-us, and prints its word error rates beside ours.

    apt-get install pocketsphinx pocketsphinx-en-us && pip install jiwer
    rejoinder-train evaluate configs/recipes/asr/conformer_ctc.toml
    python tests/peers/recogniser.py [--prepared data/asr] [--run runs/asr] [--clips N] [--tool continuous|batch]

`evaluate` leaves the clips in prepared folders, and references and what was heard in the run folder; the references are
normalised there, and both recognisers are scored against them by jiwer. `pocketsphinx_continuous` cuts a file at pauses
as it would a microphone's sound and loads its model for each file; `pocketsphinx_batch` takes a file as one utterance.
"""

import argparse
import concurrent.futures
import csv
import json
import os
import pathlib
import re
import subprocess
import tempfile
import wave

import jiwer

MODEL = pathlib.Path("/usr/share/pocketsphinx/model/en-us")
PARTS = ["-hmm", MODEL / "en-us", "-lm", MODEL / "en-us.lm.bin", "-dict", MODEL / "cmudict-en-us.dict"]


def read_pack(folder):
    """Samples of each clip as 16-bit bytes: see `data::pack`."""
    data = (folder / "audio.pack").read_bytes()
    assert data[:8] == b"RJPACK01"
    rate = int.from_bytes(data[8:12], "little")
    with open(folder / "audio.index.csv", newline="") as rows:
        for row in csv.DictReader(rows):
            start = 16 + 2 * int(row["start"])
            yield row["ID"], rate, data[start : start + 2 * int(row["samples"])]


def write_clips(folder, wanted, target):
    for clip, rate, samples in read_pack(folder):
        if clip in wanted:
            with wave.open(str(target / f"{wanted[clip]}.wav"), "wb") as file:
                file.setparams((1, 2, rate, 0, "NONE", ""))
                file.writeframes(samples)


def plain(text):
    """Words alone, without the number of a pronunciation."""
    return " ".join(re.sub(r"\(\d+\)", "", text).lower().split())


def continuous(path):
    command = ["pocketsphinx_continuous", "-infile", path, "-logfn", os.devnull]
    return plain(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def batch(paths, folder, number):
    control, heard = folder / f"{number}.ctl", folder / f"{number}.hyp"
    control.write_text("".join(f"{path.stem}\n" for path in paths))
    command = ["pocketsphinx_batch", *PARTS, "-adcin", "yes", "-adchdr", "44", "-cepdir", folder, "-cepext", ".wav"]
    command += ["-ctl", control, "-hyp", heard, "-logfn", os.devnull]
    subprocess.run(command, check=True, capture_output=True)
    lines = [re.fullmatch(r"(.*?) ?\((\S+) -?\d+\)", line) for line in heard.read_text().splitlines()]
    by_name = {line[2]: plain(line[1]) for line in lines if line}
    return {path: by_name.get(path.stem, "") for path in paths}


def listen(paths, folder, tool):
    jobs = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        if tool == "continuous":
            return dict(zip(paths, pool.map(continuous, paths)))
        parts = [paths[job::jobs] for job in range(jobs)]
        heard = pool.map(batch, parts, [folder] * jobs, range(jobs))
        return {path: text for part in heard for path, text in part.items()}


def spread(rows, most):
    count = len(rows)
    return rows if not 0 < most < count else [rows[i * count // most] for i in range(most)]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--prepared", type=pathlib.Path, default=pathlib.Path("data/asr"))
    options.add_argument("--run", type=pathlib.Path, default=pathlib.Path("runs/asr"))
    options.add_argument("--clips", type=int, default=0, help="at most this many of each test; 0 for all")
    options.add_argument("--tool", choices=["continuous", "batch"], default="batch")
    options = options.parse_args()
    results = {}
    kinds = {"greedy": "greedy", "tokens": "lm", "words": "lexicon"}
    print(f"| {'test, WER in %':24} | clips | pocketsphinx | ours, {' | ours, '.join(kinds)} |")
    print("| --- | --- | --- " + "| --- " * len(kinds) + "|")
    for table in sorted((options.run / "heard").glob("*.csv")):
        with open(table, newline="") as rows:
            rows = spread(list(csv.DictReader(rows)), options.clips)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            names = {row["ID"]: f"{number:06}" for number, row in enumerate(rows)}
            write_clips(options.prepared / table.stem, names, folder)
            paths = [folder / f"{names[row['ID']]}.wav" for row in rows]
            heard = listen(paths, folder, options.tool)
        references = [row["reference"] for row in rows]
        theirs = jiwer.wer(references, [heard[path] for path in paths])
        ours = {
            kind: jiwer.wer(references, [row[f"bundle, stream, {name}"] for row in rows]) for kind, name in kinds.items()
        }
        results[table.stem] = {"clips": len(rows), "pocketsphinx": theirs, **ours}
        figures = " | ".join(f"{100 * figure:.1f}" for figure in [theirs, *ours.values()])
        print(f"| {table.stem:24} | {len(rows)} | {figures} |", flush=True)
    (options.run / "pocketsphinx.json").write_text(json.dumps(results, indent=1))


main()
