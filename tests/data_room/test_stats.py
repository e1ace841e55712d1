"""Statistics come from training images alone, and are exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from striate.core.errors import StriateError
from striate.core.image import Geometry
from striate.data.dataset import Dataset
from striate.data.load import load_splits
from striate.data.stats import channel_statistics
from striate.data.stores import TensorStore


def test_they_equal_numpy_in_double_precision() -> None:
    data = load_splits("shapes:train=700").train.resized(Geometry((20, 20)))
    mean, deviation = channel_statistics(data)
    pixels = data.read(torch.arange(700)).numpy().astype(np.float64) / 255
    assert np.allclose(mean, pixels.mean((0, 2, 3)), atol=1e-12)
    assert np.allclose(deviation, pixels.std((0, 2, 3)), atol=1e-12)


class Watched(TensorStore):
    """A store that remembers what was read."""

    def read(self, places, channels, geometry):  # type: ignore[no-untyped-def]
        self.seen.update(places.tolist())  # type: ignore[attr-defined]
        return super().read(places, channels, geometry)


def test_dev_and_test_are_never_touched() -> None:
    pixels = torch.randint(0, 256, (100, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    store = Watched(pixels, "toy")
    object.__setattr__(store, "seen", set())
    whole = replace(Dataset.of(pixels, torch.arange(100) % 5, name="toy", split="all"), store=store)
    splits = load_splits(whole)
    before = channel_statistics(splits.train)
    assert store.seen == set(splits.train.places.tolist())  # type: ignore[attr-defined]
    held = torch.cat([splits.dev.places, splits.test.places])
    pixels[held] = 255
    assert channel_statistics(splits.train) == before
    pixels[splits.train.places[0]] ^= 255
    assert channel_statistics(splits.train) != before


def test_other_splits_are_refused_unless_told() -> None:
    splits = load_splits("shapes:train=50:dev=50:test=50")
    for part in (splits.dev, splits.test):
        with pytest.raises(StriateError, match=f"statistics of the {part.split} split"):
            channel_statistics(part)
        assert channel_statistics(part, any_split=True)
    with pytest.raises(StriateError, match="no images"):
        channel_statistics(splits.train.take([]))


def test_a_channel_that_never_varies_has_deviation_one() -> None:
    data = Dataset.of(torch.full((3, 1, 4, 4), 0.2), [0, 0, 0], split="train")
    mean, deviation = channel_statistics(data)
    assert mean == pytest.approx((0.2,))
    assert deviation == (1.0,)
