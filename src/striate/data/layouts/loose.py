"""Images that nothing gives a class: a folder of photographs, at any depth."""

from __future__ import annotations

import torch

from striate.core.errors import StriateError

from ..dataset import Dataset, Splits
from ..source import Request
from ..splits import three_ways
from ..tree import Listing, Tree
from .images import is_image, looked_at, open_files
from .recognise import Layout


def is_asked_for(tree: Tree, listing: Listing) -> bool:
    """Never of itself: a folder whose labels are not found would pass for one without."""
    del tree, listing
    return False


def read_loose(tree: Tree, listing: Listing, request: Request) -> Splits:
    """Splits of all images of a tree, whatever folders they lie in, without labels.

    Raises:
        StriateError: There is none, or files are broken.
    """
    names = [name for name in listing.names if is_image(name)]
    if not names:
        raise StriateError(f"{tree.name} holds no image", accepted="a folder of images")
    store, kept, broken = open_files(tree, names, skip_broken=request.skip_broken, progress=request.progress)
    data = Dataset(
        tree.name, "all", (), torch.full((len(kept),), -1), store.ids(), store, torch.arange(len(kept)), store.channels,
        layout="images without labels", broken=broken, licence="not stated", task="none",
    )  # fmt: skip
    left = f", {len(broken):,} broken files left out" if broken else ""
    said = f"folder of images without labels: {len(data):,} images{looked_at(store)}{left}"
    return three_ways(data, seed=request.seed, said=said, division=request.division)


LOOSE = Layout(is_asked_for, read_loose)
