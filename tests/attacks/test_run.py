from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.attacks.catalog import METHODS
from striate.attacks.check import check_radius
from striate.attacks.findings import attack_findings, radius_text
from striate.attacks.payload import Robustness
from striate.attacks.run import attack, attack_data
from striate.core.cite import cite
from striate.core.codec import from_json, to_json
from striate.core.errors import StriateError, UnknownNameError
from striate.core.image import read_image
from striate.data.dataset import Dataset
from striate.measure.table import Table
from striate.nets.net import Net


def net(seed: int = 0, classes: int = 3, scale: float = 1.0) -> Net:
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, classes), nn.Linear(classes, classes)
    )
    module[4].weight.data = scale * torch.eye(classes)
    module[4].bias.data.zero_()
    return Net(module, classes=tuple("abcdefgh"[:classes]), size=8).eval()


class Quantised(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner((x * 15).round() / 15)


def blind() -> Net:
    """A net that rounds its input, so that no gradient comes through."""
    return Net(Quantised(net().module), classes=tuple("abc"), size=8, channels=1).eval()


def data(count: int = 30, classes: int = 3, model: Net | None = None, wrong: int = 4) -> Dataset:
    """Images on the 8-bit grid whose labels are the net's answers, but for the first few."""
    pixels = torch.randint(0, 256, (count, 1, 8, 8), generator=torch.Generator().manual_seed(2)) / 255
    with torch.no_grad():
        labels = (model or net(classes=classes))(pixels).argmax(1)
    labels[:wrong] = (labels[:wrong] + 1) % classes
    return Dataset.of(pixels, labels, classes=tuple("abcdefgh"[:classes]))


def table(model: Net, split: Dataset) -> Table:
    with torch.no_grad():
        logits = model.logits(split.images())
    return Table(logits, split.labels, split.ids, torch.arange(len(split)), split.classes, "key")


def measured(model: Net, split: Dataset, **options: object) -> tuple[Robustness, dict[str, bytes]]:
    return attack_data(model, split, table(model, split), **({"radius": 0.02, "steps": 8} | options))


def test_robust_accuracy_counts_what_was_right_and_stays_right() -> None:
    model, split = net(), data()
    result, _ = measured(model, split)
    assert result.n == 30
    assert result.clean_accuracy.value == pytest.approx(26 / 30)
    assert [one.row for one in result.per_image] == list(range(30))
    for one in result.per_image:
        assert one.success == (one.predicted != one.label)
        assert (one.step == 0) == (one.clean != one.label)
        assert (one.survives_8bit is None) == (not one.success or one.step == 0)
        assert one.distance <= 0.02
    held = sum(not one.success for one in result.per_image)
    assert result.robust_accuracy.value == held / 30
    assert result.robust_accuracy.low < held / 30 < result.robust_accuracy.high
    assert 0 < held < 26
    moved = [one.distance for one in result.per_image if one.step]
    assert result.distance.value == pytest.approx(float(np.median(moved)))
    assert result.distance.low <= result.distance.value <= result.distance.high


def test_clean_mistakes_cost_no_pass_of_the_attack() -> None:
    model, split = net(), data(wrong=30)
    result, _ = measured(model, split)
    assert result.robust_accuracy.value == 0
    assert result.passes == {"forward": 30, "backward": 0}  # the control alone
    assert result.distance.value is None


def test_the_curve_is_exactly_the_main_number_at_its_radius_and_never_rises() -> None:
    model, split = net(), data()
    radii = (0.005, 0.01, 0.04, 0.08, 0.0)
    result, _ = measured(model, split, radii=radii)
    assert [point.radius for point in result.curve] == [0.0, 0.005, 0.01, 0.02, 0.04, 0.08]
    shares = [point.accuracy.value for point in result.curve]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == result.clean_accuracy.value
    assert shares[3] == result.robust_accuracy.value
    alone, _ = measured(model, split)
    assert alone.robust_accuracy == result.robust_accuracy
    assert alone.curve == ()
    for radius, share in zip((0.005, 0.04), (shares[1], shares[4]), strict=True):
        other, _ = measured(model, split, radius=radius)
        assert abs(other.robust_accuracy.value - share) <= 2 / 30


def test_a_curve_passes_only_images_whose_verdict_is_open() -> None:
    model, split = net(), data()
    once, _ = measured(model, split)
    curve, _ = measured(model, split, radii=(0.0001,))
    broken = sum(bool(one.step) for one in once.per_image)
    assert 0 < curve.passes["backward"] - once.passes["backward"] <= 8 * broken


def test_memory_makes_shards_and_changes_no_verdict() -> None:
    model, split = net(), data()
    whole, album = measured(model, split)
    parts, other = measured(model, split, memory=20_000)
    assert [one.success for one in whole.per_image] == [one.success for one in parts.per_image]
    assert sorted(album) == sorted(other)


def test_with_a_target_success_is_the_target_and_its_own_images_are_left_out() -> None:
    model, split = net(), data()
    result, _ = measured(model, split, target=1, radius=0.05)
    assert result.target == 1
    assert all(one.label != 1 for one in result.per_image)
    assert result.n == int((split.labels != 1).sum())
    assert all(one.success == (one.predicted == 1) for one in result.per_image)
    assert 0 < result.robust_accuracy.value < 1
    easier, _ = measured(model, split, radius=0.05)
    assert easier.robust_accuracy.value <= result.robust_accuracy.value


def test_pictures_show_before_after_and_the_change_by_one_whole_factor() -> None:
    model, split = net(), data()
    result, album = measured(model, split, radius=0.1)
    shown = [one for one in result.per_image if one.picture]
    assert 1 <= len(shown) <= 8
    assert len(album) == 3 * len(shown)
    assert result.factor == 5
    for one in shown:
        before, after, change = (
            read_image(album[name], channels=1) for name in (one.original, one.picture, one.difference)
        )
        assert min(after.shape[-2:]) >= 128
        small = split.images([one.row])[0]
        torch.testing.assert_close(before[:, ::16, ::16], small, atol=1e-6, rtol=0)
        amplified = 0.5 + 5 * (after - before)
        torch.testing.assert_close(change, amplified, atol=0.02, rtol=0)


def test_survival_of_rounding_is_a_pass_on_the_rounded_image() -> None:
    """A change of a fifth of a grey level rounds away altogether."""
    model = net()
    pixels = torch.full((3, 1, 8, 8), 100 / 255)
    with torch.no_grad():
        logits = model(pixels)[0]
    order = logits.sort(descending=True).indices
    model.module[4].bias.data[order[1]] += float(logits[order[0]] - logits[order[1]]) - 1e-4
    split = Dataset.of(pixels, torch.full((3,), int(order[0])), classes=tuple("abc"))
    result, _ = measured(model, split, radius=0.2 / 255)
    assert [one.success for one in result.per_image] == [True] * 3
    assert [one.survives_8bit for one in result.per_image] == [False] * 3
    assert result.survives_8bit.value == 0
    assert "attack/8-bit" in [finding.id for finding in attack_findings(result, net="n", data="d")]


def test_restarts_go_on_with_survivors_and_only_add_successes() -> None:
    model, split = net(), data(wrong=0)
    x, y = split.images(), split.labels
    one = attack(model, x, y, radius=0.012, steps=2)
    five = attack(model, x, y, radius=0.012, steps=2, restarts=5)
    assert bool((five.success | ~one.success).all())
    assert torch.equal(five.images[one.success], one.images[one.success])
    assert five.passes["backward"] <= 5 * one.passes["backward"]
    assert bool((five.distances["inf"] <= 0.012).all())
    left = ~five.success
    assert bool((five.scores[left] >= one.scores[left]).all())
    assert int(left.sum()) > 0


def test_every_restart_begins_elsewhere() -> None:
    """Without gradients PGD only draws its start: the more draws, the more it finds."""
    model = blind()
    split = data(model=model, wrong=0)
    x, y = split.images(), split.labels
    one = attack(model, x, y, radius=0.15, steps=1)
    many = attack(model, x, y, radius=0.15, steps=1, restarts=20)
    assert int(many.success.sum()) > int(one.success.sum())


def test_probabilities_are_attacked_through_their_logarithm() -> None:
    inner = net().module
    soft = Net(nn.Sequential(inner, nn.Softmax(1)), classes=tuple("abc"), size=8, channels=1, outputs="probabilities")
    split = data(wrong=0)
    hard = attack(net(), split.images(), split.labels, radius=0.02, steps=8)
    same = attack(soft.eval(), split.images(), split.labels, radius=0.02, steps=8)
    assert int((hard.success != same.success).sum()) <= 1


def test_findings_say_what_broke_and_give_a_command_that_exists() -> None:
    model, split = net(), data()
    result, _ = measured(model, split, radius=24 / 255)
    finding = next(each for each in attack_findings(result, net="my run", data="shapes") if "robust" in each.id)
    assert finding.severity == "warning"
    assert f"{100 * result.robust_accuracy.value:.1f} %" in finding.seen
    mend = "striate train shapes --net 'my run' --harden pgd --radius 24/255"
    assert finding.command == f"{mend} --out runs/hardened"
    round_one = attack_findings(replace(result, norm="2"), net="my run", data="shapes")[0]
    assert round_one.command == f"{mend} --norm 2 --out runs/hardened"
    sparse = attack_findings(replace(result, norm="1"), net="my run", data="shapes")[0]
    assert sparse.command == "striate attack 'my run' shapes --method apgd_t --norm 1 --radius 24/255"
    again = attack_findings(replace(result, norm="1", method="apgd_t"), net="my run", data="shapes")[0]
    assert again.command.startswith("striate attack 'my run' shapes --method apgd_t --norm 1 --radius 24/255 --radii")
    strong, _ = measured(model, split, radius=0.0001)
    finding = attack_findings(strong, net="n", data="d")[0]
    assert finding.severity == "note"
    assert finding.command == "striate attack n d --method auto --norm inf --radius 0.0001"
    relied = attack_findings(replace(strong, method="auto"), net="n", data="d")[0]
    assert relied.command == "striate attack n d --method auto --norm 2 --radius 0.5"
    aimed = attack_findings(replace(strong, target=1), net="n", data="d")[0]
    assert aimed.command == "striate attack n d --method pgd --norm 2 --radius 0.5 --target 1"
    fast, _ = measured(model, split, method="fgsm", steps=None)
    assert "--method auto --norm inf --radius 0.02" in attack_findings(fast, net="n", data="d")[0].command
    assert radius_text(8 / 255) == "8/255"
    assert radius_text(0.5) == "0.5"


def test_the_payload_goes_through_json() -> None:
    result, _ = measured(net(), data(), radii=(0.01,))
    assert from_json(to_json(result), Robustness) == result


def test_every_method_is_cited_and_described() -> None:
    for name, entry in METHODS.items():
        assert all(cite(key).bibtex for key in entry.cites)
        assert entry.summary
        assert METHODS.load(name).norms


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radius": -0.1}, "radius is -0.1"),
        ({"radius": math.nan}, "radius is nan"),
        ({"radius": 8.0}, "radius is 8; accepted: at most 1 .* 8/255"),
        ({"norm": "1"}, "norm is 1; accepted: inf, 2: those pgd can hold"),
        ({"norm": 0}, "norm is 0"),
        ({"norm": "3"}, "norm is '3'"),
        ({"steps": 0}, "steps is 0"),
        ({"method": "fgsm", "steps": 5}, "steps is 5; accepted: at most 1"),
        ({"target": 3}, "target is 3; accepted: 0 to 2"),
        ({"target": -1}, "target is -1"),
    ],
)
def test_what_no_attack_can_do_is_refused_before_it_costs_anything(change: dict[str, object], message: str) -> None:
    split = data()
    with pytest.raises(StriateError, match=message):
        measured(net(), split, **change)
    with pytest.raises(StriateError, match=message):
        attack(net(), split.images(), split.labels, **({"radius": 0.1} | change))


