"""Rates by group of parameters: each a share of the run's rate, each thawed at a share of the run's steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from striate.core.errors import RunError


@dataclass(frozen=True)
class Group:
    """Parameters that learn at ``share`` of the run's rate, from ``thaw`` (a share of the run's steps) on."""

    parameters: tuple[nn.Parameter, ...]
    share: float = 1.0
    thaw: float = 0.0

    def __post_init__(self) -> None:
        if not (self.share > 0 and 0 <= self.thaw < 1):
            raise RunError(
                f"a group of share {self.share}, thawed at {self.thaw}",
                accepted="a share above 0, a thaw from 0 to below 1",
            )


@runtime_checkable
class Grouped(Protocol):
    """A task whose parameters do not all learn at one rate."""

    def groups(self, name: str) -> Sequence[Group]:
        """The groups of the net of this name; parameters in none learn at the run's rate from the start."""


def divide(optimizer: torch.optim.Optimizer, groups: Sequence[Group]) -> None:
    """Splits the optimizer's own groups (that weight decay made) by these, in place, before its first step."""
    of = {id(parameter): number for number, group in enumerate(groups) for parameter in group.parameters}
    divided = []
    for known in optimizer.param_groups:
        rest = {key: value for key, value in known.items() if key != "params"}
        by_group: Mapping[int, list[nn.Parameter]] = {number: [] for number in range(-1, len(groups))}
        for parameter in known["params"]:
            by_group[of.get(id(parameter), -1)].append(parameter)
        for number, parameters in by_group.items():
            how = groups[number] if number >= 0 else Group(())
            if parameters:
                share = how.share * rest.get("share", 1.0)
                divided.append({**rest, "params": parameters, "share": share, "thaw": how.thaw})
    optimizer.param_groups[:] = divided


def thaw(optimizer: torch.optim.Optimizer, done: float) -> None:
    """Lets divided groups learn that are thawed at this share of the run's steps; the others ask for no gradient.

    An optimizer passes over parameters without gradient: neither decay nor momentum moves them.
    """
    for group in optimizer.param_groups:
        if "thaw" not in group:
            continue
        thawed = done >= group["thaw"]
        for parameter in group["params"]:
            if not thawed:
                parameter.grad = None
            parameter.requires_grad_(thawed)
