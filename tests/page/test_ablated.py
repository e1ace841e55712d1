"""The page of an ablation says what costs most, and nothing that was not measured."""

from __future__ import annotations

import pytest

from striate.core.number import Number
from striate.core.report import Report
from striate.inside.ablation.payload import Ablation, Curve, Effect, Removal, Variant
from striate.page.ablated import ablation_claim, curves_section, removal_claim
from striate.page.html import render_page
from striate.page.text import render_text


def effect(unit, change, classes=(0.0, 0.0), site="conv"):
    accuracy = Number(0.9 + change, 0.8 + change, 0.95, 40)
    return Effect(
        site, unit, "zero", accuracy, Number(change, change - 0.1, change + 0.1, 40), classes, Number(-change)
    )


def ablation(*effects, site="conv", **more):
    return Ablation(site, 40, "zero", Number(0.9, 0.8, 0.95, 40), ("cat", "dog"), (20, 20), effects, **more)


def variant(removed, error, change):
    return Variant(
        removed, 100 - 10 * len(removed), Number(0.1), Number(error), Number(change, change - 0.01, change + 0.01)
    )


def test_the_claim_names_what_costs_most():
    claim = ablation_claim(ablation(effect((0,), -0.02), effect((3,), -0.25, (0.0, -0.5)), whole=effect((), -0.8)))
    assert claim.startswith("Without unit 3 the net loses most: 25.0 points of 90 %.")
    assert "Without the whole layer" in claim
    assert ablation_claim(ablation(effect((0,), 0.0))).startswith("No unit costs a verdict")
    layers = ablation(effect((), -0.1, site="conv1"), effect((), -0.3, site="conv2"), site="")
    assert ablation_claim(layers).startswith("Without conv2 the net loses most")


def test_curves_say_whether_the_order_of_harm_is_faster_than_chance():
    def curve(order, *values):
        return Curve(order, tuple(range(len(values))), tuple(Number(each) for each in values))

    fast, slow = curve("harm", 0.9, 0.2, 0.1), curve("random", 0.9, 0.8, 0.1)
    section = curves_section(ablation(effect((0,), -0.1), curves=(fast, slow)))
    assert "30.0 points sooner" in section.claim
    assert fast.mean == pytest.approx(0.35)
    same = curves_section(
        ablation(effect((0,), -0.1), curves=(curve("harm", 0.9, 0.8, 0.1), curve("random", 0.9, 0.2, 0.1)))
    )
    assert "do not take the net down sooner" in same.claim
    assert curves_section(ablation(effect((0,), -0.1))) is None


def test_the_claim_of_a_removal_says_when_it_may_be_chance():
    rows = (variant((), 0.1, 0.0), variant(("fc7",), 0.12, 0.02), variant(("a", "b"), 0.105, 0.005))
    result = Removal("alex", "shapes", "quick", 2, rows)
    assert removal_claim(result) == "Trained again without fc7 the net errs most: 2.0 points more than whole."
    assert "may be chance" in removal_claim(Removal("alex", "shapes", "quick", 2, (rows[0], rows[2])))
    assert "none of the variants" in removal_claim(
        Removal("alex", "shapes", "quick", 2, (rows[0], variant(("b",), 0.1, -0.01)))
    )


@pytest.mark.parametrize("kind", ["units", "layers", "removal"])
def test_pages_and_texts_hold_every_row(kind):
    units = ablation(effect((0,), -0.02, (0.0, -0.04)), effect((1, 2), -0.2), whole=effect((), -0.8))
    layers = ablation(effect((), -0.1, site="conv1"), effect((), -0.3, site="conv2"), site="")
    removal = Removal("alex", "shapes", "quick", 2, (variant((), 0.1, 0.0), variant(("fc7",), 0.12, 0.02)))
    result, words = {
        "units": (units, ("units 1+2", "dog")),
        "layers": (layers, ("conv1", "conv2")),
        "removal": (removal, ("without fc7",)),
    }[kind]  # fmt: skip
    report = Report("ablate", result)
    page, text = render_page(report), render_text(report)
    for word in words:
        assert word in page
        assert word in text
