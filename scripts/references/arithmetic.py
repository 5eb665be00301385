#!/usr/bin/env python3
"""Reference values of tests/parts/arithmetic_parts.cpp; see values.py."""
import torch

from values import References, numbers

with References(__file__) as references:
    references.add("add", "same_shape", torch.add, numbers(3, 33), numbers(3, 33, seed=1))
    references.add("add", "broadcast", torch.add, numbers(3, 33), numbers(33))
    references.add("exp", "odd_size", torch.exp, numbers(33))
