"""Codes of a net that knows other images, on few images of textures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from striate.core.errors import StriateError
from striate.data.load import load_splits
from striate.data.source import data_roots
from striate.data.splits import stratified
from striate.learn.transfer.beside import plain_codes
from striate.learn.transfer.codes import Codes, head_codes
from striate.learn.transfer.shots import few_shot
from striate.nets.load import load_net

from .claims import Computed, claim, holds
from .draw import curves

DATA, NET = "dtd/dtd10_200.zip", "torchvision/squeezenet1_0"
SHOTS, DRAWS = (1, 2, 5, 10, 15), 10


def textures() -> Path:
    """The zip of the ten textures.

    Raises:
        StriateError: It is not in any folder of data.
    """
    for root in data_roots():
        if (root / DATA).is_file():
            return root / DATA
    raise StriateError(f"off-the-shelf needs {DATA}", accepted=f"{DATA} in the folder STRIATE_DATA")


def off_the_shelf() -> Computed:
    """SqueezeNet's code and a linear machine against HOG and pixels: ten textures, one to fifteen photographs each.

    Five photographs of each class are kept for testing; the others are drawn from ten times.
    """
    splits = load_splits(textures())
    net = load_net(NET)
    parts = [part.resized(net.geometry) for part in splits]
    labels = torch.cat([part.labels for part in parts])
    found = {"codes": torch.cat([head_codes(net, part).values for part in parts])}
    for name, of in plain_codes(replace(splits, train=parts[0], dev=parts[1], test=parts[2])).items():
        found[name] = torch.cat([of[part.split].values for part in parts])
    drawn, kept = stratified(labels, (0.75, 0.25), seed=0)
    curve = few_shot(
        {name: Codes(values[drawn], labels[drawn]) for name, values in found.items()},
        {name: Codes(values[kept], labels[kept]) for name, values in found.items()},
        len(splits.train.classes),
        shots=SHOTS,
        draws=DRAWS,
    )
    code, hog, pixels = curve.lines
    names = {"codes": "SqueezeNet", "hog": "HOG", "pixels": "pixels"}
    picture = curves(
        "SqueezeNet's code is ahead of HOG at every number of photographs",
        {names[line.name]: (SHOTS, [round(100 * float(one), 1) for one in line.accuracy]) for line in curve.lines},
        x_label="photographs a class to learn from",
        y_label="test photographs right, %",
    )
    ahead = [float(one.low or 0.0) for line in (hog, pixels) for one in line.over]
    under = all(float(p) < float(h) for p, h in zip(pixels.accuracy, hog.accuracy, strict=True))
    least = min(float(one) for one in hog.over)
    return Computed(
        (
            holds("the code is ahead of HOG and pixels at every number, intervals over draws", min(ahead) > 0),
            holds("by at least 15 points over HOG", least >= 0.15),
            claim("photographs of each class to test on", int(torch.bincount(labels[kept]).min()), 5),
            holds("more photographs help the code", float(code.accuracy[-1]) > float(code.accuracy[0]) + 0.1),
            holds("and it is far above chance with one", float(code.accuracy[0].low or 0.0) > 0.2),
            holds("pixels never reach HOG", under),
        ),
        picture,
    )
