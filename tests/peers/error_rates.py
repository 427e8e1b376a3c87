"""Word and character error rates with their alignments, by SpeechBrain.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/error_rates.py

Writes models/tests/golden/text/speechbrain.json: what SpeechBrain's ErrorRateStats makes of the texts of jiwer.json beside
it, with the alignment of each pair as it prints them: references, kinds of edits, hypotheses.
"""

import io
import json
import pathlib

from speechbrain.dataio.wer import print_alignments
from speechbrain.utils.metric_stats import ErrorRateStats

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "models/tests/golden/text"


def printed(details):
    """The three lines of an alignment, with a tab between places and an empty symbol that has no width."""
    file = io.StringIO()
    print_alignments([details], file, empty_symbol="", separator="\t", print_header=False)
    return [[place.strip() for place in line.split("\t")] for line in file.getvalue().splitlines()]


def main():
    pairs = [(pair["reference"], pair["hypothesis"]) for pair in json.loads((FOLDER / "jiwer.json").read_text())["pairs"]]
    words, characters = ErrorRateStats(), ErrorRateStats(split_tokens=True)
    for stats in (words, characters):
        numbers = [str(number) for number in range(len(pairs))]
        stats.append(numbers, *([text.split() for text in texts] for texts in ([h for _, h in pairs], [r for r, _ in pairs])))
    golden = {
        "pairs": [
            {"reference": reference, "hypothesis": hypothesis, "wer": details["WER"], "alignment": printed(details)}
            for (reference, hypothesis), details in zip(pairs, words.scores, strict=True)
        ],
        "words": words.summarize(),
        "characters": characters.summarize(),
    }
    path = FOLDER / "speechbrain.json"
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{path}: {path.stat().st_size} bytes", golden["words"])


main()
