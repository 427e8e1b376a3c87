"""How far our modules are from SpeechBrain's and PyTorch's: `make parity`.

    pip install torch torchaudio speechbrain
    python tests/peers/parity.py

Makes the golden files of features, nets, losses, searches, schedules and figures anew with the packages that are installed
(but for those of scores.py, which asks for NIST's md-eval.pl), runs the tests that compare ours with them, and writes their
figures to tests/peers/parity.md.
"""

import importlib.metadata
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MAKERS = [
    "adapters.py", "attention.py", "encoders.py", "error_rates.py", "fbank.py", "losses.py", "optimizers.py", "schedules.py",
    "separation.py", "speaker.py", "transducer.py", "transformer.py",
]  # fmt: skip
TESTS = [
    "adapters", "alignments", "attention", "encoders", "features", "losses", "schedules", "score", "separators",
    "speaker", "text", "transformer",
]  # fmt: skip
# A recipe run whole, beside which there is no peer.
OTHERS = ["a_tiny_attention_decoder_is_learnt_by_heart_exported_and_heard"]


def main():
    for maker in MAKERS:
        subprocess.run([sys.executable, HERE / maker], check=True)
    command = ["cargo", "test", "--workspace", *(part for test in TESTS for part in ("--test", test))]
    options = ["--nocapture", *(part for test in OTHERS for part in ("--skip", test))]
    tests = subprocess.run([*command, "--", *options], check=True, stderr=subprocess.PIPE, text=True, cwd=HERE)
    rows = sorted(line.split(" | ", 1)[1] for line in tests.stderr.splitlines() if line.startswith("parity | "))
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "speechbrain"))
    text = (
        f"# Parity\n\nBy `make parity`, with {versions}. The same random weights stand in both; the largest difference is "
        "given as a share of the\nvalue where that is above 1, and for gradients as a share of the largest of their "
        "tensor.\n\n| ours | theirs | what | largest difference |\n| --- | --- | --- | ---: |\n"
    )
    (HERE / "parity.md").write_text(text + "".join(f"| {row} |\n" for row in rows))
    print(text + "\n".join(rows))


main()
