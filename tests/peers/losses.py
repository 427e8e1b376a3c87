"""Golden numbers of losses and their gradients, by SpeechBrain and PyTorch.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/losses.py

Writes training/tests/golden/losses.json: SI-SNR with permutation-invariant training, weighted and focal binary
cross-entropy, distillation by frames and by CTC, and the losses of HiFi-GAN. All is computed in double precision, so that
what differs is ours.
"""

import json
import pathlib

import torch
from speechbrain.lobes.models.HifiGAN import MelganFeatureLoss, MSEDLoss, MSEGLoss
from speechbrain.nnet.losses import PitWrapper, bce_loss, cal_si_snr, ctc_loss_kd, nll_loss_kd
from torch.nn.functional import binary_cross_entropy_with_logits

PATH = pathlib.Path(__file__).resolve().parents[2] / "training/tests/golden/losses.json"
# Of each mixture, the samples that count. SpeechBrain's loss has no lengths: it gets each mixture cut.
LENGTHS, SOURCES, SAMPLES = [24, 17, 24], 3, 24
FRAMES, PLACES, VOCABULARY = [7, 5], 7, 4


def numbers(*shape):
    """Of seven digits, which single precision holds and a file can be small with."""
    tensor = torch.randn(*shape)
    return torch.tensor([float(f"{value:.7g}") for value in tensor.flatten().tolist()]).reshape(shape)


def rounded(tensor):
    return [float(f"{value:.8g}") for value in tensor.detach().flatten().tolist()]


def si_snr():
    sources = numbers(len(LENGTHS), SOURCES, SAMPLES)
    order = torch.tensor([[2, 0, 1], [1, 0, 2], [0, 2, 1]])
    # Estimates near the sources, near one of two, and near none.
    noise = torch.tensor([0.1, 0.9, 5.0]).reshape(-1, 1, 1) * numbers(len(LENGTHS), SOURCES, SAMPLES)
    estimates = (0.4 * torch.stack([row[take] for row, take in zip(sources, order)]) + noise + 0.2).float().double()
    estimates.requires_grad_()
    losses, permutations = [], []
    for estimate, source, length in zip(estimates, sources, LENGTHS):
        cut = (signal[:, :length].T.unsqueeze(0).clone() for signal in (source, estimate))
        loss, permutation = PitWrapper(cal_si_snr)(*cut)
        losses.append(loss)
        permutations.append(list(permutation[0]))
    losses = torch.cat(losses)
    (losses * torch.tensor([1.0, 2.0, -0.5])).sum().backward()
    return {
        "lengths": LENGTHS, "sources": rounded(sources), "estimates": rounded(estimates), "losses": rounded(losses),
        "permutations": permutations, "weights": [1.0, 2.0, -0.5], "gradient": rounded(estimates.grad),
    }  # fmt: skip


def focal(inputs, targets, gamma, alpha):
    """torchvision.ops.sigmoid_focal_loss, written out: torchvision 0.24.0 gives the same."""
    p = torch.sigmoid(inputs)
    p_t = p * targets + (1 - p) * (1 - targets)
    loss = binary_cross_entropy_with_logits(inputs, targets, reduction="none") * ((1 - p_t) ** gamma)
    return loss if alpha is None else (alpha * targets + (1 - alpha) * (1 - targets)) * loss


def binary():
    log_odds = (3 * numbers(4, 3)).float().double()
    targets = torch.tensor([[1, 0, 0], [0, 1, 0.25], [1, 1, 0], [0, 0, 1]])
    weights = torch.tensor([0.5, 3.0, 1.0])
    cases = {"weighted": lambda x: binary_cross_entropy_with_logits(x, targets, pos_weight=weights, reduction="none")}
    cases["speechbrain"] = lambda x: bce_loss(x, targets, pos_weight=weights)
    for gamma, alpha in [(2.0, 0.25), (0.5, None), (0.0, 0.7), (3.0, None)]:
        cases[f"{gamma} {alpha}"] = lambda x, gamma=gamma, alpha=alpha: focal(x, targets, gamma, alpha)
    golden = {}
    for name, loss in cases.items():
        x = log_odds.clone().requires_grad_()
        values = loss(x)
        values.sum().backward()
        golden[name] = {"losses": rounded(values), "gradient": rounded(x.grad)}
    return {"log_odds": rounded(log_odds), "targets": rounded(targets), "weights": rounded(weights), "cases": golden}


