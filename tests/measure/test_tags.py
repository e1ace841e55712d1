"""Nets on images with any number of labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score, f1_score, hamming_loss, label_ranking_loss
from torch import Tensor, nn

import striate as st
from striate.core.codec import dumps, from_json
from striate.core.errors import StriateError
from striate.data.dataset import Dataset
from striate.measure.table import predict
from striate.measure.tagged import MultiLabelEvaluation
from striate.measure.tags import TagTable, analyse_tags, predict_tags, tag_findings
from striate.nets.net import Net
from striate.page.text import render_text

NAMES = ("red", "green", "blue")


def tagged(images: Tensor, tags: Tensor) -> Dataset:
    data = Dataset.of(images, torch.zeros(len(images), dtype=torch.int64), classes=NAMES, name="colours")
    return replace(data, task="tags", tags=tags, labels=torch.full((len(images),), -1))


def drawn(seed: int, n: int) -> tuple[TagTable, Dataset]:
    generator = torch.Generator().manual_seed(seed)
    truths = torch.rand(n, 3, generator=generator) < torch.tensor([0.5, 0.3, 0.1])
    logits = 2 * (truths.double() * 2 - 1) + 2 * torch.randn(n, 3, generator=generator).double() - 1
    data = tagged(torch.zeros(n, 1, 2, 2), truths)
    return TagTable(logits.sigmoid(), truths, torch.arange(n), NAMES), data


class Means(nn.Module):
    """Whether each channel is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(20.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * (x.mean((2, 3)) - 0.5)


def test_figures_are_those_of_scikit_learn() -> None:
    table, data = drawn(0, 400)
    found = analyse_tags(table, data)
    truths, scores = table.truths.numpy(), table.scores.numpy()
    decided = scores >= 0.5
    assert found.exact_match.value == pytest.approx(float((decided == truths).all(1).mean()))
    assert found.hamming_loss.value == pytest.approx(hamming_loss(truths, decided))
    assert found.mean_average_precision.value == pytest.approx(average_precision_score(truths, scores, average="macro"))
    for kind in ("micro", "macro", "weighted"):
        assert getattr(found.averages, kind).f1.value == pytest.approx(f1_score(truths, decided, average=kind))
    two_sided = truths.any(1) & ~truths.all(1)
    assert found.ranking_loss.value == pytest.approx(label_ranking_loss(truths[two_sided], scores[two_sided]))
    assert [one.support for one in found.classes] == truths.sum(0).tolist()
    assert from_json(json.loads(dumps(found)), MultiLabelEvaluation) == found


def test_thresholds_of_dev_raise_the_macro_f1() -> None:
    (table, data), (dev, _) = drawn(0, 2000), drawn(1, 2000)
    half, chosen = analyse_tags(table, data), analyse_tags(table, data, dev=dev)
    assert half.thresholds_from == "0.5 for every label"
    assert chosen.thresholds_from == "dev"
    assert float(chosen.averages.macro.f1) > float(half.averages.macro.f1)
    for place, one in enumerate(chosen.classes):
        called = table.scores[:, place] >= one.threshold
        assert one.predicted == int(called.sum())


def test_mistakes_name_what_was_missed_and_added() -> None:
    table, data = drawn(2, 300)
    found = analyse_tags(table, data)
    assert [one.loss for one in found.mistakes] == sorted((one.loss for one in found.mistakes), reverse=True)
    for one in found.mistakes:
        truths = {NAMES[k] for k in table.truths[one.row].nonzero()[:, 0].tolist()}
        said = {NAMES[k] for k in (table.scores[one.row] >= 0.5).nonzero()[:, 0].tolist()}
        assert (set(one.missed), set(one.added)) == (truths - said, said - truths)
        assert truths != said


def test_a_label_that_is_never_said_and_one_that_is_guessed_are_findings() -> None:
    table, data = drawn(3, 1000)
    scores = table.scores.clone()
    scores[:, 0] = 0.01 + 0.001 * scores[:, 0]
    scores[:, 1] = torch.rand(1000, generator=torch.Generator().manual_seed(0)).double()
    found = tag_findings(analyse_tags(replace(table, scores=scores), data), command="striate check d")
    assert [one.id for one in found] == ["never-said/red", "not-learnt/green"]
    assert found[0].severity == "error"
    assert tag_findings(analyse_tags(table, data), command="striate check d") == ()


def test_probabilities_are_sigmoids_and_data_of_one_label_are_refused() -> None:
    images = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    tags = images.mean((2, 3)) > 0.5
    net, data = Net(Means(), classes=NAMES, channels=3, size=(8, 8)), tagged(images, tags)
    table = predict_tags(net, data)
    assert torch.allclose(table.scores, (20 * (data.images().mean((2, 3)) - 0.5)).double().sigmoid(), atol=1e-6)
    with pytest.raises(StriateError, match="any number of labels an image"):
        predict(net, data)
    plain = Dataset.of(images, torch.zeros(20, dtype=torch.int64), classes=NAMES)
    with pytest.raises(StriateError, match="no sets of labels"):
        predict_tags(net, plain)


def test_evaluate_measures_a_csv_of_tags(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    lines = ["file,red,green,blue"]
    for number in range(60):
        bright = torch.rand(3, generator=generator) < 0.5
        colour = tuple((60 + 140 * bright).tolist())
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png," + ",".join(str(int(each)) for each in bright))
    (tmp_path / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    net = Net(Means(), classes=NAMES, channels=3, size=(8, 8))
    report = st.evaluate(net, tmp_path, quiet=True)
    assert isinstance(report.result, MultiLabelEvaluation)
    assert report.result.exact_match.value == 1.0
    assert report.result.thresholds_from == "dev"
    back = st.read_report(report.save(tmp_path / "report.json"))
    assert back.result == report.result
    assert "all labels right" in render_text(report)
    with pytest.raises(StriateError, match="any number of labels"):
        st.evaluate(net, tmp_path, cost=(1, 2), quiet=True)
