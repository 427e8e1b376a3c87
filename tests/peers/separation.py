"""Golden numbers of Conv-TasNet, by SpeechBrain.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/separation.py

Writes training/tests/golden/separation.json: a small causal net with random weights whose frames are normalised over their
channels, what it makes of two mixtures, and the gradients of get_si_snr_with_pitwrapper. All is computed in double precision, so
that what differs is ours. As in ours, half a window of silence stands before and after a mixture, and 1e-5 keeps a variance
from being zero. SpeechBrain pads what is to be causal twice, by its own layer and by PyTorch's, which moves a kernel further into
the past by half its length; here it is padded once, so that the last tap is the newest frame, as in the paper.

Weights stand under the names of our net, and in its layout: a matrix is (in, out). SpeechBrain's layers have no biases; ours are
zero there, and their gradients are not compared.
"""

import json
import pathlib

import torch
from speechbrain.lobes.models import conv_tasnet, dual_path
from speechbrain.nnet.CNN import Conv1d
from speechbrain.nnet.losses import get_si_snr_with_pitwrapper
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]
WINDOW, FILTERS, WIDTH, HIDDEN, KERNEL, BLOCKS, REPEATS, SOURCES = 8, 12, 6, 10, 3, 3, 2, 2
HOP, SAMPLES = WINDOW // 2, 160

conv_tasnet.EPS = 1e-5


def rounded(tensor):
    """Numbers of seven digits, which single precision holds and a file can be small with."""
    return [float(f"{value:.7g}") for value in tensor.detach().flatten().tolist()]


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = dual_path.Encoder(WINDOW, FILTERS)
        self.mask = conv_tasnet.MaskNet(FILTERS, WIDTH, HIDDEN, KERNEL, BLOCKS, REPEATS, SOURCES, "cLN", True)
        for module in self.mask.modules():
            if isinstance(module, Conv1d) and module.padding == "causal":
                module.conv.padding = (0,)
            if isinstance(module, conv_tasnet.Chomp1d):
                module.forward = lambda x: x
        self.decoder = dual_path.Decoder(
            in_channels=FILTERS, out_channels=1, kernel_size=WINDOW, stride=HOP, bias=False
        )

    def forward(self, mixture):
        """(batch, samples) to (batch, samples, sources), as SpeechBrain's recipe for WSJ0Mix puts them together."""
        encoded = self.encoder(F.pad(mixture, (HOP, HOP)))
        masked = encoded.unsqueeze(0) * self.mask(encoded)
        decoded = torch.stack([self.decoder(source) for source in masked], dim=-1)
        return decoded[:, HOP : HOP + mixture.shape[1]]


def names(tensors, width_of):
    """Tensors by their names here, as they are called and laid out in ours."""
    def linear(ours, theirs, biased=True):
        named = {f"{ours}.weight": tensors[f"{theirs}.weight"][:, :, 0].T}
        return named | ({f"{ours}.bias": width_of(tensors[f"{theirs}.weight"].shape[0])} if biased else {})

    def norm(ours, theirs):
        return {f"{ours}.{part}": tensors[f"{theirs}.{part}"] for part in ("gamma", "beta")}

    named = {"weight": tensors["encoder.conv1d.weight"][:, 0].T, "decoder.weight": tensors["decoder.weight"][:, 0]}
    named |= norm("norm", "mask.layer_norm") | linear("bottleneck", "mask.bottleneck_conv1x1.conv")
    for number in range(REPEATS * BLOCKS):
        ours = f"blocks.{number}"
        layers = f"mask.temporal_conv_net.temporalblock_{number // BLOCKS}_{number % BLOCKS}.layers"
        named |= linear(f"{ours}.wide", f"{layers}.conv.conv") | norm(f"{ours}.norm", f"{layers}.norm")
        named |= {f"{ours}.slope": tensors[f"{layers}.act.weight"]}
        named |= {f"{ours}.depthwise.weight": tensors[f"{layers}.DSconv.conv_0.conv.weight"]}
        named |= {f"{ours}.depthwise.bias": width_of(HIDDEN)}
        named |= {f"{ours}.depthwise_slope": tensors[f"{layers}.DSconv.act.weight"]}
        named |= norm(f"{ours}.depthwise_norm", f"{layers}.DSconv.act_0")
        named |= linear(f"{ours}.narrow", f"{layers}.DSconv.conv_1.conv")
    return named | linear("mask", "mask.mask_conv1x1.conv")


def main():
    torch.manual_seed(5)
    net = Net().double()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            fresh = torch.rand(parameter.shape) + 0.5 if "gamma" in name else 0.4 * torch.randn(parameter.shape)
            fresh = 0.25 + 0.1 * fresh if parameter.shape == (1,) else fresh
            parameter.copy_(torch.tensor(rounded(fresh)).reshape(parameter.shape))
    mixture = torch.tensor(rounded(torch.randn(2, SAMPLES)), dtype=torch.float64).reshape(2, SAMPLES)
    sources = torch.tensor(rounded(torch.randn(2, SOURCES, SAMPLES)), dtype=torch.float64).reshape(2, SOURCES, SAMPLES)
    estimates = net(mixture)
    losses = get_si_snr_with_pitwrapper(sources.transpose(1, 2), estimates)
    losses.mean().backward()
    weights = names(dict(net.named_parameters()), torch.zeros)
    gradients = names({name: parameter.grad for name, parameter in net.named_parameters()}, lambda _: torch.zeros(0))
    golden = {
        "mixture": rounded(mixture),
        "sources": rounded(sources),
        "estimates": rounded(estimates.transpose(1, 2)),
        "losses": rounded(losses),
        "weights": {name: rounded(tensor) for name, tensor in weights.items()},
        "gradients": {name: rounded(tensor) for name, tensor in gradients.items()},
    }
    path = ROOT / "training/tests/golden/separation.json"
    path.write_text(json.dumps(golden))
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
