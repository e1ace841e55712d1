"""Relevance propagation and DeepLIFT on one small net, unit by unit over full matrices in float64, from the papers.

Every layer with weights is written out as a matrix of outputs by inputs. Relevance itself is handed down (not relevance
a unit), each sharing is a table of shares. Nothing of ours is imported.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN, STD = 0.4, 0.3
Rule = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # (matrix, bias, inputs, relevance of outputs) to inputs'


class Skipping(nn.Module):
    """Convolutions, one with batch normalisation, a skip, a concatenation, max and mean pooling, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(8)
            self.one = nn.Conv2d(3, 5, 3, padding=1)
            self.two = nn.Conv2d(5, 5, 3, padding=1)
            self.norm = nn.BatchNorm2d(5)
            self.three = nn.Conv2d(5, 4, 1)
            self.dense = nn.Linear(9 * 4, 12)
            self.head = nn.Linear(12, 4)
            self.norm.running_mean.normal_(0, 0.2)
            self.norm.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(self.norm.weight, 0.5, 1.5)
            nn.init.normal_(self.norm.bias, 0, 0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 4) of normalised images (N, 3, 8, 8)."""
        low = F.max_pool2d(F.relu(self.one(x)), 2)
        skip = F.relu(self.norm(self.two(low)) + low)
        wide = F.avg_pool2d(torch.cat([skip, F.relu(self.three(skip))], 1), 2)
        return self.head(F.relu(self.dense(wide.flatten(1))))


def matrix(layer: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Tensor:
    """A linear map without bias as a matrix, outputs by inputs."""
    count = torch.Size(shape).numel()
    return layer(torch.eye(count, dtype=torch.float64).view(count, *shape)).reshape(count, -1).T


def epsilon_rule(share: float, *, shared: bool = False) -> Rule:
    def rule(weights: Tensor, bias: Tensor, a: Tensor, relevance: Tensor) -> Tensor:
        z = weights @ a if shared else weights @ a + bias
        stable = z + torch.where(z >= 0, 1.0, -1.0) * share * (z**2).mean().sqrt()
        return ((weights * a) / stable[:, None] * relevance[:, None]).sum(0)

    return rule


def gamma_rule(gamma: float, *, shared: bool = False) -> Rule:
    """Where the bias is shared, those contributions have it that have the sign of the output."""

    def rule(weights: Tensor, bias: Tensor, a: Tensor, relevance: Tensor) -> Tensor:
        parts, z = weights * a, weights @ a + bias
        found = torch.zeros_like(a)
        for j in range(len(z)):
            if z[j] == 0:
                continue
            clip = {"min": 0.0} if z[j] > 0 else {"max": 0.0}
            favoured = parts[j] + gamma * parts[j].clamp(**clip)
            of_bias = bias[j] + gamma * bias[j].clamp(**clip)
            total = favoured.sum() + of_bias
            helping = parts[j].clamp(**clip)
            if shared and helping.sum() != 0:
                favoured = favoured + of_bias * helping / helping.sum()
            found += favoured / total * relevance[j]
        return found

    return rule


def alpha_beta_rule(alpha: float, beta: float, *, shared: bool = False) -> Rule:
    def rule(weights: Tensor, bias: Tensor, a: Tensor, relevance: Tensor) -> Tensor:
        found = torch.zeros_like(a)
        for j in range(len(relevance)):
            for factor, clip in ((alpha, {"min": 0.0}), (-beta, {"max": 0.0})):
                parts = (weights[j] * a).clamp(**clip)
                total = parts.sum() + (0.0 if shared else bias[j].clamp(**clip))
                if total != 0:
                    found += factor * parts / total * relevance[j]
        return found

    return rule


def box_rule(weights: Tensor, bias: Tensor, a: Tensor, relevance: Tensor) -> Tensor:
    low, high = (0 - MEAN) / STD, (1 - MEAN) / STD
    parts = weights * a - low * weights.clamp(min=0) - high * weights.clamp(max=0)
    return (parts / parts.sum(1, keepdim=True) * relevance[:, None]).sum(0)


def flat_rule(weights: Tensor, bias: Tensor, a: Tensor, relevance: Tensor) -> Tensor:
    sees = (weights != 0).double()
    return (sees / sees.sum(1, keepdim=True) * relevance[:, None]).sum(0)


def relevance(net: Skipping, image: Tensor, target: int, *, conv: Rule, dense: Rule, first: Rule) -> Tensor:
    """Relevance (3, 8, 8) of one image (3, 8, 8) in pixels; batch normalisation is part of its convolution."""
    p = {name: each.detach().double() for name, each in net.state_dict().items()}
    scale = p["norm.weight"] / (p["norm.running_var"] + net.norm.eps).sqrt()
    shift = p["norm.bias"] + scale * (p["two.bias"] - p["norm.running_mean"])
    one = matrix(lambda x: F.conv2d(x, p["one.weight"], padding=1), (3, 8, 8))
    two = matrix(lambda x: F.conv2d(x, p["two.weight"] * scale[:, None, None, None], padding=1), (5, 4, 4))
    three = matrix(lambda x: F.conv2d(x, p["three.weight"]), (5, 4, 4))
    mean = matrix(lambda x: F.avg_pool2d(x, 2), (9, 4, 4))
    zero = torch.zeros(mean.shape[0], dtype=torch.float64)
    biases = {"one": p["one.bias"].repeat_interleave(64), "two": shift.repeat_interleave(16)}
    biases["three"] = p["three.bias"].repeat_interleave(16)

    x = ((image.double() - MEAN) / STD).flatten()
    first_z = one @ x + biases["one"]
    rectified = first_z.clamp(min=0)
    low, winners = F.max_pool2d(rectified.view(1, 5, 8, 8), 2, return_indices=True)
    low = low.flatten()
    branch = two @ low + biases["two"]
    total = branch + low
    skip = total.clamp(min=0)
    side = (three @ skip + biases["three"]).clamp(min=0)
    wide = mean @ torch.cat([skip, side])
    hidden = (p["dense.weight"] @ wide + p["dense.bias"]).clamp(min=0)
    logits = p["head.weight"] @ hidden + p["head.bias"]

    back = torch.zeros_like(logits)
    back[target] = logits[target]
    back = dense(p["head.weight"], p["head.bias"], hidden, back)
    back = dense(p["dense.weight"], p["dense.bias"], wide, back)
    back = epsilon_rule(0.0)(mean, zero + 1e-300, torch.cat([skip, side]), back)
    through_side = conv(three, biases["three"], skip, back[80:])
    at_total = back[:80] + through_side
    share = torch.where(total > 0, at_total / total, torch.zeros_like(total))
    at_low = share * low + conv(two, biases["two"], low, share * branch)
    at_first = torch.zeros(5 * 64, dtype=torch.float64)
    for unit in range(80):
        at_first[unit // 16 * 64 + int(winners.flatten()[unit])] += at_low[unit]
    return first(one, biases["one"], x, at_first).view(3, 8, 8)


def deep_lift(net: Skipping, image: Tensor, base: Tensor, target: int, *, mean_image: Tensor) -> Tensor:
    """Contributions (3, 8, 8) to the rise of one image's logit above a baseline's, by chains of multipliers."""
    p = {name: each.detach().double() for name, each in net.state_dict().items()}
    scale = p["norm.weight"] / (p["norm.running_var"] + net.norm.eps).sqrt()
    shift = p["norm.bias"] + scale * (p["two.bias"] - p["norm.running_mean"])
    one = matrix(lambda x: F.conv2d(x, p["one.weight"], padding=1), (3, 8, 8))
    two = matrix(lambda x: F.conv2d(x, p["two.weight"] * scale[:, None, None, None], padding=1), (5, 4, 4))
    three = matrix(lambda x: F.conv2d(x, p["three.weight"]), (5, 4, 4))
    mean = matrix(lambda x: F.avg_pool2d(x, 2), (9, 4, 4))

    def values(pixels: Tensor) -> dict[str, Tensor]:
        found = {"x": ((pixels.double() - mean_image) / STD).flatten()}
        found["one"] = one @ found["x"] + p["one.bias"].repeat_interleave(64)
        maps = found["one"].clamp(min=0).view(1, 5, 8, 8)
        low, where = F.max_pool2d(maps, 2, return_indices=True)
        found["low"], found["where"], found["rectified"] = low.flatten(), where.flatten(), maps.flatten()
        found["total"] = two @ found["low"] + shift.repeat_interleave(16) + found["low"]
        skip = found["total"].clamp(min=0)
        found["side"] = three @ skip + p["three.bias"].repeat_interleave(16)
        wide = mean @ torch.cat([skip, found["side"].clamp(min=0)])
        found["dense"] = p["dense.weight"] @ wide + p["dense.bias"]
        return found

    at, ref = values(image), values(base)

    def rescaled(name: str, m: Tensor) -> Tensor:
        """Through a rectifier."""
        rise = at[name].clamp(min=0) - ref[name].clamp(min=0)
        return m * rise / (at[name] - ref[name])

    m = rescaled("dense", p["head.weight"][target])
    m = mean.T @ (p["dense.weight"].T @ m)
    m = m[:80] + three.T @ rescaled("side", m[80:])
    m = rescaled("total", m)
    m = m + two.T @ m
    at_rectified = torch.zeros(5 * 64, dtype=torch.float64)
    for unit in range(80):
        rise = at["low"][unit] - ref["low"][unit]
        place = unit // 16 * 64 + int((at if rise >= 0 else ref)["where"][unit])
        step = at["rectified"][place] - ref["rectified"][place]
        if rise != 0:
            at_rectified[place] += m[unit] * rise / step
    m = rescaled("one", at_rectified)
    return ((one.T @ m) * (at["x"] - ref["x"])).view(3, 8, 8)
