#!/usr/bin/env python3
"""Reference values of tests/parts/elementwise_parts.cpp; see values.py."""
import torch

from values import References, numbers

SPECIAL = torch.tensor([float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1.0, -1.0, 0.5], dtype=torch.float64)

# name: function, lowest and highest input, whether NaN and infinities are compared too
UNARY = {
    "abs": (torch.abs, -2, 2, True),
    "sign": (torch.sign, -2, 2, False),  # PyTorch gives 0 for NaN
    "floor": (torch.floor, -3.9, 3.9, True),
    "ceil": (torch.ceil, -3.9, 3.9, True),
    "round": (torch.round, -3.9, 3.9, True),
    "truncate": (torch.trunc, -3.9, 3.9, True),
    "exp": (torch.exp, -2, 2, True),
    "exp2": (torch.exp2, -2, 2, True),
    "expm1": (torch.expm1, -2, 2, True),
    "log": (torch.log, 0.1, 4, True),
    "log1p": (torch.log1p, -0.5, 3, True),
    "log2": (torch.log2, 0.1, 4, True),
    "log10": (torch.log10, 0.1, 4, True),
    "sqrt": (torch.sqrt, 0.2, 4, True),
    "rsqrt": (torch.rsqrt, 0.2, 4, True),
    "square": (torch.square, -2, 2, True),
    "reciprocal": (torch.reciprocal, 0.5, 4, True),
    "negate": (torch.neg, -2, 2, True),
    "sin": (torch.sin, -3, 3, True),
    "cos": (torch.cos, -3, 3, True),
    "tan": (torch.tan, -1, 1, True),
    "asin": (torch.asin, -0.9, 0.9, True),
    "acos": (torch.acos, -0.9, 0.9, True),
    "atan": (torch.atan, -3, 3, True),
    "sinh": (torch.sinh, -2, 2, True),
    "cosh": (torch.cosh, -2, 2, True),
    "tanh": (torch.tanh, -2, 2, True),
    "asinh": (torch.asinh, -3, 3, True),
    "acosh": (torch.acosh, 1.2, 4, True),
    "atanh": (torch.atanh, -0.9, 0.9, True),
    "erf": (torch.erf, -2, 2, True),
    "erfc": (torch.erfc, -2, 2, True),
}

BINARY = {
    "add": (torch.add, -2),
    "subtract": (torch.sub, -2),
    "multiply": (torch.mul, -2),
    "divide": (torch.div, 0.5),
    "maximum": (torch.maximum, -2),
    "minimum": (torch.minimum, -2),
    "pow": (torch.pow, 0.3),
    "atan2": (torch.atan2, 0.3),
    "remainder": (torch.remainder, 0.6),
    "fmod": (torch.fmod, 0.6),
}

COMPARISONS = {
    "equal": torch.eq, "not_equal": torch.ne, "less": torch.lt, "less_equal": torch.le,
    "greater": torch.gt, "greater_equal": torch.ge,
    "logical_and": torch.logical_and, "logical_or": torch.logical_or, "logical_xor": torch.logical_xor,
}

INTEGERS = torch.tensor([[7, -7, 0], [2**31 + 5, -3, 1]], dtype=torch.int64)
DIVISORS = torch.tensor([[3, 3, -2], [-4, -4, 1]], dtype=torch.int64)


def some_equal(*shape):
    """Small whole numbers, so that some pairs are equal."""
    return numbers(*shape, low=-2.4, high=2.4).round()


