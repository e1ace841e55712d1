"""The eleven planted reasons: each is another one, and what names it is a check that exists."""

from __future__ import annotations

import pytest
import torch

from striate.doctor.registry import all_checks
from striate.figures.eleven_faults import ELEVEN, HEALTHY, Planted, Run, diagnosed, run_of

DRAW = torch.Generator().manual_seed(0)
TRAIN = torch.rand(300, 1, 28, 28, generator=DRAW), torch.arange(300) % 10
TEST = torch.rand(60, 1, 28, 28, generator=DRAW), torch.arange(60) % 10
PLAIN = HEALTHY["healthy mlp"]


def _shown(run: Run) -> tuple[object, ...]:
    weights = [round(float(each.detach().abs().sum()), 3) for each in run.model.parameters()]
    layers = [type(each).__name__ for each in run.model.modules()]
    return run.rate, run.batch, run.epochs, len(run.y), float(run.x.abs().max()), weights, layers


def test_there_are_eleven_and_checks_of_these_names_exist() -> None:
    known = {each.name for each in all_checks()}
    assert len({each.name for each in ELEVEN}) == 11
    assert not {name for each in ELEVEN for name in each.finds} - known


@pytest.mark.parametrize("fault", ELEVEN, ids=lambda each: each.name)
def test_a_fault_changes_the_run_and_not_the_images_of_the_next(fault: Planted) -> None:
    before = TRAIN[0].clone()
    assert _shown(run_of(TRAIN, TEST, fault.spoil, seed=0)) != _shown(run_of(TRAIN, TEST, PLAIN, seed=0))
    assert torch.equal(TRAIN[0], before)


def test_the_same_seed_gives_the_same_run() -> None:
    one, two = (diagnosed(run_of(TRAIN, TEST, PLAIN, seed=3)) for _ in range(2))
    assert one[1] == two[1]
    assert [each.id for each in one[0]] == [each.id for each in two[0]]
