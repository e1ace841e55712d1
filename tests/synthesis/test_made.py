"""From painted images to what is reported of them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.core.image import read_image
from striate.imageopt.objective import logit
from striate.imageopt.score import scores_of
from striate.imageopt.view import Jitter
from striate.nets.net import Net
from striate.synthesis.findings import synthesis_findings
from striate.synthesis.judge import judged_by
from striate.synthesis.made import Made, told
from striate.synthesis.sheet import contact_sheet
from striate.synthesis.watch import Watch

NAMES = ("dark", "bright")


class Brightness(nn.Module):
    """Logits minus and plus the mean less a half, times a slope."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, x: Tensor) -> Tensor:
        lead = self.slope * (x.mean((1, 2, 3)) - 0.5)
        return torch.stack([-lead, lead], 1)


def net(slope: float = 10.0, **options: object) -> Net:
    return Net(Brightness(slope), classes=options.pop("classes", NAMES), channels=1, **options)


def made(**options: object) -> Made:
    images = torch.full((2, 1, 16, 16), 0.9)
    images[1] = 0.1234567
    start = Made(
        images=images, stems=("one", "two"), targets=("bright", "dark"), words="logit", scores=torch.tensor([1.0, 2.0]),
        history=torch.tensor([[0.0, 0.0], [1.0, math.nan], [1.0, math.nan]]), steps=2, seed=3,
        objective=logit(torch.tensor([1, 0])), classes=(1, 0),
    )  # fmt: skip
    return replace(start, **options)


def test_what_is_said_of_an_image_is_said_of_the_saved_file() -> None:
    result, album = told(made(), net(), kind="class")
    saved = read_image(album["two.png"], channels=1)[:, :16, :16]
    value = float(saved.mean())
    assert value == pytest.approx(31 / 255, abs=1e-6)
    assert result.images[1].rounded == pytest.approx(-10 * (value - 0.5), abs=1e-4)
    assert result.images[1].probability == pytest.approx(1 / (1 + math.exp(20 * (value - 0.5))), abs=1e-5)
    assert [one.predicted for one in result.images] == [1, 0]
    assert [one.sees for one in result.images] == ["bright", "dark"]
    assert result.images[1].fresh == pytest.approx(result.images[1].rounded, abs=1e-4)  # one grey looks alike shifted
    assert result.history == ((0.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    assert result.judge is None


def test_an_objective_that_is_not_meant_to_hold_under_shifts_is_not_asked_so() -> None:
    result, _ = told(made(steady=False), net(), kind="invert")
    assert [one.fresh for one in result.images] == [None, None]
    result, _ = told(made(objective=None), net(), kind="style")
    assert [one.rounded for one in result.images] == [None, None]


def test_the_judge_is_asked_for_the_class_by_its_name() -> None:
    other = net(4.0, classes=("bright", "dark"))
    other.module.slope.data.neg_()  # its first output is high on bright images
    result, _ = told(made(), net(), kind="class", judge=other)
    assert result.judge is not None
    assert result.judge.wanted == (0, 1)
    assert result.judge.sees == ("bright", "dark")
    assert (result.judge.agrees.value, result.judge.agrees.n) == (1.0, 2)


def test_an_image_made_from_a_picture_is_to_be_seen_as_that_picture_is() -> None:
    photo = torch.full((1, 16, 16), 0.95)
    given = made(classes=(), sources={"photo": photo}, source=("photo", "photo"))
    result, album = told(given, net(), kind="style", judge=net(3.0))
    assert result.judge is not None
    assert result.judge.wanted == (1, 1)
    assert result.judge.agrees.value == 0.5
    assert result.images[0].source == "photo.png"
    assert "photo.png" in album
    (found,) = synthesis_findings(result, maker=net())
    assert found.id == "synthesis/only-maker"
    assert "1 of 2" in found.seen


def test_nothing_meant_is_nothing_agreed_on() -> None:
    result, _ = told(made(classes=()), net(), kind="unit", judge=net(3.0))
    assert result.judge is not None
    assert result.judge.agrees.value is None
    assert result.judge.wanted == (None, None)
    assert synthesis_findings(result, maker=net()) == ()


def test_an_image_that_its_own_net_loses_is_a_finding() -> None:
    result, _ = told(made(classes=(0, 0)), net(), kind="class")
    (found,) = synthesis_findings(result, maker=net())
    assert found.id == "synthesis/lost"
    assert "1 of 2 images: bright" in found.seen


def test_a_judge_of_one_size_sees_the_images_at_its_size() -> None:
    class Sized(Brightness):
        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[-2:] == (8, 8)
            return super().forward(x)

    judge = Net(Sized(3.0), classes=NAMES, channels=1, size=8)
    assert judged_by(judge, made().images, [1, 0], maker=net()).agrees.value == 1


def test_a_judge_that_cannot_judge_is_refused() -> None:
    maker = net()
    with pytest.raises(StriateError, match="images that it made itself"):
        judged_by(maker, made().images, [1, 0], maker=maker)
    with pytest.raises(StriateError, match="images that it made itself"):
        judged_by(net(), made().images, [1, 0], maker=maker)  # another object, the same weights
    with pytest.raises(StriateError, match="it takes 3 channels"):
        judged_by(Net(Brightness(2.0), classes=NAMES, channels=3), made().images, [1, 0], maker=maker)
    with pytest.raises(StriateError, match="has no class 'bright'"):
        judged_by(net(2.0, classes=("cat", "dog")), made().images, [1, 0], maker=maker)


def test_scores_are_those_of_a_plain_pass_and_of_the_mean_over_views() -> None:
    model, images = net(), torch.rand(5, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    plain = scores_of(model, logit(1), images)
    torch.testing.assert_close(plain, 10 * (images.mean((1, 2, 3)) - 0.5))
    alone = torch.cat([scores_of(model, logit(1), one[None], view=Jitter(3), draws=4, seed=2) for one in images])
    together = scores_of(model, logit(1), images, view=Jitter(3), draws=4, seed=2)
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(together, plain)
    with pytest.raises(StriateError, match="draws is 0"):
        scores_of(model, logit(1), images, draws=0)


def test_a_sheet_holds_every_image_in_rows() -> None:
    images = torch.linspace(0, 1, 5).view(5, 1, 1, 1).expand(5, 1, 64, 64)
    sheet = contact_sheet(images, across=3, gap=2)
    assert sheet.shape == (1, 130, 196)
    assert float(sheet[0, 100, 100]) == 1.0  # the fifth image is white
    assert float(sheet[0, 10, 80]) == pytest.approx(0.25)
    assert contact_sheet(images[:, :, :7, :7]).shape[-2:] == (142, 214)


def test_a_watcher_keeps_frames_and_shows_images_now_and_then() -> None:
    from striate.imageopt.search.adam import Adam
    from striate.imageopt.solve import solve

    shown: list[Tensor] = []
    watch = Watch(show=shown.append, every=0.0, film=2)
    solve(net(), logit(1), start=torch.full((1, 1, 8, 8), 0.5), search=Adam(0.05), steps=6, callback=watch)
    assert len(shown) == 6
    assert [frame.dtype for frame in watch.frames] == [torch.uint8] * 3
    assert float(shown[-1].mean()) > float(shown[0].mean())
