#!/usr/bin/env python3
"""Reference values of tests/parts/rearrange_parts.cpp; see values.py."""
import torch
from torch.nn import functional

from values import References, numbers

NAN = float("nan")


def shuffled(*shape):
    order = torch.randperm(numbers(*shape).numel(), generator=torch.Generator().manual_seed(1))
    return (order / 64).reshape(shape).to(torch.float64)


with References(__file__) as references:
    add = references.add
    a, b, c = numbers(2, 3, 5), numbers(2, 4, 5, seed=1), numbers(2, 1, 5, seed=2)
    add("concat", "three_along_the_middle", lambda *x: torch.cat(x, 1), a, b, c)
    add("concat", "along_the_last", lambda *x: torch.cat(x, -1), a, numbers(2, 3, 1))
    add("concat", "with_an_empty_one", lambda *x: torch.cat(x, 0), a, numbers(0, 3, 5))
    add("concat", "one_tensor", lambda x: torch.cat([x], 0), a)
    add("stack", "first", lambda *x: torch.stack(x), a, numbers(2, 3, 5, seed=3))
    add("stack", "last", lambda *x: torch.stack(x, -1), a, numbers(2, 3, 5, seed=3))
    add("stack", "scalars", lambda *x: torch.stack(x), numbers(), numbers(seed=1))
    add("split", "sizes", lambda x: torch.split(x, [1, 0, 4], 2), a)
    add("split", "equal", lambda x: torch.split(x, 2, 2), a)
    add("chunk", "uneven", lambda x: torch.chunk(x, 3, 2), a)
    add("chunk", "more_than_elements", lambda x: torch.chunk(x, 7, 0), a)
    add("pad", "last_axis", lambda x: functional.pad(x, (1, 2)), a)
    add("pad", "two_axes_with_value", lambda x: functional.pad(x, (1, 0, 0, 2), value=-1.5), a)
    add("pad", "reflect", lambda x: functional.pad(x, (2, 3), mode="reflect"), a)
    add("pad", "reflect_two_axes", lambda x: functional.pad(x, (2, 1, 1, 2), mode="reflect"), a)
    add("pad", "nothing", lambda x: functional.pad(x, (0, 0)), a)
    add("pad", "empty", lambda x: functional.pad(x, (1, 1)), numbers(2, 0))
    add("flip", "one_axis", lambda x: torch.flip(x, [2]), a)
    add("flip", "all_axes", lambda x: torch.flip(x, [0, 1, 2]), a)
    add("flip", "outer_axis", lambda x: torch.flip(x, [0]), numbers(3, 16))
    add("roll", "forward", lambda x: torch.roll(x, 2, 2), a)
    add("roll", "backward_beyond", lambda x: torch.roll(x, -7, 1), a)
    add("roll", "zero", lambda x: torch.roll(x, 5, 2), a)
    add("repeat", "inner", lambda x: x.repeat(1, 2, 3), a)
    add("repeat", "more_axes", lambda x: x.repeat(2, 1, 1, 2), a)
    add("repeat", "zero_times", lambda x: x.repeat(0, 1, 1), a)
    add("permute", "three_axes", lambda x: x.permute(2, 0, 1), a)
    add("transpose", "outer", lambda x: x.transpose(0, 2), a)
    add("reshape", "inferred", lambda x: x.reshape(5, -1), a)
    add("expand", "new_axis", lambda x: x.expand(4, 3, 5), numbers(3, 1))
    add("slice", "middle", lambda x: x[:, 1:3], a)
    add("slice", "steps", lambda x: x[:, :, 1::2], a)
    add("index", "first_and_last", lambda x: (x[0], x[-1]), a)
    add("squeeze", "all", lambda x: x.squeeze(), numbers(1, 3, 1))
    add("squeeze", "one_axis", lambda x: x.squeeze(2), numbers(1, 3, 1))
    add("unsqueeze", "middle", lambda x: x.unsqueeze(1), numbers(3, 5))
    add("unsqueeze", "last", lambda x: x.unsqueeze(-1), numbers(3, 5))
    add("unfold", "overlapping", lambda x: x.unfold(1, 3, 2), numbers(2, 9, 3))
    add("unfold", "with_a_rest", lambda x: x.unfold(-1, 2, 3), numbers(2, 10))
    add("tril", "main", torch.tril, numbers(5, 5))
    add("tril", "batch_above", lambda x: torch.tril(x, 1), numbers(2, 3, 5))
    add("tril", "below", lambda x: torch.tril(x, -2), numbers(5, 3))
    add("triu", "main", torch.triu, numbers(5, 5))
    add("triu", "batch_below", lambda x: torch.triu(x, -1), numbers(2, 5, 3))

    table = numbers(5, 7)
    index = torch.tensor([[0, 6, 3, 3, 3], [1, 1, 1, 1, 1], [6, 5, 4, 3, 2]])
    add("gather", "last_axis_repeated", lambda x, i: torch.gather(x, 1, i), table, index)
    add("gather", "first_axis", lambda x, i: torch.gather(x, 0, i), table, torch.tensor([[0, 4, 4], [4, 4, 0]]))
    add("gather", "int32_index", lambda x, i: torch.gather(x, 1, i.long()), table, index.int())
    add("gather", "middle_of_three", lambda x, i: torch.gather(x, 1, i), numbers(2, 4, 3), torch.tensor(
        [[[0, 1, 2], [3, 3, 3]], [[1, 1, 1], [1, 0, 2]]]))
    add("gather", "one_axis", lambda x, i: torch.gather(x, 0, i), numbers(9), torch.tensor([8, 0, 8, 8, 2]))
    add("gather", "empty", lambda x, i: torch.gather(x, 1, i), table, torch.zeros(5, 0, dtype=torch.int64))
    distinct = torch.tensor([[0, 6, 3], [1, 2, 4], [6, 5, 4]])
    add("scatter", "distinct", lambda x, i, s: torch.scatter(x, 1, i, s), table, distinct, numbers(3, 3))
    add("scatter", "first_axis", lambda x, i, s: torch.scatter(x, 0, i, s), table, torch.tensor([[4, 0, 1]]),
        numbers(1, 3))

    def scatter_in_order(x, i, s):
        rows = []
        for r in range(x.shape[0]):
            row = list(x[r])
            for k in range(i.shape[1] if r < i.shape[0] else 0):
                row[int(i[r, k])] = s[r, k]
            rows.append(torch.stack(row))
        return torch.stack(rows)

    add("scatter", "repeated_last_counts", scatter_in_order, table, index, numbers(3, 5))
    add("scatter_add", "repeated", lambda x, i, s: torch.scatter_add(x, 1, i, s), table, index, numbers(3, 5))
    add("scatter_add", "one_place", lambda x, i, s: torch.scatter_add(x, 0, i, s), numbers(3),
        torch.full((65,), 1, dtype=torch.int64), numbers(65))
    add("scatter_add", "first_axis", lambda x, i, s: torch.scatter_add(x, 0, i, s), table,
        torch.tensor([[4, 0, 1], [4, 4, 4]]), numbers(2, 3))
    rows = torch.tensor([4, 0, 4, 4, 1])
    add("index_select", "rows_repeated", lambda x, i: torch.index_select(x, 0, i), table, rows)
    add("index_select", "columns", lambda x, i: torch.index_select(x, 1, i), table, rows)
    add("index_select", "middle", lambda x, i: torch.index_select(x, 1, i), numbers(2, 5, 3), rows)
    add("index_select", "int32_index", lambda x, i: torch.index_select(x, 1, i), table, rows.int())
    add("index_select", "none", lambda x, i: torch.index_select(x, 0, i), table, rows[:0])
    add("one_hot", "matrix", lambda i: functional.one_hot(i, 7), index, backward=False)
    add("one_hot", "floating_point", lambda i: functional.one_hot(i.long(), 7).double(), index.int(), backward=False)

    ties = numbers(3, 17, low=-3.4, high=3.4).round()
    special = torch.tensor([[1.0, NAN, 3.0, float("inf")], [NAN, NAN, 2.0, float("-inf")]], dtype=torch.float64)

    def sort(x, axis, descending=False):
        return torch.sort(x, dim=axis, descending=descending, stable=True)

    add("sort", "last_axis", lambda x: sort(x, -1), shuffled(3, 33))
    add("sort", "descending_with_ties", lambda x: sort(x, -1, True), ties)
    add("sort", "ascending_with_ties", lambda x: sort(x, -1), ties)
    add("sort", "first_axis", lambda x: sort(x, 0), shuffled(9, 4))
    add("sort", "special", lambda x: sort(x, -1), special, backward=False)
    add("sort", "special_descending", lambda x: sort(x, -1, True), special, backward=False)
    add("sort", "one_element", lambda x: sort(x, -1), numbers(3, 1))
    add("sort", "empty", lambda x: sort(x, -1), numbers(3, 0))
    add("sort", "integers", lambda x: sort(x, -1), torch.tensor([[3, -2**40, 3, 7], [0, 0, -1, 2**40]]), backward=False)
    add("argsort", "ties", lambda x: sort(x, -1)[1], ties, backward=False)
    add("top_k", "largest", lambda x: torch.topk(x, 5), shuffled(3, 33))
    add("top_k", "smallest_of_an_axis", lambda x: torch.topk(x, 3, dim=0, largest=False), shuffled(9, 4))
    add("top_k", "none", lambda x: torch.topk(x, 0), numbers(3, 5))
    for name, function in (("argmax", torch.argmax), ("argmin", torch.argmin)):
        add(name, "last_axis", lambda x: function(x, -1), numbers(3, 33), backward=False)
        add(name, "middle_kept", lambda x: function(x, 1, keepdim=True), numbers(2, 40, 3), backward=False)
        add(name, "all", lambda x: function(x), numbers(3, 33), backward=False)
        add(name, "nan", lambda x: function(x, 1), special, backward=False)
        add(name, "integers", lambda x: function(x, 1), torch.tensor([[3, -9, 4], [2**40, -2**40, 0]]), backward=False)
    first_max = torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], dtype=torch.float64)
    references.add("argmax", "ties", lambda x: torch.tensor([1, 0]), first_max, backward=False)
    references.add("argmin", "ties", lambda x: torch.tensor([0, 0]), first_max, backward=False)
    add("cumsum", "last_axis", lambda x: torch.cumsum(x, -1), numbers(3, 70))
    add("cumsum", "first_axis", lambda x: torch.cumsum(x, 0), numbers(33, 4))
    add("cumsum", "integers", lambda x: torch.cumsum(x, 1), torch.tensor([[3, -9, 4], [2**40, -2**40, 1]]), backward=False)
    add("cumsum", "empty", lambda x: torch.cumsum(x, -1), numbers(3, 0))

    def einsum(expression):
        return lambda *x: torch.einsum(expression, *x)

    add("einsum", "matrix_product", einsum("ij,jk->ik"), numbers(3, 5), numbers(5, 4))
    add("einsum", "batch_transposed", einsum("bij,bkj->bik"), numbers(2, 3, 5), numbers(2, 4, 5))
    add("einsum", "attention_scores", einsum("bqhd,bkhd->bhqk"), numbers(2, 3, 2, 4), numbers(2, 5, 2, 4))
    add("einsum", "outer", einsum("i,j->ij"), numbers(3), numbers(5))
    add("einsum", "dot", einsum("i,i->"), numbers(9), numbers(9, seed=1))
    add("einsum", "own_letters_are_summed", einsum("ija,jkb->ki"), numbers(3, 5, 2), numbers(5, 4, 3))
    add("einsum", "one_tensor", einsum("ijk->ki"), numbers(2, 3, 5))
    add("einsum", "elementwise", einsum("ij,ij->ij"), numbers(3, 5), numbers(3, 5, seed=1))

    for name, function in {"full": lambda: torch.full((2, 3), 1.5), "zeros": lambda: torch.zeros(2, 3),
                           "ones": lambda: torch.ones(2, 3), "arange": lambda: torch.arange(2, 17, 4),
                           "linspace": lambda: torch.linspace(-1, 2, 7, dtype=torch.float64),
                           "eye": lambda: torch.eye(3, 5)}.items():
        add(name, "values", lambda x: function().double(), numbers(2, 3), backward=False)
    add("arange", "floating_point", lambda x: torch.arange(0.5, 2, 0.25, dtype=torch.float64), numbers(1), backward=False)
    add("arange", "backward_in_steps", lambda x: torch.arange(5, -4, -3).double(), numbers(1), backward=False)
    add("linspace", "one", lambda x: torch.linspace(3, 5, 1, dtype=torch.float64), numbers(1), backward=False)
