"""Writes reference values for tests/parts: one HDF5 file per list, from PyTorch in float64.

    python3 scripts/references/LIST.py [OUTPUT]     default: tests/parts/references/LIST.h5

Requires PyTorch and h5py. tests/parts/part.h describes the file.
"""
import pathlib
import sys

import h5py
import numpy
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]


def numbers(*shape, low=-2.0, high=2.0, seed=0):
    """Uniform float64 values that bfloat16 represents exactly."""
    generator = torch.Generator().manual_seed(seed + 1000 * len(shape) + sum(shape))
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64) * (high - low) + low
    return uniform.to(torch.bfloat16).to(torch.float64)


class References:
    """The values of one list. Use as a context manager; writes the file at the end."""

    def __init__(self, script):
        name = pathlib.Path(script).stem
        output = sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests/parts/references" / f"{name}.h5"
        self.file = h5py.File(output, "w", libver="earliest", track_order=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def add(self, part, case, function, *inputs, backward=True):
        """Stores inputs, outputs and, if `backward`, the gradients for seeded gradients of the outputs."""
        group = self.file.create_group(f"{part}/{case}")

        def store(name, value):
            array = value.detach().numpy() if isinstance(value, torch.Tensor) else numpy.asarray(value)
            if array.dtype == bool:
                array = array.astype(numpy.uint8)
            group.create_dataset(name, data=array, track_times=False)

        leaves = []
        for i, value in enumerate(inputs):
            store(f"input_{i}", value)
            leaf = value.clone()
            if backward and leaf.is_floating_point():
                leaf.requires_grad_()
            leaves.append(leaf)
        outputs = function(*leaves)
        outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
        for i, value in enumerate(outputs):
            store(f"output_{i}", value)
        if not backward:
            return
        seeds = [numbers(*y.shape, seed=77 + i) for i, y in enumerate(outputs)]
        for i, seed in enumerate(seeds):
            store(f"seed_{i}", seed)
        pairs = [(y, s) for y, s in zip(outputs, seeds) if y.requires_grad]
        torch.autograd.backward([y for y, _ in pairs], [s for _, s in pairs])
        floating = [leaf for leaf in leaves if leaf.is_floating_point()]
        for i, leaf in enumerate(floating):
            store(f"gradient_{i}", leaf.grad if leaf.grad is not None else torch.zeros_like(leaf))
