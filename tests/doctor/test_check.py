"""Checks as declared things: what they need, how findings fold under their causes, what the list says of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from striate.core.finding import Finding, Severity
from striate.doctor.case import Case
from striate.doctor.check import NEEDS, SYMPTOMS, Check, Limits, Seen, check, folded
from striate.doctor.registry import FAMILIES, all_checks, rows


def made(name: str, *, leads_to: tuple[str, ...] = (), consequence: bool = False) -> Check:
    @check(
        name, what="w", why="w", phase="run", needs=(), symptom="flat", mend="m", leads_to=leads_to,
        consequence=consequence,
    )  # fmt: skip
    def look(case: Case, limits: Limits) -> Iterator[Seen]:
        yield Seen("s")

    return look


def found(one: Check, severity: Severity = "error", sure: float = 0.9) -> tuple[Check, Finding]:
    return one, one.finding(Seen(f"{one.name} seen", severity=severity, sure=sure))


def names(findings: list[Finding]) -> list[str]:
    return [each.check for each in findings]


def test_what_a_cause_leads_to_is_folded_under_it() -> None:
    result = folded([found(made("effect")), found(made("cause", leads_to=("effect",)), sure=0.5)])
    assert names(result) == ["cause"]
    assert result[0].folded == ("effect seen",)


def test_chains_are_folded_under_their_first_cause_alone() -> None:
    first = made("first", leads_to=("second",))
    result = folded([found(made("third")), found(made("second", leads_to=("third",))), found(first)])
    assert names(result) == ["first"]
    assert set(result[0].folded) == {"second seen", "third seen"}


def test_a_consequence_goes_under_any_serious_cause_and_stays_alone_without_one() -> None:
    symptom = made("no-progress", consequence=True)
    assert names(folded([found(symptom), found(made("other"), "warning")])) == ["other"]
    assert names(folded([found(symptom), found(made("hint"), "note")])) == ["no-progress", "hint"]
    assert names(folded([found(symptom)])) == ["no-progress"]


def test_two_that_name_each_other_do_not_both_vanish() -> None:
    a, b = made("a", leads_to=("b",)), made("b", leads_to=("a",))
    assert names(folded([found(a, "warning"), found(b, "error")])) == ["b"]


def test_what_is_serious_is_not_hidden_under_a_note() -> None:
    hint = made("hint", leads_to=("fault",))
    assert names(folded([found(hint, "note"), found(made("fault"), "warning")])) == ["fault", "hint"]
    assert names(folded([found(hint, "note"), found(made("fault"), "note")])) == ["hint"]


def test_errors_come_first_and_places_count_up() -> None:
    result = folded([found(made("c"), "note"), found(made("b"), "warning"), found(made("a"), "error", 0.6)])
    assert names(result) == ["a", "b", "c"]
    assert [each.place for each in result] == [0, 1, 2]


def test_a_need_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="needs \\['luck'\\]"):
        check("x", what="", why="", phase="run", needs=("luck",), symptom="flat", mend="")


def test_every_check_says_what_it_finds_what_it_does_and_what_to_do() -> None:
    assert len(all_checks()) >= 60
    for each in all_checks():
        assert each.name == each.name.lower().replace("_", "-")
        assert each.what
        assert each.what[0].islower() or each.what[0].isupper()
        assert not each.what.endswith(".")
        assert each.why
        assert each.mend.endswith((".", ":", ")")), each.name
        assert each.symptom in SYMPTOMS
        assert set(each.needs) <= set(NEEDS)
        assert each.family in FAMILIES
        assert all(one.source for one in each.thresholds), each.name


def test_what_a_check_leads_to_exists() -> None:
    known = {each.name for each in all_checks()}
    assert {(each.name, to) for each in all_checks() for to in each.leads_to if to not in known} == set()


def test_the_list_has_a_row_for_every_check_with_its_limits() -> None:
    listed = rows()
    assert [each.name for each in listed] == [each.name for each in all_checks()]
    assert all(row.cost for row in listed)
    assert sum(len(row.thresholds) for row in listed) >= 40
