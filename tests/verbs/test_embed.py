"""`striate embed`, from its arguments to its page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

import striate as st
from striate.cli.main import run
from striate.inside.embedding.payload import Embedding
from striate.page.html import render_page
from striate.page.text import render_text

FEW = {"limit": 80, "quiet": True}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[st.Report, Path]:
    """A whole report with its folder."""
    folder = tmp_path_factory.mktemp("embed") / "out"
    report = st.embed(
        "striate/small", "shapes", projection="pca", with_net="striate/small.random", invariance=True, out=folder, **FEW
    )
    return report, folder


def test_the_report_reads_itself_back_and_names_its_parts(written: tuple[st.Report, Path]) -> None:
    report, folder = written
    said = json.loads((folder / "report.json").read_text())["result"]
    assert {"neighbours", "projection", "probes", "similarity", "tree", "invariance"} <= set(said)
    assert st.read_report(folder / "report.json").result == report.result
    assert "fitted on 80 images of train, penalty and best layer chosen on 80 of dev" in said["probes"]["how"]
    names = said["similarity"]["names"]
    assert any(name.startswith("striate/small.random: ") for name in names)
    assert {"kornblith2019similarity", "raghu2017svcca", "zeiler2014visualizing"} <= set(report.origin.cites)
    assert (folder / "codes.npz").exists()


def test_passes_are_those_that_it_says(written: tuple[st.Report, Path]) -> None:
    report, _ = written
    assert report.cost.forward == 80 + 80 + 80 + 80 + 30 * 64
    assert report.cost.backward == 0


def test_the_terminal_says_the_results_first(written: tuple[st.Report, Path]) -> None:
    text = render_text(written[0])
    assert text.index("by code") < text.index("trustworthiness") < text.index("moved by")
    assert "the 6 nearest share the label" in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_page_has_every_part_and_every_picture(written: tuple[st.Report, Path]) -> None:
    report, _ = written
    page = render_page(report)
    for part in ("nearest", "plane", "probing", "similarity", "tree", "invariance", "method", "citations"):
        assert f'<section id="{part}"' in page
    assert page.count('class="near"') == 8
    assert re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", page)) is None


def test_images_without_labels_and_images_that_are_given(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    (tmp_path / "flat").mkdir()
    for number in range(40):
        pixels = torch.randint(0, 255, (32, 32, 3), generator=generator).byte().numpy()
        Image.fromarray(pixels).save(tmp_path / "flat" / f"{number:02}.png")
    one = tmp_path / "flat" / "07.png"
    report = st.embed(
        "striate/small", tmp_path / "flat", queries=str(one), split="train", neighbours=2, projection="none", quiet=True
    )
    result = report.result
    assert isinstance(result, Embedding)
    assert not result.labelled
    assert result.projection is None
    assert result.probes is None
    query = result.neighbours.queries[0]
    assert query.name == "07.png"
    assert len(query.by_code) == 2
    assert "no agreement of labels: the images have no labels" in render_text(report)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--layer", "stage9"), "stage1"),
        (("--neighbours", "0"), "at least 1"),
        (("--neighbours", "many"), "whole number"),
        (("--neighbours", "500"), "at least 501"),
        (("--queries", "no_such.png"), "no_such.png"),
        (("--with", "striate/smal"), "nearest are small"),
        (("--projection", "isomap"), "tsne"),
    ],
)
def test_mistakes_are_told(options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["embed", "striate/small", "shapes", "--limit", "20", "--no-probes", "--quiet", *options])
    assert code == 2
    assert said in capsys.readouterr().err


def test_near_images_share_the_label_oftener_by_code_than_by_pixels(data_root: Path, weights_root: Path) -> None:
    report = st.embed(
        "striate/resnet20.cifar10", "CIFAR10", partial=True, limit=200, projection="none", no_probes=True, quiet=True,
        data_root=data_root, weights_root=weights_root,
    )  # fmt: skip
    near = report.result.neighbours
    assert near.difference.low is not None
    assert near.difference.low > 0.4
    assert report.findings == ()
