#!/usr/bin/env python3
"""Reference values of tests/parts/activations_parts.cpp; see values.py."""
import torch
from torch.nn import functional

from values import References, numbers

SPECIAL = torch.tensor([float("nan"), float("inf"), 0.0, -0.0, 1.0, -1.0, 30.0, -30.0], dtype=torch.float64)

ACTIVATIONS = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "mish": functional.mish,
    "softplus": lambda x: functional.softplus(x, threshold=100),
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "hard_sigmoid": lambda x: torch.clamp(x / 6 + 0.5, 0, 1),  # PyTorch's own backward is in float32
    "hard_swish": functional.hardswish,
    "squared_relu": lambda x: torch.square(torch.relu(x)),
}

with References(__file__) as references:
    for name, function in ACTIVATIONS.items():
        references.add(name, "odd_size", function, numbers(33, low=-4.3, high=4.3))
        references.add(name, "matrix", function, numbers(3, 5, low=-4.3, high=4.3))
        references.add(name, "empty", function, numbers(0, 3))
        references.add(name, "special", function, SPECIAL, backward=False)
    references.add("softplus", "beta", lambda x: functional.softplus(x, beta=2.5, threshold=100), numbers(33))
    references.add("leaky_relu", "slope", lambda x: functional.leaky_relu(x, 0.25), numbers(33))
    references.add("elu", "alpha", lambda x: functional.elu(x, 0.5), numbers(33))
    references.add("prelu", "one_weight", functional.prelu, numbers(3, 5), torch.tensor([0.25]).double())
    references.add("prelu", "per_channel", functional.prelu, numbers(3, 4, 5), numbers(4, low=0.1))
    references.add("glu", "last_axis", functional.glu, numbers(3, 10))
    references.add("glu", "first_axis", lambda x: functional.glu(x, 0), numbers(4, 5))
