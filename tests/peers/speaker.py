"""Golden numbers of speaker verification, by SpeechBrain.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/speaker.py

Writes training/tests/golden/speaker.json: small ECAPA-TDNN and x-vector nets with random weights, their embeddings of a
padded batch, the loss LogSoftmaxWrapper(AdditiveAngularMargin) and its gradients, with checkpoints of them, ecapa.ckpt and
xvector.ckpt, and what InputNormalization makes of padded batches; and models/tests/golden/speaker.json:
EER, minDCF and normalised scores of random scores. All is computed in double precision, so that what differs is ours.

Weights stand under the names of our nets, and in their layout: a convolution as a matrix (kernel x in, out).
"""

import copy
import json
import pathlib

import torch
from speechbrain.lobes.models import ECAPA_TDNN as ecapa
from speechbrain.lobes.models.Xvector import Xvector
from speechbrain.nnet.losses import AdditiveAngularMargin, LogSoftmaxWrapper
from speechbrain.nnet.pooling import StatisticsPooling
from speechbrain.processing.features import InputNormalization
from speechbrain.utils.metric_stats import EER, minDCF

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEAKERS, BINS, FRAMES, DIM = 5, 6, 20, 8
LENGTHS = [20, 15, 12]
# A margin this wide also meets the branch beyond pi - margin.
MARGIN, SCALE, TARGETS = 0.9, 10.0, [3, 0, 1]


def rounded(tensor):
    """Numbers of seven digits, which single precision holds and a file can be small with."""
    return [float(f"{value:.7g}") for value in tensor.detach().flatten().tolist()]


def matrix(weight):
    """(out, in, kernel) as (kernel x in, out)."""
    return weight.permute(2, 1, 0).reshape(-1, weight.shape[0])


def layer(ours, theirs, tensors):
    """A convolution or a linear layer."""
    weight = tensors[f"{theirs}.weight"]
    named = {f"{ours}.weight": matrix(weight) if weight.dim() == 3 else weight.T}
    if f"{theirs}.bias" in tensors:
        named[f"{ours}.bias"] = tensors[f"{theirs}.bias"]
    return named


def norm(ours, theirs, tensors):
    names = {"gamma": "weight", "beta": "bias", "running_mean": "running_mean", "running_var": "running_var"}
    found = {f"{ours}.{our}": tensors.get(f"{theirs}.norm.{their}") for our, their in names.items()}
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def tdnn(ours, theirs, tensors):
    return layer(f"{ours}.conv", f"{theirs}.conv.conv", tensors) | norm(f"{ours}.norm", f"{theirs}.norm", tensors)


def ecapa_names(tensors, channels):
    named = tdnn("first", "blocks.0", tensors) | tdnn("mfa", "mfa", tensors)
    for block in range(3):
        ours, theirs = f"blocks.{block}", f"blocks.{block + 1}"
        named |= tdnn(f"{ours}.before", f"{theirs}.tdnn1", tensors)
        named |= tdnn(f"{ours}.after", f"{theirs}.tdnn2", tensors)
        for group in range(3):
            named |= tdnn(f"{ours}.groups.{group}", f"{theirs}.res2net_block.blocks.{group}", tensors)
        named |= layer(f"{ours}.squeeze", f"{theirs}.se_block.conv1.conv", tensors)
        named |= layer(f"{ours}.excite", f"{theirs}.se_block.conv2.conv", tensors)
    attention = layer("pooling.frame", "asp.tdnn.conv.conv", tensors)
    weight = attention.pop("pooling.frame.weight")
    named |= attention | {"pooling.frame.weight": weight[:channels], "pooling.context.weight": weight[channels:]}
    named |= norm("pooling.norm", "asp.tdnn.norm", tensors) | layer("pooling.weight", "asp.conv.conv", tensors)
    return named | norm("norm", "asp_bn", tensors) | layer("out", "fc.conv", tensors)


