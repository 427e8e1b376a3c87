"""Sets a training step of ours beside the same step in PyTorch: `make bench-train`.

    pip install torch torchaudio speechbrain
    python tests/peers/training.py PROGRAM BACKEND... [--threads N] [--steps N]

Both train the net of a shipped recipe on a batch of the same sizes: forward, losses, backward, clipping of the
gradient and AdamW, in 32-bit floats on as many threads; ours in another precision where a backend names one
(`tch:bf16`). Ours runs the recipe itself (`rejoinder-train bench`) on clips of noise that this program makes. The peer
has the same net: nets.py for the Conformer and what stands beside it in a transducer, with torchaudio's rnnt_loss as
SpeechBrain has it; SpeechBrain's own ECAPA-TDNN, classifier and loss. Its features are drawn at random, ours are
computed. Ours and theirs take turns, each in a process of its own, and the best median counts, for a busy machine
tells less on it; so it does on processor time, which is given beside the clock's, with a ratio of its own. The loader,
which makes the next batches on a thread of its own, is timed with everything that the recipe does to clips; its share
is that of its time for a batch in a step's, and below 1 no step waits for it. `target/bench-train.json` has the table.
"""

import argparse
import csv
import json
import os
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import tomllib

RATE, WARMUP = 16_000, 2
RECIPES = pathlib.Path("configs/recipes")
TABLE = pathlib.Path("target/bench-train.json")
SYLLABLES = {c + v: [c.upper(), p] for c in "bdfgklmnprstvz" for v, p in {"a": "AA", "o": "OW", "i": "IY"}.items()}


def write_folder(folder, clips, seconds):
    """A prepared folder of noise, four clips of each speaker, said to be words of syllables. Returns the texts."""
    folder.mkdir(parents=True)
    drawn, length = random.Random(1), round(seconds * RATE)
    texts = []
    with (
        open(folder / "audio.pack", "wb") as pack,
        open(folder / "audio.index.csv", "w", newline="") as index,
        open(folder / "manifest.csv", "w", newline="") as manifest,
    ):
        pack.write(b"RJPACK01" + struct.pack("<II", RATE, 0))
        index, manifest = csv.writer(index), csv.writer(manifest)
        index.writerow(["ID", "start", "samples"])
        manifest.writerow(["ID", "duration", "wav", "spk_id", "wrd"])
        for clip in range(clips):
            pack.write(drawn.randbytes(2 * length))
            words = [drawn.choices(list(SYLLABLES), k=drawn.randint(1, 4)) for _ in range(round(2.5 * seconds))]
            texts.append(words)
            index.writerow([f"noise/{clip}", clip * length, length])
            row = [f"noise/{clip}", seconds, "audio.pack", f"s{clip // 4}", " ".join("".join(word) for word in words)]
            manifest.writerow(row)
    return texts


def never(**keys):
    return {key: f"{{ probability = 0.0, min = {value}, max = {value} }}" for key, value in keys.items()}