def test_an_unknown_method_gives_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="nearest are pgd"):
        measured(net(), data(), method="pdg")


def test_images_and_labels_that_do_not_fit_are_refused() -> None:
    split = data()
    x, y = split.images(), split.labels
    for images, labels, message in (
        (x, y[:5], r"labels are \(5,\)"),
        (x, y.float(), "labels are"),
        (x, y + 1, "label 3 is out of range"),
        (x, y - 1, "label -1 is out of range"),
        (x * 1.5, y, "pixels from"),
        (x[:, :, :4], y, "4 x 8"),
    ):
        with pytest.raises(StriateError, match=message):
            attack(net(), images, labels, radius=0.1)
    with pytest.raises(StriateError, match="restarts is 3; accepted: 1: fgsm"):
        attack(net(), x, y, radius=0.1, method="fgsm", restarts=3)
    with pytest.raises(StriateError, match="radius is -1"):
        check_radius(-1)


@pytest.mark.parametrize(
    ("norm", "radius", "most"), [("2", 8.01, "8 in the 2"), ("1", 65.0, "64 in the 1"), ("0", 65, "64 in the 0")]
)
def test_a_radius_beyond_the_box_is_refused(norm: str, radius: float, most: str) -> None:
    split = data()
    method = "deepfool" if norm == "2" else "fmn"
    with pytest.raises(StriateError, match=f"radius is {radius:g}; accepted: at most {most} norm"):
        attack(net(), split.images(), split.labels, method=method, norm=norm, radius=radius)
    with pytest.raises(StriateError, match=f"at most {most} norm"):
        measured(net(), split, method=method, norm=norm, radius=radius, steps=None)


