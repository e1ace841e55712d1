"""Whether images found on one net fool others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from striate.attacks.payload import Robustness
from striate.attacks.run import attack, attack_data
from striate.attacks.transfer import attack_and_transfer
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.core.report import Report
from striate.data.dataset import Dataset
from striate.measure.table import Table, predict
from striate.nets.net import Net
from striate.page.text import render_text

SIDE, COUNT = 6, 40


def linear(seed: int, classes: int = 3) -> Net:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, classes))
    module[1].weight.data.mul_(4)
    return Net(module, channels=1, size=SIDE, classes=tuple("abcd"[:classes])).eval()


def nets() -> dict[str, Net]:
    return {"one": linear(0), "two": linear(1), "twin": linear(0)}


def split(models: dict[str, Net]) -> tuple[Dataset, dict[str, Table]]:
    given = torch.randint(60, 196, (COUNT, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(2)) / 255
    with torch.no_grad():
        labels = (models["one"](given) + models["two"](given)).argmax(1)
    data = Dataset.of(given, labels, classes=tuple("abc"))
    return data, {name: predict(model, data) for name, model in models.items()}


def test_each_rate_is_that_of_the_images_found_on_its_row() -> None:
    models = nets()
    data, tables = split(models)
    result, _ = attack_and_transfer(models, data, tables, method="pgd", norm="inf", radius=0.1, steps=10)
    assert result.transfer is not None
    assert result.transfer.nets == ("one", "two", "twin")
    for row, (name, source) in enumerate(models.items()):
        found = attack(source, data.images(), data.labels, radius=0.1, steps=10, ids=tables[name].ids)
        for column, (other, judge) in enumerate(models.items()):
            both = tables[name].correct & tables[other].correct
            said = says(judge, found.images)
            rate = result.transfer.rates[row][column]
            assert rate.n == int(both.sum()) > 5
            assert float(rate) == pytest.approx(float((said != data.labels)[both].double().mean()))
    rates = [[float(each) for each in line] for line in result.transfer.rates]
    assert rates[0][0] == rates[0][2] == rates[2][0]  # equal nets, equal images
    assert rates[0][1] < rates[0][0]


def says(model: Net, images: Tensor) -> Tensor:
    with torch.no_grad():
        return model(images).argmax(1)


def test_the_first_net_is_measured_as_it_is_alone() -> None:
    models = nets()
    data, tables = split(models)
    result, album = attack_and_transfer(models, data, tables, method="pgd", norm="inf", radius=0.05, radii=(0.02,))
    alone, pictures = attack_data(models["one"], data, tables["one"], method="pgd", radius=0.05, radii=(0.02,))
    assert result.robust_accuracy == alone.robust_accuracy
    assert result.curve == alone.curve
    assert album == pictures
    assert alone.transfer is None
    assert from_json(to_json(result), Robustness) == result
    text = render_text(Report("attack", result), width=70)
    assert "found on, fools" in text


def test_an_aimed_attack_transfers_where_the_target_is_seen() -> None:
    models = nets()
    data, tables = split(models)
    result, _ = attack_and_transfer(models, data, tables, method="pgd", norm="inf", radius=0.3, target=0)
    assert result.transfer is not None
    fit = (tables["one"].predicted != 0) & (tables["two"].predicted != 0) & (data.labels != 0)
    assert result.transfer.rates[0][1].n == int(fit.sum())
    assert float(result.transfer.rates[0][0]) > 0.9


def test_jpeg_takes_some_of_the_successes_and_is_told_for_each() -> None:
    models = nets()
    data, tables = split(models)
    result, _ = attack_data(models["one"], data, tables["one"], method="pgd", radius=0.03)
    moved = [one for one in result.per_image if one.survives_8bit is not None]
    assert all(one.survives_jpeg is not None for one in moved)
    assert all(one.survives_jpeg is None for one in result.per_image if one not in moved)
    assert float(result.survives_jpeg) == sum(bool(one.survives_jpeg) for one in moved) / len(moved)
    assert 0 < float(result.survives_jpeg) < 1


def test_nets_of_other_classes_or_images_are_refused() -> None:
    models = nets()
    data, tables = split(models)
    with pytest.raises(StriateError, match="other knows 4 classes; accepted: 3, as one does"):
        other = linear(0, classes=4)
        logits = torch.zeros(COUNT, 4)
        known = Table(logits, data.labels, data.ids, torch.arange(COUNT), tuple("abcd"), "key")
        attack_and_transfer({**models, "other": other}, data, {**tables, "other": known}, method="pgd", radius=0.1)
    with pytest.raises(StriateError, match="8"):
        large = Net(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), channels=1, size=8, classes=3)
        attack_and_transfer(
            {**models, "large": large}, data, {**tables, "large": tables["one"]}, method="pgd", radius=0.1
        )
