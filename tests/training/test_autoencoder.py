"""The autoencoder: its equation, dropout in training only, a run of the task, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import striate as st
from striate.core.errors import StriateError
from striate.training.autoencoder import Autoencoder, Autoencoding
from striate.training.task import Batch


def test_the_loss_is_that_of_a_loop_over_pixels_and_firing_counts_units() -> None:
    task = Autoencoding((1, 2, 3), units=4, seed=1)
    net = task.nets["autoencoder"].eval()
    images, none = torch.rand(2, 1, 2, 3), torch.zeros(2, dtype=torch.int64)
    batch = Batch(images, none, none, none)
    with torch.no_grad():
        got = task.judge(task.predict(batch), batch)
    a, b, c, d = (each.double().tolist() for each in net.state_dict().values())
    for place, image in enumerate(images.double().flatten(1).tolist()):
        code = [
            max(0.0, math.fsum(w * x for w, x in zip(row, image, strict=True)) + e) for row, e in zip(a, b, strict=True)
        ]
        back = [
            1 / (1 + math.exp(-math.fsum(w * x for w, x in zip(row, code, strict=True)) - e))
            for row, e in zip(c, d, strict=True)
        ]
        distance = sum((one - other) ** 2 for one, other in zip(back, image, strict=True)) / 6
        assert float(got["loss"][place]) == pytest.approx(distance, rel=1e-5)
        assert float(got["firing"][place]) == sum(each > 0 for each in code) / 4


def test_dropout_changes_training_only() -> None:
    net, images = Autoencoder((1, 4, 4), units=64, dropout=0.5), torch.rand(3, 1, 4, 4)
    assert torch.equal(net.eval()(images), net(images))
    assert not torch.equal(net.train()(images), net(images))
    plain = Autoencoder((1, 4, 4), units=64).train()
    assert torch.equal(plain(images), plain(images))


def test_a_run_of_the_task_learns_and_knows_its_options_when_it_goes_on(tmp_path: Path) -> None:
    given = {"task": "autoencode", "units": 8, "dropout": 0.2, "limit": 200, "quiet": True, "out": tmp_path / "run"}
    report = st.train("digits", **given, epochs=3)  # type: ignore[arg-type]
    history = report.result.history
    assert history[-1].dev_loss < history[0].dev_loss
    assert "dev_firing" in history[0].more
    again = st.train("digits", task="autoencode", limit=200, quiet=True, out=tmp_path / "run", resume=True)
    assert again.result.history == history
    assert "srivastava2014dropout" in report.origin.cites


def test_options_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StriateError, match="dropout does nothing for the task 'classify'"):
        st.train("digits", dropout=0.5, quiet=True, out=tmp_path / "run")
    with pytest.raises(StriateError, match="dropout is 1"):
        Autoencoder((1, 4, 4), dropout=1.0)
    with pytest.raises(StriateError, match="units is 0"):
        Autoencoder((1, 4, 4), units=0)
