"""Accuracy under the common corruptions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from striate.attacks.corruptions import corruptions_data
from striate.attacks.findings_shared import findings_of
from striate.attacks.payload_shared import Corrupted
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.core.report import Report
from striate.data.corruptions import CORRUPTIONS, corrupted
from striate.data.dataset import Dataset
from striate.measure.table import Table, predict
from striate.nets.net import Net
from striate.page.text import render_text

SIDE, COUNT = 12, 20


def net(seed: int, classes: int = 3) -> Net:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 100, classes))
    return Net(module, channels=3, size=SIDE, classes=tuple("abcd"[:classes])).eval()


def split(model: Net) -> tuple[Dataset, Table]:
    """Images whose labels are the net's answers, but for the first two."""
    given = torch.randint(0, 256, (COUNT, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(2)) / 255
    with torch.no_grad():
        labels = model(given).argmax(1)
    labels[:2] = (labels[:2] + 1) % 3
    data = Dataset.of(given, labels, classes=tuple("abc"))
    return data, predict(model, data)


def errors(model: Net, data: Dataset, table: Table, name: str, severity: int) -> Tensor:
    with torch.no_grad():
        said = model(corrupted(data.images(), name, severity, ids=table.ids)).argmax(1)
    return said != data.labels


def test_the_numbers_are_those_of_the_paper() -> None:
    """CE_c is the error summed over severities over that of the reference; mCE is the mean of 15 of them."""
    model, reference = net(0), net(1)
    data, table = split(model)
    result, album = corruptions_data(model, data, table, reference=reference)
    assert [one.name for one in result.corruptions] == list(CORRUPTIONS)
    ratios, total = [], 0.0
    for one in result.corruptions:
        own = [float(errors(model, data, table, one.name, s).double().mean()) for s in range(1, 6)]
        other = [float(errors(reference, data, table, one.name, s).double().mean()) for s in range(1, 6)]
        assert [float(each) for each in one.accuracy] == pytest.approx([1 - each for each in own])
        assert float(one.error) == pytest.approx(sum(own) / 5)
        assert float(one.ratio) == pytest.approx(sum(own) / sum(other))
        ratios.append(sum(own) / sum(other))
        total += sum(own)
    assert float(result.mean_corruption_error) == pytest.approx(sum(ratios) / 15)
    assert float(result.mean_error) == pytest.approx(total / 75)
    assert result.mean_error.low <= float(result.mean_error) <= result.mean_error.high
    assert result.mean_error.high - result.mean_error.low < 0.35
    assert float(result.clean_accuracy) == 0.9
    assert result.passes == {"forward": 2 * 75 * COUNT, "backward": 0}
    assert result.sheet in album
    assert from_json(to_json(result), Corrupted) == result


def test_a_net_against_itself_has_a_mean_corruption_error_of_1() -> None:
    model = net(0)
    data, _ = split(model)
    wrong = Dataset.of(data.images(), (data.labels + 1) % 3, classes=tuple("abc"))
    result, _ = corruptions_data(model, wrong, predict(model, wrong), reference=model)
    found = result.mean_corruption_error
    assert [found.value, found.low, found.high] == pytest.approx([1, 1, 1])


def test_without_a_reference_there_is_the_plain_mean_alone() -> None:
    model = net(0)
    result, _ = corruptions_data(model, *split(model))
    assert result.mean_corruption_error.value is None
    assert "no reference net" in result.mean_corruption_error.why
    assert result.mean_error.value is not None
    assert result.constants == "CIFAR-10-C"
    text = render_text(Report("attack", result), width=80)
    assert "mean error of all 75" in text
    assert "gaussian noise" in text
    assert max(map(len, text.splitlines())) <= 80
    (finding,) = findings_of(result, net="NET", data="DATA")
    assert finding.command.startswith("striate train")


def test_a_reference_of_other_classes_is_refused() -> None:
    model = net(0)
    with pytest.raises(StriateError, match="the reference knows 4 classes; accepted: 3"):
        corruptions_data(model, *split(model), reference=net(1, classes=4))
