"""Manifests as SpeechBrain's preparing scripts write them.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/manifests.py

Writes training/tests/golden/manifests/entries.{csv,json}: the same entries in both forms, by `csv.writer` and
`json.dump(indent=2)`, with which the scripts of its recipes write theirs, and checks that its readers take both as equal.
"""

import csv
import json
import pathlib

from speechbrain.dataio.dataio import load_data_csv, load_data_json

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "training/tests/golden/manifests"
ENTRIES = {
    "set/plain": {"duration": 1.25, "wav": "/sets/a.wav", "spk_id": "s1", "wrd": "one two"},
    "set/whole": {"duration": 3.0, "wav": "/sets/b.wav", "spk_id": "", "wrd": 'say "hello", \\ then go'},
    "set/short": {"duration": 1 / 16000, "wav": "/sets/c.wav", "spk_id": "s2", "wrd": "it's"},
    "set/tenth": {"duration": 0.1 + 0.2, "wav": "/sets/d.wav", "spk_id": "s2", "wrd": "où est l\u2019hôtel"},
    "set/long": {"duration": 123456.789, "wav": "/sets/e.wav", "spk_id": "说话人", "wrd": "而 对 楼市 \U0001f3e0 \x7f"},
}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "entries.json", "w", encoding="utf-8") as file:
        json.dump(ENTRIES, file, indent=2)
    columns = ["duration", "wav", "spk_id", "wrd"]
    with open(FOLDER / "entries.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ID", *columns])
        writer.writerows([id, *(entry[column] for column in columns)] for id, entry in ENTRIES.items())
    assert load_data_json(FOLDER / "entries.json") == load_data_csv(FOLDER / "entries.csv") == ENTRIES


main()
