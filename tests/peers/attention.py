"""Golden numbers of the joint search of CTC and an attention decoder, with SpeechBrain's beam searcher and scorers.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/attention.py

Writes models/tests/golden/attention.json: random logits of CTC, of a decoder and of a language model that look at the last
token and at the number of tokens, what SpeechBrain finds with them, and its CTC prefix scores. Our number 0 begins and ends
a sentence; SpeechBrain has numbers of their own for both, which no frame of CTC says.
"""

import json
import pathlib

import torch
from speechbrain.decoders.ctc import CTCPrefixScore
from speechbrain.decoders.scorer import BaseScorerInterface, CoverageScorer, CTCScorer, LengthScorer, ScorerBuilder
from speechbrain.decoders.seq2seq import S2SBeamSearcher

ROOT = pathlib.Path(__file__).resolve().parents[2]
FRAMES, TOKENS = 10, 7
BOS, EOS = TOKENS, TOKENS + 1
NEVER = -1e4


def rounded(tensor):
    return torch.tensor([float(f"{value:.5g}") for value in tensor.flatten().tolist()]).reshape(tensor.shape)


class Table:
    """Logits by the last token and by the number of tokens."""

    def __init__(self, scale, end):
        self.last = rounded(scale * torch.randn(TOKENS, TOKENS))
        self.place = rounded(scale * torch.randn(FRAMES + 1, TOKENS))
        self.place[:, 0] = rounded(end * (torch.arange(FRAMES + 1) - 4.0))
        self.look = rounded(2.0 * torch.randn(TOKENS, FRAMES))

    def row(self, tokens, count):
        last = torch.where(tokens >= TOKENS, 0, tokens)
        logits = self.last[last] + self.place[count]
        never = torch.full((len(tokens), 1), NEVER)
        # The numbers of SpeechBrain: blank, tokens, begin, end.
        return torch.cat([never, logits[:, 1:], never, logits[:, :1]], 1).log_softmax(1), self.look[last].softmax(1)

    def report(self, look):
        return {"last": self.last.tolist(), "place": self.place.tolist(), "look": self.look.tolist() if look else []}


class TransformerLMScorer(BaseScorerInterface):
    def __init__(self, table, temperature):
        self.table, self.temperature = table, temperature

    def reset_mem(self, x, enc_lens):
        self.count = 0

    def score(self, inp_tokens, memory, candidates, attn):
        self.count += 1
        log_probs = self.table.row(inp_tokens, self.count - 1)[0]
        return (log_probs / self.temperature).log_softmax(1), None


class Searcher(S2SBeamSearcher):
    def __init__(self, table, temperature, **options):
        super().__init__(bos_index=BOS, eos_index=EOS, **options)
        self.table, self.temperature = table, temperature

    def set_n_out(self):
        return TOKENS + 2

    def reset_mem(self, batch_size, device):
        self.count = 0

    def permute_mem(self, memory, index):
        return memory

    def forward_step(self, inp_tokens, memory, enc_states, enc_lens):
        self.count += 1
        log_probs, attention = self.table.row(inp_tokens, self.count - 1)
        return (log_probs / self.temperature).log_softmax(1), memory, attention


def scorer(lm, config):
    full = [TransformerLMScorer(lm, config.get("lm_temperature", 1.0))]
    weights = {"transformerlm": config["lm_weight"]}
    if config.get("coverage_weight"):
        full.append(CoverageScorer(TOKENS + 2, threshold=config["coverage_threshold"]))
        weights["coverage"] = config["coverage_weight"]
    if config.get("token_bonus"):
        full.append(LengthScorer(TOKENS + 2))
        weights["length"] = config["token_bonus"]
    partial = [CTCScorer(lambda x: x, blank_index=0, eos_index=EOS)] if config["ctc_weight"] else []
    if partial:
        weights["ctc"] = config["ctc_weight"]
    scale = config["candidates"] / config["beam"]
    return ScorerBuilder(weights=weights, full_scorers=full, partial_scorers=partial, scorer_beam_scale=scale)


def find(decoder, lm, ctc, config):
    searcher = Searcher(
        decoder,
        config.get("temperature", 1.0),
        min_decode_ratio=config.get("min_ratio", 0.0),
        max_decode_ratio=1.0,
        beam_size=config["beam"],
        length_normalization=config["normalize_length"],
        using_eos_threshold="end_threshold" in config,
        eos_threshold=config.get("end_threshold", 1.5),
        scorer=scorer(lm, config),
    )
    tokens, lengths, scores, _ = searcher(ctc.unsqueeze(0).clone(), torch.ones(1))
    return {"config": config, "tokens": list(map(int, tokens[0])), "score": float(scores[0])}


def prefix_scores(ctc, path):
    scorer = CTCPrefixScore(ctc.log_softmax(1).unsqueeze(0).clone(), torch.tensor([FRAMES]), 0, EOS)
    tokens, state, rows = torch.tensor([BOS]), None, []
    for token in path:
        scores, state = scorer.forward_step(tokens, state)
        rows.append([float(scores[0, EOS]), *scores[0, 1:TOKENS].tolist()])
        tokens, state = torch.tensor([token]), scorer.permute_mem(state, torch.tensor([[token]]))
    return path, rows


def main():
    torch.manual_seed(5)
    decoder, lm = Table(1.2, 0.8), Table(0.7, 0.5)
    never = torch.full((FRAMES, 2), NEVER)
    ctc = torch.cat([rounded(1.5 * torch.randn(FRAMES, TOKENS)), never], 1)
    plain = {"beam": 4, "candidates": 6, "ctc_weight": 0.4, "lm_weight": 0.5, "normalize_length": False}
    configs = [
        plain,
        plain | {"beam": 2, "candidates": 4},
        plain | {"ctc_weight": 0.0, "lm_weight": 0.0},
        plain | {"normalize_length": True},
        plain | {"ctc_weight": 0.0, "lm_weight": 0.0, "end_threshold": 1.2},
        plain | {"min_ratio": 0.6},
        plain | {"token_bonus": 1.5},
        plain | {"coverage_weight": 1.5, "coverage_threshold": 0.2},
        plain | {"temperature": 1.6, "lm_temperature": 1.3},
    ]
    golden = {
        "frames": FRAMES,
        "ctc": rounded(ctc.log_softmax(1)[:, :TOKENS]).flatten().tolist(),
        "decoder": decoder.report(True),
        "lm": lm.report(False),
        "cases": [find(decoder, lm, ctc, config) for config in configs],
        "prefix": prefix_scores(ctc, [3, 3, 1, 5]),
    }
    for case in golden["cases"]:
        print(case)
    text = json.dumps(json.loads(json.dumps(golden), parse_float=lambda value: float(f"{float(value):.7g}")))
    path = ROOT / "models/tests/golden/attention.json"
    path.write_text(text + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
