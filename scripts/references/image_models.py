#!/usr/bin/env python3
"""Reference values of tests/parts/image_model_parts.cpp; see values.py.

Parameters, images and labels are made by made_up(), which the tests compute, too. With STEPS=200 in the
environment, ResNet-20 is trained for 200 steps instead of 20: write the file, run

    build/dev/bin/part_tests --gtest_filter='*resnet20*'

and restore it.
"""
import math
import os

import numpy
import torch
import torch.nn.functional as F
from torch import nn

from values import References


def made_up(number, *shape):
    """Values in [-1, 1), of `number`: a hash of their index, exact in float64."""
    j = numpy.arange(math.prod(shape), dtype=numpy.uint64)
    hashed = (j + 1) * (j + numpy.uint64(7 * number + 3)) * numpy.uint64(2654435761) % numpy.uint64(2**32)
    return torch.from_numpy(hashed.astype(numpy.float64) / 2**31 - 1).reshape(shape)


def with_made_up_parameters(model):
    for number, parameter in enumerate(model.parameters()):
        if parameter.dim() < 2:
            continue
        fan_in = parameter[0].numel()
        parameter.data = (made_up(number, *parameter.shape) * math.sqrt(6 / fan_in)).to(torch.float32).to(torch.float64)
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2:
            is_scale = name.endswith("weight")
            parameter.data = torch.full_like(parameter.data, 1.0 if is_scale else 0.0).to(torch.float64)
    return model.to(torch.float64)


def images(*shape):
    return made_up(1000, *shape).to(torch.float32).to(torch.float64)


def labels(count, classes):
    return (torch.arange(count) ** 2 + 3) % classes


class Block(nn.Module):
    def __init__(self, inputs, width, stride, bottleneck):
        super().__init__()
        outputs = 4 * width if bottleneck else width
        sizes = ([(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)] if bottleneck
                 else [(inputs, width, 3, stride), (width, width, 3, 1)])
        for i, (a, b, kernel, step) in enumerate(sizes, 1):
            setattr(self, f"conv{i}", nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(b))
        self.count = len(sizes)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.count:
                y = F.relu(y)
        return F.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
    def __init__(self, blocks, width, bottleneck, small_images, inputs=3, classes=10):
        super().__init__()
        kernel, stride = (3, 1) if small_images else (7, 2)
        self.conv1 = nn.Conv2d(inputs, width, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.small_images = small_images
        channels = width
        stages = []
        for stage, count in enumerate(blocks):
            for i in range(count):
                stages.append(Block(channels, width << stage, 2 if stage > 0 and i == 0 else 1, bottleneck))
                channels = (width << stage) * (4 if bottleneck else 1)
        self.layers = nn.Sequential(*stages)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if not self.small_images:
            x = F.max_pool2d(x, 3, 2, 1)
        return self.fc(self.layers(x).mean((2, 3)))


class LeNet(nn.Module):
    def __init__(self, channels, hidden, side, classes):
        super().__init__()
        padding = 2 if side < 20 else 0
        pooled = (side // 2 + 2 * padding - 4) // 2
        self.conv1 = nn.Conv2d(1, channels[0], 5, padding=2)
        self.conv2 = nn.Conv2d(channels[0], channels[1], 5, padding=padding)
        sizes = [channels[1] * pooled * pooled, *hidden, classes]
        self.linear = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])])

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        for i, layer in enumerate(self.linear):
            x = layer(x)
            x = F.relu(x) if i + 1 < len(self.linear) else x
        return x


def logits_and_gradients(model, x, classes):
    """Logits, and the gradients of the first and the last two parameters for the sum of the losses."""
    model = with_made_up_parameters(model)
    logits = model(x)
    F.cross_entropy(logits, labels(len(x), classes), reduction="sum").backward()
    parameters = list(model.parameters())
    return [logits, parameters[0].grad, parameters[-2].grad, parameters[-1].grad]


def losses_of_steps(x, steps):
    model = with_made_up_parameters(ResNet([3, 3, 3], 16, False, True))
    # Float32, in which the step size is kept, represents these.
    optimizer = torch.optim.SGD(model.parameters(), lr=1 / 64, momentum=7 / 8)
    y = labels(len(x), 10)
    losses = []
    for _ in range(int(steps)):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses, dtype=torch.float64)


with References(__file__) as references:
    def gradients(part, case, model, x, classes=10):
        references.add(part, case, lambda t: logits_and_gradients(model, t, classes), x, backward=False)

    gradients("resnet", "basic", ResNet([1, 1], 4, False, True), images(3, 3, 6, 5))
    gradients("resnet", "bottleneck", ResNet([1, 2], 2, True, False), images(3, 3, 17, 17))
    gradients("lenet", "small_images", LeNet([2, 3], [5], 8, 4), images(3, 1, 8, 8), 4)
    gradients("lenet", "images_of_mnist", LeNet([2, 3], [6, 5], 28, 10), images(2, 1, 28, 28))
    references.add("resnet20", "first_steps", losses_of_steps, images(8, 3, 12, 12),
                   torch.tensor(int(os.environ.get("STEPS", "20"))), backward=False)
