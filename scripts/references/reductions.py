#!/usr/bin/env python3
"""Reference values of tests/parts/reductions_parts.cpp; see values.py."""
import math

import torch

from values import References, numbers

NAN, INF = float("nan"), float("inf")


def product(x, axes, keep):
    for axis in sorted((a % x.dim() for a in axes), reverse=True):
        x = torch.prod(x, axis, keepdim=keep)
    return x


def norm(p):
    return lambda x, axes, keep: torch.linalg.vector_norm(x, p, axes, keepdim=keep)


def var(correction):
    return lambda x, axes, keep: torch.var(x, axes, correction=correction, keepdim=keep)


FUNCTIONS = {
    "sum": lambda x, axes, keep: torch.sum(x, axes, keepdim=keep),
    "mean": lambda x, axes, keep: torch.mean(x, axes, keepdim=keep),
    "max": lambda x, axes, keep: torch.amax(x, axes, keepdim=keep),
    "min": lambda x, axes, keep: torch.amin(x, axes, keepdim=keep),
    "product": product,
    "var": var(1),
    "standard_deviation": lambda x, axes, keep: torch.std(x, axes, keepdim=keep),
    "norm": norm(2),
    "logsumexp": lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep),
}



def distinct(x):
    """Distinct numbers in the shape of x, since extremes that are equal share their gradient in PyTorch."""
    order = torch.randperm(x.numel(), generator=torch.Generator().manual_seed(1))
    return (order / 64).reshape(x.shape).to(torch.bfloat16).to(torch.float64)


CASES = {
    "last_axis": (numbers(3, 33, low=0.5), (-1,), False),
    "first_axis": (numbers(33, 5, low=0.5), (0,), False),
    "middle_kept": (numbers(2, 7, 3, low=0.5), (1,), True),
    "adjacent_axes": (numbers(2, 3, 5, low=0.5), (1, 2), False),
    "outer_axes": (numbers(2, 3, 5, low=0.5), (0, 2), False),
    "outer_axes_kept": (numbers(2, 3, 5, low=0.5), (-1, 0), True),
    "all_axes": (numbers(2, 3, 5, low=0.5), (0, 1, 2), False),
    "one_element": (numbers(4, 1, low=0.5), (1,), False),
}

with References(__file__) as references:
    for name, function in FUNCTIONS.items():
        for case, (x, axes, keep) in CASES.items():
            if case == "one_element" and name in ("var", "standard_deviation"):
                continue  # NaN
            values = distinct(x) if name in ("max", "min") else x
            references.add(name, case, lambda x: function(x, axes, keep), values)
        references.add(name, "all", lambda x: function(x, (0, 1), False),
                       distinct(numbers(3, 33)) if name in ("max", "min") else numbers(3, 33, low=0.5))
        special = torch.tensor([[1, NAN, 2], [INF, 1, 2], [-INF, 1, 2], [0, -1, 2]], dtype=torch.float64)
        references.add(name, "special", lambda x: function(x, (1,), False), special, backward=False)

    for name in ("sum", "mean", "product", "logsumexp", "norm"):
        references.add(name, "empty_axis", lambda x: FUNCTIONS[name](x, (1,), False), numbers(3, 0), backward=False)
    for name in ("sum", "max", "product"):
        references.add(name, "no_output", lambda x: FUNCTIONS[name](x, (1,), False), numbers(0, 3), backward=False)
    for name in ("sum", "mean", "max", "product", "norm", "logsumexp"):
        references.add(name, "no_axes", lambda x: x.abs() if name == "norm" else x.clone(), numbers(3, 5, low=0.5))
    references.add("sum", "long", lambda x: torch.sum(x), numbers(5001))
    references.add("norm", "long", lambda x: torch.linalg.vector_norm(x), numbers(5001))
    references.add("product", "one_zero", lambda x: torch.prod(x, 1), torch.tensor(
        [[0.0, 2, 3], [0, 0, 3], [1, 2, 3]], dtype=torch.float64))
    references.add("var", "correction_0", lambda x: torch.var(x, 1, correction=0), numbers(3, 33))
    references.add("var", "far_from_zero", lambda x: torch.var(x, 1), numbers(3, 33) / 128 + 64)
    references.add("var", "one_element", lambda x: torch.var(x, 1, correction=0), numbers(4, 1))
    references.add("standard_deviation", "correction_0", lambda x: torch.std(x, 1, correction=0), numbers(3, 33))
    for p in (1.0, 3.0, 0.5, math.inf):
        references.add("norm", f"p_{p}", lambda x: torch.linalg.vector_norm(x, p, 1), numbers(3, 33))
    references.add("norm", "p_3.0_two_axes", lambda x: torch.linalg.vector_norm(x, 3, (0, 2), keepdim=True),
                   numbers(2, 3, 5))
    references.add("norm", "of_zero", lambda x: torch.linalg.vector_norm(x, 2, 1), torch.zeros(2, 3).double())
    references.add("logsumexp", "large", lambda x: torch.logsumexp(x, 1), numbers(3, 9, low=80, high=90))

    some = torch.tensor([[0, 0, 1], [0, 0, 0], [1, 2, 3]], dtype=torch.float64)
    for name, function in (("any", torch.any), ("all", torch.all)):
        references.add(name, "last_axis", lambda x: function(x != 0, 1), some, backward=False)
        references.add(name, "everything", lambda x: function(x != 0), some, backward=False)
        references.add(name, "empty", lambda x: function(x != 0, 1), numbers(3, 0), backward=False)
        references.add(name, "integers", lambda x: function(x != 0, 0), some.long(), backward=False)
    whole = torch.tensor([[3, -2**40, 5], [7, 7, -1]])
    for name, function in (("sum", torch.sum), ("product", torch.prod), ("max", torch.amax), ("min", torch.amin)):
        references.add(f"integer_{name}", "int64", lambda x: function(x, 1), whole, backward=False)
        references.add(f"integer_{name}", "uint8", lambda x: function(x.long(), 0),
                       torch.tensor([[200, 3], [100, 4]], dtype=torch.uint8), backward=False)
