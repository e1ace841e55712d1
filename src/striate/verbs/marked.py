"""Images whose objects are marked: the data set that they come from knows masks or boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from striate.core.errors import StriateError

from .options import DataLike, ImagesLike
from .session import as_taken

if TYPE_CHECKING:
    from torch import Tensor

    from striate.data.annotations import Annotations
    from striate.nets.net import Net

MOST = 16  # images that are taken where no limit is given
GROUND = {"background", "ground", "void", "unlabelled", "unlabeled"}  # regions of these names are no object


def open_marked(given: ImagesLike, net: Net, *, limit: int | None) -> tuple[list[str], Tensor, Tensor]:
    """Names, pixels (N, C, H, W) and masks (N, H, W) bool of the first test images whose objects are marked.

    The mask of an image is the union of its objects: masks where there are any, else regions of any class but the
    background, else boxes. They follow the geometry of the net as the pixels do. Images without a marked pixel, or
    with nothing else, are passed over: nothing can be pointed at in them.

    Raises:
        StriateError: ``given`` is no data set, or one that marks no objects.
    """
    import torch

    from striate.data.dataset import TASKS
    from striate.data.load import load_data

    data = as_taken(load_data(_source(given)), net)
    names: list[str] = []
    rows: list[int] = []
    masks: list[Tensor] = []
    data.ready()
    for row in range(len(data)):
        size = data.size
        if size is None:
            raise StriateError(
                f"{net.name} takes any size and the images of {data.name} have several", hint="give one folder a size"
            )
        mask = mask_of(data.annotations(row), size, data.classes)
        if mask is None or not bool(mask.any()) or bool(mask.all()):
            continue
        rows.append(row)
        masks.append(mask)
        names.append(data.name_of(row))
        if len(rows) == (limit or MOST):
            break
    if not rows:
        raise StriateError(
            f"{data.name} has {TASKS[data.task]}, and marks no object in an image",
            accepted="data with masks or boxes: VOC, COCO, images with masks, shapes",
            hint="a measure that needs no marks, such as deletion",
        )
    device = next(iter(net.parameters()), torch.empty(0)).device
    return names, data.images(rows).to(device), torch.stack(masks)


def mask_of(known: Annotations, size: tuple[int, int], classes: Sequence[str]) -> Tensor | None:
    """The pixels of all objects of an image, (H, W) bool; None where nothing is marked."""
    import torch

    from striate.data.annotations import VOID

    if known.masks is not None and len(known.masks):
        return known.masks.bool().any(0)
    if known.regions is not None:
        ground = [number for number, name in enumerate(classes) if name.lower() in GROUND]
        if not ground:
            raise StriateError(
                f"every pixel has a class, and none of {', '.join(classes[:6])} is the background",
                accepted=f"regions of which one is called {' or '.join(sorted(GROUND))}, masks or boxes",
            )
        return ~torch.isin(known.regions.long(), torch.tensor([*ground, VOID]))
    if known.boxes is None or not len(known.boxes):
        return None
    rows, columns = torch.arange(size[0])[:, None] + 0.5, torch.arange(size[1])[None] + 0.5
    inside = [
        (rows > top) & (rows < bottom) & (columns > left) & (columns < right)
        for left, top, right, bottom in known.boxes.tolist()
    ]
    return torch.stack(inside).any(0)


def _source(given: ImagesLike) -> DataLike:
    """The one data set that was given."""
    from torch import Tensor

    if isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 1:
        return given[0]
    if isinstance(given, Tensor) or (isinstance(given, Sequence) and not isinstance(given, str)):
        raise StriateError(
            "measures of objects were asked for, and files of images mark none",
            accepted="one data set with masks or boxes: VOC, COCO, images with masks, shapes",
        )
    return given
