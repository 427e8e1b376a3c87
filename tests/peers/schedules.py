"""Learning rates by SpeechBrain's schedulers.

    pip install speechbrain==1.1.2 torch torchaudio && python tests/peers/schedules.py

Writes training/tests/golden/schedules.json: the rates of a run of 200 steps with a peak of 1 and 20 steps of warm-up, with 50
at the peak after them where a schedule has such, and what figures of a validation do to rate and run.
"""

import json
import pathlib

import torch
from speechbrain.nnet import schedulers
from speechbrain.utils.epoch_loop import EpochCounterWithStopper

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS, WARMUP, KEEP = 200, 20, 50
FIGURES = [9.0, 7.0, 6.99, 7.5, 5.0, 5.0, 4.999, 5.2, 5.1, 5.3, 4.0, 4.1, 4.2, 4.3, 4.4, 3.9]


class Optimizer:
    """What a scheduler sets."""

    def __init__(self):
        self.param_groups = [{"lr": 0.0}]
        self.optim = self


def steps(schedule):
    """The rate after each call of a scheduler that is called once a step."""
    optimizer, rates = Optimizer(), []
    for step in range(STEPS):
        schedule(optimizer, step)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


noam = schedulers.NoamScheduler(1.0, WARMUP)
linear_noam = schedulers.LinearNoamScheduler(1.0, WARMUP, KEEP)
linear = schedulers.LinearWarmupScheduler(1.0, WARMUP, STEPS)
tri_stage = schedulers.TriStageLRSchedule(1.0, WARMUP, KEEP, STEPS - WARMUP - KEEP, STEPS)
cyclic = schedulers.CyclicLRScheduler(base_lr=0.0, max_lr=1.0, step_size=WARMUP)


def new_bob(factor, threshold, patience):
    scheduler, rates = schedulers.NewBobScheduler(1.0, factor, threshold, patience), []
    for figure in FIGURES:
        rates.append(scheduler(figure)[1])
    return {"factor": factor, "threshold": threshold, "patience": patience, "scales": rates}


def plateau(factor, patience, not_before):
    scheduler = schedulers.ReduceLROnPlateau(
        lr_min=0.0, factor=factor, patience=patience, dont_halve_until_epoch=not_before
    )
    optimizer, rates = Optimizer(), []
    optimizer.param_groups[0]["lr"] = 1.0
    for epoch, figure in enumerate(FIGURES, 1):
        optimizer.param_groups[0]["lr"] = scheduler([optimizer], epoch, figure)[1]
        rates.append(optimizer.param_groups[0]["lr"])
    return {"factor": factor, "patience": patience, "not_before": not_before, "scales": rates}


def stopper(patience, not_before):
    """How many validations there are before the run is over."""
    counter = EpochCounterWithStopper(len(FIGURES), patience, not_before, "min")
    validations = 0
    for epoch in counter:
        counter.update_metric(FIGURES[epoch - 1])
        validations += 1
    return {"patience": patience, "not_before": not_before, "validations": validations}


golden = {
    "noam": steps(lambda optimizer, _: noam(optimizer)),
    "linear_noam": steps(lambda optimizer, _: linear_noam(optimizer)),
    "linear": steps(lambda optimizer, _: linear(optimizer)),
    "tri_stage": steps(tri_stage),
    "cyclic": steps(lambda optimizer, step: optimizer.param_groups[0].update(lr=cyclic.clr(step + 1))),
    "figures": FIGURES,
    "new_bob": [new_bob(0.5, 0.0025, 0), new_bob(0.8, 0.01, 1), new_bob(0.5, 0.0, 2)],
    "plateau": [plateau(0.5, 2, 0), plateau(0.3, 0, 4), plateau(0.5, 1, 8)],
    "stopper": [stopper(3, 0), stopper(2, 6), stopper(1, 0), stopper(5, 0)],
}
path = ROOT / "training/tests/golden/schedules.json"
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
print(path, path.stat().st_size, torch.__version__)
