"""Every verb gives a report that says how it was made, saves as JSON without NaN, and reads back as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import striate as st
from striate.core.cite import citations
from striate.core.report import Report
from striate.page.html import render_page
from striate.page.text import render_text
from striate.page.units import anchor_of
from striate.verbs import VERBS

FEW: dict[str, Any] = {"limit": 60, "quiet": True, "seed": 1}
CALLS: dict[str, Callable[[Path, Path], Report[Any]]] = {
    "train": lambda run, _: st.train("digits", net="striate/linear", epochs=1, out=run.parent / "other", **FEW),
    "learning-curve": lambda run, _: st.learning_curve(
        "digits", net="striate/linear", sizes=(15, 30, 60), epochs=1, human=0.01, out=run.parent / "curve", **FEW
    ),
    "transfer": lambda run, _: st.transfer(run, "digits", shots=(1, 2), draws=2, out=run.parent / "moved", **FEW),
    "search": lambda run, _: st.search(
        "digits", net="striate/linear", trials=2, epochs=1, out=run.parent / "search", **FEW
    ),
    "evaluate": lambda run, _: st.evaluate(run, "shapes", **FEW),
    "find-rate": lambda *_: st.find_rate("digits", net="striate/linear", steps=20, seeds=1, batch=16, **FEW),
    "diagnose": lambda *_: st.diagnose("quick", data="digits", net="striate/linear", steps=12, **FEW),
    "descend": lambda *_: st.descend(surface="valley", optimizer="sgd,muon", rate=0.05, steps=4, quiet=True),
    "init-stats": lambda *_: st.init_stats("striate/mlp", "digits", init="he_normal,zeros", **FEW),
    "compare": lambda run, _: st.compare(run, "striate/linear.random", data="shapes", untimed=True, **FEW),
    "check": lambda *_: st.check("digits", fast=True, **FEW),
    "augment": lambda *_: st.augment("shapes", transforms="rotation,cutmix", images=2, **FEW),
    "baselines": lambda run, _: st.baselines(
        "digits", features="pixels,hog", classifiers="svm,means", net="striate/linear.random", **FEW
    ),
    "ensemble": lambda run, _: st.ensemble(
        run, "striate/linear.random", data="shapes", views="flip", choose=True, **FEW
    ),
    "convert": lambda run, _: st.convert(masks(run.parent / "masks"), to="coco", out=run.parent / "coco", quiet=True),
    "explain": lambda run, image: st.explain(run, image, quiet=True),
    "filters": lambda run, image: st.filters(image, net=run, layer="stage3.relu", quiet=True),
    "units": lambda run, _: st.units(run, "shapes", layer="stage3.relu", units=(0, 2), top=2, **FEW),
    "embed": lambda run, _: st.embed(run, "digits", layer="pool", neighbours=2, projection="pca", **FEW),
    "ablate": lambda run, _: st.ablate(run, "shapes", layer="stage3.relu", units=((0,), (1, 2)), **FEW),
    "attack": lambda run, _: st.attack(run, "shapes", steps=3, radii=(2 / 255,), **FEW),
    "synthesize": lambda run, _: st.synthesize("class", run, target="0,1", steps=4, quiet=True),
    "examine": lambda run, _: st.examine(run, "shapes", attacked=10, explained=2, **FEW),
    "summary": lambda run, _: st.summary(run, quiet=True),
    "gradcheck": lambda *_: st.gradcheck("striate/lenet5", quiet=True),
    "graph": lambda _, image: st.graph("striate/resnet8", image=image, quiet=True),
    "reproduce": lambda *_: st.reproduce("hinge-example", "softmax-example", quiet=True),
    "models": lambda *_: st.models("small", quiet=True),
    "datasets": lambda *_: st.datasets(quiet=True),
    "methods": lambda *_: st.methods(quiet=True),
    "demo": lambda run, _: st.demo(data="digits", fast=True, out=run.parent / "demo", quiet=True),
}
KEYS = {
    "train": {"best", "history", "run"},
    "transfer": {"advice", "policy", "accuracy", "rows", "few_shot", "training"},
    "search": {"trials", "best", "importances", "space"},
    "evaluate": {
        "n", "accuracy", "top5", "loss", "confusion", "classes", "averages", "curves", "calibration", "slices",
        "suspects", "mistakes",
    },
    "find-rate": {"suggested", "sweeps"},
    "diagnose": {"verdict", "checks_run", "layers", "loss", "rate", "ratios"},
    "descend": {"scenes", "rule"},
    "init-stats": {"starts", "chance"},
    "compare": {"nets", "pairs", "disagreements", "differences"},
    "check": {"layout", "counts", "duplicates", "leaks", "suspects", "statistics"},
    "augment": {"transforms", "pictures", "sheet"},
    "baselines": {"rows", "features", "nets", "chance"},
    "ensemble": {"members", "growth", "best", "over_best", "pairs"},
    "convert": {"to", "images", "objects", "folder"},
    "explain": {"maps"},
    "units": {"layers", "units"},
    "embed": {"neighbours", "projection", "probes"},
    "ablate": {"site", "baseline", "effects", "whole", "curves"},
    "attack": {
        "clean_accuracy", "robust_accuracy", "distance", "per_image", "survives_8bit", "masking", "passes",
    },
    "synthesize": {"images", "scores", "judge", "history"},
    "summary": {"sites", "totals"},
    "reproduce": {"figures", "passed", "total"},
}  # fmt: skip


def masks(folder: Path) -> Path:
    """Three images with a mask each."""
    for number in range(3):
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), number).save(folder / part / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small net trained for a moment."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    st.train("shapes", net="striate/small", epochs=1, limit=400, quiet=True, out=folder)
    return folder


@pytest.fixture(scope="module")
def image(run: Path) -> Path:
    """One picture as a file."""
    pixels = st.load_data("shapes").images([0])[0]
    path = run.parent / "shape.png"
    Image.fromarray((pixels.permute(1, 2, 0) * 255).byte().numpy()).save(path)
    return path


@pytest.fixture(scope="module")
def reports(run: Path, image: Path) -> dict[str, Report[Any]]:
    """What every verb gave, called when it is first asked for: one that fails takes no other with it."""

    class Called(dict[str, Report[Any]]):
        def __missing__(self, verb: str) -> Report[Any]:
            self[verb] = CALLS[verb](run, image)
            return self[verb]

    return Called()


def test_every_verb_is_called_here() -> None:
    assert set(CALLS) == set(VERBS)


@pytest.mark.parametrize("verb", list(CALLS))
def test_a_report_reads_back_as_it_was_saved(verb: str, reports: dict[str, Report[Any]], tmp_path: Path) -> None:
    report = reports[verb]
    back = st.read_report(report.save(tmp_path / "report.json"))
    assert back == report
    assert type(back.result) is type(report.result)
    assert render_text(back) == render_text(report)


@pytest.mark.parametrize("verb", list(CALLS))
def test_a_report_says_how_it_was_made_and_holds_no_path_or_nan(
    verb: str, reports: dict[str, Report[Any]], run: Path
) -> None:
    report = reports[verb]
    text = str(report)
    assert str(run.parent) not in text
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} stands in the JSON"))
    assert report.verb == verb
    assert report.origin.command.startswith(f"striate {verb}")
    assert report.origin.versions["striate"] == st.__version__
    assert report.cost.seconds >= 0
    assert KEYS.get(verb, set()) <= set(json.loads(text)["result"])
    assert set(report.origin.cites) <= set(citations())


@pytest.mark.parametrize("verb", ["evaluate", "attack", "explain", "synthesize", "examine"])
def test_passes_are_counted(verb: str, reports: dict[str, Report[Any]]) -> None:
    assert reports[verb].cost.forward > 0
    assert reports["evaluate"].cost.forward == 120  # of the test split, and as many of dev
    assert reports["evaluate"].cost.backward == 0


def test_what_a_run_saw_is_what_evaluate_reads(reports: dict[str, Report[Any]], run: Path) -> None:
    assert reports["evaluate"].origin.data is not None
    assert reports["evaluate"].origin.data["split"] == "test"
    assert (
        reports["examine"].result.training.best
        == st.read_report(
            _saved(st.train("shapes", out=run, resume=True, epochs=1, limit=400, quiet=True), run)
        ).result.best
    )


def _saved(report: Report[Any], run: Path) -> Path:
    return report.save(run.parent / "again.json")


def test_out_holds_report_pictures_arrays_and_citations(run: Path, image: Path, tmp_path: Path) -> None:
    import numpy as np

    report = st.explain(run, image, method="gradient,occlusion", out=tmp_path / "maps", quiet=True)
    written = {path.name for path in (tmp_path / "maps").iterdir()}
    assert {"report.json", "citations.bib"} < written
    for row in report.result.maps:
        assert {row.file, row.picture, row.input_picture} <= written
        values = np.load(tmp_path / "maps" / row.file)["values"]
        assert values.shape in ((32, 32), (3, 32, 32))
        assert np.isfinite(values).all()
        assert (values < 0).any() or not row.signed
    with pytest.raises(st.StriateError, match="overwrite"):
        st.explain(run, image, out=tmp_path / "maps", quiet=True)
    again = st.explain(run, image, method="gradient", out=tmp_path / "maps", overwrite=True, quiet=True)
    assert len(again.result.maps) == 1


def test_a_folder_that_is_not_ours_is_never_emptied(run: Path, image: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("ten years")
    with pytest.raises(st.StriateError, match="did not write"):
        st.explain(run, image, out=tmp_path / "precious", overwrite=True, quiet=True)
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "ten years"


def test_batch_and_memory_bound_the_passes_but_not_the_result(run: Path) -> None:
    whole = st.evaluate(run, "shapes", **FEW)
    parts = st.evaluate(run, "shapes", batch=7, **FEW)
    assert parts.result.confusion == whole.result.confusion
    assert abs(float(parts.result.loss) - float(whole.result.loss)) < 1e-5


def test_threads_are_as_they_were_afterwards(run: Path) -> None:
    import torch

    before = torch.get_num_threads()
    report = st.evaluate(run, "shapes", threads=1, **FEW)
    assert report.origin.threads == 1
    assert torch.get_num_threads() == before


def test_files_that_cannot_be_read_are_a_finding_of_every_verb_that_leaves_them_out(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (16, 16), (20 * number, 90, 30)).save(tmp_path / "pets" / name / f"{number}.png")
    (tmp_path / "pets" / "cat" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    common: dict[str, Any] = {"quiet": True, "seed": 0}
    with pytest.raises(st.StriateError, match="torn"):
        st.train(tmp_path / "pets", net="striate/linear", epochs=1, out=tmp_path / "none", **common)
    run = tmp_path / "run"
    trained = st.train(tmp_path / "pets", net="striate/linear", epochs=1, out=run, skip_broken=True, **common)
    evaluated = st.evaluate(run, tmp_path / "pets", skip_broken=True, **common)
    for report in (trained, evaluated):
        assert [each.check for each in report.findings if "torn.png" in each.seen] == ["broken_files"]


def test_resume_needs_only_the_folder_and_begins_where_nothing_is_yet(tmp_path: Path) -> None:
    begun = st.train(
        "digits", net="striate/linear", epochs=2, limit=80, batch=16, seed=3, out=tmp_path / "a", quiet=True
    )
    again = st.train("digits", out=tmp_path / "a", resume=True, quiet=True)
    assert again.result.history == begun.result.history
    with pytest.raises(st.StriateError, match="seed"):
        st.train("digits", out=tmp_path / "a", resume=True, seed=4, quiet=True)
    fresh = st.train("digits", net="striate/linear", epochs=1, limit=80, out=tmp_path / "b", resume=True, quiet=True)
    assert fresh.result.epochs == 1


def test_data_are_looked_through_once_a_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from striate.data import load

    seen: list[str] = []
    found = load._found

    def counted(source: str | Path, request: object) -> object:
        seen.append(str(source))
        return found(source, request)  # type: ignore[arg-type]

    monkeypatch.setattr(load, "_found", counted)
    st.evaluate("striate/small", "shapes", limit=30, quiet=True)  # the split itself, and dev for the temperature
    assert seen == ["shapes"]


def test_examine_shows_a_few_units_each_with_an_anchor(reports: dict[str, Report[Any]]) -> None:
    report = reports["examine"]
    found, page = report.result.units, render_page(report)
    assert len(found.layers) == 3
    for unit in found.units:
        assert f'id="{anchor_of(unit.site, unit.unit)}"' in page
        assert unit.label is not None  # shapes have masks
        assert unit.dead or unit.picture in report.album
