"""Permuted labels: two nets that differ in their labels alone, and maps that show it or do not."""

from __future__ import annotations

import pytest
import torch

from striate.core.errors import StriateError
from striate.core.rng import Rng
from striate.data.dataset import Dataset, Splits
from striate.inside.attribution import METHODS
from striate.inside.attribution.maps import Maps
from striate.inside.faithfulness.controls import edge_maps
from striate.inside.permuted import permuted_labels, with_permuted_labels


@pytest.fixture
def splits():
    """Bright squares at one of two places."""
    labels = torch.arange(48) % 2
    images = 0.3 * Rng(0, "permuted").uniform(torch.arange(48), (1, 32, 32))
    for k, label in enumerate(labels.tolist()):
        images[k, :, 4:12, 4 + 12 * label : 12 + 12 * label] += 0.6
    parts = [Dataset.of(images, labels, classes=("left", "right"), split=name) for name in ("train", "dev", "test")]
    return Splits(*parts)


def test_labels_are_permuted_and_images_stay(splits):
    other = with_permuted_labels(splits.train, seed=1)
    assert other.images().equal(splits.train.images())
    assert other.labels.sort().values.equal(splits.train.labels.sort().values)
    assert not other.labels.equal(splits.train.labels)
    assert with_permuted_labels(splits.train, seed=1).labels.equal(other.labels)


def test_a_map_of_the_image_fails_and_the_same_call_gives_the_same_numbers(splits):
    def edges(_net, images, _targets):
        return Maps(edge_maps(images), "edges", False, ())

    makers = {"gradient": METHODS.load("gradient"), "blind": edges}
    rows, learnt = permuted_labels("striate/lenet5", splits, makers, images=3, epochs=6)
    assert [row.method for row in rows] == ["gradient", "blind", "edge"]
    assert not rows[1].holds
    assert rows[1].spearman[0].value == pytest.approx(1)
    assert rows[0].spearman[0].value < 0.99
    assert learnt[0] > learnt[1]
    assert permuted_labels("striate/lenet5", splits, makers, images=3, epochs=6)[0] == rows


def test_one_class_is_refused(splits):
    one = Dataset.of(splits.train.images(), [0] * 48, classes=("all",), split="train")
    with pytest.raises(StriateError, match="48 images of 1 classes"):
        permuted_labels("striate/lenet5", Splits(one, one, one), {})
