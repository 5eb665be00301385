#!/usr/bin/env python3
"""Reference values of tests/parts/optimizer_parts.cpp; see values.py.

Each case: parameters, and the gradients of seven steps, which are repeated; the parameters after 1,
10 and 100 steps. Lion and LAMB, which PyTorch lacks, are written out below.
"""
import numpy
import torch
import torch.optim._muon as torch_muon

from values import References, numbers

SHAPES = [(5, 7), (9, 4), (11,), (3, 2, 2, 3)]
CYCLE, STEPS, SHOWN = 7, 100, (1, 10, 100)


def orthogonalized(x, coefficients, steps, eps):
    """PyTorch's iteration, which rounds to bfloat16, without the rounding."""
    a, b, c = coefficients
    y = x.T if x.size(0) > x.size(1) else x
    y = y / y.norm().clamp(min=eps)
    for _ in range(steps):
        gram = y @ y.T
        y = a * y + (b * gram + c * gram @ gram) @ y
    return y.T if x.size(0) > x.size(1) else y


torch_muon._zeropower_via_newtonschulz = orthogonalized


class Lion:
    def __init__(self, parameters, lr, betas=(0.9, 0.99), weight_decay=0.0):
        self.parameters, self.lr, self.betas, self.decay = parameters, lr, betas, weight_decay
        self.momentum = [numpy.zeros(p.shape) for p in parameters]

    def step(self):
        beta1, beta2 = self.betas
        for p, m in zip(self.parameters, self.momentum):
            x, g = p.data.numpy(), p.grad.numpy()
            x -= self.lr * (numpy.sign(beta1 * m + (1 - beta1) * g) + self.decay * x)
            m[...] = beta2 * m + (1 - beta2) * g


