"""A picture that is seen as the target wherever it lies."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from oracles.attacks_printing import mean_nearest, mean_product
from striate.attacks.findings_shared import findings_of
from striate.attacks.patch import camera, patch, patch_data, placement_of
from striate.attacks.payload_shared import Patched
from striate.attacks.printing import INKS, non_printability, printable_colours
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.core.report import Report
from striate.core.rng import Rng
from striate.data.dataset import Dataset
from striate.data.transforms import Chain, Scale
from striate.measure.table import Table, predict
from striate.nets.net import Net
from striate.page.text import render_text

SIDE, COUNT = 16, 24


class Colours(nn.Module):
    """Says which colour is the strongest in the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0], [-0.5, -0.5, 1.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return 20 * x.mean((2, 3)) @ self.weight.T


def net() -> Net:
    return Net(Colours(), channels=3, size=SIDE, classes=("red", "green", "blue")).eval()


def split() -> tuple[Net, Dataset, Table]:
    """Images that are red or green, slightly."""
    given = 0.3 + 0.05 * torch.rand(COUNT, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(COUNT) % 2
    given[torch.arange(COUNT), labels] += 0.1
    data = Dataset.of(given, labels, classes=("red", "green", "blue"))
    return net(), data, predict(net(), data)


def test_against_a_net_that_averages_colours_the_patch_is_the_targets_colour() -> None:
    """The score is linear in the patch's pixels: red and green at 0, blue at 1 is the best in any place."""
    model, data, _ = split()
    found = patch(model, data.images(), 2, area=0.25, steps=60, rate=0.1, batch=8)
    wanted = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1).expand_as(found.z)
    inner = found.z[..., 1:-1, 1:-1]
    torch.testing.assert_close(inner, wanted[..., 1:-1, 1:-1], atol=0.05, rtol=0)
    assert float(found.history[-1]) > float(found.history[0])


def test_every_number_is_what_the_images_say() -> None:
    model, data, table = split()
    result, album = patch_data(model, data, table, target=2, area=0.25, steps=40, fit=12)
    hits = [one for one in result.per_image if one.predicted == 2]
    assert (result.n, result.fitted) == (12, 12)
    assert float(result.success_rate) == len(hits) / 12 > 0.9
    assert float(result.seen_rate) == sum(one.seen == 2 for one in result.per_image) / 12
    assert float(result.unpatched_rate) < float(result.seen_rate)
    assert float(result.control_rate) == 0
    assert float(result.clean_accuracy) == 1
    assert float(result.robust_accuracy) == sum(one.predicted == one.label for one in result.per_image) / 12
    assert all((one.survives_jpeg is not None) == one.success for one in result.per_image)
    assert {result.patch, result.page} <= set(album)
    assert album[result.page].startswith(b"%PDF")
    assert from_json(to_json(result), Patched) == result
    (finding,) = findings_of(result, net="NET", data="DATA")
    assert finding.severity == "warning"
    assert "makes the net see 'blue'" in finding.seen
    text = render_text(Report("attack", result, findings=(finding,)), width=80)
    assert "10 cm wide" in text
    assert max(map(len, text.splitlines())) <= 80


def test_images_of_the_target_are_neither_fitted_on_nor_judged() -> None:
    model, data, table = split()
    result, _ = patch_data(model, data, table, target=1, area=0.25, steps=2, fit=12)
    assert {one.label for one in result.per_image} == {0}
    assert (result.n, result.fitted) == (6, 6)


@pytest.mark.parametrize("image", [(16, 16), (12, 20)])
@pytest.mark.parametrize("area", [0.05, 0.1, 0.3])
def test_no_patch_covers_more_than_its_area_and_none_less_than_half_of_it(image: tuple[int, int], area: float) -> None:
    place, square = placement_of(area, image), (9, 9)
    maps = place.draw(torch.arange(500), Rng(0, "t"), patch=square, image=image)
    covered = 81 / torch.linalg.det(maps[:, :2, :2]) / (image[0] * image[1])
    assert float(covered.max()) <= area * (1 + 1e-6)
    assert float(covered.min()) >= area / 2 * (1 - 1e-6)
    assert float(covered.max()) > 0.97 * area


def test_the_camera_never_enlarges_what_it_sees() -> None:
    """A white square on black never has more light than before, whatever moves its pixels."""
    scene = torch.zeros(40, 3, 64, 64)
    scene[:, :, 20:44, 20:44] = 0.5
    (_, _, scale), view = camera().parts[:3], Chain(camera().parts[:3])
    assert isinstance(scale, Scale)
    scene = view(scene, torch.arange(40), Rng(1, "view"))
    assert float(scene.mean((1, 2, 3)).max()) <= 0.5 * (24 / 64) ** 2 * 1.02


def test_non_printability_is_the_papers_product_and_the_nearest_colour() -> None:
    given = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(3))
    colours = printable_colours()
    product, nearest = non_printability(given)
    assert product == pytest.approx(mean_product(given.tolist(), colours.tolist()), rel=1e-9)
    assert nearest == pytest.approx(mean_nearest(given.tolist(), colours.tolist()), rel=1e-9)


def test_solid_inks_are_printable_and_glaring_green_is_not() -> None:
    inks = torch.tensor(list(INKS.values()), dtype=torch.float64).T[:, None] / 255
    assert non_printability(inks)[0] < 1e-12
    assert non_printability(inks)[1] < 1e-6
    green = torch.tensor([0.0, 1.0, 0.0]).view(3, 1, 1)
    assert non_printability(green)[1] > 0.2
    assert bool(((printable_colours() >= 0) & (printable_colours() <= 1)).all())


def test_what_it_cannot_do_is_refused() -> None:
    model, data, table = split()
    with pytest.raises(StriateError, match="area is 0;"):
        patch_data(model, data, table, target=2, area=0.0)
    with pytest.raises(StriateError, match=r"area is 0\.7; accepted: above 0, up to 0\.6"):
        placement_of(0.7, (12, 20))
    with pytest.raises(StriateError, match="target is 3"):
        patch_data(model, data, table, target=3)
    with pytest.raises(StriateError, match="a patch of shape"):
        non_printability(torch.rand(1, 2, 2))
    assert math.isclose(placement_of(1.0, (16, 16)).high, 1.0)
