"""Which options mean something to which attack, and reports of those on many images."""

from __future__ import annotations

from pathlib import Path

import pytest

import striate as st
from striate.attacks.catalog import ATTACKS, METHODS, WHOLE, Whole
from striate.core.errors import StriateError
from striate.verbs.attacking import check_options
from striate.verbs.signature import read_signature

NET = "striate/small.random"
FEW = {"limit": 9, "quiet": True, "threads": 1}


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("pgd", {"fit": 3}, "--fit means nothing to pgd"),
        ("pgd", {"area": 0.1}, "--area means nothing to pgd"),
        (
            "universal",
            {"target": "1"},
            "--target means nothing to universal; accepted: --norm, --radius, --steps, --fit",
        ),
        ("patch", {"target": "1", "norm": "inf"}, "--norm means nothing to patch"),
        ("patch", {}, "patch without --target"),
        ("corruptions", {"radius": 0.1}, "--radius means nothing to corruptions; accepted: --reference"),
        ("universal", {"transfer": (NET,)}, "--transfer means nothing to universal"),
        ("spatial", {"norm": "2"}, "--norm means nothing to spatial; accepted: --steps"),
        ("pdg", {}, "pgd"),
    ],
)
def test_an_option_that_means_nothing_to_a_method_is_refused(method: str, options: dict, said: str) -> None:
    with pytest.raises(StriateError, match=said):
        st.attack(NET, "shapes", method=method, **options, **FEW)


def test_every_option_that_a_method_takes_is_one_of_the_verb() -> None:
    _, options = read_signature("attack")
    for name, entry in WHOLE.items():
        assert isinstance(entry, Whole)
        assert set(entry.takes) <= set(options)
        assert set(entry.needs) <= set(entry.takes)
        assert check_options(name, dict.fromkeys(entry.takes, "1")) == dict.fromkeys(entry.takes, "1")
    assert list(ATTACKS) == [*METHODS, *WHOLE]


def test_spatial_moves_images_and_writes_its_pictures(tmp_path: Path) -> None:
    report = st.attack(NET, "shapes", method="spatial", steps=3, out=tmp_path / "s", **{**FEW, "limit": 20})
    assert (report.result.draws, report.result.grid, report.result.n) == (3, (5, 5, 31), 20)
    assert report.result.grid_accuracy.value <= report.result.clean_accuracy.value
    assert "engstrom2019exploring" in report.origin.cites
    assert [each.id for each in report.findings] == ["attack/spatial"]
    for one in report.result.per_image:
        assert not one.picture or (tmp_path / "s" / one.picture).exists()


def test_universal_patch_and_corruptions_write_their_pictures(tmp_path: Path) -> None:
    one = st.attack(NET, "shapes", method="universal", fit=5, steps=2, out=tmp_path / "u", **FEW)
    assert (one.result.fitted, one.result.n) == (5, 4)
    assert (tmp_path / "u" / "delta.png").exists()
    two = st.attack(NET, "shapes", method="patch", target="0", steps=2, area=0.2, out=tmp_path / "p", **FEW)
    assert two.result.area == 0.2
    assert (tmp_path / "p" / "patch.pdf").read_bytes().startswith(b"%PDF")
    three = st.attack(NET, "shapes", method="corruptions", reference=NET, out=tmp_path / "c", **FEW)
    assert float(three.result.mean_corruption_error) == pytest.approx(1)
    assert three.result.reference
    assert (tmp_path / "c" / three.result.sheet).exists()
    assert "hendrycks2019benchmarking" in three.origin.cites


def test_transfer_names_each_net_once(tmp_path: Path) -> None:
    report = st.attack(NET, "shapes", steps=1, transfer=("striate/resnet20.random",), **{**FEW, "limit": 4})
    assert report.result.transfer.nets == (NET, "striate/resnet20.random")
    assert report.origin.net["name"] == NET
    with pytest.raises(StriateError, match="named twice"):
        st.attack(NET, "shapes", steps=1, transfer=(NET,), **FEW)


def test_methods_lists_those_on_many_images() -> None:
    names = {row.name for row in st.methods("universal").result.rows}
    assert "universal" in names
