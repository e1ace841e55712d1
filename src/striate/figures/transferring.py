"""A net that knows other images, on few images of textures: its codes, and what of it should learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.core.errors import StriateError
from striate.core.image import Geometry
from striate.data.dataset import Dataset, Splits
from striate.data.load import load_splits
from striate.data.source import data_roots
from striate.data.splits import stratified
from striate.learn.transfer.codes import Codes, flat_codes, head_codes
from striate.learn.transfer.linear import fit_linear
from striate.learn.transfer.policies import FineTuning
from striate.learn.transfer.shots import few_shot
from striate.measure.table import predict
from striate.nets.head import find_head, replace_head
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.nets.own.hog import HOG
from striate.training.loop import fit
from striate.training.recipe import AdamW, Recipe

from .claims import Computed, claim, holds
from .draw import curves

DATA, NET = "dtd/dtd10_200.zip", "torchvision/squeezenet1_0"
SHOTS, DRAWS = (1, 2, 5, 10, 15), 10
SIDE, FULL, EPOCHS, LIFT = 128, 1e-3, 10, 30.0  # of the fine-tuning: pixels, the rate of training from scratch


def textures(figure: str) -> Path:
    """The zip of the ten textures.

    Raises:
        StriateError: It is not in any folder of data.
    """
    for root in data_roots():
        if (root / DATA).is_file():
            return root / DATA
    raise StriateError(f"{figure} needs {DATA}", accepted=f"{DATA} in the folder STRIATE_DATA")


def off_the_shelf() -> Computed:
    """SqueezeNet's code and a linear machine against HOG and pixels: ten textures, one to fifteen photographs each.

    Five photographs of each class are kept for testing; the others are drawn from ten times.
    """
    splits = load_splits(textures("off-the-shelf"))
    net = load_net(NET)
    parts = [part.resized(net.geometry) for part in splits]
    labels = torch.cat([part.labels for part in parts])
    found = {"codes": torch.cat([head_codes(net, part).values for part in parts])}
    grey = {"hog": lambda images: HOG()(_small(images, 64)), "pixels": lambda images: _small(images, 32)}
    for name, make in grey.items():
        found[name] = torch.cat([flat_codes(part, make).values for part in parts])
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


def finetune_policies(draws: tuple[int, ...] = (0, 1, 2)) -> Computed:
    """SqueezeNet on ten textures, five photographs each: its last layer alone, or every layer at two rates.

    Images of 128 px. All layers start below a drawn last layer, as fine-tuning is mostly begun; a constant is added to
    its logits, which changes no probability, so that SqueezeNet's last ReLU cuts none of them.
    """
    splits = load_splits(textures("finetune-policies"))
    net = load_net(NET).adapted(geometry=Geometry((SIDE, SIDE), resize=round(SIDE * 256 / 224)))
    parts = [part.resized(net.geometry) for part in splits]
    codes = torch.cat([head_codes(net, part).values for part in parts])
    labels, images = torch.cat([part.labels for part in parts]), torch.cat([part.images() for part in parts])
    classes, rates = splits.train.classes, {"all, full rate": FULL, "all, a tenth": FULL / 10}
    right: dict[str, list[float]] = {"last layer": [], **{name: [] for name in rates}}
    for draw in draws:
        rows, choosing, kept = stratified(labels, (0.25, 0.1, 0.65), seed=draw)
        linear = fit_linear(codes[rows], labels[rows], len(classes))
        right["last layer"].append(float(linear.right(codes[kept], labels[kept]).double().mean()))
        train, dev, test = (
            Dataset.of(images[each], labels[each], classes=classes, name="textures", split=name)
            for name, each in (("train", rows), ("dev", choosing), ("test", kept))
        )
        for name, rate in rates.items():
            few = replace(splits, train=train, dev=dev, test=test)
            right[name].append(trained_share(net, few, rate=rate, seed=draw))
    last, full, _ = right.values()
    ahead = [a - b for a, b in zip(last, full, strict=True)]
    return Computed(
        (
            claim(
                "photographs of each class to learn from and to test on", [5, 13], [len(rows) // 10, len(kept) // 10]
            ),
            holds("few photographs: the last layer alone is ahead of all layers at the full rate", sum(ahead) > 0),
            holds("and so in at least two of three draws", 3 * sum(each > 0 for each in ahead) >= 2 * len(draws)),
        ),
        curves(
            "With five photographs a class the last layer alone is ahead",
            {name: (draws, [round(100 * each, 1) for each in values]) for name, values in right.items()},
            x_label="draw of the photographs",
            y_label="test photographs right, %",
        ),
    )


def trained_share(net: Net, splits: Splits, *, rate: float, seed: int) -> float:
    """Share of the test images right after every layer learnt at this rate, below a new last layer."""
    made = replace_head(net, splits.train.classes, seed=seed)
    bias = find_head(made).layer.bias
    assert bias is not None
    with torch.no_grad():
        bias.add_(LIFT)
    recipe = Recipe("all layers", AdamW(rate=rate, weight_decay=0.01), epochs=EPOCHS, batch=10)
    task = FineTuning(made, "all", fall=1.0, gradual=False)
    with TemporaryDirectory() as folder:
        fit(task, splits, out=Path(folder) / "run", recipe=recipe, seed=seed)
        return float(predict(load_net(Path(folder) / "run"), splits.test).correct.double().mean())


def _small(images: Tensor, side: int) -> Tensor:
    return F.interpolate(images.mean(1, keepdim=True), (side, side), mode="bilinear", antialias=True)