def xvector_names(tensors):
    named = {}
    for number in range(5):
        named |= layer(f"layers.{number}.conv", f"blocks.{3 * number}.conv", tensors)
        named |= norm(f"layers.{number}.norm", f"blocks.{3 * number + 2}", tensors)
    return named | layer("out", "blocks.16.w", tensors)


def checkpoint(net, name):
    """As SpeechBrain's checkpointer saves a net."""
    path = ROOT / f"training/tests/golden/{name}.ckpt"
    torch.save({key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in net.state_dict().items()}, path)
    print(path, path.stat().st_size)


def learnt(net, classifier, centred, relative):
    """The loss and its gradients."""
    cosines = classifier(net(centred, relative))
    loss = LogSoftmaxWrapper(AdditiveAngularMargin(MARGIN, SCALE))(cosines, torch.tensor(TARGETS).unsqueeze(1))
    loss.backward()
    return loss, {name: tensor.grad for name, tensor in net.named_parameters()}


def golden(net, kind, names):
    """Embeddings, loss and gradients of a net with weights that a file holds exactly."""
    classifier = ecapa.Classifier(DIM, lin_neurons=DIM, out_neurons=SPEAKERS).double()
    with torch.no_grad():
        for name, tensor in [*net.named_parameters(), *net.named_buffers(), *classifier.named_parameters()]:
            if not tensor.is_floating_point():
                continue
            if "norm" in name or name.endswith(("running_mean", "running_var")):
                tensor.copy_(torch.rand(tensor.shape) + 0.5 if tensor.dim() else tensor)
            tensor.copy_(torch.tensor(rounded(tensor)).reshape(tensor.shape))
    # Batch norms learn as soon as the net trains.
    checkpoint(net, kind)
    tensors = net.state_dict()
    weights = names({name: tensor.clone() for name, tensor in tensors.items()}) | {"speakers": classifier.weight}
    features = torch.tensor(rounded(3 * torch.randn(len(LENGTHS), FRAMES, BINS))).reshape(len(LENGTHS), FRAMES, BINS)
    relative = torch.tensor(LENGTHS) / FRAMES
    centred = InputNormalization(norm_type="sentence", std_norm=False)(features, relative)
    alone = InputNormalization(norm_type="sentence", std_norm=False)(features[:1], torch.ones(1))
    result = {"features": rounded(features)}
    net.eval()
    result["embeddings"] = rounded(net(centred, relative))
    result["alone"] = rounded(net(alone))
    net.train()
    single = learnt(copy.deepcopy(net).float(), copy.deepcopy(classifier).float(), centred.float(), relative.float())[1]
    loss, gradients = learnt(net, classifier, centred, relative)
    result["loss"] = loss.item()
    # Biases that a norm or a softmax takes off again have no gradient but rounding.
    sized = [name for name, tensor in gradients.items() if tensor.abs().max() > 1e-9]
    apart = [(single[name] - gradients[name]).abs().max() / gradients[name].abs().max() for name in sized]
    result["single_precision"] = max(apart).item()
    result["gradients"] = names(gradients) | {"speakers": classifier.weight.grad}
    result["gradients"] = {name: rounded(tensor) for name, tensor in result["gradients"].items()}
    result["weights"] = {name: rounded(tensor) for name, tensor in weights.items()}
    return result


def normalisation():
    """Means and deviations of all frames that two padded batches have."""
    norm = InputNormalization(norm_type="global").train()
    batches = []
    generator = torch.Generator().manual_seed(7)
    for frames, lengths in [(9, [9, 4, 7]), (12, [3, 12])]:
        features = 3 * torch.randn(len(lengths), frames, BINS, generator=generator) + torch.arange(BINS)
        features = torch.tensor(rounded(features)).reshape(features.shape)
        norm(features, torch.tensor(lengths) / frames, epoch=0)
        batches.append([rounded(clip[:length]) for clip, length in zip(features, lengths)])
    return {"batches": batches, "mean": rounded(norm.glob_mean), "deviation": rounded(norm.glob_std)}


