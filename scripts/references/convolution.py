#!/usr/bin/env python3
"""Reference values of tests/parts/convolution_parts.cpp; see values.py."""
import torch
import torch.nn.functional as F

from values import References, numbers


def normalized(x, weight, bias, eps):
    """Batch norm in training, with the mean and the unbiased variance of the batch."""
    axes = [0] + list(range(2, x.dim()))
    return (F.batch_norm(x, None, None, weight, bias, True, 0.1, eps), x.mean(axes).detach(),
            x.var(axes, unbiased=True).detach())


with References(__file__) as references:
    def conv1d(name, x, weight, bias=None, **options):
        inputs = [x, weight] + ([bias] if bias is not None else [])
        references.add("conv1d", name, lambda *t: F.conv1d(*t, **options), *inputs)

    def conv2d(name, x, weight, bias=None, **options):
        inputs = [x, weight] + ([bias] if bias is not None else [])
        references.add("conv2d", name, lambda *t: F.conv2d(*t, **options), *inputs)

    conv1d("defaults", numbers(2, 3, 11), numbers(4, 3, 3))
    conv1d("every_option", numbers(2, 4, 13), numbers(6, 2, 3), numbers(6), stride=2, padding=3,
           dilation=2, groups=2)
    conv1d("one_element", numbers(1, 1, 1), numbers(1, 1, 1), numbers(1))
    conv2d("defaults", numbers(2, 3, 5, 7), numbers(4, 3, 3, 3))
    conv2d("padding", numbers(2, 3, 5, 7), numbers(4, 3, 3, 3), numbers(4), padding=1)
    conv2d("stride", numbers(2, 2, 8, 9), numbers(3, 2, 3, 3), numbers(3), stride=2, padding=1)
    conv2d("stride_per_axis", numbers(1, 2, 7, 10), numbers(2, 2, 3, 2), stride=(3, 2), padding=(0, 1))
    conv2d("dilation", numbers(1, 2, 9, 8), numbers(3, 2, 3, 3), numbers(3), dilation=(2, 3), padding=2)
    conv2d("groups", numbers(2, 4, 5, 5), numbers(6, 2, 3, 3), numbers(6), groups=2, padding=1)
    conv2d("depthwise", numbers(2, 3, 6, 5), numbers(6, 1, 3, 3), groups=3, stride=2)
    conv2d("kernel_of_one", numbers(2, 5, 4, 3), numbers(7, 5, 1, 1), numbers(7))
    conv2d("stride_beyond_the_kernel", numbers(1, 2, 8, 8), numbers(2, 2, 1, 1), stride=3)
    conv2d("padding_beyond_the_kernel", numbers(1, 1, 3, 3), numbers(2, 1, 2, 2), padding=3)
    conv2d("large_planes", numbers(1, 2, 18, 19), numbers(3, 2, 5, 5), numbers(3), padding=2)
    conv2d("deep_channels", numbers(1, 40, 3, 3), numbers(2, 40, 3, 3), padding=1)
    conv2d("one_element", numbers(1, 1, 1, 1), numbers(1, 1, 1, 1), numbers(1))
    conv2d("empty_batch", numbers(0, 2, 4, 4), numbers(3, 2, 3, 3), numbers(3))
    odd = numbers(1, 1, 4, 4)
    odd[0, 0, 1, 2], odd[0, 0, 3, 0] = float("nan"), float("inf")
    conv2d("not_finite", odd, numbers(2, 1, 2, 2))

    def pool(part, name, function, *shape, low=-2.0):
        references.add(part, name, function, numbers(*shape, low=low))

    distinct = (torch.randperm(2 * 3 * 7 * 8, generator=torch.Generator().manual_seed(1)).to(torch.float64)
                .reshape(2, 3, 7, 8) - 168) / 4
    exact = distinct.to(torch.bfloat16).to(torch.float64)
    references.add("max_pool", "window", lambda x: F.max_pool2d(x, 2), distinct[:1] % 64)
    references.add("max_pool", "every_option", lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0), (1, 2), True), exact)
    references.add("max_pool", "overlapping", lambda x: F.max_pool2d(x, 3, 2, 1), exact)
    references.add("max_pool", "sequence", lambda x: F.max_pool1d(x, 3, 2, 1), exact[:, :, 0])
    ties = numbers(1, 2, 5, 5)
    ties[0, 0], ties[0, 1, 2, 2], ties[0, 1, 0, 4] = 1.5, float("nan"), -float("inf")
    references.add("max_pool", "ties_and_nan", lambda x: F.max_pool2d(x, 2, 1), ties)
    references.add("max_pool", "empty_batch", lambda x: F.max_pool2d(x, 2), numbers(0, 2, 4, 4))
    pool("average_pool", "window", lambda x: F.avg_pool2d(x, 2), 2, 3, 6, 7)
    pool("average_pool", "padding", lambda x: F.avg_pool2d(x, 3, 2, 1), 2, 2, 7, 6)
    pool("average_pool", "padding_not_counted",
         lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), 2, 2, 7, 6)
    pool("average_pool", "rounded_up", lambda x: F.avg_pool2d(x, (3, 2), (2, 3), (1, 1), True), 1, 2, 8, 6)
    pool("average_pool", "rounded_up_not_counted",
         lambda x: F.avg_pool2d(x, (3, 2), (2, 3), (1, 1), True, False), 1, 2, 8, 6)
    pool("average_pool", "sequence", lambda x: F.avg_pool1d(x, 4, 3, 2), 2, 3, 11)
    references.add("adaptive_max_pool", "smaller", lambda x: F.adaptive_max_pool2d(x, (3, 5)), exact)
    references.add("adaptive_max_pool", "larger", lambda x: F.adaptive_max_pool2d(x, (9, 8)), exact)
    references.add("adaptive_max_pool", "sequence", lambda x: F.adaptive_max_pool1d(x, 3), exact[:, :, 0])
    pool("adaptive_average_pool", "smaller", lambda x: F.adaptive_avg_pool2d(x, (3, 5)), 2, 2, 7, 8)
    pool("adaptive_average_pool", "larger", lambda x: F.adaptive_avg_pool2d(x, (9, 4)), 2, 2, 7, 3)
    pool("adaptive_average_pool", "sequence", lambda x: F.adaptive_avg_pool1d(x, 4), 2, 3, 11)
    references.add("global_max_pool", "image", lambda x: x.amax((2, 3)), exact)
    pool("global_average_pool", "image", lambda x: x.mean((2, 3)), 2, 3, 5, 7)
    pool("global_average_pool", "one_element", lambda x: x.mean(2), 1, 1, 1)

    pool("upsample", "nearest", lambda x: F.interpolate(x, (7, 9)), 2, 2, 3, 5)
    pool("upsample", "nearest_smaller", lambda x: F.interpolate(x, (3, 2)), 1, 2, 7, 5)
    pool("upsample", "nearest_sequence", lambda x: F.interpolate(x, 8), 2, 3, 5)
    for name, corners in [("bilinear", False), ("bilinear_corners", True)]:
        for case, shape, size in [("", (2, 2, 3, 5), (7, 9)), ("_smaller", (1, 2, 9, 10), (4, 3)),
                                  ("_of_one", (1, 2, 1, 3), (4, 1))]:
            pool("upsample", name + case,
                 lambda x, size=size, corners=corners: F.interpolate(x, size, mode="bilinear",
                                                                     align_corners=corners), *shape)
    pool("upsample", "linear_sequence", lambda x: F.interpolate(x, 8, mode="linear"), 2, 3, 5)
    spots = numbers(1, 1, 2, 3)
    spots[0, 0, 0, 1], spots[0, 0, 1, 2] = float("inf"), float("nan")
    references.add("upsample", "nearest_not_finite", lambda x: F.interpolate(x, (4, 6)), spots)

    references.add("batch_norm", "image", lambda x, w, b: normalized(x, w, b, 1e-5), numbers(3, 4, 3, 5),
                   numbers(4), numbers(4, seed=1))
    references.add("batch_norm", "features", lambda x, w, b: normalized(x, w, b, 1e-3), numbers(9, 5),
                   numbers(5), numbers(5, seed=1))
    references.add("batch_norm", "not_affine", lambda x: normalized(x, None, None, 1e-5), numbers(2, 3, 33))
    references.add("batch_norm", "normalized_only", lambda x, w, b: normalized(x, w, b, 1e-5)[0],
                   numbers(3, 4, 3, 5), numbers(4), numbers(4, seed=1))
    variance = numbers(4, low=0.25, seed=2)
    references.add("batch_norm", "evaluation",
                   lambda x, w, b, m, v: F.batch_norm(x, m.detach(), v.detach(), w, b, False, 0.1, 1e-5),
                   numbers(3, 4, 3, 5), numbers(4), numbers(4, seed=1), numbers(4, seed=3), variance)
    references.add("group_norm", "image", lambda x, w, b: F.group_norm(x, 2, w, b), numbers(2, 6, 3, 5), numbers(6),
                   numbers(6, seed=1))
    references.add("group_norm", "one_group", lambda x, w, b: F.group_norm(x, 1, w, b, 1e-3), numbers(3, 4, 7),
                   numbers(4), numbers(4, seed=1))
    references.add("group_norm", "not_affine", lambda x: F.group_norm(x, 3), numbers(2, 6, 3))
    references.add("instance_norm", "image", lambda x: F.instance_norm(x), numbers(2, 3, 4, 5))
    references.add("instance_norm", "affine", lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=1e-3),
                   numbers(2, 3, 9), numbers(3), numbers(3, seed=1))
