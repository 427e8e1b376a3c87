"""Nets of ours in PyTorch, written as one writes PyTorch: the peers of `make bench-train` and of golden files.

Their forward is that of the net of the same name in training/src/nets. `ours()` gives a net's weights under the names
of our net and in its layout: a matrix is (in, out).
"""

import torch
from torch import nn
from torch.nn import functional as F

LEFT_FEATURES, SUBSAMPLING, PHONE_FRAMES = 14, 8, 2


def chunk_mask(frames, chunk, left, lengths):
    """Which frame sees which: (batch, 1, query, key)."""
    start = torch.arange(frames) // chunk * chunk
    end = (start + chunk).unsqueeze(0).minimum(lengths.clamp(min=chunk).unsqueeze(1))  # (batch, query)
    begin = (start - left).clamp(min=0).unsqueeze(0).minimum(end - 1)
    keys = torch.arange(frames)
    return ((keys >= begin.unsqueeze(2)) & (keys < end.unsqueeze(2))).unsqueeze(1)


def rotary(frames, head_dim):
    """Sines and cosines (frames, head_dim / 2) of the angles by which halves of a head are rotated."""
    frequencies = 10_000.0 ** (-torch.arange(head_dim // 2) / (head_dim // 2))
    angles = torch.arange(frames).unsqueeze(1) * frequencies
    return angles.sin(), angles.cos()


def rotate(x, positions):
    sine, cosine = positions
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], dim=-1)


class Subsampling(nn.Module):
    def __init__(self, bins, channels, dim, dropout):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(3 * width, channels) for width in (bins, channels, channels))
        self.out = nn.Linear(channels, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        for layer in self.layers:
            frames = x.unfold(1, 3, 2).transpose(2, 3).flatten(2)  # (batch, n, 3 width)
            x = F.silu(layer(frames))
        return self.dropout(self.out(x))


class FeedForward(nn.Module):
    def __init__(self, dim, hidden, dropout):
        super().__init__()
        self.norm, self.expand, self.out = nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(self.out(self.dropout(F.silu(self.expand(self.norm(x))))))


class Attention(nn.Module):
    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.heads = heads
        self.norm, self.query_key_value, self.out = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask, positions):
        batch, frames, dim = x.shape
        parts = self.query_key_value(self.norm(x)).chunk(3, dim=-1)
        q, k, v = (part.view(batch, frames, self.heads, -1).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(rotate(q, positions), rotate(k, positions), v, attn_mask=mask)
        return self.dropout(self.out(mixed.transpose(1, 2).reshape(batch, frames, dim)))


class Convolution(nn.Module):
    def __init__(self, dim, kernel, dropout):
        super().__init__()
        self.kernel = kernel
        self.norm, self.expand = nn.LayerNorm(dim), nn.Linear(dim, 2 * dim)
        self.depthwise = nn.Conv1d(dim, dim, kernel, groups=dim)
        self.middle, self.out, self.dropout = nn.LayerNorm(dim), nn.Linear(dim, dim), nn.Dropout(dropout)

    def forward(self, x):
        gated = F.glu(self.expand(self.norm(x)), dim=-1).transpose(1, 2)
        mixed = self.depthwise(F.pad(gated, (self.kernel - 1, 0))).transpose(1, 2)
        return self.dropout(self.out(F.silu(self.middle(mixed))))


class ConformerBlock(nn.Module):
    def __init__(self, dim, heads, feed_forward, kernel, dropout):
        super().__init__()
        self.before, self.after = (FeedForward(dim, feed_forward, dropout) for _ in range(2))
        self.attention, self.convolution = Attention(dim, heads, dropout), Convolution(dim, kernel, dropout)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x, mask, positions):
        x = x + 0.5 * self.before(x)
        x = x + self.attention(x, mask, positions)
        x = x + self.convolution(x)
        x = x + 0.5 * self.after(x)
        return self.norm(x)


