"""Frozen values to JSON and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.core.codec import dumps, from_json, to_json
from striate.core.number import Number


@dataclass(frozen=True)
class Leaf:
    name: str
    value: float | None = None
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Tree:
    leaves: tuple[Leaf, ...]
    pair: tuple[int, str]
    table: dict[str, tuple[float, ...]]
    by_number: dict[int, Leaf]
    words: Sequence[str]
    number: Number
    matrix: tuple[tuple[int, ...], ...] = ()
    maybe: Leaf | None = None
    anything: Any = None
    flag: bool = False
    either: int | str = 0
    renamed: Mapping[str, int] = field(default_factory=dict, metadata={"name": "other"})
    hidden: bytes = field(default=b"", metadata={"json": False})


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.builds(Leaf, name=st.text(), value=st.none() | FLOATS, kind=st.sampled_from("ab"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
TREES = st.builds(
    Tree,
    leaves=st.lists(LEAVES, max_size=3).map(tuple),
    pair=st.tuples(st.integers(), st.text()),
    table=st.dictionaries(st.text(), st.lists(FLOATS, max_size=3).map(tuple), max_size=3),
    by_number=st.dictionaries(st.integers(), LEAVES, max_size=3),
    words=st.lists(st.text(), max_size=3).map(tuple),
    number=st.builds(Number, value=FLOATS, low=st.none() | FLOATS, n=st.none() | st.integers(0)),
    matrix=st.lists(st.lists(st.integers(), max_size=2).map(tuple), max_size=2).map(tuple),
    maybe=st.none() | LEAVES,
    anything=JSON,
    flag=st.booleans(),
    either=st.integers() | st.text(),
    renamed=st.dictionaries(st.text(), st.integers(), max_size=2),
)


@given(TREES)
def test_what_is_written_is_read_back_equal(tree: Tree) -> None:
    assert from_json(json.loads(dumps(tree)), Tree) == tree


@given(TREES)
def test_what_is_written_is_plain_json(tree: Tree) -> None:
    assert json.loads(json.dumps(to_json(tree), allow_nan=False)) == to_json(tree)


def test_a_field_takes_the_name_it_is_given_and_a_hidden_one_stays_out() -> None:
    tree = Tree((), (1, "x"), {}, {}, (), Number(1.0), renamed={"k": 2}, hidden=b"secret")
    data = to_json(tree)
    assert isinstance(data, dict)
    assert data["other"] == {"k": 2}
    assert "hidden" not in data
    assert "renamed" not in data


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_refused_in_writing(value: float) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        dumps(Leaf("x", value))
    with pytest.raises(ValueError, match="give None with a reason"):
        Number(value)


@pytest.mark.parametrize("value", [torch.zeros(2), {1, 2}, object(), np.zeros(2), np.int64(3), b"bytes", 1j])
def test_what_has_no_form_in_json_is_refused_by_the_name_of_its_type(value: object) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        to_json({"deep": [value]})


GOOD: dict[str, Any] = {
    "leaves": [{"name": "x"}],
    "pair": [1, "x"],
    "table": {"k": [1, 2.5]},
    "by_number": {},
    "words": [],
    "number": {"value": 1},
}


def test_missing_fields_take_their_defaults_and_unknown_ones_are_passed_over() -> None:
    tree = from_json({**GOOD, "from_the_future": 1}, Tree)
    assert tree.maybe is None
    assert tree.leaves == (Leaf("x"),)
    assert tree.table == {"k": (1.0, 2.5)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pair": [1]}, r"Tree.pair is '\[1\]', not 2 entries"),
        ({"pair": ["x", "x"]}, r"Tree.pair\[0\] is 'x', not a int"),
        ({"pair": [True, "x"]}, r"Tree.pair\[0\] is 'True', not a int"),
        ({"table": {"k": ["a"]}}, r"Tree.table.k\[0\] is 'a', not a number"),
        ({"table": {"k": [True]}}, "not a number"),
        ({"table": []}, "Tree.table is .*, not an object"),
        ({"by_number": {"x": {"name": "y"}}}, "Tree.by_number.*'x'"),
        ({"leaves": [{"name": "x", "kind": "c"}]}, "Tree.leaves.*kind is 'c', not one of"),
        ({"leaves": [{}]}, r"Tree.leaves\[0\] lacks 'name'"),
        ({"leaves": "x"}, "Tree.leaves is 'x', not a list"),
        ({"maybe": 3}, "Tree.maybe"),
        ({"flag": 1}, "Tree.flag is '1', not a bool"),
        ({"number": {"value": None}}, "needs its `why`"),
    ],
)
def test_data_of_another_form_are_refused_with_their_place(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_json({**GOOD, **change}, Tree)


def test_a_number_that_is_missing_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="why"):
        Number(None)
    assert Number.missing("0/0").value is None
    assert math.isnan(float(Number.missing("0/0")))
    assert Number.of(math.inf).why == "the computation gave inf"
    assert Number.of(2, n=3) == Number(2.0, n=3)
