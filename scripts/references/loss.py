#!/usr/bin/env python3
"""Reference values of tests/parts/loss_parts.cpp; see values.py. Each case returns a sum and a count."""
import torch
import torch.nn.functional as F

from values import References, numbers


def count(value):
    return torch.tensor(float(value), dtype=torch.float64)


def mean_count(sum_of, mean_of):
    """The count by which PyTorch divides a sum to get its mean."""
    return (sum_of / mean_of).detach()


def ids(rows, classes, seed=3, ignored=()):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(classes, (rows,), generator=generator, dtype=torch.int64)
    for i in ignored:
        values[i] = -1
    return values.to(torch.int32)


def distributions(rows, classes, seed=5):
    """Probabilities that bfloat16 represents: multiples of 1/64 that sum to 1."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.multinomial(torch.ones(rows, classes), 64, True, generator=generator)
    return torch.nn.functional.one_hot(counts, classes).sum(1).to(torch.float64) / 64


with References(__file__) as references:
    add = references.add

    def cross_entropy(**options):
        def loss(x, t, *weights):
            weight = weights[0].detach() if weights else None
            t = t if t.is_floating_point() else t.to(torch.int64)
            settings = {"weight": weight, "ignore_index": -1, **options}
            total = F.cross_entropy(x, t, reduction="sum", **settings)
            # With smoothing too, PyTorch divides by the weights of the targets.
            if t.is_floating_point():
                return total, count(t.size(0))
            kept = t[t != -1]
            return total, count(len(kept)) if weight is None else weight[kept].sum()

        return loss

    logits = numbers(9, 33, low=-4, high=4)
    weights = numbers(33, low=0.25, high=2.0, seed=7)
    targets = ids(9, 33, ignored=(2, 5))
    add("cross_entropy", "classes", cross_entropy(), logits, targets)
    add("cross_entropy", "smoothing", cross_entropy(label_smoothing=0.125), logits, targets)
    add("cross_entropy", "weights", cross_entropy(), logits, targets, weights)
    add("cross_entropy", "weights_and_smoothing", cross_entropy(label_smoothing=0.25), logits, targets, weights)
    add("cross_entropy", "probabilities", cross_entropy(), logits, distributions(9, 33))
    add("cross_entropy", "probabilities_weights_and_smoothing", cross_entropy(label_smoothing=0.25), logits,
        distributions(9, 33), weights)
    add("cross_entropy", "one_class", cross_entropy(label_smoothing=0.5), numbers(5, 1), ids(5, 1))
    add("cross_entropy", "all_ignored", lambda x, t: (F.cross_entropy(x, t.long(), ignore_index=-1, reduction="sum",
        label_smoothing=0.5), count(0)), numbers(3, 5), ids(3, 5, ignored=(0, 1, 2)))

    def nll(x, t, *weights):
        weight = weights[0].detach() if weights else None
        t = t.to(torch.int64)
        kept = t[t != -1]
        total = F.nll_loss(x, t, weight=weight, ignore_index=-1, reduction="sum")
        return total, count(len(kept)) if weight is None else weight[kept].sum()

    log_probabilities = numbers(9, 33, low=-6, high=-0.5, seed=2)
    add("negative_log_likelihood", "classes", nll, log_probabilities, targets)
    add("negative_log_likelihood", "weights", nll, log_probabilities, targets, weights)

    def pointwise(function):
        return lambda x, t, *rest: (function(x, t, *rest), count(x.numel()))

    def weighted(function):
        def loss(x, t, w):
            w = w.detach().expand_as(x)
            return (function(x, t, reduction="none") * w).sum(), w.sum()

        return loss

    def huber(x, t, **options):
        return F.huber_loss(x, t, delta=0.75, **options)

    def smooth_l1(x, t, **options):
        return F.smooth_l1_loss(x, t, beta=0.75, **options)

    x, y = numbers(7, 33), numbers(7, 33, seed=1)
    mask = (numbers(7, 1, seed=4) > 0).to(torch.float64)
    for name, function in (("mse_loss", F.mse_loss), ("l1_loss", F.l1_loss), ("huber_loss", huber),
                           ("smooth_l1_loss", smooth_l1)):
        add(name, "plain", pointwise(lambda a, b, f=function: f(a, b, reduction="sum")), x, y)
        add(name, "masked", weighted(function), x, y, mask)
        add(name, "one_element", pointwise(lambda a, b, f=function: f(a, b, reduction="sum")), numbers(1),
            numbers(1, seed=3))
        add(name, "empty", pointwise(lambda a, b, f=function: f(a, b, reduction="sum")), numbers(0, 3), numbers(0, 3))
    add("mse_loss", "long", pointwise(lambda a, b: F.mse_loss(a, b, reduction="sum")), numbers(4500), numbers(4500, seed=1))
    add("smooth_l1_loss", "without_width", pointwise(lambda a, b: F.l1_loss(a, b, reduction="sum")), x, y)

    def bce(x, t, **options):
        return F.binary_cross_entropy_with_logits(x, t, **options)

    big = numbers(7, 5, low=-30, high=30)
    probability = numbers(7, 5, low=0, high=1, seed=8)
    positive = numbers(5, low=0.25, high=3, seed=9)
    add("binary_cross_entropy_with_logits", "plain", pointwise(lambda a, b: bce(a, b, reduction="sum")), big, probability)
    add("binary_cross_entropy_with_logits", "masked", weighted(bce), numbers(7, 5), probability,
        (numbers(5, seed=4) > 0).to(torch.float64))
    add("binary_cross_entropy_with_logits", "positive_weights",
        pointwise(lambda a, b, p: bce(a, b, pos_weight=p.detach(), reduction="sum")), numbers(7, 5), probability, positive)
    add("binary_cross_entropy_with_logits", "one_positive_weight",
        pointwise(lambda a, b, p: bce(a, b, pos_weight=p.detach(), reduction="sum")), numbers(7, 5), probability, positive[:1])

    def kl(log_target):
        return lambda a, b: (F.kl_div(a, b, reduction="sum", log_target=log_target), count(a.size(0)))

    positive_shares = numbers(5, 9, low=0.0625, high=0.5, seed=2)
    add("kl_divergence", "probabilities", kl(False), numbers(5, 9, low=-4, high=-0.5), positive_shares)
    add("kl_divergence", "logarithms", kl(True), numbers(5, 9, low=-4, high=-0.5), numbers(5, 9, low=-4, high=-0.5, seed=2))
    zero = positive_shares.clone()
    zero[1, 3] = 0
    add("kl_divergence", "zero_probability", lambda a, b: (F.kl_div(a, b.detach(), reduction="sum"), count(5)),
        numbers(5, 9, low=-4, high=-0.5), zero)

    add("cosine_similarity", "rows", lambda a, b: F.cosine_similarity(a, b, dim=-1), numbers(2, 5, 33), numbers(2, 5, 33, seed=1))
    add("cosine_similarity", "one_channel", lambda a, b: F.cosine_similarity(a, b, dim=-1), numbers(4, 1), numbers(4, 1, seed=1))
    labels = torch.tensor([1, -1, 1, -1, -1, 1, -1], dtype=torch.int32)
    a, b = numbers(7, 5), numbers(7, 5, seed=1)
    add("cosine_embedding_loss", "margin",
        lambda u, v, s: (F.cosine_embedding_loss(u, v, s.double(), margin=0.125, reduction="sum"), count(7)), a, b, labels)
    c = numbers(7, 5, seed=2)
    triplet = F.triplet_margin_loss
    add("triplet_margin_loss", "plain", lambda u, v, w: (triplet(u, v, w, reduction="sum"), count(7)), a, b, c)
    add("triplet_margin_loss", "swapped", lambda u, v, w: (triplet(u, v, w, margin=2.0, swap=True, reduction="sum"), count(7)),
        a, b, c)

    def info_nce(symmetric):
        def loss(q, k):
            scores = q @ k.T / 0.5
            own = torch.arange(q.size(0))
            total = F.cross_entropy(scores, own, reduction="sum")
            if symmetric:
                total = (total + F.cross_entropy(scores.T, own, reduction="sum")) / 2
            return total, count(q.size(0))

        return loss

    add("info_nce", "queries", info_nce(False), a, b)
    add("info_nce", "symmetric", info_nce(True), a, b)
