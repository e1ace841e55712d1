"""Steps of the attack within, image by image and value by value."""

from __future__ import annotations

import torch


def climbed_slowly(net, start, centre, labels, *, radius, step, steps):
    """x <- clip(x + step * sign(grad of the cross-entropy)), each value by itself, one image at a time."""
    done = []
    for first, middle, label in zip(start, centre, labels, strict=True):
        x = first[None].clone()
        for _ in range(steps):
            x = x.detach().requires_grad_(True)
            logits = net(x)
            loss = logits.exp().sum().log() - logits[0, label]
            loss.backward()
            flat = x.detach().flatten().tolist()
            slopes = x.grad.flatten().tolist()
            lows = [max(0.0, value - radius) for value in middle.flatten().tolist()]
            highs = [min(1.0, value + radius) for value in middle.flatten().tolist()]
            moved = [
                min(max(value + step * ((slope > 0) - (slope < 0)), low), high)
                for value, slope, low, high in zip(flat, slopes, lows, highs, strict=True)
            ]
            x = torch.tensor(moved).view_as(x)
        done.append(x[0])
    return torch.stack(done)