def margins():
    """The loss and its gradient alone, for angles on both sides of pi - margin."""
    cosines = torch.tensor([[0.9, -0.2, 0.1], [0.3, -0.95, 0.4], [-0.5, 0.2, 0.99999]], requires_grad=True)
    targets = [0, 1, 2]
    loss = LogSoftmaxWrapper(AdditiveAngularMargin(0.3, 8.0))(cosines.unsqueeze(1), torch.tensor(targets).unsqueeze(1))
    loss.backward()
    return {
        "cosines": rounded(cosines), "targets": targets, "margin": 0.3, "scale": 8.0,
        "loss": loss.item(), "gradient": rounded(cosines.grad),
    }  # fmt: skip


def scores():
    """Error rates, and scores normalised as recipes/VoxCeleb/SpeakerRec/speaker_verification_cosine.py does."""
    cases = []
    for positives, negatives, apart in [(40, 300, 1.2), (7, 5, 0.5), (60, 60, 8.0), (30, 200, 0.0)]:
        positive = torch.tensor(rounded(torch.randn(positives) * 0.8 + apart))
        negative = torch.tensor(rounded(torch.randn(negatives)))
        # Scores that stand on both sides, and twice.
        positive[:2], negative[:2] = 0.25, 0.25
        eer, eer_threshold = EER(positive, negative)
        cost, cost_threshold = minDCF(positive, negative)
        even, _ = minDCF(positive, negative, c_miss=10.0, c_fa=1.0, p_target=0.05)
        cases.append({
            "positive": rounded(positive), "negative": rounded(negative), "eer": eer, "eer_threshold": eer_threshold,
            "min_dcf": cost, "min_dcf_threshold": cost_threshold, "min_dcf_10_1_05": even,
        })  # fmt: skip
    cohort = torch.tensor(rounded(torch.nn.functional.normalize(torch.randn(12, DIM), dim=1))).reshape(12, DIM)
    pair = torch.tensor(rounded(torch.nn.functional.normalize(torch.randn(2, DIM), dim=1))).reshape(2, DIM)
    similarity = torch.nn.CosineSimilarity(dim=-1, eps=1e-6)
    score = similarity(pair[0], pair[1])
    normalised = {}
    for size in [5, 12]:
        enrol, test = (torch.topk(similarity(side, cohort), k=size, dim=0)[0] for side in pair)
        z = (score - enrol.mean()) / enrol.std()
        t = (score - test.mean()) / test.std()
        normalised[size] = (0.5 * (z + t)).item()
    return {
        "cases": cases, "cohort": rounded(cohort), "pair": rounded(pair), "cosine": score.item(), "s_norm": normalised,
    }  # fmt: skip


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size)


torch.set_default_dtype(torch.float64)
torch.manual_seed(11)
StatisticsPooling._get_gauss_noise = lambda self, shape, device="cpu": torch.zeros(shape, device=device)
net = ecapa.ECAPA_TDNN(
    BINS, lin_neurons=DIM, channels=[8, 8, 8, 8, 12], attention_channels=6, res2net_scale=4, se_channels=4
)
small = Xvector(in_channels=BINS, tdnn_channels=[8, 8, 8, 8, 10], lin_neurons=DIM)
write(
    ROOT / "training/tests/golden/speaker.json",
    {
        "lengths": LENGTHS,
        "targets": TARGETS,
        "margin": MARGIN,
        "scale": SCALE,
        "ecapa": golden(net, "ecapa", lambda tensors: ecapa_names(tensors, 12)),
        "xvector": golden(small, "xvector", xvector_names),
        "aam": margins(),
        "normalisation": normalisation(),
    },
)
write(ROOT / "models/tests/golden/speaker.json", scores())
