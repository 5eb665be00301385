#!/usr/bin/env python3
"""Reference values of tests/parts/initializer_parts.cpp; see values.py.

Random streams differ from PyTorch's, so each case compares the parameters of the distribution: its
deviation or bound, from PyTorch's formulas, and a quantile of the truncated normal distribution.
"""
import math

import torch
from torch.nn import init

from values import References

with References(__file__) as references:

    def deviation(shape, mode, gain):
        return gain / math.sqrt(init._calculate_correct_fan(torch.empty(shape), mode))

    def glorot(shape, gain=1.0):
        fan_in, fan_out = init._calculate_fan_in_and_fan_out(torch.empty(shape))
        return gain * math.sqrt(2.0 / (fan_in + fan_out))

    def add(part, case, *values):
        result = torch.tensor(values, dtype=torch.float64)
        references.add(part, case, lambda *_: result, torch.zeros(1, dtype=torch.float64), backward=False)

    relu, tanh = init.calculate_gain("relu"), init.calculate_gain("tanh")
    dense, window = (33, 17), (8, 6, 3, 5)
    add("kaiming_normal", "fan_in", deviation(dense, "fan_in", relu), deviation(window, "fan_in", relu))
    add("kaiming_normal", "fan_out_and_gain", deviation(dense, "fan_out", tanh), deviation(window, "fan_out", tanh))
    add("kaiming_uniform", "fan_in", *(math.sqrt(3) * deviation(s, "fan_in", relu) for s in (dense, window)))
    leaky = init.calculate_gain("leaky_relu", 0.2)
    add("kaiming_uniform", "fan_out_and_gain",
        *(math.sqrt(3) * deviation(s, "fan_out", leaky) for s in (dense, window)))
    add("xavier_normal", "gains", glorot(dense), glorot(window, tanh))
    add("xavier_uniform", "gains", math.sqrt(3) * glorot(dense), math.sqrt(3) * glorot(window, tanh))
    shares = torch.tensor([1e-9, 0.001, 0.25, 0.5, 0.6, 0.999, 1 - 1e-9], dtype=torch.float64)
    references.add("truncated_normal", "quantiles", torch.special.ndtri, shares, backward=False)
