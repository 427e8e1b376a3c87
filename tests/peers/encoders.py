"""Golden numbers of the recogniser's encoders, with SpeechBrain's layers.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/encoders.py

Writes training/tests/golden/encoders.json: small nets with random weights, the log-probabilities of a padded batch, CTC
losses and their gradients. All have SpeechBrain's InputNormalization; all but the CRDNN its ConvolutionFrontEnd, unpadded
over time. The Conformer is SpeechBrain's ConformerEncoderLayer, causal, with its RoPEMHA; nets.py, with the same weights, must
say the same. That in frames of 40 ms has their front end over time and frequency and their dynamic chunk convolution, the
Transformer is TransformerEncoderLayer with RoPEMHA. The HyperConformer has HyperMixing there; the Branchformer is BranchformerEncoderLayer with its convolution set to be
causal and RoPEMHA; the CRDNN has CNN_Block, with convolutions that are unpadded over time, LSTM and DNN_Block, with layer norm for batch norm. Weights
stand under the names of our nets and in their layout.
"""

import json
import math
import pathlib
import re

import nets
import torch
from speechbrain.lobes.models.CRDNN import CNN_Block, DNN_Block
from speechbrain.lobes.models.convolution import ConvolutionFrontEnd
from speechbrain.lobes.models.transformer.Branchformer import BranchformerEncoderLayer
from speechbrain.lobes.models.transformer.Conformer import ConformerEncoderLayer
from speechbrain.lobes.models.transformer.Transformer import TransformerEncoderLayer
from speechbrain.nnet.attention import RoPEMHA
from speechbrain.nnet.CNN import Conv1d
from speechbrain.nnet.hypermixing import HyperMixing
from speechbrain.nnet.linear import Linear
from speechbrain.nnet.normalization import LayerNorm
from speechbrain.nnet.pooling import Pooling1d
from speechbrain.nnet.RNN import LSTM
from speechbrain.processing.features import InputNormalization
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch import nn
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]
VOCABULARY, PHONES = 5, 4
SIZES = {
    "bins": 4, "dim": 8, "layers": 2, "heads": 2, "feed_forward": 12, "kernel": 3, "channels": 6, "chunk": 2, "left": 2,
    "dropout": 0.0,
}  # fmt: skip
LENGTHS = [6, 4]
TOKENS, SOUNDS = [[1, 4], [2]], [[1, 2, 2], [3, 1]]


class Front(nn.Module):
    def __init__(self, bins, channels, dim):
        super().__init__()
        every = {"out_channels": channels, "kernel_sizes": 3, "strides": 2, "residuals": False}
        self.layers = ConvolutionFrontEnd(
            (None, None, bins), num_layers_per_block=1, conv_module=Conv1d, activation=nn.SiLU, norm=None, dropout=0.0,
            padding="valid", **{name: 3 * [value] for name, value in every.items()},
        )  # fmt: skip
        self.out = nn.Linear(channels, dim)

    def forward(self, x):
        return self.out(self.layers(x))


class Mirrored(nn.Module):
    """A convolution of SpeechBrain's over frames that are given, and bins mirrored at the edge, as it has them."""

    def __init__(self, conv):
        super().__init__()
        conv.padding = "valid"
        self.conv = conv

    def forward(self, x):
        return self.conv(F.pad(x, (0, 0, 1, 1) if x.dim() == 4 else (1, 1), mode="reflect"))


