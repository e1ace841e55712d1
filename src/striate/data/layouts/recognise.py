"""Which layout a folder or an archive has: each looks at the names of the files, the first that fits reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from striate.core.errors import StriateError, UnknownNameError
from striate.core.registry import Entry, Registry

from ..dataset import Splits
from ..source import Request
from ..tree import Listing, Tree
from .images import is_image


@dataclass(frozen=True)
class Layout:
    """One way in which labelled images lie on disk.

    Attributes:
        fits: Whether these files are laid out so; names alone are looked at, or a small file.
        read: The splits; `Splits.said` says what was recognised.
    """

    fits: Callable[[Tree, Listing], bool]
    read: Callable[[Tree, Listing, Request], Splits]


LAYOUTS: Registry[Any] = Registry(  # in the order in which they are asked
    "layout",
    {
        "shards": Entry(
            "striate.data.layouts.shards:SHARDS", "WebDataset shards: tar files of samples, train-000000.tar and so on"
        ),
        "voc": Entry(
            "striate.data.layouts.voc:VOC",
            "PASCAL VOC: an XML an image, beside it or in Annotations/",
            ("everingham2010pascal",),
        ),
        "coco": Entry(
            "striate.data.layouts.coco:COCO",
            "COCO: a JSON with images, annotations and categories",
            ("lin2014microsoft",),
        ),
        "pairs": Entry(
            "striate.data.layouts.pairs:PAIRS",
            "images/ and masks/ side by side, or x.jpg with x_mask.png",
            ("brostow2009semantic", "cordts2016cityscapes"),
        ),
        "arrays": Entry("striate.data.layouts.arrays:ARRAYS", "arrays of numpy: x and y in one .npz, or as .npy files"),
        "table": Entry("striate.data.layouts.table:TABLE", "images with one CSV that names files and labels"),
        "folder": Entry(
            "striate.data.layouts.folder:CLASSES",
            "a folder of class folders, the same under train/ and test/ (and dev/, val/ or valid/)",
        ),
        "voc0": Entry("striate.data.layouts.voc:VOC0", "PASCAL VOC whose writer counts pixels from 0 (labelImg)"),
        "images": Entry("striate.data.layouts.loose:LOOSE", "images without labels, for what needs none"),
    },
)


ACCEPTED = (
    "a folder of class folders, images with a CSV of files and labels, with masks, with PASCAL VOC or COCO "
    "annotations, shards, arrays of numpy"
)


def read_tree(tree: Tree, listing: Listing, request: Request) -> Splits:
    """The splits of a tree, by the layout asked for, or by the first that fits.

    Raises:
        StriateError: No layout fits; the message says what lies there and what is accepted.
    """
    if request.layout:
        if request.layout not in LAYOUTS:
            raise UnknownNameError("layout", request.layout, list(LAYOUTS))
        splits: Splits = LAYOUTS.load(request.layout).read(tree, listing, request)
        return splits
    for name in LAYOUTS:
        layout: Layout = LAYOUTS.load(name)
        if layout.fits(tree, listing):
            return layout.read(tree, listing, request)
    if request.unlabelled and any(map(is_image, listing.names)):
        return read_tree(tree, listing, replace(request, layout="images"))
    raise StriateError(f"{tree.name} {_what(listing)}", accepted=ACCEPTED, hint="docs/data.md shows each")


def _what(listing: Listing) -> str:
    loose = sum(map(is_image, listing.names))
    if loose:
        return f"holds {loose:,} images that nothing gives a class"
    if not listing.names and not listing.folders:
        return "is an empty folder"
    inside = [*listing.top_folders, *listing.top_files]
    return f"is a folder without images (it holds {', '.join(inside[:4])}{', ...' if len(inside) > 4 else ''})"
