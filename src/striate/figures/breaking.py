"""Photographs that fool nets trained on ImageNet: by a gradient, by one difference for all, by a patch, by a pixel."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from striate.attacks.patch import patch_data
from striate.attacks.run import attack
from striate.attacks.universal import universal_data
from striate.core.classes import class_number
from striate.core.errors import StriateError
from striate.core.image import Geometry, encode_png, from_bytes, to_bytes
from striate.core.number import Number
from striate.core.rng import Rng, image_ids
from striate.data.dataset import Dataset
from striate.data.division import Division
from striate.data.load import load_data
from striate.measure.alignment import aligned
from striate.measure.table import predict
from striate.metrics.intervals import wilson
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.weights import weights_folder
from striate.synthesis.sheet import contact_sheet

from .claims import Computed, claim, holds

PHOTOGRAPHS = Path("imagenet-sample", "imagenet_sample300.zip")
GEOMETRY = Geometry((224, 224), resize=256, crop="center")
PANDA_RADIUS, SHOWN = 0.007, 6
OSTRICH = 9
PIXELS = 50


def panda() -> Computed:
    """A step of .007 along the sign of the gradient, and random signs of that size, on the first 100 photographs."""
    net, data = _net("squeezenet1_0", "panda"), photographs(100, "panda")
    images, labels = _whole(data)
    found = attack(net, images, labels, method="fgsm", radius=PANDA_RADIUS)
    random = Rng(0, "panda").signs(image_ids(images), images.shape[1:])
    signs = (images + PANDA_RADIUS * random).clamp(0, 1)
    shares = [100 * _right(net, each, labels) for each in (images, found.images, signs)]
    rows = (found.step > 0).nonzero().squeeze(1)[:SHOWN]
    moved = (found.images - images)[rows]
    shown = torch.cat([images[rows], 0.5 + moved / PANDA_RADIUS / 2, found.images[rows]])
    return Computed(
        (
            claim("% right: as they are, after the step, after random signs", shares, [67, 2, 65], tolerance=5),
            holds("no pixel moves by more than .007", float(found.distances["inf"].max()) <= PANDA_RADIUS),
        ),
        encode_png(contact_sheet(shown.clamp(0, 1), across=SHOWN)),
    )


def ostrich() -> Computed:
    """The smallest change found that makes photographs ostriches to MobileNetV2."""
    net, data = _net("mobilenet_v2", "ostrich"), photographs(8, "ostrich")
    images, labels = _whole(data)
    other = labels != OSTRICH
    images, labels = images[other], labels[other]
    found = attack(net, images, labels, method="lbfgs", norm=2, target=OSTRICH)
    mean = (found.images - images).abs().flatten(1).mean(1)
    large = 0.5 + 10 * (found.images - images)[:SHOWN]
    shown = torch.cat([images[:SHOWN], large.clamp(0, 1), found.images[:SHOWN]])
    return Computed(
        (
            claim("of them seen as ostriches", int(found.success.sum()), len(images), says=len(images)),
            holds(
                "the mean change of a pixel is below 2 grey levels of 255 in every photograph",
                float(mean.max()) < 2 / 255,
                note=f"at most {255 * float(mean.max()):.2f}",
            ),
        ),
        encode_png(contact_sheet(shown, across=min(SHOWN, len(images)))),
    )


def universal() -> Computed:
    """One difference of ten grey levels, fitted on 200 photographs, on the 100 that it never saw."""
    net, data = _net("squeezenet1_0", "universal"), photographs(300, "universal")
    result, album = universal_data(net, data, predict(net, data), radius=10 / 255, fit=200)
    return Computed(
        (
            holds(
                "it changes the class of at least 60 % of the 100 it was not fitted on",
                _value(result.fooling_rate) >= 0.6,
                note=f"{_percent(result.fooling_rate)}; the paper reports 78 to 94 % for larger nets and 10,000 images",
            ),
            holds(
                "a random difference of that size changes fewer",
                _value(result.noise_rate) < _value(result.fooling_rate),
                note=f"{_percent(result.noise_rate)}, {result.noise}",
            ),
        ),
        album.get(result.delta, b""),
    )


def patch() -> Computed:
    """A patch on a tenth of the image is seen as a toaster wherever it lies."""
    net, data = _net("squeezenet1_0", "patch"), photographs(300, "patch")
    target = class_number("toaster", net.classes)
    result, album = patch_data(net, data, predict(net, data), target=target, fit=200)
    return Computed(
        (
            holds(
                "on photographs it never saw, at random places, turns and sizes, more than 80 % are toasters",
                _value(result.success_rate) > 0.8,
                note=_percent(result.success_rate),
            ),
            holds(
                "without it next to none are",
                _value(result.unpatched_rate) < 0.05,
                note=_percent(result.unpatched_rate),
            ),
            holds("it covers at most a tenth", result.area <= 0.1),
        ),
        _first_picture(album),
    )


def one_pixel() -> Computed:
    """How many of 50 CIFAR-10 images one pixel takes from ResNet-20, by differential evolution."""
    try:
        data = load_data("CIFAR10", partial=True, download=False)
        net = load_net("striate/resnet20.cifar10")
    except StriateError as error:
        raise StriateError(
            f"one-pixel needs CIFAR-10 and its ResNet-20 ({error})",
            accepted="both in the folders STRIATE_DATA and STRIATE_WEIGHTS",
        ) from error
    images, labels = data.images(), data.labels
    right = (predict(net, data).predicted == labels).nonzero().squeeze(1)[:PIXELS]
    found = attack(net, images[right], labels[right], method="one_pixel", norm=0, radius=1, steps=20)
    changed = ((found.images - images[right]) != 0).any(1).flatten(1).sum(1)
    rate = wilson(int(found.success.sum()), len(right))
    fooled = found.success.nonzero().squeeze(1)[:SHOWN]
    pairs = torch.cat([images[right][fooled], found.images[fooled]])
    return Computed(
        (
            holds(
                "the share fooled is known with its interval",
                rate.low is not None and rate.high is not None and _value(rate) > 0,
                note=f"{_percent(rate)} [{100 * (rate.low or 0):.0f}, {100 * (rate.high or 0):.0f}] of {len(right)}, "
                "20 generations of 400; the paper: 68 % on other nets, after 100",
            ),
            claim("most pixels that differ in an image that fools", int(changed.max()), 1),
        ),
        encode_png(contact_sheet(pairs, across=max(1, len(fooled)), least=96)) if len(fooled) else "",
    )


def _first_picture(album: dict[str, bytes]) -> bytes:
    return next((value for name, value in album.items() if name.endswith(".png")), b"")


def _percent(number: Number) -> str:
    return f"{100 * _value(number):.0f} %"


def _value(number: Number) -> float:
    return float("nan") if number.value is None else number.value


def _right(net: Net, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        said = torch.cat([net.logits(part).argmax(1) for part in torch.split(images, 32)])
    return float((said == labels).double().mean())


def _whole(data: Dataset) -> tuple[Tensor, Tensor]:
    images = data.images()
    return from_bytes(to_bytes(images)), data.labels.to(torch.int64)


@cache
def _net(arch: str, figure: str) -> Net:
    try:
        return load_net(f"torchvision/{arch}@{weights_folder() / f'{arch}.safetensors'}").eval()
    except StriateError as error:
        raise StriateError(
            f"{figure} needs a net trained on ImageNet ({error})",
            accepted=f"{arch}.safetensors in the folder STRIATE_WEIGHTS",
        ) from error


@cache
def photographs(count: int, figure: str) -> Dataset:
    """The first photographs of a sample of ImageNet, their labels those of its 1,000 classes."""
    path = Path(os.environ.get("STRIATE_DATA", ".")) / PHOTOGRAPHS
    if not path.is_file():
        raise StriateError(
            f"{figure} needs photographs of ImageNet ({path.name})",
            accepted=f"{PHOTOGRAPHS} in the folder STRIATE_DATA",
        )
    data = load_data(path, size=GEOMETRY, division=Division(shares=(0, 0, 1)))
    return aligned(data, _net("squeezenet1_0", figure))[0].limit(count)