with References(__file__) as references:
    for name, (function, low, high, special) in UNARY.items():
        references.add(name, "odd_size", function, numbers(33, low=low, high=high))
        references.add(name, "matrix", function, numbers(3, 5, low=low, high=high))
        references.add(name, "one_element", function, numbers(1, low=low, high=high))
        references.add(name, "empty", function, numbers(0, 3))
        if special:
            references.add(name, "special", function, SPECIAL, backward=False)

    for name, (function, low) in BINARY.items():
        a, b = numbers(3, 33, low=low), numbers(3, 33, low=low, seed=1)
        references.add(name, "same_shape", function, a, b)
        references.add(name, "broadcast_row", function, a, numbers(33, low=low, seed=2))
        references.add(name, "broadcast_both", function, numbers(4, 1, low=low), numbers(1, 5, low=low, seed=3))
        references.add(name, "scalar", function, a, numbers(low=low, seed=4))
        references.add(name, "empty", function, numbers(0, 3), numbers(3))
    for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "atan2"):
        references.add(name, "special", BINARY[name][0], SPECIAL, SPECIAL.flip(0).roll(1), backward=False)
    references.add("maximum", "number", lambda x: torch.clamp(x, min=0.25), numbers(33))
    references.add("minimum", "number", lambda x: torch.clamp(x, max=0.25), numbers(33))
    references.add("remainder", "signs", lambda x: torch.remainder(x, -0.75), numbers(33), backward=False)
    references.add("fmod", "signs", lambda x: torch.fmod(x, -0.75), numbers(33), backward=False)
    references.add("add", "number", lambda x: x + 1.5, numbers(33))
    references.add("subtract", "number", lambda x: 1.5 - x, numbers(33))
    references.add("multiply", "number", lambda x: x * 1.5, numbers(33))
    references.add("divide", "number", lambda x: 1.5 / x, numbers(33, low=0.5))

    for exponent in (0.0, 0.5, 2.0, 3.0, -1.5):
        references.add("pow", f"exponent_{exponent}", lambda x: torch.pow(x, exponent), numbers(33, low=0.3))
    references.add("pow", "negative_base", lambda x: torch.pow(x, 3.0), numbers(33))
    references.add("pow", "number_as_base", lambda x: torch.pow(2.5, x), numbers(33))

    references.add("clamp", "both", lambda x: torch.clamp(x, -0.5, 0.75), numbers(33))
    references.add("clamp", "one_side", lambda x: torch.clamp(x, min=0.3), numbers(33))
    references.add("clamp", "special", lambda x: torch.clamp(x, -0.5, 0.75), SPECIAL, backward=False)
    references.add("lerp", "number", lambda a, b: torch.lerp(a, b, 0.25), numbers(3, 11), numbers(3, 11, seed=1))
    references.add("lerp", "tensor", torch.lerp, numbers(3, 11), numbers(3, 11, seed=1), numbers(3, 11, seed=2))

    for name, function in COMPARISONS.items():
        references.add(name, "same_shape", function, some_equal(3, 11), some_equal(3, 11).flip(0), backward=False)
        references.add(name, "broadcast", function, some_equal(3, 11), some_equal(11), backward=False)
        references.add(name, "special", function, SPECIAL, SPECIAL.flip(0), backward=False)
        references.add(name, "empty", function, numbers(0, 3), numbers(3), backward=False)
        references.add(name, "integers", function, INTEGERS, DIVISORS, backward=False)
    references.add("less", "number", lambda x: x < 0.3, numbers(33), backward=False)
    references.add("equal", "number", lambda x: x == 1, some_equal(3, 11), backward=False)
    references.add("logical_not", "floating_point", torch.logical_not, some_equal(3, 11), backward=False)
    for name, function in (("isnan", torch.isnan), ("isinf", torch.isinf), ("isfinite", torch.isfinite)):
        references.add(name, "special", function, SPECIAL, backward=False)
        references.add(name, "matrix", function, numbers(3, 5), backward=False)

    condition = (numbers(3, 11, seed=5) > 0).to(torch.uint8)

    def where(c, a, b):
        return torch.where(c.bool(), a, b)

    references.add("where", "same_shape", where, condition, numbers(3, 11), numbers(3, 11, seed=1))
    references.add("where", "broadcast", where, condition, numbers(11), numbers(3, 1))
    references.add("where", "number", lambda c, a: torch.where(c.bool(), a, 2.0), condition, numbers(3, 11))
    references.add("where", "empty", where, condition[:0], numbers(0, 11), numbers(11))
    references.add("masked_fill", "broadcast", lambda x, m: x.masked_fill(m.bool(), -1.5), numbers(2, 3, 11), condition)

    def cast_to_float32(x):
        return x.to(torch.float32).to(torch.float64)

    references.add("cast", "floating_point", cast_to_float32, numbers(33))
    references.add("cast", "integers", lambda x: x.to(torch.float64), torch.arange(-3, 9).reshape(3, 4), backward=False)
    references.add("cast", "truncates", lambda x: x.trunc(), numbers(33, low=-9, high=9), backward=False)

    for name, function in (
            ("integer_add", torch.add), ("integer_subtract", torch.sub), ("integer_multiply", torch.mul),
            ("integer_remainder", torch.remainder), ("integer_maximum", torch.maximum),
            ("integer_minimum", torch.minimum),
            ("integer_floor_divide", lambda a, b: torch.div(a, b, rounding_mode="floor"))):
        references.add(name, "int64", function, INTEGERS, DIVISORS, backward=False)
        small = torch.tensor([[7, 9, 0], [250, 3, 1]])
        for dtype in (torch.int32, torch.uint8):
            references.add(name, str(dtype).removeprefix("torch."), function, small.to(dtype),
                           torch.tensor([3, 2, 7]).to(dtype), backward=False)
        references.add(name, "number", lambda a: function(a, torch.tensor(3)), INTEGERS, backward=False)
    references.add("integer_divide", "int64", lambda a, b: a.double() / b, torch.tensor([7, -7, 9]),
                   torch.tensor([2, 4, -8]), backward=False)
    references.add("integer_abs", "int64", torch.abs, INTEGERS, backward=False)
    references.add("integer_sign", "int64", torch.sign, INTEGERS, backward=False)
    references.add("integer_negate", "int64", torch.neg, INTEGERS, backward=False)
    references.add("integer_clamp", "int64", lambda x: torch.clamp(x, -5, 5), INTEGERS, backward=False)
