from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from striate.core.errors import RunError
from striate.training.engine import Scaled, compiled
from striate.training.loop import fit
from striate.training.optimizers.specs import Lbfgs
from striate.training.recipe import AdamW
from striate.training.task import Classification
from training.tiny import RECIPE, bits, tiny_net, tiny_splits

TWO = replace(RECIPE, epochs=2)


@pytest.mark.parametrize("optimizer", [TWO.optimizer, AdamW(1e-3)], ids=["sgd", "adamw"])
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_as_float32_up_to_rounding(tmp_path, precision, optimizer):
    how = replace(TWO, optimizer=optimizer)
    whole = fit(tiny_net(), tiny_splits(), out=tmp_path / "float32", recipe=how, threads=1)
    half = fit(tiny_net(), tiny_splits(), out=tmp_path / precision, recipe=how, precision=precision, threads=1)
    for row, other in zip(whole.history, half.history, strict=True):
        assert other.train_loss == pytest.approx(row.train_loss, rel=0.02)
        assert other.train_loss != row.train_loss  # it did compute otherwise


@pytest.mark.parametrize("norm", [1e-3, 1e3])
def test_gradients_are_clipped_as_they_are_not_as_they_are_scaled(tmp_path, norm):
    how = replace(TWO, clip_norm=norm, clip_value=1e2, epochs=1)
    runs = [
        fit(tiny_net(), tiny_splits(), out=tmp_path / kind, recipe=how, precision=kind, threads=1).history[-1]
        for kind in ("float32", "float16")
    ]
    assert runs[1].dev_loss == pytest.approx(runs[0].dev_loss, rel=0.02)


def test_lbfgs_in_float16_is_refused_before_there_is_a_folder(tmp_path):
    with pytest.raises(RunError, match="lbfgs in float16"):
        fit(tiny_net(), tiny_splits(), out=tmp_path, recipe=replace(TWO, optimizer=Lbfgs(1.0)), precision="float16")
    assert not list(tmp_path.iterdir())


def test_a_float16_run_goes_on_with_the_scale_and_the_count_that_it_had(tmp_path):
    def stop(events):
        return events.attached(checkpoint=lambda state: (_ for _ in ()).throw(KeyboardInterrupt))

    given = {"recipe": TWO, "precision": "float16", "threads": 1}
    fit(tiny_net(), tiny_splits(), out=tmp_path / "whole", **given)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_net(), tiny_splits(), out=tmp_path / "parts", observers=[stop], **given)
    fit(tiny_net(), tiny_splits(), out=tmp_path / "parts", resume=True, **given)
    assert bits(tmp_path / "parts") == bits(tmp_path / "whole")


def test_a_step_that_overflows_is_left_out_counted_and_halves_the_scale():
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1, fused=True)
    scaled = Scaled("cpu")
    for factor, expected in ((1.0, 0), (torch.inf, 1), (1.0, 1)):
        before = weight.detach().clone()
        scale = scaled.scaler.get_scale()
        optimizer.zero_grad()
        scaled.backward((weight * factor).sum(), None)
        scaled.optimizer_step(optimizer)
        assert scaled.skipped == expected
        moved = bool((weight.detach() != before).all())
        assert moved is (factor == 1.0)
        if factor == 1.0:
            torch.testing.assert_close(weight.detach(), before - 0.1)
        else:
            assert scaled.scaler.get_scale() == scale / 2
    again = Scaled("cpu")
    again.load_state_dict(scaled.state_dict())
    assert (again.skipped, again.scaler.get_scale()) == (1, scaled.scaler.get_scale())


def test_compiling_is_undone_and_its_failure_says_what_to_leave_out(monkeypatch):
    net = tiny_net()
    task = Classification(net)
    monkeypatch.setattr(nn.Module, "compile", lambda self: setattr(self, "_compiled_call_impl", self._call_impl))
    with compiled(task, on=True):
        assert net.module._compiled_call_impl is not None
    assert net.module._compiled_call_impl is None
    with pytest.raises(RunError, match="leave out --compile"), compiled(task, on=True):
        raise torch._dynamo.exc.InternalTorchDynamoError("no compiler", None)
    assert net.module._compiled_call_impl is None
