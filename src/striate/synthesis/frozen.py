"""A net that what is trained is judged by: looked at, never changed, and told of in the run folder."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from striate.core.image import to_bytes
from striate.nets.look import Seen
from striate.nets.net import Net


class Frozen:
    """A net whose sites are read, with gradients for the images alone; it follows them to their device.

    Attributes:
        about: Its name and hash, as a run folder keeps them.
    """

    def __init__(self, net: Net) -> None:
        self.net = net
        self.about = {"against": net.name, "against_hash": net.fingerprint()}

    def seen(self, images: Tensor, sites: Sequence[str]) -> Seen:
        """A pass of images (n, C, H, W) that reads these sites, on the way to the images for autograd."""
        with self._on(images.device).look(read=sites) as look:
            return look(images)

    def codes(self, images: Tensor, site: str) -> Tensor:
        """What a site says of images, without gradient."""
        with torch.no_grad():
            return self.seen(images, [site])[site]

    def _on(self, device: torch.device) -> Net:
        here = next((each.device for each in self.net.parameters()), device)
        if here != device:
            self.net = copy.deepcopy(self.net).to(device)  # the caller's own stays where it is
        return self.net


def pixel_hash(image: Tensor) -> str:
    """SHA-256 of an image as 8 bits, with its shape."""
    shape = repr(tuple(image.shape)).encode()
    return hashlib.sha256(shape + to_bytes(image).contiguous().cpu().numpy().tobytes()).hexdigest()
