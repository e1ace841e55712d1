"""Weak slices: planted ones are found by name, healthy nets have none, overlapping ones are told once."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from measure.tables import NAMES, data_of
from striate.core.errors import StriateError
from striate.data.annotations import Annotations
from striate.data.dataset import Dataset
from striate.measure.columns import CUTS, Column, columns_of, parts_of
from striate.measure.payload import Slices
from striate.measure.slices import slices

TEXTURES = ("plain", "striped", "checked", "dotted", "shaded", "mottled")


def case(seed: int, n: int) -> tuple[dict[str, Tensor], Tensor, list[Column], torch.Generator]:
    """Properties that hang together, textures, classes."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(n, generator=generator)
    numbers = {
        name: torch.sigmoid(0.7 * common + torch.randn(n, generator=generator)).double()
        for name in ("brightness", "contrast", "sharpness", "colourfulness")
    }
    numbers["height"] = torch.full((n,), 28.0, dtype=torch.float64)
    texture = torch.randint(0, len(TEXTURES), (n,), generator=generator)
    label = torch.randint(0, 10, (n,), generator=generator)
    columns = [Column("class", "class", tuple(NAMES[row] for row in label.tolist()))]
    columns += [Column(name, "property", values) for name, values in numbers.items()]
    columns.append(Column("texture", "attribute", tuple(TEXTURES[row] for row in texture.tolist())))
    return numbers, texture, columns, generator


def sliced(rate: Tensor, columns: list[Column], generator: torch.Generator) -> tuple[Slices, Tensor]:
    n = len(rate)
    correct = torch.rand(n, generator=generator) < rate
    return slices(correct, torch.rand(n, generator=generator), torch.arange(n), columns)[0], correct


@pytest.mark.parametrize(("n", "rate"), [(10_000, 0.93), (1000, 0.8), (500, 0.97)])
def test_a_healthy_net_has_no_weak_slice_in_20_draws(n: int, rate: float) -> None:
    for seed in range(20):
        _, _, columns, generator = case(seed, n)
        found, _ = sliced(torch.full((n,), rate), columns, generator)
        assert (found.weak, [one.name for one in found.rows if one.weak]) == (0, []), seed
        assert found.tried > 300


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [1000, 5000])
def test_a_net_that_fails_on_dark_images_is_found_out(seed: int, n: int) -> None:
    numbers, _, columns, generator = case(seed, n)
    dark = numbers["brightness"] < numbers["brightness"].quantile(0.1)
    found, correct = sliced(torch.where(dark, 0.41, 0.932), columns, generator)
    (weak,) = [one for one in found.rows if one.weak]
    assert weak.name.startswith("brightness below 0.")
    assert weak is found.rows[0]
    inside = numbers["brightness"] < float(weak.name.split()[-1])  # the words say exactly which images are meant
    assert weak.n == int(inside.sum())
    assert weak.accuracy.value == pytest.approx(float(correct[inside].double().mean()))
    assert weak.rest.value == pytest.approx(float(correct[~inside].double().mean()))
    assert weak.difference.value == pytest.approx(float(weak.accuracy) - float(weak.rest))
    assert float(weak.accuracy) == pytest.approx(0.45, abs=0.12)
    assert float(weak.rest) == pytest.approx(0.93, abs=0.03)
    assert weak.p < 1e-3
    assert 0 < len(weak.rows) <= 12
    assert all(bool(inside[row]) and not bool(correct[row]) for row in weak.rows)
    # darker and less dark cuts say the same again
    assert all(one.within == weak.name for one in found.rows if one.name in weak.merged)


@pytest.mark.parametrize("seed", range(3))
def test_a_pair_is_named_where_only_both_together_are_weak(seed: int) -> None:
    numbers, texture, columns, generator = case(seed, 6000)
    both = (numbers["brightness"] < numbers["brightness"].quantile(0.3)) & (texture == 1)
    found, _ = sliced(torch.where(both, 0.4, 0.93), columns, generator)
    weak = [one for one in found.rows if one.weak]
    assert weak[0].kind == "pair"
    assert weak[0].by == ("brightness", "texture")
    assert weak[0].name.endswith("and texture striped")
    assert weak[0].n >= 30
    # what is weak because of the pair is told as part of it
    assert {one.within for one in found.rows if one.name == "texture striped"} <= {weak[0].name}


