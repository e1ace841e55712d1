"""Runs with named transforms, mixed labels and a choice of preprocessing: they train, and resume to the same bits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from striate.core.errors import RunError, StriateError
from striate.nets.load import load_net
from striate.training.loop import fit
from striate.training.losses import cross_entropy
from striate.training.recipe import Augment
from striate.training.task import Classification
from training.tiny import RECIPE, bits, tiny_net, tiny_splits


class StoppedError(Exception):
    """Ends a run in the middle of an epoch."""


def stopping(step):
    def stop(state):
        if state.step == step:
            raise StoppedError

    return lambda events: events.attached(step=stop)


@pytest.mark.parametrize(
    "names", [("trivial_augment",), ("rand_augment", "cutmix"), ("rotation", "noise", "elastic", "mixup")]
)
def test_an_augmented_run_learns_and_resumes_to_the_same_bits(tmp_path, names):
    recipe = replace(RECIPE, augment=Augment(mirror=0.5, shift=1).named(names))
    whole = fit(tiny_net(), tiny_splits(), out=tmp_path / "whole", recipe=recipe, seed=2)
    with pytest.raises(StoppedError):
        fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=recipe, seed=2, observers=[stopping(9)])
    again = fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=recipe, seed=2, resume=True)
    assert bits(tmp_path / "run") == bits(tmp_path / "whole")
    assert [replace(each, seconds=0.0) for each in again.history] == [
        replace(each, seconds=0.0) for each in whole.history
    ]
    plain = fit(tiny_net(), tiny_splits(), out=tmp_path / "plain", recipe=RECIPE, seed=2)
    assert plain.history[-1].train_loss != whole.history[-1].train_loss
    other = replace(recipe, augment=Augment(mirror=0.5, shift=1))
    with pytest.raises(RunError, match=r"recipe\.augment"):
        fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=other, seed=2, resume=True)


@pytest.mark.parametrize("kind", ["channel_mean", "mean_image", "min_max"])
def test_a_run_keeps_the_preprocessing_it_was_trained_with(tmp_path, kind):
    splits = tiny_splits()
    recipe = replace(RECIPE, epochs=1, preprocess=kind)
    fit("striate/linear", splits, out=tmp_path / "run", recipe=recipe)
    net = load_net(tmp_path / "run")
    pixels = splits.train.images()
    centre = {"channel_mean": pixels.mean(), "mean_image": pixels.mean(0), "min_max": pixels.min()}[kind]
    torch.testing.assert_close(net.mean.expand(1, 1, 8, 8), centre.expand(1, 1, 8, 8), atol=1e-6, rtol=0)
    spread = pixels.max() - pixels.min() if kind == "min_max" else torch.tensor(1.0)
    assert net.std.item() == pytest.approx(spread.item(), abs=1e-6)


def test_loss_and_accuracy_of_mixed_labels_are_those_of_their_shares():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    shares = torch.softmax(torch.randn(5, 3, generator=torch.Generator().manual_seed(1)), 1)
    expected = -(shares * logits.log_softmax(1)).sum(1)
    torch.testing.assert_close(cross_entropy(logits, shares), expected)
    one_hot = torch.nn.functional.one_hot(torch.tensor([0, 1, 2, 1, 0]), 3).float()
    torch.testing.assert_close(
        cross_entropy(logits, one_hot, smoothing=0.1),
        cross_entropy(logits, torch.tensor([0, 1, 2, 1, 0]), smoothing=0.1),
    )
    from striate.training.task import Batch

    net = tiny_net()
    images = torch.rand(5, 1, 8, 8)
    judged = Classification(net).step(Batch(images, one_hot, torch.arange(5), torch.arange(5)), lambda loss, *_: loss)
    assert judged["accuracy"].shape == (5,)
    assert set(judged["accuracy"].tolist()) <= {0.0, 1.0}


def test_an_unknown_transform_is_refused_with_the_nearest():
    with pytest.raises(StriateError, match="trivial_augment"):
        Augment().named(("trivial_augmnet",))
