"""Where a photograph may not be covered: occlusion of Zeiler & Fergus 2014."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from striate.core.decode import decode_stored
from striate.core.errors import StriateError
from striate.core.image import Geometry, encode_png, read_image
from striate.inside.attribution.occlusion import GREY, grid
from striate.inside.heatmap import colour, limits_of, over
from striate.nets.fold import folded
from striate.nets.load import load_net
from striate.nets.partial.partial import Partial, Replay
from striate.nets.weights import weights_folder
from striate.synthesis.sheet import contact_sheet

from .claims import Computed, holds

PHOTOGRAPHS = Path("photos", "openimages_ccby.zip")
PHOTOGRAPH, MASK, BIRD = "bird_segmentation.jpg", "bird_segmentation_mask.png", 3
SIDE, PATCH, STRIDE = 224, 48, 8


def occlusion() -> Computed:
    """A grey square moves over a bird; the probability of the class that SqueezeNet sees falls most on the bird."""
    file = weights_folder() / "squeezenet1_0.safetensors"
    try:
        net = load_net(f"torchvision/squeezenet1_0@{file}").eval()
    except StriateError as error:
        raise StriateError(
            f"occlusion needs a net trained on ImageNet ({error})",
            accepted="squeezenet1_0.safetensors in the folder STRIATE_WEIGHTS",
        ) from error
    image, (top, left, bottom, right) = _bird()
    where = grid((SIDE, SIDE), PATCH, STRIDE)
    tops, lefts = [each[0] for each in where.places], [each[1] for each in where.places]
    quick = folded(net, (SIDE, SIDE)) or net
    part = Partial(Replay(quick, image), image)
    fill = torch.full((3, PATCH, PATCH), GREY)
    outputs = torch.cat([part.output[None], part.outputs(tops, lefts, pixels=fill)]).double()
    target = int(outputs[0].argmax())
    sure, *covered = outputs.softmax(1)[:, target].tolist()
    least = min(range(len(covered)), key=covered.__getitem__)
    down, along = tops[least] + PATCH / 2, lefts[least] + PATCH / 2
    drops = where.spread(sure - torch.tensor(covered)[None])[0].float()
    limits = limits_of(drops, signed=True)
    framed, yellow = image.clone(), torch.tensor([1.0, 0.85, 0.0])[:, None]
    for row in (top, bottom - 1):
        framed[:, row, left:right] = yellow
    for column in (left, right - 1):
        framed[:, top:bottom, column] = yellow
    hidden = image.clone()
    hidden[:, tops[least] : tops[least] + PATCH, lefts[least] : lefts[least] + PATCH] = GREY
    shown = torch.stack([framed, hidden, over(colour(drops, limits, signed=True), image)])
    words = (
        f"{net.classes[target]}: {sure:.2f} uncovered, {covered[least]:.2f} with the square at ({down:g}, {along:g})"
    )
    return Computed(
        (
            holds(
                "the probability is least with the square's centre in the box of the bird",
                top <= down < bottom and left <= along < right,
                note=f"the box is {(bottom - top) * (right - left) / SIDE**2:.0%} of the photograph",
            ),
            holds("it falls below half of what it was", covered[least] < sure / 2, note=words),
        ),
        encode_png(contact_sheet(shown, across=3)),
    )


def _archive() -> zipfile.ZipFile:
    path = Path(os.environ.get("STRIATE_DATA", ".")) / PHOTOGRAPHS
    if not path.is_file():
        raise StriateError(
            f"occlusion needs a photograph of a bird ({path.name})",
            accepted=f"{PHOTOGRAPHS} in the folder STRIATE_DATA",
        )
    return zipfile.ZipFile(path)


def _bird() -> tuple[Tensor, tuple[int, int, int, int]]:
    """The photograph (3, SIDE, SIDE) and the box of the bird: first row and column, and those after the last."""
    with _archive() as archive:
        image = read_image(archive.read(PHOTOGRAPH), geometry=Geometry((SIDE, SIDE), crop="none"))
        mask = torch.from_numpy(decode_stored(archive.read(MASK)).values == BIRD)
    places = torch.arange(SIDE) * len(mask) // SIDE
    rows, columns = mask[places][:, places].nonzero().T
    return image, (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
