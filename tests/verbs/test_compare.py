"""The verbs that measure, from their arguments to what they write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import striate as st
from striate.data.dataset import Dataset
from striate.page.text import render_text

FEW = {"limit": 60, "quiet": True}


def dark_and_light(folder: Path) -> Path:
    """Grey pictures of two classes: a stripe that stands or lies."""
    generator = torch.Generator().manual_seed(0)
    for split, count in (("train", 4), ("dev", 40), ("test", 60)):
        for kind in ("lying", "standing"):
            place = folder / split / kind
            place.mkdir(parents=True)
            for number in range(count):
                pixels = torch.randint(0, 60, (28, 28), generator=generator)
                if kind == "standing":
                    pixels[:, 10:16] += 120
                else:
                    pixels[10:16] += 120
                Image.fromarray(pixels.byte().numpy()).save(place / f"{number}.png")
    return folder


def test_two_classes_get_operating_points_by_cost_from_dev(tmp_path: Path) -> None:
    data = dark_and_light(tmp_path / "stripes")
    st.train(data, net="striate/linear", epochs=1, out=tmp_path / "run", quiet=True)
    report = st.evaluate(tmp_path / "run", data, cost=(1, 5), quiet=True)
    operating = report.result.operating
    assert operating is not None
    assert (operating.positive, operating.chosen_on) == ("standing", "dev")
    assert "5 a false negative" in operating.points[1].rule
    assert report.cost.forward == 120 + 80
    assert "--cost 1,5" in report.origin.command
    text = render_text(report)
    assert "standing counts as positive; thresholds were chosen on dev" in text
    quick = st.evaluate(tmp_path / "run", data, quick=True, quiet=True).result
    assert quick.calibration.scaling.temperature.why == "left out on request"
    assert {one.kind for one in quick.slices.rows} <= {"class", "pair"}
    dev = st.evaluate(tmp_path / "run", data, split="dev", quiet=True).result
    assert "dev split itself" in dev.calibration.scaling.temperature.why


def test_costs_are_two_numbers_and_need_two_classes() -> None:
    with pytest.raises(st.StriateError, match="10 classes"):
        st.evaluate("striate/small", "shapes", cost=(1, 5), **FEW)
    from striate.verbs.evaluate import two_costs

    assert two_costs("1,10") == (1.0, 10.0)
    for text in ("1", "1,2,3", "a,b"):
        with pytest.raises(st.StriateError):
            two_costs(text)


def test_one_split_given_as_data_has_no_dev_and_says_so() -> None:
    images = torch.rand(60, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    data = Dataset.of(images, torch.arange(60) % 10, classes=st.load_data("shapes").classes)
    found = st.evaluate("striate/small", data, quiet=True).result
    assert found.calibration.scaling.temperature.why == "one split was given, and no dev split"


def test_out_holds_pictures_of_what_is_doubted(tmp_path: Path) -> None:
    report = st.evaluate("striate/small", "shapes", limit=600, out=tmp_path / "out", quiet=True)
    named = [one.picture for one in report.result.suspects if one.picture]
    weak = [one for one in report.result.slices.rows if one.weak]
    named += [key for one in weak for key in one.pictures]
    assert named
    assert {path.name for path in (tmp_path / "out").iterdir()} >= set(named)


def test_nets_are_compared_on_the_same_images_with_what_they_cost(tmp_path: Path) -> None:
    report = st.compare("striate/small", "striate/linear.random", data="shapes", out=tmp_path / "c", **FEW)
    small, linear = report.result.nets
    assert small.parameters == st.summary("striate/small", quiet=True).result.totals.parameters
    assert small.macs == st.summary("striate/small", quiet=True).result.totals.macs
    assert small.single is not None
    assert linear.best is not None
    assert report.result.pairs[0].better == "striate/small"
    assert report.result.device.startswith("cpu, ")
    pictured = [one for one in report.result.disagreements if one.picture]
    assert pictured
    assert all((tmp_path / "c" / one.picture).exists() for one in pictured)
    text = render_text(report)
    assert "multiply-adds" in text
    assert "they contradict on" in text
    assert report.origin.command.startswith("striate compare striate/small striate/linear.random --data shapes")


def test_reports_are_told_from_nets_by_being_files(tmp_path: Path) -> None:
    st.evaluate("striate/small", "shapes", quick=True, out=tmp_path / "a", **FEW)
    other = st.evaluate("striate/linear.random", "shapes", quick=True, **FEW).save(tmp_path / "b.json")
    report = st.compare(tmp_path / "a", other, quiet=True)
    assert report.result.kind == "reports"
    assert [net.name for net in report.result.nets] == ["striate/small", "striate/linear.random"]
    assert report.result.note.startswith("Both were measured on the same images")
    fell = next(one for one in report.findings if one.check == "fell")
    assert fell.command == "striate compare striate/small striate/linear.random --data shapes --limit 60"
    assert report.cost.forward == 0
    assert json.loads(str(report))["result"]["differences"][0]["what"] == "accuracy"
    assert "worse" in render_text(report)
    with pytest.raises(st.StriateError, match="is a report and others are nets"):
        st.compare(tmp_path / "a", "striate/small", quiet=True)
    with pytest.raises(st.StriateError, match="reports hold their own data"):
        st.compare(tmp_path / "a", other, data="shapes", quiet=True)
    with pytest.raises(st.StriateError, match="3 reports"):
        st.compare(tmp_path / "a", other, other, quiet=True)
    summary = st.summary("striate/small", quiet=True).save(tmp_path / "s.json")
    with pytest.raises(st.StriateError, match="report of summary"):
        st.compare(tmp_path / "a", summary, quiet=True)


def test_what_is_missing_is_said() -> None:
    with pytest.raises(st.StriateError, match="1 net is given"):
        st.compare("striate/small", data="shapes", quiet=True)
    with pytest.raises(st.StriateError, match="no data are given"):
        st.compare("striate/small", "striate/linear", quiet=True)


def test_a_net_that_fails_on_dark_images_is_found_out_by_name() -> None:
    from torch import nn

    from striate.nets.net import Net

    small = st.load_net("striate/small")

    class Blinded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sighted = small

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            dark = images.mean((1, 2, 3)) < 0.35
            logits = self.sighted(images)
            return torch.where(dark[:, None], logits.roll(3, 1), logits)

    classes = st.load_data("shapes").classes
    report = st.evaluate(Net(Blinded(), classes=classes, channels=3, size=(32, 32)), "shapes", limit=1000, quiet=True)
    weak = [one for one in report.result.slices.rows if one.weak]
    assert weak[0].name.startswith("brightness below 0.3")
    assert weak[0].kind == "property"
    first = next(one for one in report.findings if one.check == "weak-slice")
    assert first.seen.startswith(f"{weak[0].name}: ")
    assert first.severity == "error"


@pytest.mark.parametrize(
    ("arch", "geometry", "counts"),
    [("squeezenet1_0", "256:227", (197, 253)), ("mobilenet_v2", "256:224", (258, 294))],
)
def test_known_weights_give_their_known_numbers(
    arch: str, geometry: str, counts: tuple[int, int], data_root: Path, weights_root: Path
) -> None:
    net = f"torchvision/{arch}@{weights_root / arch}.safetensors"
    archive = data_root / "imagenet-sample" / "imagenet_sample300.zip"
    found = st.evaluate(net, archive, shares="0/0/100", geometry=geometry, quick=True, quiet=True).result
    assert found.n == 300
    assert (round(300 * float(found.accuracy)), round(300 * float(found.top5))) == counts
