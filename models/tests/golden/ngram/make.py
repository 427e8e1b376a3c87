"""Writes golden.json beside it from sentences.txt and pruned.arpa.

    REJOINDER_WRITE_GOLDEN=1 cargo test -p rejoinder-models --test ngram the_arpa
    pip install kenlm==0.3.0 && python make.py

The estimates come straight from the formulas of Chen and Goodman (1999), one word at a time, without any table of
probabilities; KenLM scores sentences with pruned.arpa, a model that is ours.
"""
import collections, json, math, pathlib, random, re

here = pathlib.Path(__file__).parent
text = here.joinpath("sentences.txt").read_text().splitlines()
random.seed(2)


def estimate(order):
    lines = [["<s>", *line.split(), "</s>"] for line in text]
    raw = [collections.Counter() for _ in range(order + 1)]
    for line in lines:
        for n in range(1, order + 1):
            raw[n].update(tuple(line[i:i + n]) for i in range(len(line) - n + 1))
    counts = [None] * (order + 1)
    counts[order] = dict(raw[order])
    for n in range(1, order):
        before = collections.defaultdict(set)
        for gram in raw[n + 1]:
            before[gram[1:]].add(gram[0])
        counts[n] = {g: (c if g[0] == "<s>" else len(before[g])) for g, c in raw[n].items()}
    counts[1].pop(("<s>",), None)
    vocabulary = {w for (w,) in counts[1]} | {"<unk>", "</s>"}

    discounts = [None] * (order + 1)
    for n in range(1, order + 1):
        times = collections.Counter(counts[n].values())
        y = times[1] / (times[1] + 2 * times[2])
        discounts[n] = [0] + [j - (j + 1) * y * times[j + 1] / times[j] for j in (1, 2, 3)]
    after = [collections.defaultdict(dict) for _ in range(order + 1)]
    for n in range(1, order + 1):
        for gram, c in counts[n].items():
            after[n][gram[:-1]][gram[-1]] = c

    def probability(context, word):
        n = len(context) + 1
        following = after[n].get(context, {})
        lower = probability(context[1:], word) if context else 1 / len(vocabulary)
        if not following:
            return lower
        total = sum(following.values())
        d = discounts[n]
        gamma = sum(d[min(c, 3)] for c in following.values()) / total
        c = following.get(word, 0)
        return max(c - d[min(c, 3)], 0) / total + gamma * lower

    scores = []
    for line in random.sample(lines, 12):
        for i in range(1, len(line)):
            word = random.choice(sorted(vocabulary)) if random.random() < 0.2 else line[i]
            context = line[max(0, i - order + 1):i]
            scores.append([line[1:i], word, math.log(probability(tuple(context), word))])
    return {"order": order, "scores": scores}


golden = {"estimates": [estimate(2), estimate(3)]}
import kenlm
model = kenlm.Model(str(here.joinpath("pruned.arpa")))
texts = text[::10] + ["the zebra of the prison", "", "unheardof wordsare here", "of the"]
golden["kenlm"] = [
    {"text": t, "log10": model.score(t), "unknown": sum(w not in model for w in t.split())} for t in texts
]
here.joinpath("golden.json").write_text(json.dumps(golden, indent=0))
