"""What is learnt beside what is searched image by image: parts ``style`` and ``decoder`` of the proofs."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import striate
from striate.core.image import Geometry, encode_png, read_image
from striate.imageopt.score import scores_of
from striate.imageopt.search.lbfgs import LBFGS
from striate.imageopt.solve import solve
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.decoder import load_decoder
from striate.synthesis.judge import judged_by
from striate.synthesis.painter import load_painter
from striate.synthesis.prior import decoder_prior, prior_images
from striate.synthesis.sheet import contact_sheet
from striate.synthesis.visualise import class_images

SIDE, STEPS, EPOCHS = 96, 300, 55
STYLE = "braided/braided_0042.jpg"
UNSEEN = {
    "skimage_cc0.zip": ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"),
    "openimages_ccby.zip": ("parrot.jpg", "owl.jpg", "sunflower.jpg", "cat.jpg", "dragonfly.jpg", "grace_hopper.jpg"),
}
SEEDS = 3


def fast_style(kept: Path) -> dict[str, Any]:
    """The loss of a painter on ten photographs that it never saw, beside that of L-BFGS on each of them."""
    root, net = Path(os.environ["STRIATE_DATA"]), load_net("torchvision/squeezenet1_0")
    (picture,) = _members(root / "dtd" / "dtd10_200.zip", (STYLE,))
    kept.mkdir(parents=True, exist_ok=True)
    style, run = kept / "style.jpg", kept / "painter"
    style.write_bytes(picture)
    begun = time.process_time()
    striate.train(
        root / "imagenet-sample" / "imagenet_sample300.zip", task="style", style=style, against=net, size=SIDE,
        epochs=EPOCHS, out=run, resume=run.exists(), quiet=True,
    )  # fmt: skip
    taught = time.process_time() - begun
    geometry = Geometry((SIDE, SIDE))
    data = [each for name, files in UNSEEN.items() for each in _members(root / "photos" / name, files)]
    images = torch.stack([read_image(each, channels=3, geometry=geometry) for each in data])
    learnt = load_painter(run)
    objective = learnt.loss.objective(net, images)
    with torch.no_grad():
        painted = learnt.painter(images)
    mine = -scores_of(net, objective, painted)
    begun = time.process_time()
    found = solve(net, objective, start=images, search=LBFGS(tolerance=0.0), steps=STEPS)
    theirs = -found.scores
    (kept / "style.png").write_bytes(encode_png(contact_sheet(torch.cat([images, found.images, painted]), across=10)))
    names = [Path(file).stem for files in UNSEEN.values() for file in files]
    rows = [
        {"photograph": name, "at the start": _three(before), "painter": _three(one), "L-BFGS": _three(other),
         "ratio": _three(one / other)}
        for name, before, one, other in zip(names, -found.history[0], mine, theirs, strict=True)
    ]  # fmt: skip
    means = {"at the start": -found.history[0].mean(), "painter": mine.mean(), "L-BFGS": theirs.mean()}
    total = {"photograph": "mean", **{key: _three(value) for key, value in means.items()}}
    total["ratio"] = _three(means["painter"] / means["L-BFGS"])
    spent = {"seconds of teaching": round(taught), "seconds of L-BFGS": round(time.process_time() - begun)}
    return {"rows": [*rows, total], **spent}


def decoded_classes(kept: Path) -> dict[str, Any]:
    """How often another net sees the class in class images on `shapes`, through a decoder and without."""
    kept.mkdir(parents=True, exist_ok=True)
    maker, run, other = load_net("striate/small"), kept / "decoder", kept / "judge"
    striate.train("shapes", task="decode", against=maker, layer="stage3.relu", out=run, resume=run.exists(), quiet=True)
    striate.train(
        "shapes", net="striate/resnet20", epochs=3, rate=0.1, seed=5, out=other, resume=other.exists(), quiet=True
    )
    judge, prior = load_net(other), decoder_prior(load_decoder(run))
    classes = list(range(len(maker.classes)))
    arms = {
        "through the decoder": [prior_images(maker, classes, prior, seed=seed, beside=False) for seed in range(SEEDS)],
        "free in their pixels": [class_images(maker, classes, seed=seed) for seed in range(SEEDS)],
    }
    images = {name: torch.cat([each.images for each in made]) for name, made in arms.items()}
    first = [each[: len(classes)] for each in images.values()]
    (kept / "decoder.png").write_bytes(encode_png(contact_sheet(torch.cat(first), across=len(classes))))
    return {"rows": [_agreement(name, each, maker, judge) for name, each in images.items()]}


def _agreement(name: str, images: Tensor, maker: Net, judge: Net) -> dict[str, Any]:
    found = judged_by(judge, images, list(range(len(maker.classes))) * SEEDS, maker=maker).agrees
    return {"class images": name, "judge agrees": found.value, "low": found.low, "high": found.high, "images": found.n}


def _members(archive: Path, names: tuple[str, ...]) -> list[bytes]:
    """Files of an archive by the end of their paths."""
    with zipfile.ZipFile(archive) as opened:
        paths = {name: next(each for each in opened.namelist() if each.endswith(name)) for name in names}
        return [opened.read(paths[name]) for name in names]


def _three(value: Tensor) -> float:
    return round(float(value), 3)
