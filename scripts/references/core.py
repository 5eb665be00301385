#!/usr/bin/env python3
"""Reference values of tests/parts/core_parts.cpp; see values.py."""
import torch
from torch.nn import functional

from values import References, numbers


def feed_forward(x, up, up_bias, down, down_bias):
    return functional.linear(functional.gelu(functional.linear(x, up, up_bias)), down, down_bias)


def residual_norm(x, branch, weight, bias):
    total = x + branch
    return total, functional.layer_norm(total, weight.shape, weight, bias)


def causal_attention(heads):
    def function(qkv):
        batch, time, three = qkv.shape
        q, k, v = (part.reshape(batch, time, heads, -1).transpose(1, 2) for part in qkv.split(three // 3, 2))
        result = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return result.transpose(1, 2).reshape(batch, time, three // 3)

    return function


def signs(columns):
    """1 or -1 for each column: the sign of its element of largest magnitude."""
    largest = columns.abs().argmax(-2, keepdim=True)
    return torch.gather(columns, -2, largest).sign().detach()


def qr(a):
    q, r = torch.linalg.qr(a)
    sign = torch.diagonal(r, dim1=-2, dim2=-1).sign().detach()
    return q * sign.unsqueeze(-2), r * sign.unsqueeze(-1)


def svd(a):
    u, values, v = torch.linalg.svd(a, full_matrices=False)
    sign = signs(u)
    return u * sign, values, v.mT * sign


def symmetric(a):
    return (a + a.mT) / 2


def symmetric_eigenvalues(a):
    values, vectors = torch.linalg.eigh(symmetric(a))
    return values, vectors * signs(vectors)


def positive_definite(*shape):
    x = numbers(*shape) / 4
    return (x @ x.mT + torch.eye(shape[-1])).to(torch.bfloat16).to(torch.float64)


with References(__file__) as references:
    add = references.add
    for name, function in (("softmax", torch.softmax), ("log_softmax", torch.log_softmax)):
        add(name, "odd_size", lambda x: function(x, -1), numbers(3, 33))
        add(name, "three_axes", lambda x: function(x, -1), numbers(2, 3, 5))
        add(name, "one_element", lambda x: function(x, -1), numbers(3, 1))
        add(name, "large_values", lambda x: function(x, -1), numbers(3, 9, low=80, high=90))
        add(name, "empty", lambda x: function(x, -1), numbers(0, 5))

    add("matmul", "matrices", torch.matmul, numbers(3, 33), numbers(33, 5))
    add("matmul", "batch", torch.matmul, numbers(2, 3, 7), numbers(2, 7, 5))
    add("matmul", "one_matrix_for_all", torch.matmul, numbers(2, 3, 7), numbers(7, 5))
    add("matmul", "one_element", torch.matmul, numbers(1, 1), numbers(1, 1, seed=1))
    add("matmul", "empty_sum", torch.matmul, numbers(3, 0), numbers(0, 5))
    add("matmul", "transposed", lambda a, b: a.mT @ b, numbers(7, 3), numbers(7, 5))

    add("linear", "bias", functional.linear, numbers(3, 33), numbers(5, 33), numbers(5))
    add("linear", "no_bias", functional.linear, numbers(2, 3, 7), numbers(5, 7))
    add("linear", "relu", lambda x, w, b: torch.relu(functional.linear(x, w, b)), numbers(3, 7), numbers(5, 7), numbers(5))
    add("linear", "gelu", lambda x, w, b: functional.gelu(functional.linear(x, w, b)), numbers(3, 7), numbers(5, 7),
        numbers(5))
    add("linear", "gelu_tanh", lambda x, w, b: functional.gelu(functional.linear(x, w, b), approximate="tanh"),
        numbers(3, 7), numbers(5, 7), numbers(5))
    add("feed_forward", "gelu", feed_forward, numbers(3, 5), numbers(9, 5), numbers(9), numbers(4, 9), numbers(4))

    add("layer_norm", "weight_and_bias", lambda x, w, b: functional.layer_norm(x, (33,), w, b), numbers(3, 33),
        numbers(33), numbers(33, seed=1))
    add("layer_norm", "plain", lambda x: functional.layer_norm(x, (5,)), numbers(2, 3, 5))
    add("layer_norm", "epsilon", lambda x, w, b: functional.layer_norm(x, (5,), w, b, 0.25), numbers(3, 5), numbers(5),
        numbers(5, seed=1))
    add("residual_norm", "branch", residual_norm, numbers(3, 33), numbers(3, 33, seed=1), numbers(33),
        numbers(33, seed=1))
    add("residual_norm", "sum_alone", torch.add, numbers(3, 33), numbers(3, 33, seed=1))
    add("causal_attention", "one_head", causal_attention(1), numbers(2, 5, 12))
    add("causal_attention", "three_heads", causal_attention(3), numbers(1, 33, 36))
    add("causal_attention", "one_step", causal_attention(2), numbers(2, 1, 12))

    ids = torch.tensor([[0, 4, 4], [1, 4, 0]], dtype=torch.int32)
    add("embedding", "repeated_ids", lambda i, table: functional.embedding(i, table), ids, numbers(5, 7))
    add("embedding", "positions", lambda i, table, p: functional.embedding(i, table) + p, ids, numbers(5, 7), numbers(3, 7))
    add("embedding", "no_ids", lambda i, table: functional.embedding(i, table), ids[:0], numbers(5, 7))

    zeros = torch.zeros(257, 9, dtype=torch.float64)
    add("dropout", "mask", lambda x: (zeros, zeros, torch.tensor(1.0)), numbers(257, 9, low=0.5), backward=False)
    add("dropout", "nothing_dropped", lambda x: x * 1, numbers(3, 5))
    add("sum_to", "outer_and_inner", lambda x: x.sum((0, 2), keepdim=True)[0], numbers(2, 3, 5))

    add("qr", "tall", qr, numbers(5, 3))
    add("qr", "wide_without_gradient", qr, numbers(3, 5), backward=False)
    add("qr", "batch", qr, numbers(2, 4, 4))
    add("cholesky", "matrix", lambda a: torch.linalg.cholesky(symmetric(a)), positive_definite(4, 4))
    add("cholesky", "batch", lambda a: torch.linalg.cholesky(symmetric(a)), positive_definite(2, 3, 3))
    add("svd", "tall", svd, numbers(5, 3))
    add("svd", "wide", svd, numbers(3, 5))
    add("symmetric_eigenvalues", "matrix", symmetric_eigenvalues, numbers(4, 4))
    add("symmetric_eigenvalues", "batch", symmetric_eigenvalues, numbers(2, 3, 3))
    add("solve", "matrix", torch.linalg.solve, positive_definite(4, 4), numbers(4, 2))
    add("solve", "batch", torch.linalg.solve, positive_definite(2, 3, 3), numbers(2, 3, 1))

    targets = torch.tensor([1, 4, -1, 0], dtype=torch.int32)

    def linear_cross_entropy(x, weight, t):
        return functional.cross_entropy(x @ weight.T, t.long(), ignore_index=-1, reduction="sum"), torch.tensor(3.0)

    add("linear_cross_entropy", "ignored_target", linear_cross_entropy, numbers(4, 7), numbers(5, 7), targets)

    add("Linear", "bias", functional.linear, numbers(3, 7), numbers(5, 7), numbers(5))
    add("Linear", "no_bias", functional.linear, numbers(3, 7), numbers(5, 7))
    add("LayerNorm", "epsilon", lambda x, w, b: functional.layer_norm(x, (5,), w, b, 0.25), numbers(3, 5), numbers(5),
        numbers(5, seed=1))
    add("Embedding", "repeated_ids", lambda i, table: functional.embedding(i, table), ids, numbers(5, 7))
    add("Dropout", "evaluation", lambda x: x * 1, numbers(3, 5))
    add("Dropout", "mask", lambda x: (zeros, zeros, torch.tensor(1.0)), numbers(257, 9, low=0.5), backward=False)
    add("Sequential", "two_layers", lambda x, w, b, v, c: functional.linear(functional.linear(x, w, b), v, c),
        numbers(3, 7), numbers(5, 7), numbers(5), numbers(2, 5), numbers(2))
    add("Apply", "activation_between_layers",
        lambda x, w, b, v, c: functional.linear(functional.silu(functional.linear(x, w, b)), v, c),
        numbers(3, 7), numbers(5, 7), numbers(5), numbers(2, 5), numbers(2))
    add("Prelu", "per_channel", functional.prelu, numbers(3, 4, 5), numbers(4, low=0.1))
    add("Mlp", "two_hidden_layers",
        lambda x, w, b, v, c, u, d: functional.linear(torch.relu(functional.linear(torch.relu(
            functional.linear(x, w, b)), v, c)), u, d),
        numbers(3, 7), numbers(5, 7), numbers(5), numbers(4, 5), numbers(4), numbers(2, 4), numbers(2))

    def gpt(i, tokens, positions, w1, b1, wqkv, bqkv, wp, bp, w2, b2, wu, up_bias, wd, bd, w, b):
        norm = functional.layer_norm
        x = functional.embedding(i, tokens) + positions[:i.shape[1]]
        branch = causal_attention(2)(functional.linear(norm(x, w1.shape, w1, b1), wqkv, bqkv))
        x = x + functional.linear(branch, wp, bp)
        hidden = functional.gelu(functional.linear(norm(x, w2.shape, w2, b2), wu, up_bias), approximate="tanh")
        x = x + functional.linear(hidden, wd, bd)
        return functional.linear(norm(x, w.shape, w, b), tokens)

    c = 4
    shapes = [(5, c), (6, c), (c,), (c,), (3 * c, c), (3 * c,), (c, c), (c,), (c,), (c,), (4 * c, c), (4 * c,), (c, 4 * c),
              (c,), (c,), (c,)]
    add("Gpt", "one_block", gpt, ids, *(numbers(*shape, low=-1, high=1, seed=s) for s, shape in enumerate(shapes)))