class Conformer(nn.Module):
    """Our streaming Conformer with heads for tokens and phones; the sizes are those of a recipe's `[net]`."""

    def __init__(self, vocabulary, phones, *, bins, dim, layers, heads, feed_forward, kernel, channels, chunk, left,
                 dropout, kind="conformer"):  # fmt: skip
        super().__init__()
        assert kind == "conformer"
        self.chunk, self.left, self.head_dim = chunk, left, dim // heads
        self.subsampling = Subsampling(bins, channels, dim, dropout)
        self.blocks = nn.ModuleList(ConformerBlock(dim, heads, feed_forward, kernel, dropout) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, vocabulary)
        self.phone_frames = PHONE_FRAMES
        self.phones = nn.Linear(dim, PHONE_FRAMES * phones)

    def phone_log_probs(self, x):
        scores = self.phones(x)
        return F.log_softmax(scores.view(x.shape[0], self.phone_frames * x.shape[1], -1), dim=-1)

    def encode(self, features, lengths):
        """(batch, 14 + 8 frames, bins) to frames (batch, frames, dim), and the phones of the middle block."""
        x = self.subsampling(features)
        mask = chunk_mask(x.shape[1], self.chunk, self.left, lengths)
        positions = rotary(x.shape[1], self.head_dim)
        for number, block in enumerate(self.blocks, 1):
            x = block(x, mask, positions)
            if number == len(self.blocks) // 2:
                middle = self.phone_log_probs(self.norm(x))
        return self.norm(x), middle

    def heads(self, x):
        """Tokens (batch, frames, vocabulary) and phones (batch, 2 frames, phones) of frames."""
        return F.log_softmax(self.head(x), dim=-1), self.phone_log_probs(x)

    def forward(self, features, lengths):
        """Tokens, phones and the phones of the middle block."""
        x, middle = self.encode(features, lengths)
        return *self.heads(x), middle


class Joint(nn.Module):
    """The nets beside a transducer's encoder: a stateless prediction net over `context` tokens, and a joiner."""

    def __init__(self, encoder_dim, vocabulary, *, context, predictor_dim, dim):
        super().__init__()
        self.context = context
        self.encoder_out = nn.Linear(encoder_dim, dim)
        self.embedding = nn.Embedding(vocabulary, predictor_dim)
        self.convolution = nn.Conv1d(predictor_dim, predictor_dim, context, groups=predictor_dim, bias=False)
        self.out, self.joiner = nn.Linear(predictor_dim, dim), nn.Linear(dim, vocabulary)

    def forward(self, x, tokens):
        """(batch, frames, dim) and (batch, tokens) to (batch, frames, tokens + 1, vocabulary), not normalised."""
        embedded = self.embedding(F.pad(tokens, (self.context, 0))).transpose(1, 2)
        predicted = self.out(F.relu(self.convolution(embedded)).transpose(1, 2))
        return self.joiner(torch.tanh(self.encoder_out(x).unsqueeze(2) + predicted.unsqueeze(1)))


def ctc(log_probs, targets, frames):
    """The negative log-likelihood of a batch, divided by its number of labels. `targets`: a tensor each utterance."""
    lengths = torch.tensor([len(target) for target in targets])
    loss = F.ctc_loss(log_probs.transpose(0, 1), torch.cat(targets), frames, lengths, reduction="sum",
                      zero_infinity=True)  # fmt: skip
    return loss / lengths.sum()


def ours(net, value=lambda tensor: tensor):
    """A value of each weight of a net of this file, such as its gradient, by the names of our net."""
    norm_names = {"weight": "gamma", "bias": "beta"}
    named = {}
    for path, module in net.named_modules():
        for kind, tensor in module.named_parameters(recurse=False):
            found = value(tensor)
            name = norm_names[kind] if isinstance(module, nn.LayerNorm) else kind
            named[f"{path}.{name}"] = found.T if isinstance(module, nn.Linear) and kind == "weight" else found
    return named
