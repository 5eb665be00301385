#!/usr/bin/env python3
"""The PyTorch side of the comparisons.

Each workload is defined completely in this file; the workload of the same name
in workloads.cpp has the same shapes, optimizer and precision. Prints one JSON
line: {"peer": "torch", "workload": ..., "value": ..., "unit": ..., ...}.

    torch_peer.py gpt-10m --device cpu --threads 2
    torch_peer.py gpt2-124m --device cuda --dtype bf16 --compile

Requires only PyTorch (2.0 or later for a fair comparison).
"""
import argparse
import json
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    """Pre-norm GPT-2 block: LayerNorm, causal attention, LayerNorm, GELU MLP; biases everywhere."""

    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.up = nn.Linear(channels, 4 * channels)
        self.down = nn.Linear(4 * channels, channels)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (
            y.view(b, t, self.heads, c // self.heads).transpose(1, 2)
            for y in self.qkv(self.norm1(x)).split(c, dim=2)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(b, t, c))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    """GPT-2: learned positions, tied head, no dropout."""

    def __init__(self, vocab, channels, layers, heads, context):
        super().__init__()
        self.tokens = nn.Embedding(vocab, channels)
        self.positions = nn.Embedding(context, channels)
        self.blocks = nn.ModuleList(Block(channels, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, vocab, bias=False)
        self.head.weight = self.tokens.weight
        for name, p in self.named_parameters():  # as in GPT-2: layers that feed the residual stream start smaller
            if p.dim() > 1:
                residual = name.endswith(("proj.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / (2 * layers) ** 0.5 if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, x, y):
        h = self.tokens(x) + self.positions(torch.arange(x.shape[1], device=x.device))
        for block in self.blocks:
            h = block(h)
        logits = self.head(self.norm(h))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), y.view(-1))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.short = None
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.short is None else self.short(x)))


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.short = None
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.short is None else self.short(x)))


def resnet20():
    layers, inputs = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for width, stride in ((16, 1), (32, 2), (64, 2)):
        for i in range(3):
            layers.append(BasicBlock(inputs, width, stride if i == 0 else 1))
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def resnet50():
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(blocks):
            layers.append(Bottleneck(inputs, width, stride if i == 0 else 1))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


def mlp():
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


# name: (model, batch, sample shape or (vocab, context), optimizer, unit)
GPTS = {
    "gpt-10m": dict(vocab=256, channels=384, layers=6, heads=6, context=256, batch=8),
    "gpt-char": dict(vocab=65, channels=128, layers=4, heads=4, context=64, batch=12),
    "gpt2-124m": dict(vocab=50304, channels=768, layers=12, heads=12, context=1024, batch=64),
    "gpt2-350m": dict(vocab=50304, channels=1024, layers=24, heads=16, context=1024, batch=32),
    "gpt2-774m": dict(vocab=50304, channels=1280, layers=36, heads=20, context=1024, batch=16),
    "gpt2-1558m": dict(vocab=50304, channels=1600, layers=48, heads=25, context=1024, batch=8),
}
IMAGES = {
    "mlp": (mlp, 128, (784,), 10),
    "resnet20": (resnet20, 64, (3, 32, 32), 10),
    "resnet50": (resnet50, 256, (3, 224, 224), 1000),
}


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("workload", choices=[*GPTS, *IMAGES])
    args.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    args.add_argument("--dtype", default="f32", choices=["f32", "bf16"])
    args.add_argument("--batch", type=int)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--compile", action="store_true")
    args.add_argument("--steps", type=int, default=10)
    args.add_argument("--warmup", type=int, default=3)
    args.add_argument("--rounds", action="store_true", help="run a round of --steps steps for each line of standard input")
    a = args.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("highest")
    device = torch.device(a.device)

    if a.workload in GPTS:
        c = dict(GPTS[a.workload])
        batch = a.batch or c.pop("batch")
        c.pop("batch", None)
        model = GPT(**c).to(device)
        x = torch.randint(0, c["vocab"], (batch, c["context"]), device=device)
        y = torch.randint(0, c["vocab"], (batch, c["context"]), device=device)
        optimizer = torch.optim.AdamW(model.parameters(), 3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True if a.device == "cuda" else None)
        per_step, unit = batch * c["context"], "tokens/s"
        loss_of = lambda m: m(x, y)
    else:
        build, batch, shape, classes = IMAGES[a.workload]
        batch = a.batch or batch
        model = build().to(device)
        x = torch.randn(batch, *shape, device=device)
        if x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
            model = model.to(memory_format=torch.channels_last)
        y = torch.randint(0, classes, (batch,), device=device)
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
        per_step, unit = batch, "samples/s"
        loss_of = lambda m: F.cross_entropy(m(x), y)

    run = torch.compile(model) if a.compile else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(a.device, torch.bfloat16, enabled=a.dtype == "bf16"):
            loss = loss_of(run)
        loss.backward()
        optimizer.step()
        return loss

    def sync():
        if a.device == "cuda":
            torch.cuda.synchronize()

    for _ in range(a.warmup):
        step()

    def round_():
        """Returns seconds per step and the last loss. On a GPU the steps are timed as one: the host runs ahead."""
        if a.device == "cuda":
            sync()
            start = time.perf_counter()
            for _ in range(a.steps):
                loss = step()
            loss = loss.item()
            sync()
            return [(time.perf_counter() - start) / a.steps], loss
        times = []
        for _ in range(a.steps):
            start = time.perf_counter()
            loss = step()
            times.append(time.perf_counter() - start)
        return times, loss.item()

    for _ in sys.stdin if a.rounds else [None]:
        times, loss = round_()
        print(json.dumps({
            "peer": "torch", "version": torch.__version__, "workload": a.workload, "device": a.device,
            "dtype": a.dtype, "compile": a.compile, "batch": batch, "threads": a.threads,
            "value": per_step / statistics.median(times), "unit": unit,
            "step_ms": {"min": 1e3 * min(times), "median": 1e3 * statistics.median(times), "max": 1e3 * max(times)},
            "parameters": sum(p.numel() for p in model.parameters()), "last_loss": loss,
            "peak_bytes": torch.cuda.max_memory_allocated() if a.device == "cuda" else None,
        }), flush=True)


if __name__ == "__main__":
    main()
