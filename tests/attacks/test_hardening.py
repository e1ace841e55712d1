"""Training against attacks: what each way reaches, what it may not touch, how it is resumed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import striate as st
from oracles.attacks_hardening import climbed_slowly
from striate.attacks.bounds.propagation import certified
from striate.attacks.hardening.ascent import ball_about, climbed, random_point
from striate.attacks.hardening.certifying import Certifying
from striate.attacks.hardening.spec import Hardening
from striate.attacks.hardening.task import Hardened, divergence, hardened
from striate.attacks.run import attack
from striate.core.errors import RunError, StriateError, UnknownNameError
from striate.data.dataset import Dataset, Splits
from striate.nets.net import Net
from striate.page.text import render_text
from striate.training.loop import fit
from striate.training.recipe import Recipe, Sgd
from striate.training.run import read_record
from striate.training.task import Batch, Classification
from training.tiny import RECIPE, bits, tiny_net, tiny_splits

RADIUS = 0.12
LONG = Recipe(name="long", optimizer=Sgd(0.1, weight_decay=1e-4), epochs=8, batch=32)
ATTACKS = ("pgd", "fast", "trades", "free")


def trapped(split: str, count: int, seed: int) -> Dataset:
    """Two classes that a strong mark (half of the pixels) tells apart nearly always, and faint pixels always.

    The faint ones, 0.06 from the middle, are what plain training leans on; an attack of `RADIUS` turns them round.
    """
    made = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    sign = (2.0 * labels - 1)[:, None, None, None]
    pixels = 0.5 + 0.06 * sign.expand(-1, 1, 8, 8) + 0.05 * torch.randn(count, 1, 8, 8, generator=made)
    true = torch.where(torch.rand(count, generator=made) < 0.95, 1.0, -1.0)[:, None, None, None]
    pixels[:, :, :2, :2] = 0.5 + 0.3 * sign * true
    return Dataset.of(
        pixels.clamp(0, 1), labels, classes=("down", "up"), name="trap", split=split, ids=torch.arange(count) + 9 * seed
    )


TRAPS = Splits(trapped("train", 320, 1), trapped("dev", 100, 2), trapped("test", 200, 3), "trap")


def robust_accuracy(net: Net, data: Dataset) -> float:
    found = attack(net, data.images(), data.labels, radius=RADIUS, steps=20)
    return 1 - found.success.float().mean().item()


def plain_net() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
    return Net(module, mean=0.5, std=0.25, classes=("down", "up"), name="plain", size=(8, 8), channels=1)


def reached(folder: Path) -> Net:
    from safetensors.torch import load_file

    net = plain_net()
    net.module.load_state_dict(load_file(folder / "weights.safetensors"))
    return net.eval()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> float:
    folder = tmp_path_factory.mktemp("plain")
    fit(plain_net(), TRAPS, out=folder / "run", recipe=LONG)
    return robust_accuracy(reached(folder / "run"), TRAPS.test)


@pytest.mark.parametrize("scheme", ATTACKS)
def test_each_hardening_withstands_attacks_that_break_plain_training(scheme: str, plain: float, tmp_path: Path) -> None:
    task = hardened(plain_net(), TRAPS, Hardening(scheme, RADIUS), recipe=LONG)
    training = fit(task, TRAPS, out=tmp_path / "run", recipe=LONG)
    assert plain < 0.4
    assert robust_accuracy(reached(tmp_path / "run"), TRAPS.test) > 0.85
    assert training.best.metric == "dev robust_accuracy"
    assert training.about["hardening"].startswith(f"{scheme} within Linf 0.12")


def test_intervals_certify_a_net_that_learnt_from_them_and_not_a_plain_one(tmp_path: Path) -> None:
    images, labels = TRAPS.test.images(), TRAPS.test.labels
    training = fit(
        hardened(plain_net(), TRAPS, Hardening("ibp", RADIUS, ramp=0.3), recipe=LONG),
        TRAPS, out=tmp_path / "run", recipe=LONG,
    )  # fmt: skip
    assert training.best.metric == "dev certified_accuracy"
    sure = certified(reached(tmp_path / "run"), images, labels, RADIUS)
    found = attack(reached(tmp_path / "run"), images, labels, radius=RADIUS)
    assert sure.float().mean().item() > 0.85
    assert not bool((sure & found.success).any())
    fit(plain_net(), TRAPS, out=tmp_path / "plain", recipe=LONG)
    assert certified(reached(tmp_path / "plain"), images, labels, RADIUS).float().mean().item() < 0.2


def test_radius_and_weight_of_the_bounds_follow_their_schedule() -> None:
    task, batch = Certifying(Classification(tiny_net().train()), Hardening("ibp", 0.1, warm=0.2, ramp=0.4)), batch_of()
    plain, seen = Classification(tiny_net().train()), []
    for net in (task.nets["net"], plain.nets["net"]):
        net.module[5].p = 0.0
    plain_loss = plain.step(batch, lambda loss, *_: seen.append(loss))["loss"]
    at_start = task.step(replace(batch, done=0.1), lambda loss, *_: seen.append(loss))["loss"]
    assert torch.equal(at_start, plain_loss)
    losses = [
        float(task.step(replace(batch, done=done), lambda loss, *_: seen.append(loss))["loss"].mean())
        for done in (0.2, 0.3, 0.4, 0.6, 0.9)
    ]
    assert losses[0] < losses[1] < losses[2] < losses[3]
    assert losses[4] == pytest.approx(losses[3], rel=0.02)


@pytest.mark.parametrize("scheme", [*ATTACKS, "ibp"])
def test_a_resumed_hardening_ends_bit_for_bit_where_the_uninterrupted_one_does(scheme: str, tmp_path: Path) -> None:
    splits, how = tiny_splits(), Hardening(scheme, 0.1)

    def begun(out: Path, *, resume: bool = False, stop: int = 99) -> None:
        def watch(events):
            def end(state):
                if state.epoch == stop:
                    raise KeyboardInterrupt

            return events.attached(checkpoint=end)

        task = hardened(tiny_net(), splits, how, recipe=RECIPE, seed=3)
        fit(task, splits, out=out, recipe=RECIPE, seed=3, resume=resume, observers=[watch])

    begun(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        begun(tmp_path / "parts", stop=2)
    begun(tmp_path / "parts", resume=True)
    assert bits(tmp_path / "parts") == bits(tmp_path / "whole")
    assert bits(tmp_path / "whole")["hardening"] == how.words
    assert read_record(tmp_path / "parts").about["hardening"] == how.words


def batch_of(count: int = 16) -> Batch:
    data = tiny_splits().train
    return Batch(data.images()[:count], data.labels[:count], data.ids[:count], torch.arange(count))


def task_of(scheme: str, **numbers: object) -> Hardened:
    return Hardened(Classification(tiny_net()), Hardening(scheme, 0.1, **numbers), dev=30)


@pytest.mark.parametrize(("scheme", "norm"), [("pgd", math.inf), ("pgd", 2.0), ("fast", math.inf), ("trades", 2.0)])
def test_the_attack_within_stays_in_the_ball_and_moves_no_statistics(scheme: str, norm: float) -> None:
    task, batch = task_of(scheme, norm=norm), batch_of()
    net = task.nets["net"].train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    images = task.attacked(batch)
    moved = (images.double() - batch.images.double()).flatten(1)
    length = moved.abs().amax(1) if math.isinf(norm) else moved.square().sum(1).sqrt()
    assert bool((length <= 0.1).all())
    assert bool((length > 0.05).all())
    assert bool(((images >= 0) & (images <= 1)).all())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training
    assert all(each.training for each in net.modules())
    assert all(each.grad is None for each in net.parameters())


def test_in_train_mode_the_attack_within_moves_the_statistics_as_the_papers_code_does() -> None:
    task = task_of("pgd", inner="train")
    net = task.nets["net"].train()
    before = net.module[1].num_batches_tracked.item()
    task.attacked(batch_of())
    assert net.module[1].num_batches_tracked.item() == before + 7


def test_the_steps_of_the_attack_within_are_those_of_the_papers_equations() -> None:
    net, batch = tiny_net().eval(), batch_of(6)
    region = ball_about(batch.images, 0.1, math.inf)
    start = random_point(region)

    def loss(images: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(net(images), batch.labels, reduction="none")

    found = climbed(loss, start, region, steps=3, step=0.04)
    expected = climbed_slowly(net, start, batch.images, batch.labels, radius=0.1, step=0.04, steps=3)
    assert (found - expected).abs().max().item() < 1e-6


def test_the_divergence_is_that_of_its_definition() -> None:
    said, other = (torch.randn(5, 4, dtype=torch.float64).log_softmax(1) for _ in range(2))
    expected = [
        sum(math.exp(p) * (p - q) for p, q in zip(left, right, strict=True))
        for left, right in zip(said.tolist(), other.tolist(), strict=True)
    ]
    assert divergence(said, other).tolist() == pytest.approx(expected, abs=1e-12)


def test_free_learns_from_a_batch_as_often_as_it_is_told() -> None:
    task, seen = task_of("free", replays=3), []

    def update(loss: torch.Tensor, name: str, again: object = None) -> None:
        loss.backward()
        seen.append(name)

    figures = task.step(batch_of(), update)
    assert seen == ["net"] * 3
    assert set(figures) == {"loss", "accuracy", "robust_accuracy"}


def test_dev_is_judged_by_images_spread_over_it_and_never_better_than_clean() -> None:
    task = Hardened(Classification(tiny_net().eval()), Hardening("pgd", 0.05), dev=2400)
    data = tiny_splits().train
    batch = Batch(data.images(), data.labels, data.ids, torch.arange(len(data)))
    with torch.no_grad():
        prediction = task.predict(batch)
        judged = task.judge(prediction, batch)
    assert prediction.places.tolist() == list(range(0, len(data), 2))
    clean = judged["accuracy"][prediction.places]
    assert bool((judged["robust_accuracy"] <= clean).all())
    assert float(judged["robust_accuracy"].sum()) < float(clean.sum())


def test_the_verb_keeps_the_hardening_and_goes_on_without_being_told_again(tmp_path: Path) -> None:
    options = {"harden": "fast", "radius": 4 / 255, "limit": 80, "epochs": 1, "quiet": True}
    whole = st.train("shapes", **options, out=tmp_path / "run")
    assert whole.result.best.metric == "dev robust_accuracy"
    assert "wong2020fast" in whole.origin.cites
    assert "hardened: fast within Linf 4/255, steps 1" in render_text(whole)
    again = st.train("shapes", resume=True, out=tmp_path / "run", quiet=True)
    assert again.result.history == whole.result.history
    with pytest.raises(RunError, match=r"other arguments: about\.hardening is 'fast within Linf 0\.1"):
        st.train("shapes", radius=0.1, resume=True, out=tmp_path / "run", quiet=True)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("--radius is given without --harden", {"radius": 0.1}),
        ("--attack-steps is given without --harden", {"attack_steps": 3}),
        ("--harden pgd is given without --radius", {"harden": "pgd"}),
        (
            "beta is 3 for the hardening pgd; accepted: its own: steps, step",
            {"harden": "pgd", "radius": 0.1, "beta": 3},
        ),
        ("steps is 3 for the hardening free", {"harden": "free", "radius": 0.1, "attack_steps": 3}),
        ("radius is 8; accepted: a number above 0 and at most 1", {"harden": "pgd", "radius": 8.0}),
        ("norm is 2 for the hardening ibp; accepted: inf", {"harden": "ibp", "radius": 0.1, "norm": "2"}),
        ("--harden does nothing for the task 'decode'", {"task": "decode", "harden": "pgd", "radius": 0.1}),
    ],
)
def test_options_that_mean_nothing_are_errors(words: str, options: dict, tmp_path: Path) -> None:
    with pytest.raises(StriateError, match=words):
        st.train("shapes", **options, out=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_hardening_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="trades"):
        Hardening("trade", 0.1)
    with pytest.raises(StriateError, match="inner is 'off'"):
        Hardening("pgd", 0.1, inner="off")  # type: ignore[arg-type]
    with pytest.raises(StriateError, match="steps is 0 for the hardening pgd; accepted: a whole number of at least 1"):
        Hardening("pgd", 0.1, steps=0)
