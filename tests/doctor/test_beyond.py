"""Adversarial and contrastive training: declared by the parts of a setup, looked at by checks of their own."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from striate.doctor.check import Check
from striate.doctor.checks.beyond import (
    codes_collapsed,
    discriminator_too_strong,
    effective_rank,
    mode_collapse,
    spread,
)
from striate.doctor.preflight import during
from striate.doctor.setup import Setup


def noise(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed))


def checks(setup: Setup) -> dict[str, str]:
    """What became of the checks of this family, at the end of a loop that does nothing."""
    return {each.name: each.state for each in during(setup).result.checks_run if each.family == "beyond"}


def made(**parts: object) -> Setup:
    return Setup(nn.Linear(2, 2), train=(noise(128), torch.zeros(128)), loop=lambda: None, **parts)  # type: ignore[arg-type]


def test_without_these_parts_the_checks_are_listed_as_not_run() -> None:
    runs = [each for each in during(made()).result.checks_run if each.family == "beyond"]
    assert {each.why for each in runs} == {"Setup.generate was not given", "Setup.embed was not given"}


def test_a_generator_that_gives_one_sample_has_collapsed_and_one_that_varies_has_not() -> None:
    assert checks(made(generate=lambda n: noise(1).expand(n, -1, -1, -1) + 0.1 * noise(n)))["mode-collapse"] == "found"
    assert checks(made(generate=lambda n: noise(n, 1)))["mode-collapse"] == "silent"


def test_a_discriminator_without_a_mistake_and_without_slope_is_too_strong() -> None:
    def fake(n: int) -> Tensor:
        return noise(n, 1) - 8

    def sure(x: Tensor) -> Tensor:
        return 10 * (x.flatten(1).mean(1) + 4)

    def unsure(x: Tensor) -> Tensor:
        return 0.1 * (x.flatten(1).mean(1) + 4)

    assert checks(made(generate=fake, discriminate=sure))["discriminator-too-strong"] == "found"
    assert checks(made(generate=fake, discriminate=unsure))["discriminator-too-strong"] == "silent"


def test_codes_on_one_line_or_one_point_have_collapsed() -> None:
    line = torch.randn(1, 32, generator=torch.Generator().manual_seed(2))

    def along(x: Tensor) -> Tensor:
        return x.flatten(1).sum(1, keepdim=True) * line

    def point(x: Tensor) -> Tensor:
        return 5 * torch.ones(len(x), 32) + 0.01 * x.flatten(1)[:, :1]

    assert checks(made(embed=along))["codes-collapsed"] == "found"
    assert checks(made(embed=point))["codes-collapsed"] == "found"
    assert checks(made(embed=lambda x: x.flatten(1)))["codes-collapsed"] == "silent"


def test_effective_rank_is_the_number_of_equal_directions() -> None:
    directions = torch.eye(6)[:3]
    codes = torch.cat([directions, -directions])
    assert effective_rank(codes) == pytest.approx(3.0)
    assert effective_rank(codes[:, :1]) == pytest.approx(1.0)


def test_spread_is_the_mean_distance_of_pairs() -> None:
    assert spread(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])) == pytest.approx((5 + 0 + 5) / 3)
    assert math.isclose(spread(torch.zeros(1, 2)), 0.0)


def test_each_is_a_check_with_a_source() -> None:
    for each in (mode_collapse, discriminator_too_strong, codes_collapsed):
        assert isinstance(each, Check)
        assert each.source
