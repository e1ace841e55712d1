from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from striate.core.errors import StriateError, UnknownNameError
from striate.imageopt.found import Found
from striate.imageopt.goal import misclassified
from striate.imageopt.keep import Nearest
from striate.imageopt.objective import Seen, Term, logit, margin, squared_distance
from striate.imageopt.problem import Problem
from striate.imageopt.region import Ball, Box
from striate.imageopt.search.adam import Adam
from striate.imageopt.search.steepest import Steepest
from striate.imageopt.solve import Moment, solve
from striate.imageopt.view import Chain, Jitter
from striate.nets.net import Net
from striate.nets.passes import counting


class Line(nn.Module):
    def __init__(self, weights: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)
        self.bias = nn.Parameter(torch.zeros(len(weights)) if bias is None else bias)
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        return x.flatten(1) @ self.weights.T + self.bias


def line(seed: int = 0, classes: int = 2, side: int = 4) -> Net:
    weights = torch.randn(classes, side * side, generator=torch.Generator().manual_seed(seed))
    return Net(Line(weights), channels=1, size=side, classes=classes)


def grey(count: int, side: int = 4, seed: int = 1) -> Tensor:
    return 0.5 + 0.1 * torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(seed))


def test_adam_finds_the_closed_form_of_a_penalised_linear_score() -> None:
    """argmax of <w, x> - m ||x - 1/2||^2 is 1/2 + w / (2 m)."""
    net, strength = line(), 8.0
    found = solve(
        net, logit(0) - strength * squared_distance(0.5), start=grey(3), search=Adam(0.02), steps=300, within=Box()
    )
    weights = net.module.weights[0].detach().view(1, 1, 4, 4)
    torch.testing.assert_close(found.images, (0.5 + weights / (2 * strength)).expand(3, -1, -1, -1), atol=2e-3, rtol=0)


def test_a_falling_rate_ends_at_rest_where_a_fixed_one_swings() -> None:
    """On the score -|x - c| Adam of a fixed rate swings about c; a falling one settles there."""
    roof = Term("roof", lambda seen: -(seen.images - 0.62).abs().flatten(1).sum(1))
    ends = []
    for falling in (False, True):
        places: list[Tensor] = []
        solve(
            line(),
            roof,
            start=grey(1),
            search=Adam(0.1, falling=falling),
            steps=60,
            callback=lambda moment, places=places: places.append(moment.z),
        )
        ends.append(float((places[-1] - places[-2]).abs().mean()))
    assert ends[1] < 1e-3 < ends[0]


def test_one_evaluation_a_step_and_done_rows_cost_nothing() -> None:
    net, start = line(), grey(6)
    with torch.no_grad():
        labels = net(start).argmax(1)
    wrong = labels.clone()
    wrong[:2] = 1 - wrong[:2]
    net.sites(4)
    net.module.seen.clear()
    found = solve(
        net,
        margin(wrong),
        start=start,
        search=Steepest(0.001),
        steps=5,
        within=Ball(start, 0.005) & Box(),
        goal=misclassified(wrong),
        keep="first",
    )
    counted = net.module.seen
    assert found.step.tolist()[:2] == [0, 0]
    assert counted[0] == 6
    left = [len(start) - int((found.step[found.step >= 0] < k).sum()) for k in range(6)]
    assert counted[:6] == left
    assert found.passes["forward"] == sum(counted)
    assert found.passes["backward"] == sum(counted[:5])
    kept_from_a_pass_with_gradient = int(((found.step >= 0) & (found.step < 5)).sum())
    assert sum(counted[6:]) >= kept_from_a_pass_with_gradient > 0  # the verdict is a pass of its own
    assert torch.equal(found.images[:2], start[:2])
    assert bool(found.history[1:, :2].isnan().all())


def test_a_search_ends_once_every_row_is_done() -> None:
    net, start = line(), grey(3)
    with torch.no_grad():
        labels = net(start).argmax(1)
    found = solve(
        net, margin(labels), start=start, search=Steepest(0.1), steps=50, goal=misclassified(labels), keep="first"
    )
    assert bool(found.success.all())
    assert len(found.history) < 20


def test_keeps_differ_as_they_say() -> None:
    net, start = line(), grey(4)
    with torch.no_grad():
        labels = net(start).argmax(1)

    def run(keep: str) -> Found:
        return solve(
            net,
            margin(labels),
            start=start,
            search=Steepest(0.02),
            steps=20,
            within=Ball(start, 0.3) & Box(),
            goal=misclassified(labels),
            keep=keep,
        )

    first, best, nearest, last = run("first"), run("best"), run("nearest"), run("last")
    torch.testing.assert_close(last.scores, last.history[-1])
    assert bool((best.scores > first.scores).all())
    assert bool((nearest.distances["2"] < best.distances["2"]).all())
    torch.testing.assert_close(nearest.distances["2"], first.distances["2"])
    torch.testing.assert_close(best.scores, best.history.amax(0))
    with pytest.raises(UnknownNameError, match="nearest"):
        run("neerest")


