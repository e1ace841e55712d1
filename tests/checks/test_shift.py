"""Shift between splits: planted ones are found and named, halves of one thing are left alone, the tests are exact."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from striate.checks.learned_findings import shift_findings
from striate.checks.shift import train_test_shift
from striate.checks.traits import TRAITS, immerkaer, traits_of
from striate.checks.twosample import Sample, compare
from striate.core.image import to_bytes
from striate.core.rng import Rng
from striate.data.annotations import Annotations
from striate.data.dataset import Dataset
from striate.data.load import load_data
from striate.data.splits import named as as_split

TRAIN, OTHER = 240, 160


@pytest.fixture(scope="module")
def drawn() -> Dataset:
    """Shapes, all from one source."""
    return load_data("shapes:train=2000", split="train")


def changed(data: Dataset, change: Callable[[Tensor], Tensor], *, split: str = "test") -> Dataset:
    """The same images after a change, as a split of their own."""
    pixels = to_bytes(change(data.images()).clamp(0, 1))
    return Dataset.of(pixels, data.labels, classes=data.classes, name="made", split=split)


def blurred(images: Tensor) -> Tensor:
    taps = torch.tensor([0.11, 0.78, 0.11])
    kernel = (taps[:, None] * taps).expand(3, 1, 3, 3)
    return F.conv2d(F.pad(images, (1,) * 4, mode="replicate"), kernel, groups=3)


def compressed(images: Tensor) -> Tensor:
    out = []
    for image in to_bytes(images):
        stream = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(stream, "JPEG", quality=70)
        out.append(torch.from_numpy(np.array(Image.open(stream))).permute(2, 0, 1))
    return torch.stack(out).to(torch.float32) / 255


def noisier(images: Tensor) -> Tensor:
    return images + 0.02 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))


def resized(images: Tensor) -> Tensor:
    small = F.interpolate(images, scale_factor=0.75, mode="bilinear", antialias=True)
    return F.interpolate(small, size=images.shape[-2:], mode="bicubic")


def warmer(images: Tensor) -> Tensor:
    return images * torch.tensor([1.1, 1.0, 0.9])[:, None, None]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda images: 1.1 * images + 0.03, {"brightness"}),
        (lambda images: 0.5 + 0.8 * (images - 0.5), {"contrast"}),
        (blurred, {"sharpness", "fine detail"}),
        (compressed, {"blocks", "noise"}),
        (noisier, {"flat", "noise"}),
        (resized, {"fine detail", "sharpness"}),
        (warmer, {"warmth"}),
    ],
    ids=["brighter", "less contrast", "blur", "JPEG", "noise", "resizing", "colour cast"],
)
def test_a_planted_shift_is_found_and_named(
    drawn: Dataset, change: Callable[[Tensor], Tensor], named: set[str]
) -> None:
    train, other = drawn.limit(TRAIN), drawn.take(range(TRAIN, TRAIN + OTHER))
    found = train_test_shift(train, changed(other, change))
    assert found.shifted
    assert float(found.auc) > 0.55
    assert named <= {each.name for each in found.differences}
    (notice,) = shift_findings(found, data="made", first=1_000)
    assert notice.finding.id == "shift/train+test"
    assert TRAITS[found.differences[0].name] in notice.finding.seen
    assert all(1_000 <= row < 1_000 + OTHER for (row,) in notice.shown)


def test_twenty_healthy_splits_give_no_false_alarm(drawn: Dataset) -> None:
    for seed in range(20):
        order = Rng(seed, "halves").permutation(len(drawn))
        train, other = drawn.take(order[:80]), drawn.take(order[80:140])
        found = train_test_shift(train, other, seed=seed)
        assert not found.shifted
        assert not found.class_shifted
        assert shift_findings(found, data="made") == []


def test_chances_of_healthy_splits_are_spread_evenly() -> None:
    chances = []
    for seed in range(40):
        made = Rng(seed, "healthy")
        ids = torch.arange(50)
        traits = {"brightness": made.normal(ids).to(torch.float64), "noise": made.normal(ids, step=1).to(torch.float64)}
        grid = made.normal(ids, (3,), step=2).to(torch.float64)
        sample = Sample(traits, grid, (ids % 2), ids // 25)
        chances.append(compare(sample, made).p)
    low = sum(chance <= 0.2 for chance in chances)
    assert low <= 15  # at most a fifth is expected, 8 of 40; more than 15 come in one run of 200


def test_a_class_that_is_missing_is_no_other_kind_of_image(drawn: Dataset) -> None:
    train, other = drawn.limit(400), as_split(drawn.take(range(400, 800)), "test")
    kept = other.take(other.labels != 3)
    found = train_test_shift(train, kept)
    assert not found.shifted
    assert "left out" in found.why
    assert found.class_shifted
    assert found.classes[0].name == drawn.classes[3]
    assert found.classes[0].other == 0
    (notice,) = shift_findings(found, data="made")
    assert notice.finding.id == "class-shift/train+test"
    assert "10.0 % of train, 0.0 % of test" in notice.finding.seen


def test_other_shares_of_the_classes_are_told_apart_from_other_images(drawn: Dataset) -> None:
    train, other = drawn.limit(600), drawn.take(range(600, 1800))
    rare = other.take((other.labels >= 5) | (torch.arange(len(other)) % 3 == 0))
    found = train_test_shift(train, rare)
    assert not found.shifted
    assert found.class_shifted
    assert float(found.class_distance) == pytest.approx(0.25, abs=0.03)


def test_the_test_of_the_class_shares_is_the_chi_square_test() -> None:
    from scipy.stats import chi2_contingency

    made = torch.Generator().manual_seed(2)
    labels = [torch.multinomial(torch.tensor(shares), 300, replacement=True, generator=made) for shares in
              ([0.3, 0.3, 0.2, 0.2], [0.25, 0.3, 0.25, 0.2])]  # fmt: skip
    data = [
        Dataset.of(torch.rand(300, 1, 8, 8, generator=made), each, classes=list("abcd"), split=split)
        for each, split in zip(labels, ("train", "test"), strict=True)
    ]
    table = np.stack([np.bincount(each.numpy(), minlength=4) for each in labels])
    found = train_test_shift(*data)
    assert float(found.class_p) == pytest.approx(chi2_contingency(table, correction=False).pvalue, rel=1e-9)
    shares = table / 300
    assert float(found.class_distance) == pytest.approx(0.5 * np.abs(shares[0] - shares[1]).sum())


def test_images_of_new_groups_alone_are_no_shift() -> None:
    made = torch.Generator().manual_seed(0)
    own = 0.3 + 0.4 * torch.rand(24, 1, 1, 1, generator=made)  # each person under a light of their own
    images = (own.repeat_interleave(12, 0) + 0.02 * torch.randn(288, 1, 16, 16, generator=made)).clamp(0, 1)
    notes = tuple(Annotations(group=f"person {row // 12}") for row in range(288))

    def split(rows: slice, name: str, *, grouped: bool) -> Dataset:
        count = len(range(288)[rows])
        labels = torch.arange(count) % 2
        return Dataset.of(images[rows], labels, split=name, notes=notes[rows] if grouped else None)

    halves = [(slice(0, 144), "train"), (slice(144, 288), "test")]
    assert train_test_shift(*(split(*half, grouped=False) for half in halves)).shifted
    by_group = train_test_shift(*(split(*half, grouped=True) for half in halves))
    assert not by_group.shifted
    assert by_group.class_p.value is None


def test_the_effect_is_the_difference_of_class_centred_means() -> None:
    made = torch.Generator().manual_seed(4)
    n = 300
    strata, side = torch.arange(n) % 3, (torch.arange(n) // 3) % 2
    values = torch.randn(n, generator=made, dtype=torch.float64) + 5 * strata + 0.8 * side
    found = compare(Sample({"brightness": values}, torch.zeros(n, 1, dtype=torch.float64), side, strata), Rng(0, "x"))
    rows = values.tolist()
    for kind in range(3):
        mean = math.fsum(rows[i] for i in range(n) if strata[i] == kind) / int((strata == kind).sum())
        rows = [value - mean if strata[i] == kind else value for i, value in enumerate(rows)]
    spread = math.sqrt(math.fsum(value * value for value in rows) / n)
    means = [math.fsum(rows[i] for i in range(n) if side[i] == k) / int((side == k).sum()) for k in (0, 1)]
    (difference,) = found.differences
    assert float(difference.effect) == pytest.approx((means[1] - means[0]) / spread, rel=1e-9)
    assert difference.p == 1 / 2000
    assert found.p == 2 / 2000


def test_a_seed_gives_the_same_answer(drawn: Dataset) -> None:
    train, other = drawn.limit(60), drawn.take(range(60, 120))
    assert train_test_shift(train, other, seed=5) == train_test_shift(train, other, seed=5)


def test_few_images_are_not_judged_and_the_answer_says_so(drawn: Dataset) -> None:
    found = train_test_shift(drawn.limit(200), drawn.take(range(200, 210)))
    assert found.auc.value is None
    assert "it takes 20" in found.auc.why
    assert shift_findings(found, data="made") == []


def test_noise_is_measured_in_the_units_it_was_added_in() -> None:
    made = torch.Generator().manual_seed(1)
    plane = torch.linspace(0.2, 0.8, 64)[None, :, None] + torch.linspace(0, 0.1, 64)[None, None, :]
    noisy = plane + 0.03 * torch.randn(8, 64, 64, generator=made)
    assert float(immerkaer(noisy).mean()) == pytest.approx(0.03, rel=0.03)
    assert float(immerkaer(plane)[0]) == pytest.approx(0, abs=1e-6)
    assert float(immerkaer(torch.rand(1, 2, 9, generator=made))[0]) == 0


def test_traits_of_an_image_do_not_depend_on_its_batch_and_are_finite_for_the_smallest() -> None:
    made = torch.Generator().manual_seed(0)
    images = torch.rand(5, 3, 24, 20, generator=made)
    together, alone = traits_of(images), traits_of(images[2:3])
    assert set(together) == set(TRAITS)
    for name, values in together.items():
        assert float(values[2]) == pytest.approx(float(alone[name][0]), rel=1e-6, abs=1e-9)
    for shape in ((1, 1, 1, 1), (1, 3, 2, 5), (1, 1, 9, 3)):
        assert all(bool(each.isfinite().all()) for each in traits_of(torch.rand(shape, generator=made)).values())
    step = torch.zeros(1, 1, 16, 16)
    step[..., 8:] = 0.5  # a step at the edge of a block, and none elsewhere
    assert float(traits_of(step)["blocks"][0]) > 2
