"""Images through generators that were learnt."""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from striate.core.image import encode_png
from striate.data.dataset import Splits
from striate.data.load import load_splits
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.decoder import Decoding, load_decoder
from striate.synthesis.judge import judged_by
from striate.synthesis.prior import decoder_prior, prior_images
from striate.synthesis.sheet import contact_sheet
from striate.synthesis.visualise import class_images
from striate.training.loop import fit
from striate.training.recipe import AdamW, Augment
from striate.training.recipes import DECODE, MOMENTUM

from .claims import Computed, holds

SITE = "stage3.relu"  # of the maker: 128 maps of 4 x 4
SEEDS = 2


def deep_generator() -> Computed:
    """Class images of a net that knows digits, through a decoder of one of its layers, read by a net of another family.

    Three nets are trained on the 1,078 training digits of scikit-learn; the judge never meets the maker or the decoder.
    """
    splits = load_splits("digits")
    with tempfile.TemporaryDirectory() as place:
        maker, judge = (
            _trained(f"striate/{name}", splits, Path(place) / name, seed)
            for seed, name in enumerate(("small", "lenet5"))
        )
        recipe = replace(DECODE, samples=12_000)
        decoding = Decoding(maker, SITE, splits.train, width=32)
        fit(decoding, splits, out=Path(place) / "decoder", recipe=recipe)
        prior = decoder_prior(load_decoder(Path(place) / "decoder"))
    digits, seeds = list(range(10)), range(SEEDS)
    through = torch.cat([prior_images(maker, digits, prior, seed=seed, beside=False).images for seed in seeds])
    free = torch.cat([class_images(maker, digits, seed=seed).images for seed in seeds])
    agrees = float(judged_by(judge, through, digits * SEEDS, maker=maker).agrees)
    near, far = (_nearest(images, splits.test.images()) for images in (through, free))
    picture = encode_png(contact_sheet(torch.cat([through[:10], free[:10]]), across=10))
    return Computed(
        (
            holds("the judge sees the digit in more than 90 % of them", agrees > 0.9, note=f"here {agrees:.0%}"),
            holds(
                "they lie nearer to test images than those that are free in their pixels",
                near < far,
                note=f"root mean square of the nearest difference: {near:.3f}, {far:.3f}",
            ),
        ),
        picture,
    )


def _nearest(images: Tensor, real: Tensor) -> float:
    """Mean over images of the root mean square difference from the nearest real one."""
    distances = torch.cdist(images.flatten(1), real.flatten(1)).amin(1)
    return float(distances.mean()) / math.sqrt(images[0].numel())


def _trained(name: str, splits: Splits, folder: Path, seed: int) -> Net:
    """A net that has learnt the digits."""
    recipe = replace(MOMENTUM, epochs=10, batch=32, optimizer=AdamW(3e-3), augment=Augment(shift=2))
    fit(name, splits, out=folder, recipe=recipe, seed=seed)
    return load_net(folder)