def test_nearest_stays_in_the_batch_to_come_nearer() -> None:
    """A search that overshoots and comes back: only its nearest success is kept."""

    @dataclass(frozen=True)
    class Back:
        words: str = "from far to near"

        def __call__(self, problem: Problem) -> Iterator[Tensor]:
            for step in range(problem.steps):
                z = problem.start + 0.4 - 0.1 * step
                problem.ask(z, grad=False)
                yield z

    net = Net(Line(torch.stack([torch.ones(16), torch.zeros(16)]), torch.tensor([0.0, 8.1])), channels=1, size=4)
    start = torch.full((1, 1, 4, 4), 0.4)
    found = solve(
        net, margin(1), start=start, search=Back(), steps=4, goal=misclassified(1), keep=Nearest(norm=math.inf)
    )
    assert found.distances["inf"].tolist() == pytest.approx([0.2], abs=1e-6)


def test_a_step_of_k_scores_gives_its_jacobian() -> None:
    answers = []

    @dataclass(frozen=True)
    class Once:
        words: str = "one look"

        def __call__(self, problem: Problem) -> Iterator[Tensor]:
            every = Term("all logits", lambda seen: seen.output, frozenset({"output"}))
            answers.append(problem.ask(problem.start, objective=every))
            yield problem.start

    net = line(classes=3)
    solve(net, logit(0), start=grey(2), search=Once(), steps=1)
    grad = answers[0].gradient
    assert grad.shape == (2, 3, 1, 4, 4)
    torch.testing.assert_close(grad[1].flatten(1), net.module.weights.detach())


def test_momentum_goes_on_where_the_gradient_turns() -> None:
    """On the score -|x - c| summed the gradient's sign flips past c; with momentum 1 it is outweighed at first."""
    valley = Term("valley", lambda seen: -(seen.images - 0.55).abs().flatten(1).sum(1))
    start = torch.full((1, 1, 4, 4), 0.4)

    def end(momentum: float) -> float:
        places: list[float] = []
        solve(
            line(),
            valley,
            start=start,
            search=Steepest(0.1, momentum=momentum),
            steps=4,
            callback=lambda moment: places.append(float(moment.z.mean())),
        )
        return places[2]

    assert end(0.0) == pytest.approx(0.5, abs=1e-5)
    assert end(1.0) == pytest.approx(0.7, abs=1e-5)


def test_views_are_seeded_by_image_and_evaluation_and_scores_are_judged_on_fresh_ones() -> None:
    class Wiggle:
        words = "brightness"
        drawn: list[Tensor]

        def __init__(self) -> None:
            self.drawn = []

        def __call__(self, images: Tensor, ids: Tensor, *, step: int, rng: object) -> Tensor:
            offset = rng.uniform(ids, (1, 1, 1), low=-0.1, high=0.1, step=step)
            self.drawn.append(offset.flatten())
            return images + offset

    def run(rows: list[int], view: Wiggle) -> Found:
        return solve(
            line(), logit(0), start=grey(4)[rows], search=Steepest(0.01), steps=3, view=view, draws=2, keep="best"
        )

    together, alone = Wiggle(), Wiggle()
    all_four, third = run([0, 1, 2, 3], together), run([2], alone)
    torch.testing.assert_close(torch.stack(together.drawn)[:, 2], torch.stack(alone.drawn)[:, 0])
    torch.testing.assert_close(all_four.scores[2:3], third.scores, rtol=1e-5, atol=1e-5)
    drawn = torch.stack(together.drawn)
    assert len(torch.unique(drawn)) == drawn.numel()
    with torch.no_grad():
        plain = line()(all_four.images)[:, 0]
    assert not torch.allclose(all_four.scores, plain, atol=1e-6)
    assert torch.allclose(all_four.scores, plain, atol=0.5)


def test_the_last_image_is_kept_whatever_its_score_and_scored_as_it_is_without_fresh_views() -> None:
    """A step that leaps over the top and lands lower."""
    peak = Term("peak", lambda seen: -(seen.images - 0.5).flatten(1).square().sum(1))
    start, view = torch.full((1, 1, 4, 4), 0.45), Jitter(1)
    leap = {"start": start, "search": Steepest(0.2), "steps": 1, "view": view}
    last = solve(line(), peak, keep="last", fresh=0, **leap)
    torch.testing.assert_close(last.images, torch.full_like(start, 0.65))
    assert float(last.scores) == pytest.approx(-16 * 0.15**2, rel=1e-5)
    torch.testing.assert_close(solve(line(), peak, keep="best", **leap).images, start)
    with counting() as passes:
        plain = solve(line(), logit(0), keep="last", fresh=0, **leap)
    assert passes.forward == plain.passes["forward"] == 3
    with torch.no_grad():
        assert float(plain.scores) == pytest.approx(float(line()(plain.images)[0, 0]), abs=1e-6)
    with pytest.raises(StriateError, match="fresh is -1; accepted: at least 0 views"):
        solve(line(), peak, fresh=-1, **leap)