def test_parents_that_are_weak_on_their_own_make_no_weak_pair() -> None:
    numbers, texture, columns, generator = case(0, 6000)
    dark = numbers["brightness"] < numbers["brightness"].quantile(0.2)
    rate = torch.where(dark, 0.75, 0.95) * torch.where(texture == 1, 0.8, 1.0)
    found, _ = sliced(rate, columns, generator)
    weak = [one.name for one in found.rows if one.weak]
    assert "texture striped" in weak
    assert any(name.startswith("brightness below") for name in weak)
    assert not [name for name in weak if " and " in name]


def test_a_weak_class_is_a_slice_and_explains_what_only_it_makes_weak() -> None:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 10, (4000,), generator=generator)
    columns = [
        Column("class", "class", tuple(NAMES[row] for row in label.tolist())),
        Column("colour", "attribute", tuple("red" if row in {2, 3} else "blue" for row in label.tolist())),
    ]
    found, _ = sliced(torch.where(label == 3, 0.5, 0.95), columns, generator)
    assert [one.name for one in found.rows if one.weak] == ["class dog"]
    (red,) = [one for one in found.rows if one.name == "colour red"]
    assert red.within == "class dog"


def test_the_order_of_columns_changes_nothing_but_ties() -> None:
    numbers, _, columns, _ = case(1, 2000)
    dark = numbers["brightness"] < 0.25
    results = []
    for order in itertools.islice(itertools.permutations(columns), 0, 720, 240):
        found, _ = sliced(torch.where(dark, 0.5, 0.95), list(order), torch.Generator().manual_seed(3))
        results.append({one.name for one in found.rows if one.weak})
    assert results[0]
    assert all(each == results[0] for each in results)


def test_numbers_are_cut_where_their_words_say_and_few_are_taken_as_they_are() -> None:
    values = torch.tensor([1.0, 2.0] * 40 + [float("nan")] * 20, dtype=torch.float64)
    names = {part.name: len(part.rows) for part in parts_of([Column("stage", "attribute", values)], 100)}
    assert names == {"stage 1": 40, "stage 2": 40, "stage not given": 20}
    many = torch.linspace(1000.0, 1001.0, 500, dtype=torch.float64)
    for part in parts_of([Column("depth", "property", many)], 500):
        _, kind, *bounds = part.name.split()
        ends = [float(each) for each in bounds if each[0].isdigit()]
        inside = {
            "below": lambda low, *_: many < low,
            "of": lambda low, *_: many >= low,
            "from": lambda low, high: (many >= low) & (many < high),
        }[kind](*ends)
        assert torch.equal(inside.nonzero()[:, 0], part.rows), part.name
    assert len(parts_of([Column("depth", "property", many)], 500)) >= len(CUTS)


def test_values_that_are_equal_or_nearly_all_different_make_no_slice() -> None:
    assert parts_of([Column("width", "property", torch.full((50,), 32.0).double())], 50) == []
    assert parts_of([Column("file", "attribute", tuple(map(str, range(50))))], 50) == []
    assert parts_of([Column("none", "property", torch.full((50,), torch.nan).double())], 50) == []
    twice = Column("a", "attribute", ("x",) * 25 + ("y",) * 25)
    assert len(parts_of([twice, Column("b", "attribute", twice.values)], 50)) == 2


def test_columns_are_the_class_what_was_measured_and_what_the_data_say() -> None:
    labels = torch.tensor([0, 1, 1])
    notes = tuple(Annotations(attributes=each) for each in ({"age": 3.0, "sex": "f"}, {"age": 4.0}, {"sex": "m"}))
    data = Dataset.of(torch.zeros(3, 1, 2, 2), labels, classes=NAMES[:2], notes=notes)
    found = columns_of(labels, NAMES, data, {"brightness": torch.tensor([0.1, 0.2, 0.3])})
    assert [(one.name, one.kind) for one in found] == [
        ("class", "class"),
        ("brightness", "property"),
        ("age", "attribute"),
        ("sex", "attribute"),
    ]
    assert found[0].values == ("ant", "bee", "bee")
    assert isinstance(found[2].values, Tensor)
    assert bool(found[2].values[2].isnan())
    assert found[3].values == ("f", "", "m")
    with pytest.raises(StriateError, match=r"brightness.*\(2,\) for 3 images"):
        columns_of(labels, NAMES, data_of(labels), {"brightness": torch.zeros(2)})


def test_slices_of_no_images_are_none() -> None:
    nothing, members = slices(torch.zeros(0, dtype=torch.bool), torch.zeros(0), torch.zeros(0, dtype=torch.int64), [])
    assert (nothing.tried, nothing.weak, nothing.rows) == (0, 0, ())
    assert members == {}
