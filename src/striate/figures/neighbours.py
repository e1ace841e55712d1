"""Who lies next to whom for a trained net, and who by pixels."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import Geometry, encode_png
from striate.data.dataset import Dataset
from striate.data.division import Division
from striate.data.load import load_data
from striate.inside.embedding.codes import codes_of, shrunk
from striate.inside.embedding.layers import code_layer
from striate.inside.embedding.projection import kept_neighbours, project
from striate.measure.nearest import Agreement, compare_agreement, nearest
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.weights import weights_folder
from striate.synthesis.sheet import contact_sheet

from .claims import Computed, holds
from .payload import Claim

PHOTOGRAPHS = Path("imagenet-sample", "imagenet_sample300.zip")
K = 6
FIRST = 500  # test images of CIFAR-10 that SqueezeNet sees, enlarged
ROWS = 8  # photographs of the picture
THUMB = 56  # pixels a side, whole squares of 224 averaged


def embed_neighbours() -> Computed:
    """Six nearest images by the code of SqueezeNet and of ResNet-20 and by pixels, and a plane by t-SNE.

    The sample of photographs has one image a class, so labels are compared on CIFAR-10, which SqueezeNet sees
    enlarged to 224 pixels.
    """
    try:
        squeezenet = load_net(f"torchvision/squeezenet1_0@{weights_folder() / 'squeezenet1_0.safetensors'}")
        resnet = load_net("striate/resnet20.cifar10")
        small = load_data("CIFAR10", partial=True, download=False)
        path = Path(os.environ.get("STRIATE_DATA", ".")) / PHOTOGRAPHS
        geometry = Geometry((224, 224), resize=256, crop="center")
        photographs = load_data(path, size=geometry, division=Division(shares=(0, 0, 1)))
    except StriateError as error:
        raise StriateError(
            f"embed-neighbours needs photographs of ImageNet, CIFAR-10, and two nets ({error})",
            accepted=f"{PHOTOGRAPHS} and CIFAR10 in the folder STRIATE_DATA, squeezenet1_0.safetensors and "
            "cifar10_resnet20.safetensors in the folder STRIATE_WEIGHTS",
        ) from error
    enlarged = small.limit(FIRST).resized(Geometry((224, 224), crop="none"))
    by_squeezenet = _agreement(squeezenet, enlarged, small.limit(FIRST))
    by_resnet = _agreement(resnet, small, small)
    codes, pixels = _codes(squeezenet, photographs)
    places = project(codes, "tsne").places
    kept = float(kept_neighbours(codes, places, K))
    flat = float(kept_neighbours(codes, project(codes, "pca").places, K))
    return Computed(
        (
            _claim("SqueezeNet's code of CIFAR-10", by_squeezenet),
            _claim("ResNet-20's code of CIFAR-10", by_resnet),
            holds(
                "t-SNE keeps more neighbours of 300 photographs' codes than the first two principal axes",
                kept > flat,
                note=f"trustworthiness {kept:.3f} and {flat:.3f}",
            ),
        ),
        encode_png(_picture(photographs, codes, pixels)),
    )


def _claim(what: str, found: Agreement) -> Claim:
    less = found.difference
    note = (
        f"{100 * float(found.code):.1f} % and {100 * float(found.pixels):.1f} %, chance "
        f"{100 * float(found.chance):.1f} %; difference {100 * float(less):.1f} points "
        f"[{100 * float(less.low or 0):.1f}, {100 * float(less.high or 0):.1f}]"
    )
    return holds(f"the {K} nearest by {what} share the label oftener than by pixels", (less.low or 0) > 0, note=note)


def _codes(net: Net, data: Dataset) -> tuple[Tensor, Tensor]:
    layer = code_layer(net, data.size or net.a_size())
    found = codes_of(net, data, [layer])
    return found.of[layer], found.of["input"]


def _agreement(net: Net, seen: Dataset, plain: Dataset) -> Agreement:
    """Agreement by the code of what the net sees and by the pixels of the images as they are."""
    codes, pixels = _codes(net, seen)[0], plain.images().flatten(1)
    own = torch.arange(len(codes))
    by_code, by_pixels = (nearest(each, each, K, own=own)[0] for each in (codes, pixels))
    return compare_agreement(plain.labels, by_code, by_pixels, seed=0)


def _picture(data: Dataset, codes: Tensor, pixels: Tensor) -> Tensor:
    """Rows of a photograph, its nearest by code, a gap, its nearest by pixels."""
    rows = torch.arange(ROWS) * len(data) // ROWS
    by_code, by_pixels = (nearest(each[rows], each, K, own=rows)[0] for each in (codes, pixels))
    gap = torch.ones(1, 3, THUMB, THUMB)
    shown = []
    for place, row in enumerate(rows):
        near = shrunk(data.images(torch.cat([row[None], by_code[place], by_pixels[place]])), THUMB)
        shown += [near[: K + 1], gap, near[K + 1 :]]
    return contact_sheet(torch.cat(shown), across=2 * K + 2, least=THUMB)
