"""Transfer: whether images found on one net fool others."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.core.number import Number
from striate.core.ranks import ranks
from striate.metrics.intervals import wilson
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

from .judging import predicted_by
from .measured import attack_data
from .payload import Robustness, Transfer

if TYPE_CHECKING:
    from striate.data.dataset import Dataset
    from striate.measure.table import Table


def attack_and_transfer(
    nets: Mapping[str, Net],
    data: Dataset,
    tables: Mapping[str, Table],
    *,
    target: int | None = None,
    memory: int = 1 << 30,
    **options: Any,
) -> tuple[Robustness, dict[str, bytes]]:
    """`attack_data` on the first of several nets, with the matrix of what images found on each do to each other.

    Each net is attacked with the same method and options, each on the images that it sees right, and every image
    found is passed once through every other net. Methods that leave an image as soon as it is fooled give images that
    are barely wrong, which transfer less than those of a method that goes on.

    Args:
        nets: By name; all see the same images and classes.
        data: The split.
        tables: What each net says of it unchanged.
        target: Class to be taken for; by default any but the true one.
        memory: Bytes beside the nets.
        **options: As `attack_data` takes them.

    Raises:
        StriateError: The nets do not see the same images and classes, or what `attack_data` raises.

    Source: Szegedy et al. 2014, section 4.2; Papernot et al. 2016, "Transferability in machine learning", section 3.
    """
    check_alike(nets, data, tables)
    rows: list[tuple[Number, ...]] = []
    given: tuple[Robustness, dict[str, bytes]] | None = None
    with ExitStack() as stack:
        for net in nets.values():
            stack.enter_context(undisturbed(net))
        for name, net in nets.items():
            says = {other: tables[other].predicted.clone() for other in nets}

            judged: list[tuple[Tensor, dict[str, Tensor]]] = []

            def judge(at: Tensor, images: Tensor, judged: list[tuple[Tensor, dict[str, Tensor]]] = judged) -> None:
                judged.append((at, {other: predicted_by(one, images, memory).cpu() for other, one in nets.items()}))

            now = attack_data(net, data, tables[name], target=target, memory=memory, found=judge, **options)
            for at, labels in (each for part in ranks().gathered(judged) for each in part):
                for other in nets:
                    says[other][at] = labels[other].to(says[other])
            given = given or now
            options = {**options, "radii": ()}
            rows.append(tuple(_rate(tables[name], tables[other], says[other], target) for other in nets))
    if given is None:
        raise StriateError("no net", accepted="at least one")
    result, album = given
    return replace(result, transfer=Transfer(tuple(nets), tuple(rows))), album


def check_alike(nets: Mapping[str, Net], data: Dataset, tables: Mapping[str, Table]) -> None:
    """Raises where nets do not take the same images or do not know the same classes."""
    first = next(iter(nets))
    for name, net in nets.items():
        net.check(data.images(torch.arange(min(1, len(data)))))
        known, wanted = tables[name].logits.shape[1], tables[first].logits.shape[1]
        if known != wanted:
            raise StriateError(f"{name} knows {known} classes", accepted=f"{wanted}, as {first} does")


def _rate(source: Table, other: Table, says: Tensor, target: int | None) -> Number:
    """How many of the images that both nets are fit for fool the other."""
    labels = source.labels
    if target is None:
        fit, fooled = source.correct & other.correct, says != labels
    else:
        fit, fooled = (source.predicted != target) & (other.predicted != target) & (labels != target), says == target
    return wilson(int((fit & fooled).sum()), int(fit.sum()), of="images that both see right")
