"""The space of a search is read as it is written, tied to what it names, and refused where it is impossible."""

from __future__ import annotations

from dataclasses import replace

import pytest

from striate.core.errors import StriateError, UnknownNameError
from striate.learn.search.findings import place, widened
from striate.learn.search.payload import Part
from striate.learn.search.space import applied, default_space, defaults, parse_space, resolve
from striate.learn.search.study import grid_of, masked
from striate.training.recipe import AdamW
from striate.training.recipes import CERTIFIED, MOMENTUM

NET = "striate/resnet8"


def test_every_form_of_a_part_is_read() -> None:
    text = "rate=log:0.001:1, momentum=0.5:0.99,width=int:8:64:8,batch=32|64,init=built|he_normal"
    assert parse_space(text) == (
        Part("rate", "float", low=0.001, high=1.0, log=True),
        Part("momentum", "float", low=0.5, high=0.99),
        Part("width", "int", low=8, high=64, step=8),
        Part("batch", "choice", choices=("32", "64")),
        Part("init", "choice", choices=("built", "he_normal")),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" , ", "empty"),
        ("rate", "part 'rate'"),
        ("rate=1:0.1", "from 1 to 0.1"),
        ("rate=log:0:1", "begins at 0"),
        ("rate=0:1,rate=1:2", "twice"),
        ("batch=32|32", "choices of batch"),
        ("batch=32|", "choices of batch"),
        ("width=int:8.5:9", "width"),
        ("rate=0:nan", "part"),
        ("width=int:8:64:0", "step"),
    ],
)
def test_a_space_that_cannot_be_is_refused(text: str, says: str) -> None:
    with pytest.raises(StriateError, match=says):
        parse_space(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rate=0:1", "rate=0.0 of the space is not possible: the learning rate is 0"),
        ("init=built|she_normal", "she_normal"),
        ("batch=32|many", "batch is 'many'"),
        ("width=int:0:8", "width=0"),
        ("label_smoothing=0:1", "label_smoothing is 1"),
        ("optimizer=sgd|adamw", "without its rate"),
    ],
)
def test_ends_and_choices_must_be_possible(text: str, says: str) -> None:
    with pytest.raises(StriateError, match=says):
        resolve(parse_space(text), MOMENTUM, NET)


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="momentum"):
        resolve(parse_space("momentun=0.5:0.9"), MOMENTUM, NET)
    with pytest.raises(UnknownNameError, match="width"):
        resolve(parse_space("widht=int:8:16"), MOMENTUM, NET)


def test_values_reach_recipe_optimizer_schedule_augmentation_and_net() -> None:
    text = "batch=32|64,rate=log:0.01:1,warm=0:0.5,mirror=0:1,width=int:8:16"
    parts = resolve(parse_space(text), MOMENTUM, NET)
    assert [part.owner for part in parts] == ["recipe", "optimizer", "schedule", "augment", "net"]
    recipe, net = applied({"batch": "64", "rate": 0.3, "warm": 0.1, "mirror": 0.25, "width": 12}, parts, MOMENTUM, NET)
    assert net == "striate/resnet8+width=12"
    assert recipe == replace(
        MOMENTUM,
        name=recipe.name,
        states="",
        batch=64,
        optimizer=replace(MOMENTUM.optimizer, rate=0.3),
        schedule=replace(MOMENTUM.schedule, numbers={**MOMENTUM.schedule.numbers, "warm": 0.1}),
        augment=replace(MOMENTUM.augment, mirror=0.25),
    )


def test_another_optimizer_takes_its_own_defaults_and_the_rate_that_is_tried() -> None:
    parts = resolve(parse_space("optimizer=sgd|adamw,rate=log:0.001:1"), MOMENTUM, NET)
    recipe, _ = applied({"optimizer": "adamw", "rate": 0.002}, parts, MOMENTUM, NET)
    assert recipe.optimizer == AdamW(rate=0.002)
    assert applied({"optimizer": "sgd", "rate": 0.2}, parts, MOMENTUM, NET)[0].optimizer == MOMENTUM.optimizer


def test_the_recipe_as_it_is_gives_itself_and_is_missing_outside_of_the_space() -> None:
    for recipe in (MOMENTUM, CERTIFIED):
        parts = resolve(parse_space(default_space(recipe)), recipe, NET)
        found = defaults(parts, recipe, NET)
        if found is not None:
            assert applied(found, parts, recipe, NET) == (recipe, NET)
    parts = resolve(parse_space("rate=log:0.3:1,batch=64|128"), MOMENTUM, NET)
    assert defaults(parts, MOMENTUM, NET) is None
    parts = resolve(parse_space("batch=64|128,width=int:8:16"), MOMENTUM, NET)
    assert defaults(parts, MOMENTUM, NET) == {"batch": "128", "width": 16}


def test_a_grid_has_as_many_points_as_trials_pay_for() -> None:
    parts = parse_space("a=0:1,b=log:0.01:1,c=x|y")
    grid = grid_of(parts, 18)
    assert grid["a"] == [0.0, 0.5, 1.0]
    assert grid["b"] == pytest.approx([0.01, 0.1, 1.0])
    assert grid["c"] == ["x", "y"]
    assert grid_of(parse_space("n=int:8:64:8"), 3)["n"] == [8, 40, 64] or grid_of(parse_space("n=int:8:64:8"), 3)[
        "n"
    ] == [8, 32, 64]


def test_places_in_a_range_follow_its_scale() -> None:
    assert place(Part("a", "float", low=0.01, high=1, log=True), 0.1) == pytest.approx(0.5)
    assert place(Part("a", "float", low=0, high=10), 2.5) == pytest.approx(0.25)
    assert place(Part("a", "choice", choices=("x", "y", "z")), "y") == pytest.approx(0.5)


def test_a_range_is_widened_at_the_end_where_the_best_lies() -> None:
    rate, width = Part("rate", "float", low=0.01, high=1, log=True), Part("width", "int", low=8, high=16)
    assert widened(rate, below=True) == Part("rate", "float", low=0.001, high=1.0, log=True)
    assert widened(rate, below=False) == Part("rate", "float", low=0.01, high=10.0, log=True)
    assert (widened(width, below=False).low, widened(width, below=False).high) == (8, 24)
    assert widened(width, below=True).low == 1


def test_a_password_is_never_shown() -> None:
    assert masked("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert masked("sqlite:///a.db") == "sqlite:///a.db"
