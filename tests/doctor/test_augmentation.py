"""What is drawn at random of a sample: on tensors made by hand."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from doctor.test_splits import found, pictures


class Drawn(Dataset[tuple[Tensor, Tensor]]):
    """Pictures that a transform changes."""

    def __init__(self, x: Tensor, y: Tensor, transform: Any = None) -> None:
        self.x, self.y, self.transform = x, y, transform

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        x = self.x[row]
        return x if self.transform is None else self.transform(x), self.y[row]


def noise(size: float) -> Any:
    """Adds normal noise."""
    return lambda x: x + size * torch.randn_like(x)


def moved(x: Tensor) -> Tensor:
    """Moved by at most a pixel."""
    return x.roll((int(torch.randint(-1, 2, ())), int(torch.randint(-1, 2, ()))), (1, 2))


def loader(data: Dataset[Any], **given: Any) -> DataLoader[Any]:
    """Of 50 samples a batch, in a new order each time."""
    return DataLoader(data, batch_size=50, shuffle=True, **given)


@pytest.mark.parametrize("change", [moved, noise(0.3), lambda x: x + torch.randn(())])
def test_small_changes_are_silent(change: Any) -> None:
    assert not found(loader(Drawn(*pictures(300, 0), change)), pictures(200, 1))


@pytest.mark.parametrize("change", [noise(12.0), torch.rand_like])
def test_images_of_which_nothing_is_left_are_found(change: Any) -> None:
    seen = found(loader(Drawn(*pictures(400, 0), change)), pictures(250, 1))
    number = seen["augmentation-destroys-label"].evidence[0].number
    assert number is not None
    assert float(number) < 0.5


def test_turns_that_make_another_class_name_the_two_classes() -> None:
    numbers = torch.Generator().manual_seed(0)
    y = torch.randint(3, (600,), generator=numbers)
    x = 0.2 * torch.randn(600, 1, 8, 8, generator=numbers)
    x[y == 0, :, :4] += 1  # a bright top, a bright bottom, a bright middle
    x[y == 1, :, 4:] += 1
    x[y == 2, :, 3:5] += 1
    turning = Drawn(x[:400], y[:400], lambda each: each.flip(1) if torch.rand(()) < 0.5 else each)
    seen = found(loader(turning), (x[400:], y[400:]))["augmentation-destroys-label"]
    assert seen.severity == "warning"
    assert "0 like 1" in seen.seen or "1 like 0" in seen.seen
    upright = Drawn(x[:400], y[:400], lambda each: each.flip(2) if torch.rand(()) < 0.5 else each)
    assert "augmentation-destroys-label" not in found(loader(upright), (x[400:], y[400:]))


def test_a_test_set_that_is_drawn_at_random_is_found() -> None:
    train, test = Drawn(*pictures(300, 0), moved), Drawn(*pictures(200, 1), moved)
    assert "augmentation-in-test" in found(loader(train), DataLoader(test, batch_size=50))
    assert "augmentation-in-test" not in found(loader(train), DataLoader(Drawn(*pictures(200, 1)), batch_size=50))


def numpy_noise(x: Tensor) -> Tensor:
    """Noise by NumPy's generator."""
    return x + 0.1 * torch.from_numpy(np.random.randn(*x.shape)).float()


def python_noise(x: Tensor) -> Tensor:
    """Another brightness by Python's generator."""
    return x + random.random()


@pytest.mark.parametrize(
    ("change", "init", "alike"),
    [
        (numpy_noise, lambda number: np.random.seed(0), True),
        (numpy_noise, np.random.seed, False),
        (numpy_noise, lambda number: np.random.seed(torch.initial_seed() % 2**32), False),
        (numpy_noise, lambda number: random.seed(0), False),
        (python_noise, lambda number: random.seed(0), True),
        (moved, lambda number: torch.manual_seed(0), True),
        (moved, lambda number: torch.utils.data.get_worker_info().dataset, False),
    ],
)
def test_workers_of_one_seed_are_found_by_the_generator_that_is_used(change: Any, init: Any, alike: bool) -> None:
    before = (torch.get_rng_state(), str(np.random.get_state()), random.getstate(), torch.get_num_threads())
    seen = found(loader(Drawn(*pictures(300, 0), change), worker_init_fn=init))
    assert ("workers-alike" in seen) == alike
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (str(np.random.get_state()), random.getstate(), torch.get_num_threads()) == before[1:]


def test_a_generator_that_is_copied_into_each_worker_is_named() -> None:
    class Own:
        def __init__(self) -> None:
            self.rng = np.random.default_rng(0)

        def __call__(self, x: Tensor) -> Tensor:
            return x + float(self.rng.standard_normal())

    data = Drawn(*pictures(300, 0), Own())
    assert "transform.rng" in found(loader(data, num_workers=2))["workers-alike"].seen
    assert "workers-alike" not in found(loader(data))


def test_a_seed_inside_the_data_set_is_found_with_its_generator() -> None:
    def seeded(x: Tensor) -> Tensor:
        np.random.seed(3)
        return numpy_noise(x)

    assert "NumPy" in found(loader(Drawn(*pictures(300, 0), seeded)))["augmentation-repeats"].seen
    own = Drawn(*pictures(300, 0), lambda x: x + torch.randn(x.shape, generator=torch.Generator().manual_seed(1)))
    assert "augmentation-repeats" not in found(loader(own))


def test_images_that_are_kept_after_their_transform_are_found() -> None:
    class Kept(Drawn):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            self.cache: dict[int, tuple[Tensor, Tensor]] = {}

        def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
            return self.cache.setdefault(row, super().__getitem__(row))

    assert "Kept.transform" in found(loader(Kept(*pictures(300, 0), moved)))["augmentation-repeats"].seen
    assert not found(loader(Kept(*pictures(300, 0), lambda x: 2 * x)))
    assert not found(loader(TensorDataset(*pictures(300, 0))))
