"""What the optimizers of torch.optim make of weights.

    PYTHONPATH=.runtime/torch python tests/peers/optimizers.py   (torch 2.x: `scripts/setup.sh bench-train`)

Writes training/tests/golden/optimizers.json: weights after each of ten steps along the gradient of sum(c * w^2) / 2.
"""

import json
import pathlib

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
START = [1.0, -2.0, 0.5, 0.001]
CURVATURE = [1.0, 0.1, 10.0, 100.0]
CASES = [
    ({"optimizer": "adamw", "learning_rate": 0.1}, torch.optim.AdamW, {"betas": (0.9, 0.98)}),
    (
        {"optimizer": "adamw", "learning_rate": 0.1, "beta_1": 0.8, "weight_decay": 0.1, "epsilon": 1e-3},
        torch.optim.AdamW,
        {"betas": (0.8, 0.98), "weight_decay": 0.1, "eps": 1e-3},
    ),
    ({"optimizer": "adam", "learning_rate": 0.1}, torch.optim.Adam, {"betas": (0.9, 0.98)}),
    (
        {"optimizer": "adam", "learning_rate": 0.1, "weight_decay": 0.1},
        torch.optim.Adam,
        {"betas": (0.9, 0.98), "weight_decay": 0.1},
    ),
    ({"optimizer": "adadelta", "learning_rate": 1.0}, torch.optim.Adadelta, {"rho": 0.95}),
    (
        {"optimizer": "adadelta", "learning_rate": 0.5, "rho": 0.9, "epsilon": 1e-8, "weight_decay": 0.1},
        torch.optim.Adadelta,
        {"rho": 0.9, "eps": 1e-8, "weight_decay": 0.1},
    ),
    ({"optimizer": "sgd", "learning_rate": 0.01}, torch.optim.SGD, {}),
    (
        {"optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.1},
        torch.optim.SGD,
        {"momentum": 0.9, "weight_decay": 0.1},
    ),
]


def course(kind, rate, settings):
    weights = torch.nn.Parameter(torch.tensor(START))
    curvature = torch.tensor(CURVATURE)
    optimizer = kind([weights], lr=rate, **settings)
    for _ in range(10):
        optimizer.zero_grad()
        ((weights**2 * curvature).sum() / 2).backward()
        optimizer.step()
        yield weights.detach().tolist()


cases = [
    {"options": options, "weights": list(course(kind, options["learning_rate"], settings))}
    for options, kind, settings in CASES
]
golden = {"torch": torch.__version__, "start": START, "curvature": CURVATURE, "cases": cases}
path = ROOT / "training/tests/golden/optimizers.json"
path.write_text(json.dumps(golden, indent=1) + "\n")
print(f"{path}: {len(cases)} cases")
