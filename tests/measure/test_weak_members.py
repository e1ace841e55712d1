"""Mistakes know the weak slices that they belong to."""

from __future__ import annotations

from dataclasses import replace

import torch

from striate.data.annotations import Annotations
from striate.data.dataset import Dataset
from striate.measure.analysis import analyse
from striate.measure.table import Table

N = 2000


def test_a_mistake_names_every_weak_slice_that_it_lies_in() -> None:
    rows = torch.arange(N)
    labels = rows % 2
    dark, far = (rows % 10) < 3, (rows // 10) % 4 == 0
    wrong = (dark & (rows % 7 < 4)) | (far & ~dark & (rows % 9 == 0))
    logits = torch.zeros(N, 2)
    logits[rows, torch.where(wrong, 1 - labels, labels)] = 3.0
    notes = tuple(
        Annotations(attributes={"light": "dark" if dark[row] else "bright", "far": "yes" if far[row] else "no"})
        for row in range(N)
    )
    data = Dataset.of(torch.zeros(N, 1, 2, 2), labels, classes=("a", "b"), notes=notes)
    table = Table(logits, labels, data.ids, rows, ("a", "b"), "key")
    evaluation = analyse(table, data)
    assert evaluation.slices is not None
    names = [one.name for one in evaluation.slices.rows if one.weak]
    assert names == ["light dark", "far yes"]
    for mistake in evaluation.mistakes:
        inside = {evaluation.slices.rows[place].name for place in mistake.slices}
        assert ("light dark" in inside) == bool(dark[mistake.row])
        assert ("far yes" in inside) == bool(far[mistake.row])
    assert any(mistake.slices for mistake in evaluation.mistakes)
    healthy = analyse(replace(table, logits=torch.nn.functional.one_hot(labels, 2).float() * 3), data)
    assert healthy.mistakes == ()