class Recogniser:
    """16 clips of 5 s, with losses at the last block for tokens and phones and at the middle one for phones."""

    recipe, clips, seconds = "asr/conformer_ctc.toml", 16, 5.0

    def settings(self, folder):
        texts = write_folder(folder / "clips", 20 * self.clips, self.seconds)
        (folder / "sets/words").mkdir(parents=True)
        words = {"".join(word): [p for s in word for p in SYLLABLES[s]] for words in texts for word in words}
        lines = [f"{word} {' '.join(phones)}\n" for word, phones in sorted(words.items())]
        (folder / "sets/words/words.dict").write_text("".join(lines))
        return {
            "run": folder / "run", "prepare.sets": folder / "sets", "prepare.out": folder, "phones.set": "words",
            "phones.dictionary": "words.dict", "phones.aligned_steps": 0, "data.valid": folder / "clips",
            "data.train": f"[{{ folder = {str(folder / 'clips')!r} }}]", "data.noise": folder / "clips",
            "loader.max_seconds": self.clips * self.seconds, "tokenizer.vocabulary": 256,
        }  # fmt: skip

    def fixed(self):
        """What keeps the clips' lengths."""
        return {f"augment.{key}": value for key, value in never(speed=1.0, pad_s=0.0).items()}

    def steps_before(self):
        return ["tokenizer"]

    def batch(self, recipe, folder):
        """Tokens and phones of each clip, encoder frames, features, and the number of tokens that there are."""
        import nets
        import torch

        config, chunk = recipe["net"], recipe["net"]["chunk"]
        pieces = dict(line.split() for line in (folder / "run/tokens.txt").read_text().splitlines())
        with open(folder / "clips/manifest.csv", newline="") as rows:
            texts = [row["wrd"] for row in csv.DictReader(rows)][: self.clips]
        tokens = [torch.tensor(spell(text, pieces)) for text in texts]
        # Two phones a syllable.
        phones = [torch.randint(1, 40, (sum(len(word) for word in text.split()),)) for text in texts]
        frames = -(-int(100 * self.seconds) // (nets.SUBSAMPLING * chunk)) * chunk
        lengths = torch.full((self.clips,), frames)
        features = torch.randn(self.clips, nets.LEFT_FEATURES + nets.SUBSAMPLING * frames, config["bins"])
        return tokens, phones, lengths, features, len(pieces)

    def ctc(self, recipe, net, x, middle, tokens, phones, lengths):
        """The losses at the last block and the middle one, with their weights."""
        import nets

        last, by_sound = net.heads(x)
        between, heard = recipe["intermediate_weight"], recipe["phones"]["weight"]
        return (
            (1 - between - heard) * nets.ctc(last, tokens, lengths)
            + heard * nets.ctc(by_sound, phones, nets.PHONE_FRAMES * lengths)
            + between * nets.ctc(middle, phones, nets.PHONE_FRAMES * lengths)
        )

    def peer(self, recipe, folder):
        import nets

        tokens, phones, lengths, features, vocabulary = self.batch(recipe, folder)
        net = nets.Conformer(vocabulary, 40, **recipe["net"])
        return net, lambda: self.ctc(recipe, net, *net.encode(features, lengths), tokens, phones, lengths)


class Transducer(Recogniser):
    """The same batch and encoder, with a prediction net and a joiner beside it."""

    recipe = "asr/conformer_transducer.toml"

    def peer(self, recipe, folder):
        import nets
        import torch
        from torchaudio.functional import rnnt_loss

        tokens, phones, lengths, features, vocabulary = self.batch(recipe, folder)
        counts = torch.tensor([len(row) for row in tokens], dtype=torch.int32)
        padded = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True)
        config, weight = recipe["transducer"]["joint"], recipe["transducer"]["ctc_weight"]
        encoder = nets.Conformer(vocabulary, 40, **recipe["net"])
        sizes = {"predictor_dim": config["predictor_dim"], "dim": config["dim"]}
        joint = nets.Joint(recipe["net"]["dim"], vocabulary, context=config["predictor"]["context"], **sizes)

        def loss():
            x, middle = encoder.encode(features, lengths)
            logits = joint(x, padded)
            own = rnnt_loss(logits, padded.int(), lengths.int(), counts, blank=0, reduction="sum") / counts.sum()
            return (1 - weight) * own + weight * self.ctc(recipe, encoder, x, middle, tokens, phones, lengths)

        return torch.nn.ModuleList([encoder, joint]), loss


