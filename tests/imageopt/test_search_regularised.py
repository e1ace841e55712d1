"""Plain ascent, and pixels that are decayed, blurred and clipped after each step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oracles import synthesis_regularised as slow
from striate.core.errors import StriateError
from striate.imageopt.canvas import Fourier
from striate.imageopt.objective import Objective, Term, channel, of_rows, squared_distance, weighted
from striate.imageopt.score import scores_of
from striate.imageopt.search.adam import Adam
from striate.imageopt.search.ascent import Ascent
from striate.imageopt.search.regularised import Blurred, ClippedContribution, ClippedNorm, Decay, Regularised
from striate.imageopt.solve import solve
from striate.nets.net import Net

SHAPE = (3, 7, 9)


def some(count: int = 2, seed: int = 0, scale: float = 0.5) -> Tensor:
    draw = torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 0.5 + scale * (draw - 0.5)


def net() -> Net:
    return Net(nn.Sequential(nn.Conv2d(3, 2, 1)), size=SHAPE[1:])


def linear(weights: Tensor) -> Objective:
    return Term("linear", lambda seen: (seen.images * weights[seen.rows]).flatten(1).sum(1))


def double() -> Net:
    return Net(nn.Conv2d(3, 2, 1).double(), size=SHAPE[1:])


@pytest.mark.parametrize(
    ("change", "loop"),
    [
        (Decay(0.3), lambda x, g: slow.decayed(x, 0.3)),
        (Blurred(1.0), lambda x, g: slow.blurred(x, 1.0)),
        (Blurred(0.5), lambda x, g: slow.blurred(x, 0.5)),
        (ClippedNorm(0.5), lambda x, g: slow.clipped_norm(x, 0.5)),
        (ClippedNorm(0.2), lambda x, g: slow.clipped_norm(x, 0.2)),
        (ClippedContribution(0.9), lambda x, g: slow.clipped_contribution(x, g, 0.9)),
    ],
)
def test_what_is_done_after_a_step_is_what_a_slow_loop_does(change: object, loop: object) -> None:
    images, grad = some(), some(seed=1) - 0.5
    after = change(images, grad=grad, step=1)
    for row in range(2):
        np.testing.assert_allclose(after[row], loop(images[row].numpy(), grad[row].numpy()), atol=1e-6)


def test_a_regularised_ascent_is_the_papers_update() -> None:
    weights, start = some(seed=2) - 0.5, some(scale=0.1)
    search = Regularised(Ascent(0.3), (Decay(0.05), Blurred(0.8, 3), ClippedNorm(0.3)))
    found = solve(double(), linear(weights), start=start, search=search, steps=7, keep="last")
    for row in range(2):
        expected = slow.ascent(
            start[row].numpy(), weights[row].numpy(), rate=0.3, steps=7, decay=0.05, width=0.8, every=3, norm=0.3
        )
        np.testing.assert_allclose(found.images[row], expected, atol=1e-6)


def test_contributions_are_those_of_the_gradient_before_the_step() -> None:
    """Of (x - 1/2)^2 / 2 the gradient is x - 1/2, so that contributions are squares and the weakest pixels go."""
    start = some(count=1)
    square = 0.5 * squared_distance(0.5)
    search = Regularised(Ascent(0.1), (ClippedContribution(0.5),))
    found = solve(double(), square, start=start, search=search, steps=1, keep="last")
    moved = 0.5 + 1.1 * (start - 0.5)
    strength = ((moved - 0.5) * (start - 0.5)).sum(1)
    least = np.percentile(strength.numpy(), 50)
    expected = torch.where((strength < least)[:, None], torch.tensor(0.5).double(), moved)
    torch.testing.assert_close(found.images, expected, atol=1e-12, rtol=0)


def test_other_searches_are_regularised_as_well_and_rows_stay_apart() -> None:
    objective = channel("0", 1)
    search = Regularised(Adam(0.05), (Decay(0.1), Blurred(1.0, 2)))
    images, model = some(3).float(), net()
    together = solve(model, objective, start=images, search=search, steps=5, keep="last")
    alone = solve(model, objective, start=images[1:2], search=search, steps=5, keep="last")
    torch.testing.assert_close(together.images[1:2], alone.images, atol=1e-6, rtol=0)
    plain = solve(model, objective, start=images, search=Adam(0.05), steps=5, keep="last")
    assert float(together.images.var()) < float(plain.images.var())


def test_ascent_steps_by_the_gradient_and_no_further_than_the_longest_step() -> None:
    weights, start = 0.01 * (some(seed=3) - 0.5), some(scale=0.2)
    found = solve(double(), linear(weights), start=start, search=Ascent(2.0), steps=3, keep="last")
    torch.testing.assert_close(found.images, start + 6.0 * weights, atol=1e-12, rtol=0)
    short = solve(double(), linear(weights), start=start, search=Ascent(longest=0.01), steps=3, keep="last")
    sizes = weights.flatten(1).square().mean(1).sqrt().view(-1, 1, 1, 1)
    torch.testing.assert_close(short.images, start + 0.03 * weights / sizes, atol=1e-9, rtol=0)
    bound = solve(double(), linear(weights), start=start, search=Ascent(2.0, 10.0), steps=3, keep="last")
    torch.testing.assert_close(bound.images, found.images, atol=1e-12, rtol=0)


def test_the_last_image_is_kept_though_its_score_is_lower() -> None:
    start = torch.full((1, *SHAPE), 0.9, dtype=torch.float64)
    search = Regularised(Ascent(1e-9), (Decay(0.5),))
    best, last = (
        solve(double(), squared_distance(0.5), start=start, search=search, steps=3, keep=keep)
        for keep in ("best", "last")
    )
    torch.testing.assert_close(best.images, start)
    torch.testing.assert_close(last.images, torch.full_like(start, 0.5 + 0.4 / 8), atol=1e-6, rtol=0)


def test_weights_of_rows_multiply_scores_and_slopes() -> None:
    start, weights = some(scale=0.1), torch.tensor([2.0, -1.0], dtype=torch.float64)
    direction = torch.ones(2, *SHAPE, dtype=torch.float64)
    objective = weighted(linear(direction), weights)
    assert objective.words == "own weight * (linear)"
    found = solve(double(), objective, start=start, search=Ascent(0.01), steps=1, keep="last")
    torch.testing.assert_close(found.images - start, 0.01 * weights.view(2, 1, 1, 1) * direction)


def test_an_objective_of_some_rows_scores_them_as_the_whole_one_does() -> None:
    images, weights = some(3, scale=0.2), some(3, seed=5)
    whole = scores_of(double(), linear(weights), images)
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(scores_of(double(), of_rows(linear(weights), rows), images[rows]), whole[rows])
    assert not torch.allclose(scores_of(double(), linear(weights), images[rows]), whole[rows])


def test_what_cannot_be_regularised_is_refused() -> None:
    for wrong in (lambda: Decay(1.0), lambda: ClippedNorm(0.0), lambda: ClippedContribution(1.5)):
        with pytest.raises(StriateError, match="accepted: above 0, below 1"):
            wrong()
    with pytest.raises(StriateError, match="blur of width 0 every 4 steps"):
        Blurred(0.0, 4)
    with pytest.raises(StriateError, match="neither a rate nor a longest step"):
        Ascent()
    with pytest.raises(StriateError, match="rate -1"):
        Ascent(-1.0)
    with pytest.raises(StriateError, match="to decay, blur or clip; accepted: pixels"):
        solve(
            net(),
            channel("0", 0),
            start=some(1).float(),
            search=Regularised(Ascent(1.0), (Decay(0.1),)),
            steps=1,
            canvas=Fourier(SHAPE[1:]),
        )
