#!/usr/bin/env python3
"""Reference values of tests/parts/gpt_parts.cpp; see values.py."""
import math

import torch

from values import References, numbers


def rms_norm(x, weight=None, epsilon=1e-5):
    return torch.nn.functional.rms_norm(x, x.shape[-1:], weight, epsilon)


def residual_rms_norm(x, branch, weight):
    return x + branch, rms_norm(x + branch, weight)


def frequencies(channels, base, llama3=None):
    values = base ** (-torch.arange(0, channels, 2, dtype=torch.float64) / channels)
    if llama3 is None:
        return values
    factor, low, high, context = llama3
    turns = context * values / (2 * math.pi)
    smooth = ((turns - low) / (high - low)).clamp(0, 1)
    return (1 - smooth) * values / factor + smooth * values


def rotary(x, positions, channels, base=10000.0, llama3=None):
    """x: (batch, time, heads, head_size), as Hugging Face's apply_rotary_pos_emb."""
    angles = positions.to(torch.float64)[..., None] * frequencies(channels, base, llama3)
    angles = torch.cat([angles, angles], -1)[..., None, :]
    turned, rest = x[..., :channels], x[..., channels:]
    half = torch.cat([-turned[..., channels // 2 :], turned[..., : channels // 2]], -1)
    return torch.cat([turned * angles.cos() + half * angles.sin(), rest], -1)


def attention(q, k, v, mask=None, causal=False, window=0, ranges=None, scale=None):
    """q, k, v: (batch, time, heads, head_size). A query that sees no key gives 0."""
    group = q.shape[2] // k.shape[2]
    k, v = k.repeat_interleave(group, 2), v.repeat_interleave(group, 2)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    queries, keys = q.shape[2], k.shape[2]
    diagonal = torch.arange(queries)[:, None] + keys - queries
    key = torch.arange(keys)[None, :]
    seen = torch.ones(q.shape[0], 1, queries, keys, dtype=torch.bool)
    if causal:
        seen = seen & (key <= diagonal)
    if window:
        seen = seen & ((key - diagonal).abs() < window)
    if ranges is not None:
        first, end = ranges
        seen = seen & (key >= first[:, None, :, None]) & (key < end[:, None, :, None])
    scores = q @ k.transpose(-1, -2) * (scale or q.shape[-1] ** -0.5)
    if mask is not None and mask.dtype == torch.uint8:
        seen = seen & (mask != 0)
    elif mask is not None:
        scores = scores + mask
    blind = ~seen.any(-1, keepdim=True)
    scores = scores.masked_fill(~seen, -math.inf).masked_fill(blind, 0)
    return (scores.softmax(-1).masked_fill(blind, 0) @ v).transpose(1, 2)


def qkv(batch, queries, keys, heads, key_heads, size):
    return (
        numbers(batch, queries, heads, size),
        numbers(batch, keys, key_heads, size, seed=1),
        numbers(batch, keys, key_heads, size, seed=2),
    )


def integers(*rows):
    return torch.tensor(rows, dtype=torch.int32)


with References(__file__) as references:
    for case, shape in {"odd_size": (3, 33), "vectors": (5, 64), "one_element": (1, 1)}.items():
        references.add("rms_norm", case, rms_norm, numbers(*shape), numbers(shape[-1], seed=1))
    references.add("rms_norm", "no_weight", rms_norm, numbers(2, 3, 7))
    references.add("rms_norm", "empty", rms_norm, numbers(0, 7), numbers(7))
    references.add("rms_norm", "many_rows", rms_norm, numbers(70, 3), numbers(3))
    bad = numbers(3, 4)
    bad[1, 2] = math.nan
    references.add("rms_norm", "not_a_number", rms_norm, bad, numbers(4))
    references.add("residual_rms_norm", "odd_size", residual_rms_norm, numbers(3, 33), numbers(3, 33, seed=1), numbers(33))
    references.add("RmsNorm", "epsilon", lambda x: rms_norm(x, None, 0.25), numbers(3, 9))

    time = torch.arange(5)
    references.add("rotary_embedding", "whole_head", lambda x: rotary(x, time, 6), numbers(2, 5, 3, 6))
    references.add("rotary_embedding", "vectors", lambda x: rotary(x, time + 2, 16, 100.0), numbers(2, 5, 1, 16))
    references.add("rotary_embedding", "part_of_a_head", lambda x: rotary(x, time, 4), numbers(1, 5, 2, 7))
    references.add("rotary_embedding", "llama_3", lambda x: rotary(x, time, 10, 500.0, (8.0, 1.0, 4.0, 64.0)), numbers(2, 5, 1, 10))
    references.add("rotary_embedding", "positions", lambda x, p: rotary(x, p, 6), numbers(2, 5, 3, 6), integers([0, 1, 2, 0, 1], [7, 0, 0, 1, 2]))

    silu = lambda gate, up: torch.nn.functional.silu(gate) * up
    references.add("swiglu", "odd_size", silu, numbers(3, 33, low=-8, high=8), numbers(3, 33, seed=1))
    references.add("swiglu", "vectors", silu, numbers(4, 64), numbers(4, 64, seed=1))
    references.add("swiglu", "empty", silu, numbers(0, 3), numbers(0, 3))

    add = lambda case, *inputs, **options: references.add("attention", case, lambda *x: attention(*x, **options), *inputs)
    add("all_keys", *qkv(2, 5, 5, 2, 2, 4))
    add("causal", *qkv(2, 7, 7, 2, 2, 5), causal=True)
    add("causal_with_more_keys", *qkv(1, 3, 7, 2, 2, 8), causal=True)
    add("causal_with_fewer_keys", *qkv(1, 5, 3, 1, 1, 4), causal=True)
    add("cross", *qkv(2, 3, 6, 2, 2, 4))
    add("grouped_queries", *qkv(2, 6, 6, 6, 2, 4), causal=True)
    add("one_key_head", *qkv(1, 4, 9, 3, 1, 3))
    add("window", *qkv(1, 9, 9, 2, 1, 4), causal=True, window=3)
    add("window_of_both_sides", *qkv(1, 9, 9, 2, 2, 4), window=2)
    add("scale", *qkv(1, 4, 4, 1, 1, 4), scale=1.5)
    add("one_element", *qkv(1, 1, 1, 1, 1, 1))
    add("several_tiles", *qkv(1, 130, 70, 2, 1, 3))
    add("several_tiles_causal", *qkv(1, 131, 131, 1, 1, 2), causal=True, window=70)
    add("long_heads", *qkv(1, 5, 6, 1, 1, 72))
    add("empty", *qkv(0, 3, 3, 1, 1, 2))
    seen = (numbers(2, 1, 4, 6, seed=3) > 0).to(torch.uint8)
    seen[0, 0, 1] = 0  # sees no key
    references.add("attention", "boolean_mask", attention, *qkv(2, 4, 6, 2, 2, 4), seen)
    bias = numbers(3, 1, 6, low=-4, high=4, seed=4).to(torch.int32)
    references.add("attention", "additive_mask", lambda q, k, v, m: attention(q, k, v, m.double()), *qkv(2, 4, 6, 3, 3, 4), bias)
    first, end = integers([0, 0, 2, 2, 2, 5, 5], [0, 0, 0, 0, 0, 0, 6]), integers([2, 2, 5, 5, 5, 7, 7], [6, 6, 6, 6, 6, 6, 7])
    for case, causal in {"documents": False, "causal_documents": True}.items():
        references.add("attention", case, lambda q, k, v, f, e: attention(q, k, v, causal=causal, ranges=(f, e)), *qkv(2, 7, 7, 2, 1, 4), first, end)
    references.add("attention", "padded_keys", lambda q, k, v, e: attention(q, k, v, ranges=(torch.zeros_like(e), e)), *qkv(2, 3, 4, 1, 1, 2), integers([4, 4, 4], [2, 2, 0]))