def test_an_image_of_the_target_class_is_refused_and_one_image_is_enough() -> None:
    split = data()
    x, y = split.images(), split.labels
    target = int(y[0])
    with pytest.raises(StriateError, match=f"image 0 is of the target class {target}; .* try: leave it out"):
        attack(net(), x, y, radius=0.1, target=target)
    other = (y != target).nonzero().squeeze(1)[:1]
    assert attack(net(), x[other], y[other], radius=0.3, target=target, steps=20).images.shape == (1, 1, 8, 8)


def test_two_and_three_classes_are_attacked_by_the_plain_lead_where_the_ratio_needs_four() -> None:
    for classes in (2, 3):
        model = net(classes=classes)
        split = data(classes=classes, model=model, wrong=0)
        for method in ("apgd_dlr", "apgd_t"):
            found = attack(model, split.images(), split.labels, method=method, radius=0.05, steps=20)
            assert int(found.success.sum()) > 0
            assert bool(found.images.isfinite().all())


def test_a_table_of_another_net_or_other_data_is_refused() -> None:
    split = data()
    with pytest.raises(StriateError, match="is not seen as the table of predictions says"):
        attack_data(net(1), split, table(net(), split), radius=0.1)
    with pytest.raises(StriateError, match="predictions for data of"):
        attack_data(net(), split.limit(5), table(net(), split), radius=0.1)
