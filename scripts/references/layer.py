#!/usr/bin/env python3
"""Reference values of tests/parts/layer_parts.cpp; see values.py."""
import torch
import torch.nn.functional as functional

from values import References, numbers


def lora(x, down, up, weight, bias):
    return functional.linear(x, weight, bias) + 3.0 / 2 * functional.linear(functional.linear(x, down), up)


def lstm_language_model(ids, tokens, *parameters):
    *recurrent, head = parameters
    x = functional.embedding(ids.long(), tokens)
    state = torch.zeros(2, ids.shape[0], 4, dtype=torch.float64)
    outputs = torch.lstm(x, (state, state), recurrent, True, 2, 0.0, False, False, True)[0]
    return functional.linear(outputs, head)


with References(__file__) as references:
    # Numbers without equal ones, whose gradients would be ambiguous.
    distinct = torch.randperm(2 * 3 * 4 * 6, generator=torch.Generator().manual_seed(5)).reshape(2, 3, 4, 6) / 64 - 1
    distinct = distinct.to(torch.float64)
    references.add("MaxPool2d", "window", lambda x: functional.max_pool2d(x, (2, 3)), distinct)
    references.add("AveragePool2d", "window", lambda x: functional.avg_pool2d(x, (2, 3)), numbers(2, 3, 4, 6))
    references.add("AdaptiveMaxPool2d", "size", lambda x: functional.adaptive_max_pool2d(x, (2, 3)), distinct)
    references.add("AdaptiveAveragePool2d", "size", lambda x: functional.adaptive_avg_pool2d(x, (2, 3)),
                   numbers(2, 3, 5, 7))
    references.add("Flatten", "three_axes", lambda x: torch.flatten(x, 1), numbers(2, 3, 4))
    references.add("SkipConnection", "linear", lambda x, w, b: x + functional.linear(x, w, b), numbers(3, 5),
                   numbers(5, 5), numbers(5))
    references.add("LoraLinear", "rank_two", lora, numbers(3, 7), numbers(2, 7), numbers(5, 2), numbers(5, 7),
                   numbers(5))
    layers = [numbers(*shape, low=-0.5, high=0.5, seed=seed) for seed in (0, 1)
              for shape in ((16, 4), (16, 4), (16,), (16,))]
    references.add("LstmLanguageModel", "two_layers", lstm_language_model,
                   torch.tensor([[0, 3, 3], [4, 1, 2]], dtype=torch.int32), numbers(5, 4), *layers,
                   numbers(5, 4, seed=1))
