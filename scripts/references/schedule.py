#!/usr/bin/env python3
"""Reference values of tests/parts/schedule_parts.cpp; see values.py: learning rates by step, from 1.

Those that PyTorch lacks (inverse square root, warmup, chains) are written out below.
"""
import math

import torch
from torch.optim import lr_scheduler

from values import References, numbers

STEPS = 100


def rates(make, steps=STEPS, lr=1.0, skip=0):
    """The rates that PyTorch's scheduler sets; `skip`: rates to leave out at the start."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(optimizer)
    values = []
    for _ in range(steps + skip):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return torch.tensor(values[skip:], dtype=torch.float64)


def cosine(step, begin, end, peak, final):
    fraction = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return peak + (final - peak) * (0.5 - 0.5 * math.cos(math.pi * fraction))


def by_formula(function):
    return torch.tensor([function(step) for step in range(1, STEPS + 1)], dtype=torch.float64)


with References(__file__) as references:
    steps = torch.arange(1, STEPS + 1)

    def add(part, case, values, *more):
        references.add(part, case, lambda *_: values, steps, *more, backward=False)

    add("step", "plain", rates(lambda o: lr_scheduler.StepLR(o, 30, gamma=0.5)))
    add("multi_step", "plain", rates(lambda o: lr_scheduler.MultiStepLR(o, [10, 40, 41], gamma=0.1)))
    add("exponential", "plain", rates(lambda o: lr_scheduler.ExponentialLR(o, gamma=0.9)))
    add("exponential", "with_least", torch.clamp(rates(lambda o: lr_scheduler.ExponentialLR(o, gamma=0.9)), min=0.125))
    add("exponential", "after_warmup", by_formula(lambda s: s / 10 if s <= 10 else 0.9 ** (s - 11)))
    # Step s has the rate after s steps, so that the last step has the final one.
    add("linear", "plain", rates(lambda o: lr_scheduler.LinearLR(o, 1.0, 0.25, total_iters=80), skip=1))
    add("cosine", "plain", by_formula(lambda s: cosine(s, 0, 80, 1.0, 0.25)))
    add("cosine", "pytorch", rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 100, eta_min=0.25), skip=1))
    add("polynomial", "plain", rates(lambda o: lr_scheduler.PolynomialLR(o, total_iters=80, power=2.0), skip=1))
    add("one_cycle", "plain", rates(lambda o: lr_scheduler.OneCycleLR(
        o, max_lr=1.0, total_steps=STEPS + 1, pct_start=30 / (STEPS + 1), cycle_momentum=False))[:STEPS])
    add("inverse_square_root", "plain", by_formula(lambda s: min(s / 16, math.sqrt(16 / s))))
    add("warmup_stable_decay", "plain",
        by_formula(lambda s: s / 5 if s <= 5 else 1.0 + (0.125 - 1.0) * min(max((s - 60) / 20, 0), 1)))

    def chained(step):
        if step <= 20:
            return min(step / 4, 1.0)
        if step <= 50:
            return cosine(step - 20, 0, 30, 1.0, 0.5)
        return 0.5 + (0.0 - 0.5) * min((step - 50) / 40, 1.0)

    add("chain", "constant_cosine_linear", by_formula(chained))

    def plateau(losses, **options):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        values = []
        for loss in losses.tolist():
            scheduler.step(loss)
            values.append(optimizer.param_groups[0]["lr"])
        return torch.tensor(values, dtype=torch.float64)

    losses = numbers(STEPS, low=1.0, high=2.0)
    add("reduce_on_plateau", "plain", plateau(losses, factor=0.5, patience=3), losses)
    add("reduce_on_plateau", "cooldown", plateau(losses, factor=0.5, patience=2, threshold=0.1, cooldown=5), losses)
