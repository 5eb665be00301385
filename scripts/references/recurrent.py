#!/usr/bin/env python3
"""Reference values of tests/parts/recurrent_parts.cpp; see values.py."""
import torch

from values import References, numbers

HIDDEN = 3


def weights(gates, inputs, bias=True):
    sizes = [(gates * HIDDEN, inputs), (gates * HIDDEN, HIDDEN)] + [(gates * HIDDEN,)] * (2 if bias else 0)
    return [numbers(*size, low=-1, high=1, seed=i) for i, size in enumerate(sizes)]


def one_layer(kind, x, parameters, state=None, is_reversed=False):
    """Outputs and last states of a layer and direction, with the gradients through `parameters`."""
    layer = getattr(torch.nn, kind)(x.shape[2], HIDDEN, batch_first=True, bias=len(parameters) == 4).double()
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"][:len(parameters)]
    arguments = (x.flip(1) if is_reversed else x,)
    if state is not None:
        first = state[0].unsqueeze(0)
        arguments += ((first, state[1].unsqueeze(0)) if kind == "LSTM" else first,)
    outputs, last = torch.func.functional_call(layer, dict(zip(names, parameters)), arguments)
    outputs = outputs.flip(1) if is_reversed else outputs
    return [outputs, *(y.squeeze(0) for y in (last if kind == "LSTM" else (last,)))]


def stacked(kind, x, parameters, layers, bidirectional):
    layer = getattr(torch.nn, kind)(x.shape[2], HIDDEN, layers, batch_first=True, bidirectional=bidirectional).double()
    names = [name for name, _ in layer.named_parameters()]
    outputs, last = torch.func.functional_call(layer, dict(zip(names, parameters)), (x,))
    return [outputs, *(last if kind == "LSTM" else (last,))]


with References(__file__) as references:
    for kind, gates in [("LSTM", 4), ("GRU", 3)]:
        name = kind.lower()
        states = [numbers(2, HIDDEN, seed=8), numbers(2, HIDDEN, seed=9)][:2 if kind == "LSTM" else 1]

        def add(case, x, parameters, kind=kind, name=name, **options):
            count = len(parameters)
            references.add(name, case, lambda x, *rest: one_layer(
                kind, x, rest[:count], rest[count:] or None, **options), x, *parameters)

        add("defaults", numbers(2, 5, 4), weights(gates, 4))
        add("reversed", numbers(2, 5, 4), weights(gates, 4), is_reversed=True)
        add("without_bias", numbers(2, 3, 2), weights(gates, 2, bias=False))
        add("one_step", numbers(3, 1, 1), weights(gates, 1))
        references.add(name, "from_a_state", lambda x, *rest, kind=kind: one_layer(kind, x, rest[:4], rest[4:]),
                       numbers(2, 4, 3), *weights(gates, 3), *states)
        references.add(name, "reversed_from_a_state",
                       lambda x, *rest, kind=kind: one_layer(kind, x, rest[:4], rest[4:], True),
                       numbers(2, 4, 3), *weights(gates, 3), *states)
        # The parameters of a layer are integer inputs, in 128ths, since they get no gradient here.
        for case, layers, bidirectional in [("stacked", 2, False), ("bidirectional", 2, True)]:
            module = getattr(torch.nn, kind)(4, HIDDEN, layers, bidirectional=bidirectional)
            sizes = [parameter.shape for parameter in module.parameters()]
            numerators = torch.cat([(numbers(*size, low=-1, high=1, seed=i) * 128).round().flatten().to(torch.int64)
                                    for i, size in enumerate(sizes)])

            def layer(x, flat, kind=kind, sizes=sizes, layers=layers, bidirectional=bidirectional):
                parts = torch.split(flat.to(torch.float64) / 128, [size.numel() for size in sizes])
                return stacked(kind, x, [part.reshape(size) for part, size in zip(parts, sizes)], layers,
                               bidirectional)

            references.add(f"{name}_layer", case, layer, numbers(2, 5, 4), numerators)