def test_jitter_only_shifts_and_chains_draw_apart() -> None:
    from striate.core.rng import Rng

    images = torch.arange(2 * 64.0).view(2, 1, 8, 8) / 128
    ids = torch.tensor([5, 6])
    shown = Jitter(2)(images, ids, step=0, rng=Rng(0))
    shifts = []
    for before, after in zip(images[:, 0], shown[:, 0], strict=True):
        middle = after[4, 4]
        place = (before == middle).nonzero()[0]
        shifts.append((place - 4).tolist())
        assert max(abs(each) for each in shifts[-1]) <= 2
        torch.testing.assert_close(after[2:6, 2:6], before[2 + shifts[-1][0] :, 2 + shifts[-1][1] :][:4, :4])
    twice = Chain((Jitter(2), Jitter(2)))
    assert twice.words == "jitter by up to 2 px, jitter by up to 2 px"
    moved = [int((twice(images, ids, step=k, rng=Rng(0)) - images).abs().sum() > 0) for k in range(8)]
    assert sum(moved) >= 6
    with pytest.raises(StriateError, match="jitter of 8 px"):
        Jitter(8)(images, ids, step=0, rng=Rng(0))


def test_a_callback_sees_every_step_and_may_stop() -> None:
    moments: list[Moment] = []

    def watch(moment: Moment) -> bool:
        moments.append(moment)
        return moment.step == 3

    found = solve(line(), logit(0), start=grey(2), search=Steepest(0.01), steps=10, callback=watch)
    assert [moment.step for moment in moments] == [1, 2, 3]
    assert len(found.history) == 4
    assert moments[0].paint().shape == (2, 1, 4, 4)


def test_memory_makes_chunks_and_changes_nothing() -> None:
    net, start = line(), grey(9)
    whole = solve(net, logit(0), start=start, search=Steepest(0.05), steps=3)
    net.module.seen.clear()
    small = solve(net, logit(0), start=start, search=Steepest(0.05), steps=3, memory=1)
    assert max(net.module.seen) == 1
    torch.testing.assert_close(whole.images, small.images, rtol=0, atol=1e-6)
    assert whole.passes == small.passes


def test_an_inner_site_is_read_and_the_pass_stops_there() -> None:
    torch.manual_seed(0)
    net = Net(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)), channels=1, size=4)
    energy = Term("energy of 0", lambda seen: seen["0"].flatten(1).square().sum(1), frozenset({"0"}))
    ran: list[int] = []
    net.sites(4)
    net.module[3].register_forward_hook(lambda *_: ran.append(1))
    before = grey(2)
    found = solve(net, energy, start=before, search=Steepest(0.1), steps=4)
    assert ran == []
    with torch.no_grad():
        score = net.module[0](found.images).flatten(1).square().sum(1)
    torch.testing.assert_close(found.scores, score)
    assert bool((found.history[-1] > found.history[0]).all())
    assert found.output is None


def test_a_net_without_gradient_is_flat_and_gives_back_the_start() -> None:
    class Cut(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x.detach().flatten(1).sum(1), x.detach().flatten(1).amax(1)], 1)

    start = grey(3)
    found = solve(Net(Cut(), channels=1, size=4), logit(0), start=start, search=Steepest(0.1), steps=2)
    assert found.flat.tolist() == [True] * 3
    assert torch.equal(found.images, start)


def test_a_gradient_that_is_not_finite_is_flat_and_never_reaches_the_image() -> None:
    """One pixel's gradient is infinite; the others, whose gradient is 1, rise all the same."""

    def score(seen: Seen) -> Tensor:
        corner = seen.images[:, 0, 0, 0]
        return seen.images.flatten(1).sum(1) + (corner - corner.detach()).sqrt()

    start = grey(2)
    found = solve(line(), Term("root", score), start=start, search=Steepest(0.1), steps=2)
    assert found.flat.tolist() == [True, True]
    torch.testing.assert_close(found.images[:, 0, 1:], start[:, 0, 1:] + 0.2)
    torch.testing.assert_close(found.images[:, 0, 0, 0], start[:, 0, 0, 0])


