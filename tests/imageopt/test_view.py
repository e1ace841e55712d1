"""Views are transforms: drawn by image and evaluation, differentiable, the same set that augments training images."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from striate.core.rng import Rng
from striate.data.annotations import Annotations
from striate.data.transforms import Transform
from striate.imageopt import view as views
from striate.imageopt.objective import logit
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.solve import solve
from striate.imageopt.view import (
    Chain,
    Jitter,
    Perspective,
    ResizedCrop,
    Rotation,
    Scale,
    View,
    print_and_photograph,
)
from striate.nets.net import Net

IDS = torch.tensor([5, 6, 40])
IMAGES = torch.rand(3, 3, 12, 14, generator=torch.Generator().manual_seed(0))
KINDS = [getattr(views, name) for name in views.__all__ if name not in {"View", "Chain"}]


def net() -> Net:
    """Two classes, each a plane of weights."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 14, 2))
    with torch.no_grad():
        module[1].weight.copy_(torch.linspace(-1, 1, 2 * 504).reshape(2, 504))
    return Net(module, classes=2, channels=3, size=(12, 14))


@pytest.mark.parametrize("kind", KINDS)
def test_every_view_is_a_differentiable_transform_that_follows_images_not_batches(kind: type[Transform]) -> None:
    view: View = kind()
    assert isinstance(view, Transform)
    assert view.differentiable
    leaf = IMAGES.clone().requires_grad_(True)
    shown = view(leaf, IDS, Rng(0, "view"), step=3)
    (grad,) = torch.autograd.grad(shown.square().sum(), leaf)
    assert bool((grad.abs().sum((1, 2, 3)) > 0).all())
    alone = view(IMAGES[2:], IDS[2:], rng=Rng(0, "view"), step=3)
    torch.testing.assert_close(alone, shown[2:].detach(), atol=1e-6, rtol=0)
    assert view.words


def test_jitter_draws_what_it_always_drew_and_says_where_pixels_go() -> None:
    jitter, rng = Jitter(3), Rng(1, "view")
    corners = rng.child("jitter").integers(IDS, (2,), high=7, step=2)
    shown = jitter(IMAGES, IDS, rng, step=2)
    padded = nn.functional.pad(IMAGES, (3, 3, 3, 3), mode="reflect")
    for image, whole, (top, left) in zip(shown, padded, corners.tolist(), strict=True):
        assert torch.equal(image, whole[:, top : top + 12, left : left + 14])
    moved = jitter.moved(
        Annotations(boxes=torch.tensor([[4.0, 4.0, 8.0, 9.0]])), {"corner": torch.tensor([[5, 2]])}, (12, 14)
    )
    assert moved.boxes is not None
    assert moved.boxes.tolist() == [[5.0, 2.0, 9.0, 7.0]]


@pytest.mark.parametrize(
    "view",
    [
        Chain((Jitter(2), Rotation(10.0, fill="edge"), Scale(0.9, 1.1, fill="edge"))),
        ResizedCrop((0.5, 1.0)),
        Perspective(0.3),
    ],
)
def test_an_image_is_found_alike_alone_and_together_under_any_view(view: View) -> None:
    def run(rows: list[int]) -> torch.Tensor:
        start = IMAGES[rows] * 0.5 + 0.25
        found = solve(
            net(), logit(0), start=start, search=Steepest(0.01), steps=4, view=view, draws=2, ids=IDS[rows], seed=1
        )
        return found.images

    together = run([0, 1, 2])
    torch.testing.assert_close(run([1])[0], together[1], atol=1e-5, rtol=0)
    assert float((together - (IMAGES * 0.5 + 0.25)).abs().max()) > 0.01


def test_print_and_photograph_moves_lights_and_blurs_by_the_seed_and_keeps_to_the_range() -> None:
    view, rng = print_and_photograph(), Rng(2, "view")
    images = torch.cat([IMAGES, torch.ones(1, 3, 12, 14), torch.zeros(1, 3, 12, 14)])
    ids = torch.arange(5)
    shown = view(images, ids, rng, step=1)
    assert shown.shape == images.shape
    assert float(shown.min()) >= 0
    assert float(shown.max()) <= 1
    assert torch.equal(view(images, ids, rng, step=1), shown)
    for other in (view(images, ids, rng, step=2), view(images, ids, Rng(3, "view"), step=1)):
        assert float((other - shown).abs().mean()) > 0.01
    assert len(view.motions(view.draw(ids, rng, shape=(3, 12, 14)), (12, 14))) == 1


def test_a_print_photographed_from_the_front_in_its_own_light_is_the_image() -> None:
    view = print_and_photograph(aside=0, turn=0, scale=(1, 1), light=0, contrast=0, cast=0, blur=0, noise=0)
    torch.testing.assert_close(view(IMAGES, IDS, Rng(0, "view")), IMAGES, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("option", "value"), [("light", 0.3), ("cast", 0.3)])
def test_light_and_cast_of_a_photograph_stay_in_their_ranges(option: str, value: float) -> None:
    still = {"aside": 0, "turn": 0, "scale": (1, 1), "light": 0, "contrast": 0, "cast": 0, "blur": 0, "noise": 0}
    view = print_and_photograph(**{**still, option: value})
    flat = torch.full((400, 3, 4, 4), 0.5)
    shown = view(flat, torch.arange(400), Rng(0, "view")).mean((2, 3)) / 0.5
    assert 1 - value <= float(shown.min()) < 1 - 0.9 * value
    assert 1 + 0.9 * value < float(shown.max()) <= 1 + value
    assert (float(shown.std(1).max()) > 0.01) == (option == "cast")
