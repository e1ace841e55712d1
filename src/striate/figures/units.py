"""What units of trained nets answer to, and how far they see."""

from __future__ import annotations

import torch

from striate.core.errors import StriateError
from striate.core.image import encode_png
from striate.inside.fields.empirical import PATCH, STRIDE, empirical_field
from striate.inside.units.gabor import Gabors, fit_gabors
from striate.inside.units.patches import OVERLAP, Watched
from striate.inside.units.patches import top_patches as patches_of
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.summary import first_filters
from striate.nets.weights import weights_folder
from striate.synthesis.sheet import contact_sheet

from .breaking import photographs
from .claims import Computed, claim, holds

SITES = ("features.4.cat", "features.7.cat", "features.9.cat")  # the ends of the fire modules 3, 5 and 7
COUNT = 100  # photographs
SHOWN = 6  # units with a row of patches each
MEASURED = 2  # units a layer under the occluder
TILE = 56


def filters_first() -> Computed:
    """First-layer filters of two nets, trained and random, beside the Gabor functions nearest to them."""
    claims = []
    pictures = []
    for words, name in (("SqueezeNet 1.0", "torchvision/squeezenet1_0"), ("ResNet-20", "striate/resnet20")):
        trained, drawn = (_first(_net(name, "filters-first", random=random)) for random in (False, True))
        ours, chance = fit_gabors(trained), fit_gabors(drawn)
        better, worse = _median(ours), _median(chance)
        claims.append(
            holds(
                f"trained filters of {words} are nearer to Gabor functions than random ones",
                better > worse,
                note=f"median R^2 {better:.2f} against {worse:.2f}, {len(trained)} filters",
            )
        )
        best = ours.r2.argsort(descending=True)[:16]
        pictures += [_pictured(trained[best]), _pictured(ours.fitted[best])]
    tall = max(each.shape[-1] for each in pictures)
    level = [
        torch.nn.functional.interpolate(each, (tall, tall), mode="nearest") if each.shape[-1] < tall else each
        for each in pictures
    ]
    return Computed(tuple(claims), encode_png(contact_sheet(torch.cat(level), across=16)))


def top_patches() -> Computed:
    """The nine patches that excite each unit of SqueezeNet most, over photographs of ImageNet."""
    net, data = _net("torchvision/squeezenet1_0", "top-patches"), photographs(COUNT, "top-patches")
    inside, apart, sorted_, missing = True, True, True, 0
    rows = []
    for watched in patches_of(net, data, SITES):
        boxes = _boxes(watched)
        field = [each.size for each in watched.layer.field or ()]
        inside &= bool((boxes[..., 2] - boxes[..., 0] <= field[0]).all())
        inside &= bool((boxes[..., 3] - boxes[..., 1] <= field[1]).all())
        apart &= _most_overlap(watched, boxes) <= OVERLAP
        sorted_ &= bool((watched.top.value[:, 1:] <= watched.top.value[:, :-1]).all())
        missing += int((watched.top.filled.sum(1) == 0).sum())
        alive = watched.top.filled.all(1).nonzero().flatten()[:SHOWN].tolist()
        for unit in alive:
            images = data.images(watched.top.rows[unit].tolist())
            rows += [
                _square(image[:, top:bottom, left:right])
                for image, (top, left, bottom, right) in zip(images, boxes[unit].tolist(), strict=True)
            ]
    return Computed(
        (
            holds("each box lies inside its unit's theoretical field", inside),
            holds(f"no two boxes of a unit in one image overlap by more than {OVERLAP}", apart),
            holds("the strongest comes first", sorted_, note=f"{missing} units never fire on {COUNT} photographs"),
        ),
        encode_png(contact_sheet(torch.stack(rows), across=9)),
    )


def field_sizes() -> Computed:
    """Fields of SqueezeNet's units under an occluder of 11 pixels, stride 3, against the fields in theory."""
    net, data = _net("torchvision/squeezenet1_0", "field-sizes"), photographs(COUNT, "field-sizes")
    theory, real = [], []
    for watched in patches_of(net, data, SITES, top=1, controls=1):
        alive = watched.top.filled.all(1).nonzero().flatten()
        chosen = alive[:: max(1, len(alive) // MEASURED)][:MEASURED].tolist()
        sides = []
        for unit in chosen:
            best = data.images([int(watched.top.rows[unit, 0])])
            sides.append(empirical_field(net, best, watched.layer, unit, [int(watched.top.places[unit, 0])]).side)
        assert watched.layer.field is not None
        theory.append(watched.layer.field[0].size)
        real.append(sum(sides) / len(sides))
    shares = [one / other for one, other in zip(real, theory, strict=True)]
    words = ", ".join(f"{one:.0f} of {other}" for one, other in zip(real, theory, strict=True))
    return Computed(
        (
            claim("fields in theory, pixels", theory, [27, 59, 91]),
            holds("each is smaller than in theory", all(share < 1 for share in shares), note=words),
            holds(
                "the deeper the layer, the smaller the share that counts",
                shares == sorted(shares, reverse=True),
                note=", ".join(f"{share:.2f}" for share in shares) + f"; occluder {PATCH} x {PATCH}, stride {STRIDE}",
            ),
        )
    )


def _net(name: str, figure: str, *, random: bool = False) -> Net:
    files = {"torchvision/squeezenet1_0": "squeezenet1_0", "striate/resnet20": "cifar10_resnet20"}
    if random:
        return load_net(f"{name}.random")
    try:
        return load_net(f"{name}@{weights_folder() / files[name]}.safetensors")
    except StriateError as error:
        raise StriateError(
            f"{figure} needs trained weights ({error})",
            accepted=f"{files[name]}.safetensors in the folder STRIATE_WEIGHTS",
        ) from error


def _first(net: Net) -> torch.Tensor:
    found = first_filters(net)
    assert found is not None
    return found[1].float()


def _median(fits: Gabors) -> float:
    return float(fits.r2.median())


def _pictured(weight: torch.Tensor) -> torch.Tensor:
    end = float(weight.abs().max())
    return (0.5 + weight.float() / (2 * end)).clamp(0, 1)


def _boxes(watched: Watched) -> torch.Tensor:
    return watched.layer.boxes(watched.top.places.clamp_min(0))


def _most_overlap(watched: Watched, boxes: torch.Tensor) -> float:
    one, other = boxes[:, :, None], boxes[:, None]
    tall = (torch.minimum(one[..., 2], other[..., 2]) - torch.maximum(one[..., 0], other[..., 0])).clamp_min(0)
    wide = (torch.minimum(one[..., 3], other[..., 3]) - torch.maximum(one[..., 1], other[..., 1])).clamp_min(0)
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    shared = tall * wide
    overlap = shared / (area[:, :, None] + area[:, None] - shared)
    rows = watched.top.rows
    same = (rows[:, :, None] == rows[:, None]) & (rows >= 0)[:, None]
    same &= ~torch.eye(rows.shape[1], dtype=torch.bool)
    return float(torch.where(same, overlap, 0.0).max())


def _square(patch: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.interpolate(patch[None], (TILE, TILE), mode="bilinear", antialias=True)[0].clamp(0, 1)
