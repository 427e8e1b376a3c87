"""Golden numbers of the Transformers over tokens, with SpeechBrain's layers and loss.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/transformer.py

Writes training/tests/golden/transformer.json: SpeechBrain's TransformerDecoder over the frames of a padded batch, and its
causal TransformerEncoder as a language model, with random weights: log probabilities, the loss with smoothed labels, and
its gradients. Weights stand under the names of our nets and in their layout.
"""

import json
import pathlib

import torch
from speechbrain.lobes.models.transformer.Transformer import (
    NormalizedEmbedding,
    PositionalEncoding,
    TransformerDecoder,
    TransformerEncoder,
    get_lookahead_mask,
)
from speechbrain.nnet.losses import kldiv_loss
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
VOCABULARY, DIM, LAYERS, HEADS, FEED_FORWARD, FRAMES = 6, 8, 2, 2, 12, 5
LENGTHS = [5, 3]
# The last token is none of them: its number is the padding of SpeechBrain's loss.
TOKENS = [[3, 1, 1, 4], [2, 3]]


def rounded(tensor):
    """Numbers of seven digits, which single precision holds and a file can be small with."""
    return [float(f"{value:.7g}") for value in tensor.detach().flatten().tolist()]


class Net(nn.Module):
    def __init__(self, looks):
        super().__init__()
        self.looks = looks
        stack = TransformerDecoder if looks else TransformerEncoder
        self.stack = stack(
            num_layers=LAYERS, nhead=HEADS, d_ffn=FEED_FORWARD, d_model=DIM, activation=nn.GELU, normalize_before=True
        )
        self.embedding, self.positions = NormalizedEmbedding(DIM, VOCABULARY), PositionalEncoding(DIM)
        self.out = nn.Linear(DIM, VOCABULARY)
        for parameter in self.parameters():
            parameter.data = torch.tensor(rounded(parameter.data + 0.2 * torch.randn_like(parameter))).view_as(parameter)

    def forward(self, tokens, frames):
        x = self.embedding(tokens)
        x, mask = x + self.positions(x), get_lookahead_mask(tokens)
        if self.looks:
            hidden = torch.arange(FRAMES) >= torch.tensor(LENGTHS).unsqueeze(1)
            x = self.stack(x, frames, tgt_mask=mask, memory_key_padding_mask=hidden)[0]
        else:
            x = self.stack(x, src_mask=mask)[0]
        return self.out(x).log_softmax(-1)


def ours(net, value):
    """A value of each weight, such as its gradient, by the names of our net."""
    named = {"embedding.weight": value(net.embedding.emb.Embedding.weight)}

    def linear(name, weight, bias):
        named[f"{name}.weight"], named[f"{name}.bias"] = weight.T, bias

    def norm(name, layer):
        named[f"{name}.gamma"], named[f"{name}.beta"] = value(layer.norm.weight), value(layer.norm.bias)

    linear("out", value(net.out.weight), value(net.out.bias))
    norm("norm", net.stack.norm)
    for number, layer in enumerate(net.stack.layers):
        path = f"layers.{number}"
        own = (layer.self_attn if net.looks else layer.self_att).att
        linear(f"{path}.query_key_value", value(own.in_proj_weight), value(own.in_proj_bias))
        linear(f"{path}.out", value(own.out_proj.weight), value(own.out_proj.bias))
        norm(f"{path}.norm", layer.norm1)
        if net.looks:
            cross = layer.multihead_attn.att
            weight, bias = value(cross.in_proj_weight), value(cross.in_proj_bias)
            linear(f"{path}.cross.query", weight[:DIM], bias[:DIM])
            linear(f"{path}.cross.key_value", weight[DIM:], bias[DIM:])
            linear(f"{path}.cross.out", value(cross.out_proj.weight), value(cross.out_proj.bias))
            norm(f"{path}.cross.norm", layer.norm2)
        norm(f"{path}.feed_norm", layer.norm3 if net.looks else layer.norm2)
        for name, part in [("expand", layer.pos_ffn.ffn[0]), ("contract", layer.pos_ffn.ffn[3])]:
            linear(f"{path}.{name}", value(part.weight), value(part.bias))
    return {name: rounded(tensor.contiguous()) for name, tensor in named.items()}


def case(looks, smoothing):
    net, frames = Net(looks), torch.tensor(rounded(torch.randn(2, FRAMES, DIM))).view(2, FRAMES, DIM)
    places = max(map(len, TOKENS)) + 1
    tokens = torch.tensor([[0, *tokens] + [0] * (places - 1 - len(tokens)) for tokens in TOKENS])
    log_probs = net(tokens, frames)
    # Ours end a sentence with number 0: all numbers move up, and the last is SpeechBrain's padding.
    targets = torch.tensor([[token + 1 for token in [*tokens, 0]] + [0] * (places - 1 - len(tokens)) for tokens in TOKENS])
    loss = kldiv_loss(log_probs.roll(1, -1), targets, label_smoothing=smoothing, reduction="sum")
    loss = loss / sum(len(tokens) + 1 for tokens in TOKENS)
    loss.backward()
    return {
        "looks": looks,
        "smoothing": smoothing,
        "frames": rounded(frames),
        "log_probs": rounded(log_probs),
        "loss": float(loss),
        "weights": ours(net, lambda weight: weight.detach()),
        "gradients": ours(net, lambda weight: weight.grad),
    }


def main():
    torch.manual_seed(17)
    golden = {
        "config": {"dim": DIM, "layers": LAYERS, "heads": HEADS, "feed_forward": FEED_FORWARD, "dropout": 0.0},
        "vocabulary": VOCABULARY,
        "lengths": LENGTHS,
        "tokens": TOKENS,
        "cases": [case(True, 0.1), case(False, 0.05)],
    }
    path = ROOT / "training/tests/golden/transformer.json"
    path.write_text(json.dumps(golden) + "\n")
    print(f"{path}: {path.stat().st_size} bytes", [case["loss"] for case in golden["cases"]])


if __name__ == "__main__":
    main()