class Speakers:
    """The recipe's batch: 32 clips of 1.6 s, told apart among 120 speakers at three speeds."""

    recipe, clips, seconds, speakers = "speaker/ecapa.toml", 32, 1.6, 120

    def settings(self, folder):
        write_folder(folder / "clips", 4 * self.speakers, 2 * self.seconds)
        clips = f"[{str(folder / 'clips')!r}]"
        return {
            "run": folder / "run", "data.train": clips, "data.valid": clips, "data.valid_speakers": 2, "data.valid_clips": 4,
            "data.noise": folder / "clips", "batches.clips": self.clips, "batches.crop_s": self.seconds,
        }  # fmt: skip

    def fixed(self):
        return {}

    def steps_before(self):
        return []

    def peer(self, recipe, _folder):
        import torch
        from speechbrain.lobes.models import ECAPA_TDNN as ecapa
        from speechbrain.nnet.losses import AdditiveAngularMargin, LogSoftmaxWrapper
        from speechbrain.processing.features import InputNormalization

        config = recipe["net"]
        channels = 4 * [config["channels"]] + [config["mfa_channels"]]
        encoder = ecapa.ECAPA_TDNN(
            80, lin_neurons=config["lin_neurons"], channels=channels, attention_channels=config["attention_channels"],
            se_channels=config["se_channels"],
        )  # fmt: skip
        known = self.speakers * len(recipe["batches"]["speeds"])
        classifier = ecapa.Classifier(config["lin_neurons"], out_neurons=known)
        margin = LogSoftmaxWrapper(AdditiveAngularMargin(recipe["loss"]["margin"], recipe["loss"]["scale"]))
        normalise = InputNormalization(norm_type="sentence", std_norm=False)
        features = torch.randn(self.clips, int(100 * self.seconds) + 1, 80)
        lengths, targets = torch.ones(self.clips), torch.randint(known, (self.clips, 1))
        net = torch.nn.ModuleList([encoder, classifier])
        return net, lambda: margin(classifier(encoder(normalise(features, lengths))), targets)


BENCHES = {"conformer_ctc": Recogniser(), "transducer": Transducer(), "ecapa": Speakers()}


def read_recipe(path):
    """A recipe over the one that it includes, table by table."""
    recipe = tomllib.loads(path.read_text())
    included = recipe.pop("include", None)
    base = read_recipe(path.parent / included) if included else {}
    tables = {key: base[key] | value for key, value in recipe.items() if isinstance(value, dict) and key in base}
    return base | recipe | tables


def spell(text, pieces):
    """The longest pieces from the left on: about as many as the tokenizer finds."""
    tokens, rest = [], "".join(f"\u2581{word}" for word in text.split())
    while rest:
        piece = next((rest[:n] for n in range(len(rest), 0, -1) if rest[:n] in pieces), rest[0])
        tokens.append(int(pieces.get(piece, 1)))
        rest = rest[len(piece) :]
    return tokens


def memory_mib(key):
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split(f"{key}:")[1].split()[0]) / 1024