class Lamb:
    def __init__(self, parameters, lr, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
        self.parameters, self.lr, self.betas = parameters, lr, betas
        self.eps, self.decay, self.t = eps, weight_decay, 0
        self.moments = [(numpy.zeros(p.shape), numpy.zeros(p.shape)) for p in parameters]

    def step(self):
        self.t += 1
        beta1, beta2 = self.betas
        for p, (m, v) in zip(self.parameters, self.moments):
            x, g = p.data.numpy(), p.grad.numpy()
            m[...] = beta1 * m + (1 - beta1) * g
            v[...] = beta2 * v + (1 - beta2) * g * g
            direction = m / (1 - beta1**self.t) / (numpy.sqrt(v / (1 - beta2**self.t)) + self.eps)
            direction += self.decay * x
            norms = numpy.linalg.norm(x), numpy.linalg.norm(direction)
            ratio = norms[0] / norms[1] if norms[0] > 0 and norms[1] > 0 else 1.0
            x -= self.lr * ratio * direction


class Muon:
    """Matrices by PyTorch's Muon, other parameters by its AdamW."""

    def __init__(self, parameters, lr, adamw=(), **options):
        matrices = [p for i, p in enumerate(parameters) if p.dim() > 1 and i not in adamw]
        # PyTorch accepts two axes only.
        self.pairs = [(p, p.data.view(p.size(0), -1).requires_grad_()) for p in matrices]
        others = [p for i, p in enumerate(parameters) if p.dim() < 2 or i in adamw]
        self.optimizers = [
            torch.optim.Muon([flat for _, flat in self.pairs], lr=lr, **options),
            torch.optim.AdamW(others, lr=lr, weight_decay=options.get("weight_decay", 0.1)),
        ]

    def step(self):
        for p, flat in self.pairs:
            flat.grad = p.grad.view_as(flat)
        for optimizer in self.optimizers:
            optimizer.step()


def trained(make, prepare=lambda parameters: None):
    def run(*inputs):
        *values, gradients = inputs
        parameters = [value.clone().requires_grad_() for value in values]
        optimizer = make(parameters)
        shown = []
        for step in range(STEPS):
            row = gradients[step % CYCLE]
            parts = torch.split(row, [p.numel() for p in parameters])
            for p, part in zip(parameters, parts):
                p.grad = part.view_as(p).clone()
            prepare(parameters)
            optimizer.step()
            if step + 1 in SHOWN:
                shown += [p.detach().clone() for p in parameters]
        return shown

    return run


with References(__file__) as references:
    inputs = [numbers(*shape, seed=i) for i, shape in enumerate(SHAPES)]
    inputs.append(numbers(CYCLE, sum(x.numel() for x in inputs), seed=9))

    def add(part, case, make, prepare=lambda parameters: None):
        references.add(part, case, trained(make, prepare), *inputs, backward=False)

    optim = torch.optim
    add("sgd", "plain", lambda p: optim.SGD(p, lr=0.05))
    add("sgd", "momentum", lambda p: optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1))
    add("sgd", "nesterov", lambda p: optim.SGD(p, lr=0.01, momentum=0.8, nesterov=True, weight_decay=0.1))
    clip = torch.nn.utils.clip_grad_norm_
    add("sgd", "clipped_by_norm", lambda p: optim.SGD(p, lr=0.05), lambda p: clip(p, 2.0))
    value_clip = torch.nn.utils.clip_grad_value_
    add("sgd", "clipped_by_value", lambda p: optim.SGD(p, lr=0.05), lambda p: value_clip(p, 0.5))
    add("rms_prop", "plain", lambda p: optim.RMSprop(p, lr=0.01))
    add("rms_prop", "momentum", lambda p: optim.RMSprop(p, lr=0.002, alpha=0.9, momentum=0.9, weight_decay=0.1))
    add("rms_prop", "centered", lambda p: optim.RMSprop(p, lr=0.01, eps=1e-3, centered=True))
    add("rms_prop", "centered_momentum",
        lambda p: optim.RMSprop(p, lr=0.002, eps=1e-3, centered=True, momentum=0.5, weight_decay=0.01))
    add("adagrad", "plain", lambda p: optim.Adagrad(p, lr=0.05))
    add("adagrad", "all_options",
        lambda p: optim.Adagrad(p, lr=0.05, lr_decay=0.1, initial_accumulator_value=0.5, eps=1e-3, weight_decay=0.1))
    add("adam", "plain", lambda p: optim.Adam(p, lr=0.01))
    add("adam", "decay", lambda p: optim.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-4, weight_decay=0.1))
    add("adamw", "plain", lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.0))
    add("adamw", "decay", lambda p: optim.AdamW(p, lr=0.01, betas=(0.8, 0.99), eps=1e-4, weight_decay=0.1))
    add("lion", "plain", lambda p: Lion(p, lr=0.01))
    add("lion", "decay", lambda p: Lion(p, lr=0.01, betas=(0.8, 0.95), weight_decay=0.1))
    add("lamb", "plain", lambda p: Lamb(p, lr=0.01))
    add("lamb", "decay", lambda p: Lamb(p, lr=0.01, betas=(0.8, 0.99), eps=1e-4, weight_decay=0.1))
    float32 = torch.finfo(torch.float32).eps
    add("adafactor", "plain", lambda p: optim.Adafactor(p, lr=0.02, eps=(float32, 1e-3)))
    add("adafactor", "all_options",
        lambda p: optim.Adafactor(p, lr=0.02, beta2_decay=-0.5, eps=(1e-4, 0.5), d=2.0, weight_decay=0.1))
    muon = {"momentum": 0.95, "weight_decay": 0.0}
    add("muon", "original", lambda p: Muon(p, lr=0.01, adjust_lr_fn="original", **muon))
    add("muon", "as_large_as_adamw", lambda p: Muon(p, lr=0.01, adjust_lr_fn="match_rms_adamw", **muon))
    add("muon", "decay_without_nesterov",
        lambda p: Muon(p, lr=0.01, momentum=0.8, weight_decay=0.1, nesterov=False, ns_steps=3, adjust_lr_fn="original"))
    add("muon", "adamw_for_a_matrix",
        lambda p: Muon(p, lr=0.01, adamw=(1,), adjust_lr_fn="match_rms_adamw", **muon))
