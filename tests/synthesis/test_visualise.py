from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from striate.core.cite import cite
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError
from striate.core.image import read_image
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.synthesis.catalog import METHODS
from striate.synthesis.made import told
from striate.synthesis.payload import Synthesis
from striate.synthesis.presets import PRESETS, Preset
from striate.synthesis.visualise import class_images as paint


class Templates(nn.Module):
    """Logits are correlations with one picture a class, the best over shifts: a bar, a column, a spot."""

    def __init__(self, contrast: float = 1.0) -> None:
        super().__init__()
        pictures = -torch.ones(3, 1, 5, 5) / 4
        pictures[0, 0, 2, :] = 1
        pictures[1, 0, :, 2] = 1
        pictures[2, 0, 1:4, 1:4] = 1
        pictures -= pictures.mean((1, 2, 3), keepdim=True)
        self.filters = nn.Parameter(contrast * pictures)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x - 0.5, self.filters).logsumexp((2, 3))


def class_images(net: Net, targets: list[int], *, judge: Net | None = None, **options: object) -> object:
    return told(paint(net, targets, **options), net, kind="class", judge=judge)


def net(contrast: float = 3.0, **options: object) -> Net:
    return Net(Templates(contrast), classes=("bar", "column", "spot"), channels=1, size=12, **options).eval()


def test_class_images_are_what_the_classes_look_like_and_an_independent_net_agrees() -> None:
    judge = Net(Templates(5.0), classes=("spot", "bar", "column"), channels=1, size=12)
    judge.module.filters.data = judge.module.filters.data[[2, 0, 1]]
    result, album = class_images(net(), [0, 1, 2], steps=60, judge=judge)
    assert [one.predicted for one in result.images] == [0, 1, 2]
    assert result.judge.agrees.value == 1
    assert result.judge.predicted == (1, 2, 0)
    assert [one.target for one in result.images] == ["bar", "column", "spot"]
    assert all(one.probability >= 0.5 for one in result.images)
    bar, column = (read_image(album[one.picture], channels=1)[0, ::11, ::11] for one in result.images[:2])
    assert bar.diff(dim=0).abs().sum() > 1.5 * bar.diff(dim=1).abs().sum()
    assert column.diff(dim=1).abs().sum() > 1.5 * column.diff(dim=0).abs().sum()


def test_probability_is_that_of_the_rounded_picture() -> None:
    model = net()
    result, album = class_images(model, [2], steps=10)
    picture = read_image(album[result.images[0].picture], channels=1)
    assert min(picture.shape[-2:]) >= 128
    small = picture[None, :, ::11, ::11]
    with torch.no_grad():
        assert result.images[0].probability == pytest.approx(float(model(small).softmax(1)[0, 2]), abs=1e-5)


def test_an_image_depends_on_seed_and_class_alone() -> None:
    model = net()
    all_three, album = class_images(model, [0, 1, 2], steps=15, seed=4)
    one, alone = class_images(model, [1], steps=15, seed=4)
    assert one.images[0].score == pytest.approx(all_three.images[1].score, rel=1e-5)
    assert alone["class-1.png"] == album["class-1.png"]
    _, other = class_images(model, [1], steps=15, seed=5)
    assert other["class-1.png"] != alone["class-1.png"]


def test_a_penalty_that_hides_the_class_is_weakened_for_that_image_alone() -> None:
    """Grey is a spot to this net, so that 1,000 leaves it grey; the others are made again without penalty."""

    class Leaning(Templates):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + torch.tensor([0.0, 0.0, 2.0])

    model = Net(Leaning(3.0), classes=("bar", "column", "spot"), channels=1, size=12)
    result, _ = class_images(model, [0, 1, 2], steps=30, preset=Preset(smoothness=(1000.0, 0.0)))
    assert [one.predicted for one in result.images] == [0, 1, 2]
    grey, _ = class_images(model, [2], steps=30, preset=Preset(smoothness=(1000.0,)))
    assert result.images[2].score == pytest.approx(grey.images[0].score, rel=1e-4)
    assert result.objective.startswith("log-odds of the class - 83.3 or 0 * total variation")
    assert "up to 1 px" in result.objective


def test_the_score_rises_and_the_history_is_complete() -> None:
    result, _ = class_images(net(), [0, 2], steps=12)
    assert [len(each) for each in result.history] == [13, 13]
    assert all(max(each) > each[0] for each in result.history)
    assert from_json(to_json(result), Synthesis) == result
    assert result.judge is None


def test_the_net_is_left_in_its_mode_without_gradients() -> None:
    model = net().train()
    class_images(model, [0], steps=2)
    assert model.training
    assert model.module.filters.grad is None
    assert model.module.filters.requires_grad


def test_methods_are_cited() -> None:
    assert all(cite(key).bibtex for preset in PRESETS.values() for key in preset.cites)
    assert METHODS.load("class") is paint


def test_what_cannot_be_painted_is_refused_with_its_value() -> None:
    model = net()
    with pytest.raises(StriateError, match="target is 3; accepted: 0 to 2"):
        class_images(model, [0, 3])
    with pytest.raises(StriateError, match="target is -1"):
        class_images(model, [-1])
    with pytest.raises(StriateError, match="no targets"):
        class_images(model, [])
    with pytest.raises(StriateError, match="steps is 0"):
        class_images(model, [0], steps=0)
    with pytest.raises(StriateError, match="takes 4 channels"):
        class_images(Net(nn.Sequential(nn.Conv2d(4, 2, 3), nn.Flatten()), classes=2, size=3), [0])
    with pytest.raises(StriateError, match="cannot judge these images"):
        class_images(model, [0], steps=1, judge=Net(Templates(), channels=3, classes=3, size=12))
    with pytest.raises(StriateError, match="has no class 'bar'"):
        class_images(
            model, [0], steps=1, judge=Net(nn.Sequential(nn.Flatten(), nn.Linear(144, 2)), channels=1, size=12)
        )


def test_a_net_that_lets_no_gradient_through_is_refused() -> None:
    class Cut(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x.detach().flatten(1).sum(1), x.detach().flatten(1).amax(1)], 1)

    with pytest.raises(StriateError, match="no gradient of cut reaches its image"):
        class_images(Net(Cut(), name="cut", channels=1, size=6, classes=2), [0, 1], steps=3)


def test_the_spectrum_gives_smoother_images_than_pixels_that_another_net_can_read() -> None:
    net = load_net("striate/small")
    plain, rough = class_images(net, [3, 9], steps=64, preset=Preset(smoothness=(0.0,)))
    found, album = class_images(net, [3, 9], steps=64, preset=PRESETS["olah"])

    def roughness(pictures: dict[str, bytes]) -> float:
        images = torch.stack([read_image(data) for _, data in sorted(pictures.items())])
        return float(images.diff(dim=-1).square().mean() / images.var())

    assert roughness(album) < 0.9 * roughness(rough)
    assert [each.predicted for each in found.images] == [3, 9]
    assert "spectrum falling as 1 / f^1" in found.objective
    assert "total variation" not in found.objective
    assert [each.predicted for each in plain.images] == [3, 9]


def test_a_class_painted_over_the_spectrum_is_the_same_alone() -> None:
    net = load_net("striate/small")
    _, together = class_images(net, [2, 5], steps=6, preset=PRESETS["olah"])
    _, alone = class_images(net, [5], steps=6, preset=PRESETS["olah"])
    one, other = read_image(together["class-5.png"]), read_image(alone["class-5.png"])
    assert float((one - other).abs().max()) <= 2 / 255
