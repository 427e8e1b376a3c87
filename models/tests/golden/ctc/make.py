"""Writes golden.json beside it: what others find in frames that the test makes by the same rule.

    pip install pyctcdecode==0.5.0 kenlm==0.3.0 pygtrie numpy && python make.py
"""
import collections, json, math, pathlib

import kenlm
import numpy as np
from pyctcdecode import build_ctcdecoder

here = pathlib.Path(__file__).parent
arpa = here.parent / "ngram" / "pruned.arpa"
texts = here.parent.joinpath("ngram", "sentences.txt").read_text().splitlines()
labels = ["", "~", " ", "'"] + [chr(c) for c in range(ord("a"), ord("z") + 1)]


def frames(text, seed):
    """Each character takes a frame, followed by a blank; all tokens get noise."""
    rows = []
    for c in text:
        for token in (labels.index(c), 0):
            row = []
            for i in range(len(labels)):
                seed = (seed * 1103515245 + 12345) % 2**31
                row.append(5 * seed / 2**31 + (4 if i == token else 0) - (100 if i == 1 else 0))
            rows.append(row)
    rows = np.array(rows)
    return rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))


def forward(log_probs, text):
    """The log probability of a text: the sum over its alignments (Graves et al. 2006, section 4.1)."""
    states = [0]
    for c in text:
        states += [labels.index(c), 0]
    alpha = np.full(len(states), -np.inf)
    alpha[:2] = log_probs[0, states[:2]]
    for row in log_probs[1:]:
        before = alpha.copy()
        for s in range(len(states)):
            sources = [before[s]] + [before[s - 1]] * (s > 0)
            if s > 1 and states[s] not in (0, states[s - 2]):
                sources.append(before[s - 2])
            alpha[s] = np.logaddexp.reduce(sources) + row[states[s]]
    return float(np.logaddexp(alpha[-1], alpha[-2]))


known = [line.split("\t")[1] for line in arpa.read_text().split("\\2-grams")[0].splitlines() if "\t" in line]
def search(log_probs, beam):
    """Prefix beam search as in Hannun et al. 2014, algorithm 1, without a language model."""
    entries = {(): (0.0, -np.inf)}
    for row in log_probs:
        following = collections.defaultdict(lambda: (-np.inf, -np.inf))
        for prefix, (blank, token) in entries.items():
            total = np.logaddexp(blank, token)
            b, t = following[prefix]
            following[prefix] = (np.logaddexp(b, total + row[0]), t)
            for c in range(2, len(labels)):
                if prefix and prefix[-1] == c:
                    b, t = following[prefix]
                    following[prefix] = (b, np.logaddexp(t, token + row[c]))
                longer = prefix + (c,)
                b, t = following[longer]
                source = blank if prefix and prefix[-1] == c else total
                following[longer] = (b, np.logaddexp(t, source + row[c]))
        kept = sorted(following.items(), key=lambda entry: -np.logaddexp(*entry[1]))[:beam]
        entries = dict(kept)
    prefix, both = kept[0]
    return "".join(labels[c] for c in prefix), float(np.logaddexp(*both))


alpha, beta, offset = 0.5, 1.0, -5.0
fused = build_ctcdecoder(labels, str(arpa), known, alpha=alpha, beta=beta, unk_score_offset=offset)
options = {"beam_width": 100, "beam_prune_logp": -30.0, "token_min_logp": -7.0}
model = kenlm.Model(str(arpa))


def added(text):
    unknown = [w for w in text.split() if w not in model]
    offsets = sum(offset * max(1, len(w) / 6) for w in unknown)
    return alpha * math.log(10) * (model.score(text) + offsets) + beta * len(text.split())


cases = []
for i, text in enumerate(texts[:24]):
    text = " ".join(text.split()[:5])
    logits = frames(text, i + 1)
    plain, plain_log_prob = search(logits, 50)
    b = fused.decode_beams(logits, **options)[0]
    # pyctcdecode's own scores leave out some alignments, and count a space at the end as a word, so that the scores of
    # its text are computed apart: by the forward algorithm and by KenLM.
    cases.append({"text": text, "seed": i + 1, "plain": plain, "plain_log_prob": plain_log_prob,
                  "fused": b[0], "fused_log_prob": forward(logits, b[0]), "fused_added": added(b[0])})
weights = {"lm_weight": alpha, "word_bonus": beta, "unknown_penalty": -alpha * offset * math.log(10)}
here.joinpath("golden.json").write_text(json.dumps({"weights": weights, "cases": cases}, indent=0))