def distillation():
    logits, teacher = 2 * numbers(len(FRAMES), PLACES, VOCABULARY), 4 * numbers(len(FRAMES), PLACES, VOCABULARY)
    # The teacher is sure, sees nothing in one frame and the same label in two.
    teacher[0, 2, 0], teacher[0, 3:5, 1], teacher[1, 0:2, 2] = 9.0, 9.0, 9.0
    logits, teacher = logits.float().double(), teacher.float().double()
    temperature, weight = 2.0, 0.3
    relative = torch.tensor(FRAMES) / PLACES
    student = logits.clone().requires_grad_()
    # As recipes/TIMIT/ASR/seq2seq_knowledge_distillation: softened are the teacher's probabilities alone.
    soft = nll_loss_kd(student.log_softmax(2), (teacher / temperature).softmax(2), relative)
    soft.backward()
    golden = {"soft": soft.item(), "soft_gradient": rounded(student.grad)}
    student = logits.clone().requires_grad_()
    # Theirs averages over utterances what is divided by each one's tokens; ours averages over tokens.
    losses, tokens = [], []
    for row in range(len(FRAMES)):
        arguments = (student[row : row + 1].log_softmax(2), teacher[row : row + 1].softmax(2), relative[row : row + 1])
        losses.append(ctc_loss_kd(*arguments, blank_index=0, device="cpu"))
        labels = teacher[row, : FRAMES[row]].argmax(1)
        tokens.append(int(sum(label != 0 for label in torch.unique_consecutive(labels))))
    ctc = sum(loss * count for loss, count in zip(losses, tokens)) / sum(tokens)
    ctc.backward()
    total = temperature * temperature * weight * soft.item() + (1 - weight) * ctc.item()
    return golden | {
        "frames": FRAMES, "logits": rounded(logits), "teacher": rounded(teacher), "temperature": temperature,
        "weight": weight, "tokens": tokens, "ctc": ctc.item(), "ctc_gradient": rounded(student.grad), "total": total,
    }  # fmt: skip


def adversarial():
    recorded, made = numbers(2, 5).requires_grad_(), numbers(2, 5).requires_grad_()
    generator = MSEGLoss()(made)
    generator.backward()
    golden = {"generator": generator.item(), "generator_made": rounded(made.grad)}
    made.grad = None
    discriminator = MSEDLoss()(made, recorded)[0]
    discriminator.backward()
    golden |= {
        "recorded": rounded(recorded), "made": rounded(made), "discriminator": discriminator.item(),
        "discriminator_recorded": rounded(recorded.grad), "discriminator_made": rounded(made.grad),
    }  # fmt: skip
    seen, shown = ([numbers(2, width).requires_grad_() for width in (3, 5)] for _ in range(2))
    features = MelganFeatureLoss()([shown], [[layer.detach() for layer in seen]])
    features.backward()
    return golden | {
        "seen": [rounded(layer) for layer in seen], "shown": [rounded(layer) for layer in shown],
        "features": features.item(), "features_shown": [rounded(layer.grad) for layer in shown],
    }  # fmt: skip


def main():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(5)
    golden = {"si_snr": si_snr(), "binary": binary(), "distillation": distillation(), "adversarial": adversarial()}
    PATH.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{PATH}: {PATH.stat().st_size} bytes", golden["si_snr"]["losses"], golden["distillation"]["tokens"])


main()
