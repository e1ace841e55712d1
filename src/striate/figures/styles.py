"""Style transfer, of a picture and of a film, on drawn pictures and the small net that comes with Striate."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from striate.core.image import encode_png
from striate.core.rng import Rng
from striate.data.shapes import render, scene
from striate.imageopt.objective import gram_of
from striate.nets.load import load_net
from striate.synthesis.film_style import style_film
from striate.synthesis.flow import warped_errors
from striate.synthesis.sheet import contact_sheet
from striate.synthesis.style import style_images

from .chains import vgg
from .claims import SAME, Computed, claim, holds

WEIGHTS = (0.1, 1.0, 10.0)  # of the content against the style
STEPS = 40
PAN = (3, 1)  # pixels a frame, to the right and down
FRAMES = 4


def style() -> Computed:
    """The more the content weighs, the more of it is left and the less style there is; and what a Gram matrix is."""
    shapes = [layer.shape for layer in vgg("E")]
    deep = next(shape for shape in shapes if shape[1:] == (14, 14))
    shallow = Rng(0, "figures/style").uniform(torch.tensor([0]), (shapes[1][0], 4, 4))
    flat = torch.ones(1, 2, 4, 4)
    net, (content, other) = load_net("striate/small"), _pictures(2, side=32)
    made = [style_images(net, content[None], [other], content=weight, steps=STEPS) for weight in WEIGHTS]
    losses = [[float(row[k] or 0) for k in (3, 4)] for row in (each.tables[0].rows[0] for each in made)]
    falls = all(one[1] > two[1] for one, two in pairwise(losses))
    rises = all(one[0] < two[0] for one, two in pairwise(losses))
    sheet = contact_sheet(torch.stack([content, other, *(each.images[0] for each in made)]), across=5, least=128)
    return Computed(
        (
            claim("conv5_1 of VGG-19: height, width, channels", [*deep[1:], deep[0]], [14, 14, 512], says=SAME),
            claim("Gram matrix of conv1_1", list(gram_of(shallow).shape[1:]), [64, 64], says=SAME),
            claim(
                "Gram matrix of two maps that are 1 everywhere",
                gram_of(flat)[0],
                [[1.0, 1.0], [1.0, 1.0]],
                note="the lecture calls it covariances, which would be 0; nothing is centred (Gatys et al. 2015)",
            ),
            holds(f"content loss falls as its weight grows: {', '.join(f'{each:g}' for each in WEIGHTS)}", falls),
            holds("style loss rises with it", rises),
        ),
        encode_png(sheet),
    )


def style_video() -> Computed:
    """A window that pans over a picture, painted frame by frame and held to the frames before."""
    net, side = load_net("striate/small"), 32
    wide = _pictures(1, side=96)[0]
    other = _pictures(2, side=32)[1]
    frames = torch.stack([wide[:, k * PAN[1] :, 16 + k * PAN[0] :][:, 24 : 24 + side, :side] for k in range(FRAMES)])

    def flow(one: int, two: int) -> Tensor:
        return torch.tensor(PAN).view(2, 1, 1).expand(2, side, side) * float(one - two)

    def seen(frame: int) -> Tensor:
        del frame
        inside = torch.zeros(1, side, side)
        inside[:, : side - PAN[1], : side - PAN[0]] = 1
        return inside

    alone = style_images(net, frames, [other], steps=STEPS).images
    film = style_film(net, frames, [other], steps=STEPS, flow=flow).images
    errors = [float(warped_errors(each, flow, seen).mean()) for each in (frames, alone, film)]
    return Computed(
        (
            claim("difference of neighbours along the pan, before painting", errors[0], 0.0),
            holds("frames by themselves flicker", errors[1] > 0),
            holds("a film flickers at most half as much", errors[2] <= errors[1] / 2),
        ),
        encode_png(contact_sheet(torch.cat([frames, alone, film]), across=FRAMES, least=128)),
    )


def _pictures(count: int, *, side: int) -> Tensor:
    rng, ids = Rng(5, "figures/style"), torch.arange(count)
    drawn = scene(rng, ids, side=side, objects=1)
    return render(drawn, rng.child("noise").uniform(ids, (2, 7, 7)), side=side)[0]
