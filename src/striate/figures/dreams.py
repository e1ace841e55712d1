"""What a trained net dreams of."""

from __future__ import annotations

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.image import encode_png
from striate.core.rng import Rng
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.weights import weights_folder
from striate.synthesis.dream import Dreaming
from striate.synthesis.dream import dream as dreams_of
from striate.synthesis.made import Made
from striate.synthesis.sheet import contact_sheet

from .claims import Computed, claim, holds

SHALLOW, DEEP = "features.4", "features.10"  # the fire modules 3 and 9 of SqueezeNet 1.0
SIDE = 224
TENFOLD = 10.0


def dream() -> Computed:
    """SqueezeNet dreams of drawn clouds and of noise, at a shallow and at a deep layer."""
    file = weights_folder() / "squeezenet1_0.safetensors"
    try:
        net = load_net(f"torchvision/squeezenet1_0@{file}")
    except StriateError as error:
        raise StriateError(
            f"dream needs a net trained on ImageNet ({error})",
            accepted="squeezenet1_0.safetensors in the folder STRIATE_WEIGHTS",
        ) from error
    sky = clouds(SIDE)
    made = {
        f"{start} at {layer}": _dreamt(net, picture, layer, steps)
        for start, picture, steps in (("clouds", sky, 15), ("noise", None, 30))
        for layer in (SHALLOW, DEEP)
    }
    grown = {words: _grown(each) for words, each in made.items()}
    shown = torch.cat([sky, *(each.images for each in made.values())])
    return Computed(
        (
            *(
                holds(f"the layer's energy rises at least tenfold, {words}", ratio >= TENFOLD, note=f"by {ratio:.3g}")
                for words, ratio in grown.items()
            ),
            claim("octaves", [len(each.tables[0].rows) - 1 for each in made.values()], [4, 4, 4, 4]),
        ),
        picture=encode_png(contact_sheet(shown, across=3)),
    )


def clouds(side: int) -> Tensor:
    """A drawn sky, (1, 3, H, W): noise whose amplitude falls with the frequency, white on blue, the lower the lighter.

    The amplitude falls as the frequency to the power 1.6, chosen by eye.
    """
    noise = Rng(0, "figures/clouds").normal(torch.tensor([0]), (side, side))[0].double()
    down, across = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)
    frequency = (down.square() + across.square()).sqrt().double().clamp_min(1 / side)
    rough = torch.fft.irfft2(torch.fft.rfft2(noise) / frequency**1.6, s=(side, side))
    cover = (rough / rough.std() * 0.6 + 0.2).clamp(0, 1).float()
    height = torch.linspace(0, 1, side)[:, None]
    blue = torch.stack([0.15 + 0.35 * height, 0.35 + 0.35 * height, 0.7 + 0.2 * height]).expand(3, side, side)
    sky: Tensor = blue + (0.95 - blue) * cover
    return sky[None]


def _dreamt(net: Net, picture: Tensor | None, layer: str, steps: int) -> Made:
    return dreams_of(net, picture, layer=layer, how=Dreaming(steps=steps), size=(SIDE, SIDE))


def _grown(made: Made) -> float:
    """Energy of the dream over that of what it began with."""
    return float(made.tables[0].rows[-1][-1] or 0.0)
