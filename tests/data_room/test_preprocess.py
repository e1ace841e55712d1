"""Preprocessing: statistics of training images alone, exact, and kept inside of the net."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import RunError, StriateError
from striate.data.dataset import Dataset, Splits
from striate.data.preprocess import CHOICES, Preprocess, measure_normalisation
from striate.nets.load import load_net, save_weights
from striate.nets.net import Net, WeightsOrigin

MADE = torch.Generator().manual_seed(0)
PIXELS = (torch.rand(700, 3, 6, 5, generator=MADE) * 200 + 20).to(torch.uint8)


def split(pixels: Tensor, part: str) -> Dataset:
    """One split of these pixels, two classes."""
    return Dataset.of(pixels, torch.arange(len(pixels)) % 2, classes=("a", "b"), split=part, name="made")


@pytest.mark.parametrize("kind", CHOICES)
def test_statistics_are_those_of_slow_float64(kind: Preprocess) -> None:
    slow = PIXELS.double().numpy() / 255
    found = measure_normalisation(split(PIXELS, "train"), kind)
    axes = {"mean_std": (0, 2, 3), "channel_mean": (0, 2, 3), "mean_image": (0,), "min_max": (0, 2, 3)}[kind]
    centre = slow.min(axes) if kind == "min_max" else slow.mean(axes)
    spread = {"mean_std": slow.std(axes), "min_max": np.ptp(slow, axis=axes)}.get(kind, np.ones(3))
    np.testing.assert_allclose(np.asarray(found.mean, dtype=np.float64), centre, atol=1e-7, rtol=0)
    np.testing.assert_allclose(np.asarray(found.std), spread, atol=1e-12, rtol=0)
    done = found.apply(PIXELS.float() / 255)
    if kind == "min_max":
        assert float(done.min()) == pytest.approx(0.0, abs=1e-6)
        assert float(done.max()) == pytest.approx(1.0, abs=1e-6)
    elif kind == "mean_image":
        torch.testing.assert_close(done.mean(0), torch.zeros(3, 6, 5), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", CHOICES)
def test_only_training_images_are_measured_and_others_change_nothing(kind: Preprocess) -> None:
    for part in ("dev", "test"):
        with pytest.raises(StriateError, match="train split"):
            measure_normalisation(split(PIXELS, part), kind)
    with pytest.raises(StriateError, match="no images"):
        measure_normalisation(split(PIXELS[:0], "train"), kind)
    from striate.training.prepare import build_task
    from striate.training.recipe import Recipe, Sgd

    recipe = Recipe("mine", Sgd(0.1), preprocess=kind)
    train, dev, test = split(PIXELS[:300], "train"), split(PIXELS[300:400], "dev"), split(PIXELS[400:], "test")
    dark = split(PIXELS[400:] // 9, "test")
    nets = [
        build_task("striate/linear", Splits(train, dev, each, "made"), recipe=recipe, seed=0).nets["net"]
        for each in (test, dark)
    ]
    assert nets[0].fingerprint() == nets[1].fingerprint()


def test_a_net_normalises_as_measured_and_keeps_it_in_its_file(tmp_path: Path) -> None:
    images = PIXELS[:4].float() / 255
    for kind in CHOICES:
        found = measure_normalisation(split(PIXELS, "train"), kind)
        start = load_net("striate/linear.random", classes=2, channels=3, size=(6, 5))
        net = start.adapted(mean=found.mean, std=found.std)
        torch.testing.assert_close(net(images), net.module(found.apply(images)), atol=1e-6, rtol=0)
        again = load_net(save_weights(net, tmp_path / f"{kind}.safetensors"))
        assert torch.equal(again(images), net(images))
        assert again.fingerprint() == net.fingerprint()


def test_a_mean_image_ties_a_net_to_its_size() -> None:
    mean = torch.rand(3, 6, 5, generator=MADE)
    net = Net(nn.Conv2d(3, 2, 3), mean=mean, std=1.0, classes=2)
    assert net.size == (6, 5)
    assert net.adapted(name="other").size == (6, 5)
    assert torch.equal(net.adapted(name="other").mean[0], mean)
    with pytest.raises(StriateError, match="8 x 8"):
        net(torch.zeros(1, 3, 8, 8))
    with pytest.raises(StriateError, match="mean image of 6 x 5"):
        Net(nn.Conv2d(3, 2, 3), mean=mean, size=8)
    for wrong in (torch.rand(4, 6, 5), torch.rand(2, 3, 6, 5)):
        with pytest.raises(StriateError, match="mean has shape"):
            Net(nn.Conv2d(3, 2, 3), mean=wrong)


def test_choices_that_cannot_be_are_refused(tmp_path: Path) -> None:
    from striate.training.prepare import build_task
    from striate.training.recipe import Augment, Recipe, Sgd

    with pytest.raises(StriateError, match="mean_std, channel_mean"):
        measure_normalisation(split(PIXELS, "train"), "whiten")  # type: ignore[arg-type]
    flat = measure_normalisation(split(torch.full((4, 1, 3, 3), 9, dtype=torch.uint8), "train"), "min_max")
    assert flat.std == (1.0,)
    splits = Splits(split(PIXELS[:40], "train"), split(PIXELS[40:60], "dev"), split(PIXELS[60:80], "test"))
    net = load_net("striate/linear.random", classes=2, channels=3, size=(6, 5))
    recipe = Recipe("mine", Sgd(0.1), preprocess="min_max")
    with pytest.raises(RunError, match="net with weights"):
        build_task(net, splits, recipe=recipe, seed=0)
    grey = Splits(*(each.as_channels(1) for each in splits))
    with pytest.raises(RunError, match="hue on the grey images"):
        colour = Recipe("mine", Sgd(0.1), augment=Augment(transforms=("hue",)))
        build_task("striate/linear", grey, recipe=colour, seed=0)
    path = save_weights(net.adapted(origin=WeightsOrigin(arch="striate/linear")), tmp_path / "a.safetensors")
    from striate.nets.described import described

    with pytest.raises(StriateError, match="mean_image"):
        described({"mean_image": "{}"}, file=path.name)
