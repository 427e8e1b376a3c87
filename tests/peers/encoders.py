"""Golden numbers of the recogniser's encoders, with SpeechBrain's layers.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/encoders.py

Writes training/tests/golden/encoders.json: small nets with random weights, the log-probabilities of a padded batch, CTC
losses and their gradients. The Branchformer is SpeechBrain's BranchformerEncoderLayer with its convolution set to be
causal and our rotary attention; the HyperConformer is our Conformer with SpeechBrain's HyperMixing; the Conformer is
nets.py alone. Weights stand under the names of our nets and in their layout.
"""

import json
import pathlib

import nets
import torch
from speechbrain.lobes.models.transformer.Branchformer import BranchformerEncoderLayer
from speechbrain.nnet.CNN import Conv1d
from speechbrain.nnet.hypermixing import HyperMixing
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
VOCABULARY, PHONES = 5, 4
SIZES = {
    "bins": 4, "dim": 8, "layers": 2, "heads": 2, "feed_forward": 12, "kernel": 3, "channels": 6, "chunk": 2, "left": 2,
    "dropout": 0.0,
}  # fmt: skip
LENGTHS = [6, 4]
TOKENS, SOUNDS = [[1, 4], [2]], [[1, 2, 2], [3, 1]]


class RotaryAttention(nn.Module):
    """Our attention in the place of one of SpeechBrain's."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, x, *_, attn_mask, key_padding_mask, pos_embs):
        return self.attention(x, attn_mask, pos_embs), None


class Branchformer(nn.Module):
    def __init__(self, dim, heads, feed_forward, kernel):
        super().__init__()
        self.layer = BranchformerEncoderLayer(
            dim, heads, kernel_size=kernel, attention_type="regularMHA", csgu_linear_units=feed_forward
        )
        attention = nets.Attention(dim, heads, 0.0)
        attention.norm = nn.Identity()
        self.layer.mha_layer = RotaryAttention(attention)
        half = feed_forward // 2
        self.layer.convolution_branch.csgu.conv = Conv1d(
            input_shape=(None, None, half), out_channels=half, kernel_size=kernel, padding="causal", groups=half
        )

    def forward(self, x, mask, positions):
        return self.layer(x, src_mask=mask, pos_embs=positions)[0]


class Mixing(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.mixing = HyperMixing(dim, 4 * dim, num_heads=heads)

    def forward(self, x, _mask, _positions):
        x = self.norm(x)
        return self.mixing(x, x, x)[0]


# SpeechBrain's names within a block, and ours.
BRANCHFORMER = {
    "layer.norm_mhsa.norm": "attention.norm",
    "layer.mha_layer.attention": "attention",
    "layer.norm_conv.norm": "gating.norm",
    "layer.convolution_branch.pre_channel_proj": "gating.expand",
    "layer.convolution_branch.csgu.norm.norm": "gating.gate_norm",
    "layer.convolution_branch.csgu.conv.conv": "gating.depthwise",
    "layer.convolution_branch.post_channel_proj": "gating.out",
    "layer.merge_proj": "merge",
}
HYPERMIXING = {
    "attention.mixing.hyper.w1_gen": "attention.into",
    "attention.mixing.hyper.w2_gen": "attention.back",
    "attention.mixing.layer_norm": "attention.mixed",
}
PARTS = {
    "fc1_weights": "first",
    "fc1_biases": "first_bias",
    "fc2_weights": "second",
    "fc2_biases": "second_bias",
}


def build(kind):
    sizes = SIZES | ({"chunk": 6, "left": 0} if kind == "hyperconformer" else {})
    net = nets.Conformer(VOCABULARY, PHONES, **sizes)
    dim, heads = sizes["dim"], sizes["heads"]
    if kind == "branchformer":
        net.blocks = nn.ModuleList(
            Branchformer(dim, heads, sizes["feed_forward"], sizes["kernel"]) for _ in range(sizes["layers"])
        )
    if kind == "hyperconformer":
        for block in net.blocks:
            block.attention = Mixing(dim, heads)
    return net, sizes | {"kind": kind}


def named(kind, net, value):
    """Values of weights by the names of ours."""
    renamed = {"conformer": {}, "branchformer": BRANCHFORMER, "hyperconformer": HYPERMIXING}[kind]
    blocks = {"conformer": "blocks", "branchformer": "branches", "hyperconformer": "mixing"}[kind]
    result = {}
    for name, tensor in nets.ours(net, value).items():
        path, _, part = name.rpartition(".")
        if path.startswith("blocks."):
            _, number, inside = path.split(".", 2)
            theirs = max((key for key in renamed if f"{inside}.".startswith(f"{key}.")), key=len, default=None)
            inside = renamed[theirs] + inside[len(theirs) :] if theirs else inside
            path = f"{blocks}.{number}.{inside}"
        if part in PARTS:
            # (heads, out, in) as (heads, in, out)
            tensor = tensor.transpose(1, 2) if tensor.dim() == 3 else tensor
        result[f"{path}.{PARTS.get(part, part)}"] = tensor
    return result


def rounded(tensor):
    """Numbers of seven digits, which single precision holds and a file can be small with."""
    return [float(f"{value:.7g}") for value in tensor.detach().flatten().tolist()]


def golden(kind):
    net, sizes = build(kind)
    with torch.no_grad():
        for tensor in net.parameters():
            # Norms and gates of fresh weights would hide much.
            tensor.add_(0.2 * torch.randn(tensor.shape))
            tensor.copy_(torch.tensor(rounded(tensor)).reshape(tensor.shape))
    frames = max(LENGTHS)
    lengths = torch.tensor([frames, frames] if kind == "hyperconformer" else LENGTHS)
    features = torch.randn(len(LENGTHS), nets.LEFT_FEATURES + nets.SUBSAMPLING * frames, sizes["bins"])
    features = torch.tensor(rounded(features)).reshape(features.shape)
    tokens, phones, middle = net(features, lengths)
    halves = nets.PHONE_FRAMES * lengths
    targets, sounds = ([torch.tensor(labels) for labels in batch] for batch in (TOKENS, SOUNDS))
    loss = nets.ctc(tokens, targets, lengths) + nets.ctc(phones, sounds, halves) + nets.ctc(middle, sounds, halves)
    loss.backward()
    constants = {"mean": [0.0] * sizes["bins"], "scale": [1.0] * sizes["bins"]}
    values = {name: rounded(tensor) for name, tensor in named(kind, net, lambda tensor: tensor).items()}
    return {
        "sizes": sizes, "lengths": lengths.tolist(), "features": rounded(features), "tokens": rounded(tokens),
        "phones": rounded(phones), "middle": rounded(middle), "loss": loss.item(), "weights": values | constants,
        "gradients": {name: rounded(tensor) for name, tensor in named(kind, net, lambda t: t.grad).items()},
    }  # fmt: skip


torch.manual_seed(5)
path = ROOT / "training/tests/golden/encoders.json"
cases = [golden(kind) for kind in ("conformer", "branchformer", "hyperconformer")]
path.write_text(json.dumps({"targets": TOKENS, "sounds": SOUNDS, "cases": cases}, separators=(",", ":")) + "\n")
print(path, path.stat().st_size)
