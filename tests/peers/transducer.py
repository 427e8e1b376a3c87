"""Golden numbers of the transducer and CTC losses and of the nets beside a transducer's encoder, by torchaudio and PyTorch.

    pip install torch==2.9.0 torchaudio==2.9.0 speechbrain==1.1.2 && python tests/peers/transducer.py

Writes training/tests/golden/transducer.json: a padded batch of random logits, each utterance's loss by
torchaudio.functional.rnnt_loss, which SpeechBrain's Transducer_loss follows, and by torch.nn.functional.ctc_loss, and
the gradients of the sums of both; and what a joiner says after a prediction net with torch.nn.LSTM, and after one with a
depthwise torch.nn.Conv1d over two tokens, with their random weights under the names and in the layout of our nets; and the
same of SpeechBrain's own modules, as its recipe for LibriSpeech puts them together; with the gradients of half the sum of the
squares of what they say.
"""

import json
import pathlib

import torch
from torch.nn.functional import ctc_loss, log_softmax
from torchaudio.functional import rnnt_loss

ROOT = pathlib.Path(__file__).resolve().parents[2]
BATCH, FRAMES, LABELS, VOCABULARY = 3, 6, 3, 5
LENGTHS = [6, 3, 5]
DIM, PREDICTOR_DIM, JOINT = 8, 4, 3
TOKENS = [[2, 2, 4], [1], [3, 1]]


def rounded(tensor):
    """Numbers of seven digits, which single precision holds and a file can be small with."""
    return [float(f"{value:.7g}") for value in tensor.detach().flatten().tolist()]


def logits(*shape):
    values = torch.tensor(rounded(2.0 * torch.randn(*shape)))
    return values.reshape(*shape).requires_grad_()


def report(inputs, losses):
    losses.sum().backward()
    return {"logits": rounded(inputs), "losses": rounded(losses), "gradient": rounded(inputs.grad)}


def value(weight):
    return weight


def gradient(weight):
    return weight.grad


def linear(name, layer, of):
    named = {f"{name}.weight": of(layer.weight).T}
    return named if layer.bias is None else named | {f"{name}.bias": of(layer.bias)}


def recurrent(net, of):
    """An LSTM, whose two biases are one in ours."""
    bias = of(net.bias_ih_l0) + of(net.bias_hh_l0) if of is value else of(net.bias_ih_l0)
    return {
        "predictor.cell.input.weight": of(net.weight_ih_l0).T,
        "predictor.cell.input.bias": bias,
        "predictor.cell.recurrent.weight": of(net.weight_hh_l0).T,
    }


def case(frames, logits, named):
    """The logits, and the gradients of half the sum of their squares. `named` are the weights, or what is of them."""
    weights = {name: rounded(weight.contiguous()) for name, weight in named(value).items()}
    logits.square().sum().mul(0.5).backward()
    gradients = {name: rounded(weight.contiguous()) for name, weight in named(gradient).items()}
    return {"frames": rounded(frames), "logits": rounded(logits), "weights": weights, "gradients": gradients}


def joint(predict, weights):
    """What tanh and a linear layer make of every frame and every place."""
    nn = torch.nn
    encoder_out, out = nn.Linear(DIM, JOINT), nn.Linear(PREDICTOR_DIM, JOINT)
    joiner, embedding = nn.Linear(JOINT, VOCABULARY), nn.Embedding(VOCABULARY, PREDICTOR_DIM)
    frames = torch.tensor(rounded(torch.randn(1, 2, DIM))).reshape(1, 2, DIM)
    predicted = out(predict(embedding, torch.tensor([TOKENS[0]])))
    logits = joiner(torch.tanh(encoder_out(frames).unsqueeze(2) + predicted.unsqueeze(1)))

    def named(of):
        own = weights(of) | {"predictor.embedding.weight": of(embedding.weight)}
        return own | linear("encoder_out", encoder_out, of) | linear("predictor.out", out, of) | linear("joiner", joiner, of)

    return case(frames, logits, named)


def lstm():
    net = torch.nn.LSTM(PREDICTOR_DIM, PREDICTOR_DIM, batch_first=True)
    begin = torch.zeros(1, 1, dtype=torch.int64)
    return joint(
        lambda embedding, tokens: net(embedding(torch.cat([begin, tokens], 1)))[0], lambda of: recurrent(net, of)
    )


def stateless():
    net = torch.nn.Conv1d(PREDICTOR_DIM, PREDICTOR_DIM, 2, groups=PREDICTOR_DIM, bias=False)
    begin = torch.zeros(1, 2, dtype=torch.int64)

    def predict(embedding, tokens):
        embedded = embedding(torch.cat([begin, tokens], 1)).transpose(1, 2)
        return torch.relu(net(embedded)).transpose(1, 2)

    return joint(predict, lambda of: {"predictor.convolution.weight": of(net.weight)})


def published():
    """The nets of SpeechBrain's LibriSpeech recipe: one-hot tokens, an LSTM, projections without biases, GELU."""
    from speechbrain.nnet.embedding import Embedding
    from speechbrain.nnet.linear import Linear
    from speechbrain.nnet.RNN import LSTM
    from speechbrain.nnet.transducer.transducer_joint import Transducer_joint

    embedding = Embedding(num_embeddings=VOCABULARY, consider_as_one_hot=True, blank_id=0)
    predictor = LSTM(input_shape=[None, None, VOCABULARY - 1], hidden_size=PREDICTOR_DIM)
    encoder_out = Linear(input_size=DIM, n_neurons=JOINT, bias=False)
    out = Linear(input_size=PREDICTOR_DIM, n_neurons=JOINT, bias=False)
    joiner = Linear(input_size=JOINT, n_neurons=VOCABULARY, bias=False)
    sum_of_both = Transducer_joint(joint="sum", nonlinearity=torch.nn.GELU)
    frames = torch.tensor(rounded(torch.randn(1, 2, DIM))).reshape(1, 2, DIM)
    said = predictor(embedding(torch.tensor([[0, *TOKENS[0]]])))[0]
    logits = joiner(sum_of_both(encoder_out(frames).unsqueeze(2), out(said).unsqueeze(1)))

    def named(of):
        weights = recurrent(predictor.rnn, of)
        for name, layer in {"encoder_out": encoder_out, "predictor.out": out, "joiner": joiner}.items():
            weights |= linear(name, layer.w, of)
        return weights

    return case(frames, logits, named)


def main():
    torch.manual_seed(11)
    lengths = torch.tensor(LENGTHS, dtype=torch.int32)
    counts = torch.tensor([len(tokens) for tokens in TOKENS], dtype=torch.int32)
    padded = torch.tensor([tokens + [0] * (LABELS - len(tokens)) for tokens in TOKENS], dtype=torch.int32)
    lattice = logits(BATCH, FRAMES, LABELS + 1, VOCABULARY)
    transducer = rnnt_loss(lattice, padded, lengths, counts, blank=0, reduction="none")
    frames = logits(BATCH, FRAMES, VOCABULARY)
    ctc = ctc_loss(log_softmax(frames, 2).transpose(0, 1), padded, lengths, counts, blank=0, reduction="none")
    golden = {
        "frames": FRAMES,
        "vocabulary": VOCABULARY,
        "lengths": LENGTHS,
        "tokens": TOKENS,
        "transducer": report(lattice, transducer),
        "ctc": report(frames, ctc),
        "lstm": lstm(),
        "stateless": stateless(),
        "published": published(),
    }
    path = ROOT / "training/tests/golden/transducer.json"
    path.write_text(json.dumps(golden) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
