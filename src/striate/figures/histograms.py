"""Histograms of oriented gradients with a support vector machine, fooled through their gradients."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from striate.attacks.run import attack
from striate.core.errors import StriateError
from striate.core.image import encode_png, enlarge, from_bytes, to_bytes
from striate.nets.net import Net
from striate.nets.own.hog import hog
from striate.nets.own.svm import with_svm

from .claims import Computed, holds

FACES = Path("orl-faces", "lfw_subset_25x25.npy")
RADIUS = 0.1
SHOWN = 8


def hog_adversarial() -> Computed:
    """A machine on HOG tells faces from other patches; changes below .1 flip its score on those it never saw."""
    path = Path(os.environ.get("STRIATE_DATA", ".")) / FACES
    if not path.is_file():
        raise StriateError(
            f"hog-adversarial needs patches with and without faces ({path.name})",
            accepted=f"{FACES} in the folder STRIATE_DATA: scikit-image's lfw_subset, 100 faces first",
        )
    images = from_bytes(to_bytes(torch.from_numpy(np.load(path)).float()[:, None]))
    labels = (torch.arange(len(images)) >= len(images) // 2).long()
    seen = torch.arange(len(images)) % 2 == 0
    size = (images.shape[-2], images.shape[-1])
    plain = Net(hog(2, 1, size).module, channels=1, size=size, classes=("face", "other")).eval()
    net = with_svm(plain, images[seen], labels[seen])
    new, own = images[~seen], labels[~seen]
    with torch.no_grad():
        right = net(new).argmax(1) == own
    found = attack(net, new[right], own[right], radius=RADIUS, steps=40)
    kept = (net.logits(from_bytes(to_bytes(found.images))).argmax(1) != own[right]).double().mean()
    count, flipped = int(right.sum()), float(found.success.double().mean())
    change = (found.images - new[right]).abs().amax()
    rows = torch.cat([new[right][:SHOWN], found.images[:SHOWN], 0.5 + (found.images - new[right])[:SHOWN] / RADIUS / 2])
    sheet = enlarge(rows, 64).view(3, min(SHOWN, count), 1, -1, enlarge(rows, 64).shape[-1])
    picture = sheet.permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2).clamp(0, 1)
    return Computed(
        (
            holds(
                f"it is right on most of the patches it was not fitted to: {count} of {len(new)}",
                count > 0.85 * len(new),
            ),
            holds(f"the score flips in nearly all of those: {flipped:.1%}", flipped > 0.95),
            holds(f"nearly all still do after 8 bits: {float(kept):.1%}", float(kept) > 0.9),
            holds(f"no pixel changes by more than .1 (largest {float(change):.3f})", float(change) <= RADIUS + 1e-7),
        ),
        encode_png(picture),
    )
