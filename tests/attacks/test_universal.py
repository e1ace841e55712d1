"""One difference for all images."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from striate.attacks.findings_shared import findings_of
from striate.attacks.payload_shared import Universal
from striate.attacks.universal import universal, universal_data, usual_radius
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.core.report import Report
from striate.data.dataset import Dataset
from striate.measure.table import Table, predict
from striate.nets.net import Net
from striate.page.text import render_text

SIDE, COUNT = 8, 30


def linear(bias: float = 0.3) -> Net:
    """Two classes; with the bias all images are seen as the first."""
    torch.manual_seed(1)
    module = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 2))
    module[1].weight.data.mul_(2.0)
    module[1].bias.data = torch.tensor([bias, -bias])
    return Net(module, channels=1, size=SIDE, classes=("a", "b")).eval()


def pixels(count: int = COUNT) -> Tensor:
    spread = torch.randint(-30, 31, (count, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(2))
    return (128 + spread) / 255


def split(images: Tensor | None = None) -> tuple[Net, Dataset, Table]:
    model, given = linear(), pixels() if images is None else images
    data = Dataset.of(given, torch.zeros(len(given), dtype=torch.int64), classes=("a", "b"))
    return model, data, predict(model, data)


def direction(model: Net) -> Tensor:
    weight = model.module[1].weight.detach()
    return (weight[1] - weight[0]).view(1, 1, SIDE, SIDE)


@pytest.mark.parametrize(("norm", "radius"), [(math.inf, 0.1), (2.0, 0.66)])
def test_against_a_linear_net_it_is_the_norms_steepest_direction_and_fools_whom_that_can(
    norm: float, radius: float
) -> None:
    """<w, d> is largest at r sign(w) or r w / |w|; it fools the images whose margin is below r times the dual norm."""
    model, data, table = split()
    assert bool((table.predicted == 0).all())
    found = universal(model, data.images(), table.predicted, radius=radius, norm=norm, steps=60, batch=8, jitter=0)
    w = direction(model)
    best = radius * (w.sign() if norm == math.inf else w / w.norm())
    torch.testing.assert_close(found.z, best, atol=0.02 * float(best.abs().max()), rtol=0)
    dual = float(w.abs().sum() if norm == math.inf else w.norm())
    margins = table.logits[:, 0] - table.logits[:, 1]
    result, _ = universal_data(model, data, table, norm=norm, radius=radius, fit=18, steps=60, jitter=0)
    right = int((margins[18:] < radius * dual).sum())
    assert 0 < right < 12
    assert abs(round(12 * float(result.fooling_rate)) - right) <= 1
    assert (result.n, result.fitted) == (12, 18)
    assert [one.row for one in result.per_image] == list(range(18, 30))


def test_every_number_is_what_the_images_say() -> None:
    model, data, table = split()
    result, album = universal_data(model, data, table, radius=0.1, fit=18, steps=20, jitter=0)
    fooled = [one for one in result.per_image if one.predicted != one.clean]
    assert [one.success for one in result.per_image] == [one in fooled for one in result.per_image]
    assert float(result.fooling_rate) == len(fooled) / 12
    assert float(result.robust_accuracy) == sum(one.predicted == one.label for one in result.per_image) / 12
    assert all(one.distance is not None and one.distance <= 0.1 for one in result.per_image)
    assert all((one.survives_8bit is not None) == one.success for one in result.per_image)
    assert float(result.survives_jpeg) == sum(bool(one.survives_jpeg) for one in fooled) / len(fooled)
    assert float(result.noise_rate) <= float(result.fooling_rate)
    assert result.delta in album
    assert {one.picture for one in result.per_image if one.picture} <= set(album)
    assert result.history[-1] > result.history[0]
    assert from_json(to_json(result), Universal) == result


def test_the_judged_images_have_no_part_in_the_difference() -> None:
    model, data, table = split()
    changed = pixels()
    changed[18:] = changed[18:].flip(0)
    again = split(changed)
    one, _ = universal_data(model, data, table, radius=0.1, fit=18, steps=10)
    two, _ = universal_data(*again, radius=0.1, fit=18, steps=10)
    assert [each.predicted for each in one.per_image] == [each.predicted for each in two.per_image][::-1]
    assert one.history == two.history


def test_the_usual_radius_is_the_papers() -> None:
    assert usual_radius(math.inf, 12) == 10 / 255
    assert usual_radius(2.0, 3 * 224 * 224) == pytest.approx(2000 / 255)
    assert usual_radius(2.0, 3 * 112 * 112) == pytest.approx(1000 / 255)


def test_what_it_cannot_do_is_refused() -> None:
    model, data, table = split()
    with pytest.raises(StriateError, match="norm is 1; accepted: inf or 2"):
        universal_data(model, data, table, norm=1)
    with pytest.raises(StriateError, match="30 of 30 images to fit on; accepted: 1 to 29"):
        universal_data(model, data, table, fit=30)
    with pytest.raises(StriateError, match="20 images to fit on take more than the memory; accepted: up to 12"):
        universal_data(model, data, table, fit=20, memory=16 * 4 * 4 * SIDE * SIDE)
    with pytest.raises(StriateError, match="radius is 2"):
        universal_data(model, data, table, radius=2.0)


def test_the_terminal_and_the_finding_say_what_was_found() -> None:
    model, data, table = split()
    result, _ = universal_data(model, data, table, radius=26 / 255, fit=18, steps=30, jitter=0)
    (finding,) = findings_of(result, net="NET", data="DATA")
    assert finding.severity == "warning"
    assert "at most 26/255" in finding.seen
    text = render_text(Report("attack", result, findings=(finding,)), width=80)
    assert "fitted on 18 images, judged on 12 others" in text
    assert "class changed by random signs" in text
    assert max(map(len, text.splitlines())) <= 80