def test_the_pieces_of_two_runs_are_put_together_by_row() -> None:
    net, start = line(), grey(4)
    with torch.no_grad():
        labels = net(start).argmax(1)

    def run(rows: Tensor, radius: float) -> Found:
        return solve(
            net,
            margin(labels[rows]),
            start=start[rows],
            search=Steepest(radius),
            steps=1,
            within=Ball(start[rows], radius) & Box(),
            goal=misclassified(labels[rows]),
            keep="first",
        )

    weak = run(torch.arange(4), 1e-4)
    rows = torch.tensor([1, 3])
    strong = run(rows, 0.5)
    both = weak.updated(strong, rows)
    assert both.success.tolist() == [False, True, False, True]
    assert torch.equal(both.images[[1, 3]], strong.images)
    assert torch.equal(both.images[[0, 2]], weak.images[[0, 2]])
    assert both.passes["forward"] == weak.passes["forward"] + strong.passes["forward"]
    assert both.step.tolist() == [-1, 2, -1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"draws": 0}, "draws is 0"),
        ({"start": torch.zeros(0, 1, 4, 4)}, "start is"),
        ({"start": torch.zeros(1, 4, 4)}, "start is"),
        ({"start": torch.zeros(2, 1, 4, 4, dtype=torch.uint8)}, "start is"),
        ({"start": torch.full((2, 1, 4, 4), 2.0)}, "start image 0 is outside of"),
        ({"start": torch.full((2, 1, 4, 4), math.nan)}, "not finite"),
        ({"ids": torch.arange(3)}, "3 ids for 2 images"),
        ({"objective": logit(7)}, "class 7 is out of range"),
        ({"objective": Term("bad", lambda seen: seen.images.flatten(1).sum(1) * math.nan)}, "not a number for image 0"),
    ],
)
def test_what_cannot_be_solved_is_refused_with_its_value(change: dict[str, object], message: str) -> None:
    given = {"objective": logit(0), "start": grey(2), "search": Steepest(0.1), "steps": 2} | change
    with pytest.raises(StriateError, match=message):
        solve(line(), given.pop("objective"), **given)


def test_steps_of_negative_length_are_refused() -> None:
    with pytest.raises(StriateError, match="size of a step is -1"):
        Steepest(-1.0)
    with pytest.raises(StriateError, match="momentum is 2"):
        Steepest(1.0, momentum=2.0)
    with pytest.raises(StriateError, match="rate is 0"):
        Adam(0.0)


def test_an_objective_without_slope_is_refused_where_that_is_asked_and_noted_otherwise() -> None:
    net, silent = line(), Term("silence", lambda seen: 0.0 * seen.images.flatten(1).sum(1))
    options = {"start": grey(2), "search": Adam(0.1), "steps": 3}
    with pytest.raises(StriateError, match=r"silence in .* has no slope .* for any image"):
        solve(net, silent, **options, sloped=True)
    assert "no slope" in solve(net, silent, **options).notes[0]
    one = Term("one of two", lambda seen: (seen.rows == 1) * seen.images.flatten(1).sum(1))
    assert solve(net, one, **options, sloped=True).flat.tolist() == [True, False]


class Cramped(nn.Module):
    """A net whose memory holds three images at once."""

    def __init__(self, module: nn.Module, most: int = 3) -> None:
        super().__init__()
        self.module, self.most, self.sizes = module, most, []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.module(x)


def test_where_memory_runs_out_the_chunk_is_halved_and_the_search_goes_on() -> None:
    torch.manual_seed(2)
    module = nn.Sequential(nn.Flatten(), nn.Linear(27, 3))
    x = torch.rand(10, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    roomy, cramped = (Net(each, size=3, channels=3, classes=3) for each in (module, Cramped(module)))
    whole, parts = (solve(net, logit(1), start=x, search=Steepest(0.05), steps=4) for net in (roomy, cramped))
    torch.testing.assert_close(parts.images, whole.images)
    torch.testing.assert_close(parts.scores, whole.scores)
    tries = cramped.module.sizes
    assert [size for size in tries if size > 3] == [10, 5]  # found out once, for good


def test_memory_that_does_not_hold_one_image_is_an_error() -> None:
    net = Net(Cramped(nn.Sequential(nn.Flatten(), nn.Linear(27, 3)), most=0), size=3, channels=3, classes=3)
    net._traces[(3, 3, tuple(id(each) for each in net.module.modules()))] = Net(
        nn.Sequential(nn.Flatten(), nn.Linear(27, 3)), size=3, channels=3, classes=3
    ).trace(3)
    with pytest.raises(torch.OutOfMemoryError):
        solve(net, logit(1), start=torch.rand(2, 3, 3, 3), search=Steepest(0.05), steps=2)