def time_peer(bench, folder, steps):
    """One turn of the peer, in this process."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(1)
    recipe = read_recipe(RECIPES / bench.recipe)
    train = recipe["train"]
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = memory_mib("VmRSS")
    net, loss = bench.peer(recipe, folder)
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=train["learning_rate"], betas=(0.9, train.get("beta_2", 0.98)), eps=1e-8,
        weight_decay=train.get("weight_decay", 0.01),
    )  # fmt: skip
    laps, spent = [], []
    for _ in range(WARMUP + steps):
        began, before_cpu = time.perf_counter(), time.process_time()
        loss().backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), train.get("max_grad_norm", 5.0))
        optimizer.step()
        optimizer.zero_grad()
        laps.append(1e3 * (time.perf_counter() - began))
        spent.append(1e3 * (time.process_time() - before_cpu))
    laps = sorted(laps[WARMUP:])
    return {
        # Running statistics count, as in ours.
        "parameters": sum(p.numel() for p in net.state_dict().values() if p.is_floating_point()),
        "step_ms": statistics.median(laps), "step_p95_ms": laps[round(0.95 * (len(laps) - 1))],
        "cpu_ms": statistics.median(spent[WARMUP:]), "peak_mib": memory_mib("VmHWM") - before,
    }  # fmt: skip


def environment(threads):
    return os.environ | {"RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}


def ours(options, step, bench, settings, *more):
    pairs = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = [options.program, step, RECIPES / bench.recipe, *more, *pairs]
    libraries = ":".join(path for path in (options.libraries, os.environ.get("LD_LIBRARY_PATH")) if path)
    subprocess.run(command, check=True, env=environment(options.threads) | {"LD_LIBRARY_PATH": libraries})


def time_ours(options, bench, settings, folder, backend, steps):
    backend, _, precision = backend.partition(":")
    settings = settings | {"train.backend": backend, "train.precision": precision or "fp32"}
    path = folder / "timing.json"
    ours(options, "bench", bench, settings, "--steps", str(steps), "--json", path)
    return json.loads(path.read_text())


def least(turns, key):
    return min(turn[key] for turn in turns)


def measure(name, bench, options, folder):
    """The rows of a recipe, one for each backend."""
    settings = bench.settings(folder)
    for step in bench.steps_before():
        ours(options, step, bench, settings)
    fixed = settings | bench.fixed()
    own, theirs = {backend: [] for backend in options.backends}, []
    for _ in range(options.turns):
        for backend in options.backends:
            own[backend].append(time_ours(options, bench, fixed, folder, backend, options.steps))
        command = [sys.executable, __file__, "--peer", name, "--folder", folder, "--steps", str(options.steps)]
        found = subprocess.run(command, check=True, env=environment(options.threads), stdout=subprocess.PIPE)
        theirs.append(json.loads(found.stdout))
    # With everything that the recipe does to clips.
    loader = time_ours(options, bench, settings, folder, options.backends[-1], 8)
    peer = min(theirs, key=lambda turn: turn["step_ms"])
    for backend, turns in own.items():
        best = min(turns, key=lambda turn: turn["step_ms"])
        yield {
            "recipe": name, "backend": backend, "threads": options.threads, "parameters": best["parameters"],
            "peer_parameters": peer["parameters"], "batch": f"{bench.clips} x {bench.seconds} s",
            "ours_ms": best["step_ms"], "ours_p95_ms": best["step_p95_ms"], "forward_ms": best["forward_ms"],
            "backward_ms": best["backward_ms"], "update_ms": best["update_ms"], "peer_ms": peer["step_ms"],
            "peer_p95_ms": peer["step_p95_ms"], "ratio": best["step_ms"] / peer["step_ms"],
            "ours_cpu_ms": least(turns, "cpu_ms"), "peer_cpu_ms": least(theirs, "cpu_ms"),
            "cpu_ratio": least(turns, "cpu_ms") / least(theirs, "cpu_ms"),
            "ours_peak_mib": best["peak_mib"], "peer_peak_mib": peer["peak_mib"],
            "audio_s_per_s": 1e3 * bench.clips * bench.seconds / best["step_ms"],
            "peer_audio_s_per_s": 1e3 * bench.clips * bench.seconds / peer["step_ms"], "loader_ms": loader["load_ms"],
            "loader_share": loader["load_ms"] / loader["step_ms"],
        }  # fmt: skip


def show(rows):
    print(
        "| recipe | backend | ours, ms | p95 | peer, ms | p95 | ratio | processor: ours, ms | peer, ms | ratio "
        "| ours, MiB | peer, MiB | ours, s/s | peer, s/s | loader, ms | share |"
    )
    print("| --- | --- " + 14 * "| ---: " + "|")
    for row in rows:
        print(
            f"| {row['recipe']} | {row['backend']} | {row['ours_ms']:.0f} | {row['ours_p95_ms']:.0f} "
            f"| {row['peer_ms']:.0f} | {row['peer_p95_ms']:.0f} | {row['ratio']:.2f} | {row['ours_cpu_ms']:.0f} "
            f"| {row['peer_cpu_ms']:.0f} | {row['cpu_ratio']:.2f} | {row['ours_peak_mib']:.0f} "
            f"| {row['peer_peak_mib']:.0f} | {row['audio_s_per_s']:.0f} | {row['peer_audio_s_per_s']:.0f} "
            f"| {row['loader_ms']:.0f} | {row['loader_share']:.2f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", help="rejoinder-train")
    parser.add_argument("backends", nargs="*", help="such as flex, tch and tch:bf16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=8, help="steps that count in each turn")
    parser.add_argument("--turns", type=int, default=3, help="times that ours and theirs take turns")
    parser.add_argument("--libraries", default="", help="where PROGRAM finds shared libraries, such as libtorch")
    parser.add_argument("--only", choices=BENCHES)
    parser.add_argument("--peer", choices=BENCHES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        print(json.dumps(time_peer(BENCHES[options.peer], options.folder, options.steps)))
        return
    options.backends = options.backends or ["flex"]
    rows = []
    for name, bench in BENCHES.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                rows += measure(name, bench, options, pathlib.Path(folder))
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(json.dumps(rows, indent=1) + "\n")
    show(rows)


main()
