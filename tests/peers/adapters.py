"""Golden numbers of adapters, by SpeechBrain's AdaptedModel.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/adapters.py

Writes training/tests/golden/adapters.json: two linear layers with random weights, of which the first is adapted by LoRA
or by HoulsbyAdapterLinear and the second is unfrozen; the output for random frames, and the gradients of its mean square
by the weights that are trained. Weights stand under the names of ours and in their layout, (in, out).
"""

import collections
import json
import pathlib

import torch
from speechbrain.nnet.adapters import AdaptedModel, HoulsbyAdapterLinear, LoRA
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = {
    "LoRA": {
        "first.pretrained_module": "first",
        "first.adapter_down_proj.weight": "first.weight.lora.a",
        "first.adapter_up_proj.weight": "first.weight.lora.b",
    },
    "HoulsbyAdapterLinear": {
        "first.pretrained_linear": "first",
        "first.adapter_down_proj": "bottleneck.down",
        "first.adapter_up_proj": "bottleneck.up",
    },
}
ARGUMENTS = {"LoRA": {"rank": 2, "alpha": 3.0}, "HoulsbyAdapterLinear": {"projection_size": 2}}


def rounded(tensor):
    """Numbers of seven digits, which single precision holds and a file can be small with."""
    return [float(f"{value:.7g}") for value in tensor.detach().flatten().tolist()]


def ours(kind, name):
    name = name.removeprefix("adapted_model.")
    for theirs, our in NAMES[kind].items():
        if name.startswith(theirs):
            return our + name[len(theirs) :]
    return name


def golden(adapter):
    kind = adapter.__name__
    layers = [("first", nn.Linear(6, 5)), ("activation", nn.SiLU()), ("second", nn.Linear(5, 4))]
    net = AdaptedModel(
        nn.Sequential(collections.OrderedDict(layers)),
        adapter_class=adapter,
        target_layers=["fir*"],
        unfrozen_layers=["second"],
        adapter_kwargs=ARGUMENTS[kind],
    )
    with torch.no_grad():
        for tensor in net.parameters():
            tensor.add_(0.3 * torch.randn(tensor.shape))
            tensor.copy_(torch.tensor(rounded(tensor)).reshape(tensor.shape))
    x = torch.randn(2, 3, 6)
    x = torch.tensor(rounded(x)).reshape(x.shape)
    output = net(x)
    output.square().mean().backward()
    weights = {ours(kind, name): rounded(tensor.T) for name, tensor in net.named_parameters()}
    trained = {name: tensor for name, tensor in net.named_parameters() if tensor.requires_grad}
    gradients = {ours(kind, name): rounded(tensor.grad.T) for name, tensor in trained.items()}
    return {"kind": kind, "x": rounded(x), "output": rounded(output), "weights": weights, "gradients": gradients}


torch.manual_seed(1)
result = {"cases": [golden(adapter) for adapter in (LoRA, HoulsbyAdapterLinear)]}
(ROOT / "training/tests/golden/adapters.json").write_text(json.dumps(result) + "\n")
