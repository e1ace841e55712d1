"""Ours against computations that share no code with ours: fractions, plain loops, arithmetic by hand."""

from __future__ import annotations

import pytest

from oracles import (
    figures_architectures,
    figures_convolution,
    figures_measures,
    figures_scores,
    figures_training,
)
from striate.figures.payload import Claim
from striate.figures.reproduce import compute

THEMES = (figures_scores, figures_measures, figures_convolution, figures_training, figures_architectures)
CASES = [(name, expected) for theme in THEMES for name, expected in theme.EXPECTED.items()]


def numbers(claim: Claim) -> list[float]:
    if isinstance(claim.ours, str):
        return [float(part) for part in claim.ours.replace(" / ", ", ").split(", ")]
    return [float(claim.ours)]


@pytest.mark.parametrize(("name", "expected"), CASES, ids=[name for name, _ in CASES])
def test_ours_is_what_the_oracle_computes(name: str, expected: dict[str, list[float]]) -> None:
    row, _ = compute(name)
    claims = {each.what: each for each in row.claims}
    assert set(expected) <= set(claims), sorted(claims)
    for what, right in expected.items():
        assert numbers(claims[what]) == pytest.approx(right, rel=2e-6, abs=1e-7), what


def test_attentive_nets_have_the_parameters_that_arithmetic_gives() -> None:
    claims = [numbers(each) for each in compute("cbam-table")[0].claims[:3]]
    for found, right in zip(claims, figures_architectures.CBAM.values(), strict=True):
        assert [found[2], found[3], found[6], found[7]] == pytest.approx(right, rel=1e-6)