class Front2d(nn.Module):
    def __init__(self, bins, channels, dim):
        super().__init__()
        every = {"kernel_sizes": 3, "strides": 2, "residuals": False}
        self.layers = ConvolutionFrontEnd(
            (None, None, bins), num_blocks=2, num_layers_per_block=1, out_channels=[channels, channels // 2], dropout=0.0,
            **{name: 2 * [value] for name, value in every.items()},
        )  # fmt: skip
        for block in self.layers.values():
            block.convs["conv_0"] = Mirrored(block.convs["conv_0"])
        self.out = nn.Linear(bins // 4 * (channels // 2), dim)

    def forward(self, x):
        return self.out(self.layers(x).flatten(2))


class RotaryAttention(nn.Module):
    """SpeechBrain's attention with rotary positions, whose weights follow from ours.

    Its pairs are neighbours where ours are halves of a head, its scores are scaled by the width of all heads where ours are by
    that of each, and it has no biases: ours are zero.
    """

    def __init__(self, dim, heads):
        super().__init__()
        self.attention = nets.Attention(dim, heads, 0.0)
        self.attention.norm = nn.Identity()
        # In a tuple, its weights are no weights of the net.
        self.theirs = (RoPEMHA(dim, heads),)

    def forward(self, x, *_, attn_mask, key_padding_mask, pos_embs):
        theirs, out = self.theirs[0], self.attention.out
        heads, width = theirs.num_heads, theirs.head_dim
        q, k, v = self.attention.query_key_value.weight.view(3, heads, width, -1)
        neighbours = torch.arange(width).view(2, -1).T.flatten()
        joined = torch.cat([q[:, neighbours] * heads**0.5, k[:, neighbours], v], dim=1)
        weights = {"in_proj_weight": joined.flatten(0, 1), "out_proj.weight": out.weight, "out_proj.bias": out.bias}

        def attend(x, mask):
            return torch.func.functional_call(theirs, weights, (x, x, x), {"attn_mask": ~mask[0]})[0]

        # Each clip by itself, since a mask is one for all clips there.
        return torch.cat([attend(one[None], mask) for one, mask in zip(x, attn_mask, strict=True)]), None


class Branchformer(nn.Module):
    def __init__(self, dim, heads, feed_forward, kernel):
        super().__init__()
        self.layer = BranchformerEncoderLayer(
            dim, heads, kernel_size=kernel, attention_type="regularMHA", csgu_linear_units=feed_forward
        )
        self.layer.mha_layer = RotaryAttention(dim, heads)
        half = feed_forward // 2
        self.layer.convolution_branch.csgu.conv = Conv1d(
            input_shape=(None, None, half), out_channels=half, kernel_size=kernel, padding="causal", groups=half
        )

    def forward(self, x, mask, positions):
        return self.layer(x, src_mask=mask, pos_embs=positions)[0]


class Conformer(nn.Module):
    """`chunk` is that of the convolution, which is causal without one."""

    def __init__(self, dim, heads, feed_forward, kernel, mixing, chunk):
        super().__init__()
        self.layer = ConformerEncoderLayer(
            dim, feed_forward, heads, kernel_size=kernel, causal=chunk is None, attention_type="regularMHA"
        )
        self.layer.mha_layer = HyperMixing(dim, 4 * dim, num_heads=heads) if mixing else RotaryAttention(dim, heads)
        self.chunks = None if chunk is None else DynChunkTrainConfig(chunk)

    def forward(self, x, mask, positions):
        return self.layer(x, src_mask=mask, pos_embs=positions, dynchunktrain_config=self.chunks)[0]


class Transformer(nn.Module):
    def __init__(self, dim, heads, feed_forward):
        super().__init__()
        self.layer = TransformerEncoderLayer(feed_forward, heads, dim, activation=nn.SiLU, normalize_before=True)
        self.layer.self_att = RotaryAttention(dim, heads)
        # PyTorch's, as in their Conformer.
        self.layer.norm1.norm.eps = self.layer.norm2.norm.eps = 1e-5

    def forward(self, x, mask, positions):
        return self.layer(x, src_mask=mask, pos_embs=positions)[0]


class Valid(nn.Module):
    """A convolution of SpeechBrain's over frames that are given, and bins with zeros around them."""

    def __init__(self, conv):
        super().__init__()
        conv.padding = "valid"
        self.conv = conv

    def forward(self, x):
        return self.conv(F.pad(x, (0, 0, 1, 1)) if x.dim() == 4 else F.pad(x, (1, 1)))


class Cnn(nn.Module):
    def __init__(self, bins, channels, dim):
        super().__init__()
        shapes = [(None, 20, bins), (None, 20, bins // 2, channels)]
        self.blocks = nn.ModuleList(
            CNN_Block(shape, channels=channels, using_2d_pool=number == 0, dropout=0.0)
            for number, shape in enumerate(shapes)
        )
        for block in self.blocks:
            for name in ("conv_1", "conv_2"):
                block[name] = Valid(block[name])
        self.time_pooling = Pooling1d("max", kernel_size=4, input_dims=4, pool_axis=1)
        self.projection = Linear(dim, input_size=bins // 4 * channels, combine_dims=True)
        self.norm = LayerNorm(dim)

    def forward(self, x):
        x = self.blocks[1](self.blocks[0](x))
        return F.leaky_relu(self.norm(self.projection(self.time_pooling(x[:, 1:]))))


class Recurrent(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.lstm = LSTM(dim, input_size=dim)

    def forward(self, x, _mask, _positions):
        return self.lstm(x)[0]


def perceptron(dim):
    block = DNN_Block((None, None, dim), neurons=dim, dropout=0.0)
    block["norm"] = nn.LayerNorm(dim)
    return block


def crdnn_named(net, value):
    """As `named`, of a CRDNN, whose LSTMs have a second bias of zero."""
    within = {
        "conv_1.conv.conv": "first", "conv_2.conv.conv": "second", "norm_1.norm": "first_norm", "norm_2.norm": "second_norm",
        "projection.w": "projection", "norm.norm": "norm", "linear.w": "linear",
    }  # fmt: skip
    parts = {"weight_ih_l0": "input.weight", "bias_ih_l0": "input.bias", "weight_hh_l0": "recurrent.weight"}
    result = {}
    for path, parameter in net.named_parameters():
        path, _, part = path.rpartition(".")
        tensor = value(parameter)
        if part == "bias_hh_l0":
            continue
        if path.startswith("norm."):
            number, _, inside = path.removeprefix("norm.").partition(".")
            path = f"dnn.{number}.{inside}" if inside else "norm"
        path = path.replace("subsampling.", "cnn.").replace("lstm.rnn", "lstm").replace("blocks.", "recurrent.")
        path = path.replace("cnn.recurrent.", "cnn.blocks.")
        theirs = next((key for key in within if path.endswith(f".{key}")), None)
        path = path[: -len(theirs)] + within[theirs] if theirs else path
        if path.rpartition(".")[2].endswith("norm"):
            part = {"weight": "gamma", "bias": "beta"}[part]
        if tensor.dim() == 4:
            tensor = tensor.transpose(2, 3)  # (out, in, bins, frames)
        elif tensor.dim() == 2 and part not in ("gamma", "beta"):
            tensor = tensor.T
        result[f"{path}.{parts.get(part, part)}"] = tensor
    return result


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
CONFORMER = {
    "layer.norm1.norm": "attention.norm",
    "layer.mha_layer.attention": "attention",
    "layer.mha_layer.hyper.w1_gen": "attention.into",
    "layer.mha_layer.hyper.w2_gen": "attention.back",
    "layer.mha_layer.layer_norm": "attention.mixed",
    "layer.ffn_module1.0": "before.norm",
    "layer.ffn_module1.1.ffn.0": "before.expand",
    "layer.ffn_module1.1.ffn.3": "before.out",
    "layer.convolution_module.layer_norm": "convolution.norm",
    "layer.convolution_module.bottleneck.0": "convolution.expand",
    "layer.convolution_module.conv": "convolution.depthwise",
    "layer.convolution_module.after_conv.0": "convolution.middle",
    "layer.convolution_module.after_conv.2": "convolution.out",
    "layer.ffn_module2.0": "after.norm",
    "layer.ffn_module2.1.ffn.0": "after.expand",
    "layer.ffn_module2.1.ffn.3": "after.out",
    "layer.norm2.norm": "norm",
}
TRANSFORMER = {
    "layer.norm1.norm": "attention.norm",
    "layer.self_att.attention": "attention",
    "layer.norm2.norm": "feed_forward.norm",
    "layer.pos_ffn.ffn.0": "feed_forward.expand",
    "layer.pos_ffn.ffn.3": "feed_forward.out",
}
PARTS = {
    "fc1_weights": "first",
    "fc1_biases": "first_bias",
    "fc2_weights": "second",
    "fc2_biases": "second_bias",
}


# More frames before a chunk than a chunk has.
FINE = {"bins": 8, "kernel": 7}
FINER = {"subsampling": 4, "front": "conv2d", "convolution": "chunk"}


def build(kind, finer):
    others = {"hyperconformer": {"chunk": 6, "left": 6}, "crdnn": {"bins": 8, "channels": 3}}
    sizes = SIZES | others.get(kind, {}) | (FINE if finer else {})
    net = nets.Conformer(VOCABULARY, PHONES, **sizes)
    dim, heads = sizes["dim"], sizes["heads"]
    widths = dim, heads, sizes["feed_forward"], sizes["kernel"]
    if kind == "branchformer":
        net.blocks = nn.ModuleList(Branchformer(*widths) for _ in range(sizes["layers"]))
    if kind in ("conformer", "hyperconformer"):
        mixing, chunk = kind == "hyperconformer", sizes["chunk"] if finer else None
        net.blocks = nn.ModuleList(Conformer(*widths, mixing, chunk) for _ in range(sizes["layers"]))
    if kind == "transformer":
        net.blocks = nn.ModuleList(Transformer(*widths[:3]) for _ in range(sizes["layers"]))
    net.subsampling = (Front2d if finer else Front)(sizes["bins"], sizes["channels"], dim)
    if finer:
        net.phone_frames, net.phones = 1, nn.Linear(dim, PHONES)
    if kind == "crdnn":
        net.subsampling = Cnn(sizes["bins"], sizes["channels"], dim)
        net.blocks = nn.ModuleList(Recurrent(dim) for _ in range(sizes["layers"]))
        net.norm = nn.Sequential(perceptron(dim), perceptron(dim), net.norm)
    return net, sizes | {"kind": kind} | (FINER if finer else {})


def named(kind, net, value):
    """Values of weights by the names of ours."""
    if kind == "crdnn":
        return crdnn_named(net, value)
    renamed = {"branchformer": BRANCHFORMER, "transformer": TRANSFORMER}.get(kind, CONFORMER)
    blocks = {"conformer": "blocks", "branchformer": "branches", "hyperconformer": "mixing"}.get(kind, kind)
    two_dimensions = isinstance(net.subsampling, Front2d)
    result = {}
    for name, tensor in nets.ours(net, value).items():
        path, _, part = name.rpartition(".")
        if path.startswith("blocks."):
            _, number, inside = path.split(".", 2)
            theirs = max((key for key in renamed if f"{inside}.".startswith(f"{key}.")), key=len, default=None)
            inside = renamed[theirs] + inside[len(theirs) :] if theirs else inside
            path = f"{blocks}.{number}.{inside}"
        if path.startswith("subsampling.") and two_dimensions:
            path = re.sub(r"layers\.convblock_(\d)\.convs\.conv_0\..*", r"layers.\1", path)
            path = re.sub(r"layers\.convblock_(\d)\.convs\.norm_0\..*", r"norms.\1", path)
            path = path.replace("subsampling.", "subsampling_2d.")
            tensor = tensor.transpose(2, 3) if tensor.dim() == 4 else tensor  # (out, in, bins, frames)
        elif path.startswith("subsampling.layers"):
            # (out, in, kernel) as (kernel x in, out)
            path = re.sub(r"convblock_(\d)\..*", r"\1", path)
            tensor = tensor.permute(2, 1, 0).flatten(0, 1) if part == "weight" else tensor
        if path.endswith("convolution.expand") and part == "weight":
            tensor = tensor.squeeze(2).T
        if part in PARTS:
            # (heads, out, in) as (heads, in, out)
            tensor = tensor.transpose(1, 2) if tensor.dim() == 3 else tensor
        result[f"{path}.{PARTS.get(part, part)}"] = tensor
    return result


def rounded(tensor):
    """Numbers of seven digits, which single precision holds and a file can be small with."""
    return [float(f"{value:.7g}") for value in tensor.detach().flatten().tolist()]


def check_plain(sizes, weights, features, lengths, expected):
    """The Conformer of nets.py says the same."""
    net = nets.Conformer(VOCABULARY, PHONES, **sizes)
    with torch.no_grad():
        for name, tensor in nets.ours(net).items():
            tensor.copy_(weights[name].reshape(tensor.shape))
        for found, wanted in zip(net(features, lengths), expected, strict=True):
            torch.testing.assert_close(found, wanted)


def golden(kind, finer=False):
    net, sizes = build(kind, finer)
    with torch.no_grad():
        for tensor in net.parameters():
            # Norms and gates of fresh weights would hide much.
            tensor.add_(0.2 * torch.randn(tensor.shape))
            tensor.copy_(torch.tensor(rounded(tensor)).reshape(tensor.shape))
        for name, tensor in net.named_parameters():
            if "bias_hh" in name or "query_key_value.bias" in name:
                tensor.zero_()
    frames = max(LENGTHS)
    lengths = torch.tensor([frames, frames] if kind == "hyperconformer" else LENGTHS)
    left, subsampling = (6, 4) if finer else (nets.LEFT_FEATURES, nets.SUBSAMPLING)
    features = torch.randn(len(LENGTHS), left + subsampling * frames, sizes["bins"])
    features = torch.tensor(rounded(features)).reshape(features.shape)
    normalise = InputNormalization(norm_type="global").eval()
    normalise.glob_mean, normalise.glob_std = (
        torch.tensor(rounded(low + torch.rand(sizes["bins"]))) for low in (-0.5, 0.5)
    )
    normal = normalise(features)
    tokens, phones, middle = net(normal, lengths)
    halves = net.phone_frames * lengths
    targets, sounds = ([torch.tensor(labels) for labels in batch] for batch in (TOKENS, SOUNDS))
    loss = nets.ctc(tokens, targets, lengths) + nets.ctc(phones, sounds, halves) + nets.ctc(middle, sounds, halves)
    loss.backward()
    if kind == "conformer" and not finer:
        check_plain(sizes, named(kind, net, lambda tensor: tensor), normal, lengths, (tokens, phones, middle))
    for name, tensor in net.named_parameters():
        # What theirs has not got has no gradient there.
        tensor.grad = torch.full_like(tensor, math.nan) if "query_key_value.bias" in name else tensor.grad
    gradients = named(kind, net, lambda tensor: tensor.grad)
    constants = {"mean": rounded(normalise.glob_mean), "scale": rounded(1 / normalise.glob_std)}
    values = {name: rounded(tensor) for name, tensor in named(kind, net, lambda tensor: tensor).items()}
    return {
        "sizes": sizes, "lengths": lengths.tolist(), "features": rounded(features), "tokens": rounded(tokens),
        "phones": rounded(phones), "middle": rounded(middle), "loss": loss.item(), "weights": values | constants,
        "gradients": {
            name: [] if tensor.isnan().any() else rounded(tensor) for name, tensor in gradients.items()
        },
    }  # fmt: skip


torch.manual_seed(5)
path = ROOT / "training/tests/golden/encoders.json"
cases = [golden(kind) for kind in ("conformer", "branchformer", "hyperconformer", "crdnn", "transformer")]
cases.append(golden("conformer", finer=True))
path.write_text(json.dumps({"targets": TOKENS, "sounds": SOUNDS, "cases": cases}, separators=(",", ":")) + "\n")
print(path, path.stat().st_size)
