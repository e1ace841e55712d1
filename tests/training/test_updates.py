"""What happens between a loss and new weights, against plain torch and closed forms."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from striate.core.codec import dumps, from_json
from striate.core.errors import RunError, StriateError, UnknownNameError
from striate.nets.net import Net
from striate.training.averages import Average, Ema, Swa
from striate.training.loop import fit
from striate.training.losses import Loss
from striate.training.optimizers.specs import Lbfgs, Sgd
from striate.training.recipe import Augment, Recipe
from striate.training.request import load_recipe
from striate.training.run import Record, read_record
from striate.training.schedules import Schedule
from striate.training.task import Classification
from training.tiny import RECIPE, bits, saved, tiny_net, tiny_splits

PLAIN = replace(
    RECIPE,
    epochs=2,
    optimizer=Sgd(0.1, weight_decay=0.0),
    schedule=Schedule("constant"),
    augment=Augment(),
    label_smoothing=0.0,
)


def linear(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Net(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), classes=3, channels=1, size=8, name="line")


def last(folder):
    """The weights after the last step, whatever the run keeps as its best."""
    return torch.load(folder / "checkpoints/last.pt", weights_only=True)["nets"]["net"]


def trained(tmp_path, name, recipe, subject=None, **more):
    fit(subject or linear(), tiny_splits(count=64), out=tmp_path / name, recipe=recipe, **more)
    return last(tmp_path / name)


def near(one, other, tolerance=1e-6):
    return all(torch.allclose(one[name], other[name], atol=tolerance) for name in one)


@pytest.mark.parametrize("parts", [2, 3, 16])
def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path, parts):
    whole = trained(tmp_path, "whole", replace(PLAIN, l2=0.01))
    assert near(trained(tmp_path, "parts", replace(PLAIN, l2=0.01, accumulate=parts)), whole)
    assert not near(linear().state_dict(), whole)


def test_a_task_that_updates_a_net_twice_cannot_accumulate(tmp_path):
    class Twice(Classification):
        def step(self, batch, update):
            super().step(batch, update)
            return super().step(batch, update)

    with pytest.raises(RunError, match=r"updates 'net' several times a batch and accumulate is 2"):
        trained(tmp_path, "run", replace(PLAIN, accumulate=2), Twice(linear()))


def by_hand(steps):
    """Weights of the linear net after the loop's steps, by hand: ``steps(weight, bias, gradients)`` moves them."""
    net, splits, orders = linear(), tiny_splits(count=64), []
    task = Classification(linear())
    original = task.step
    task.step = lambda batch, update: (orders.append(batch.rows), original(batch, update))[1]
    return net, splits, orders, task


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({"clip_norm": 0.05}, lambda grads: [g * min(1.0, 0.05 / size(grads)) for g in grads]),
        ({"clip_value": 0.01}, lambda grads: [g.clamp(-0.01, 0.01) for g in grads]),
    ],
)
def test_clipped_gradients_are_those_of_their_definition(tmp_path, changes, after):
    net, splits, orders, task = by_hand(None)
    recipe = replace(PLAIN, optimizer=Sgd(0.1, momentum=0.0, nesterov=False, weight_decay=0.0), **changes)
    found = trained(tmp_path, "run", recipe, task)
    weights = list(net.parameters())
    for rows in orders:
        loss = F.cross_entropy(net(splits.train.images()[rows]), splits.train.labels[rows])
        for weight, g in zip(weights, after(torch.autograd.grad(loss, weights)), strict=True):
            weight.data.sub_(0.1 * g)
    assert near(dict(net.state_dict()), found)


def size(grads):
    return float(torch.cat([g.reshape(-1) for g in grads]).norm())


def test_l1_is_a_proximal_step_and_l2_a_gradient_and_both_spare_biases(tmp_path):
    net, splits, orders, task = by_hand(None)
    recipe = replace(PLAIN, optimizer=Sgd(0.1, momentum=0.0, nesterov=False, weight_decay=0.0), l1=0.02, l2=0.1)
    found = trained(tmp_path, "run", recipe, task)
    weight, bias = net.parameters()
    for rows in orders:
        loss = F.cross_entropy(net(splits.train.images()[rows]), splits.train.labels[rows])
        g, h = torch.autograd.grad(loss, [weight, bias])
        moved = weight.data - 0.1 * (g + 0.1 * weight.data)
        weight.data = moved.sign() * (moved.abs() - 0.1 * 0.02).clamp(min=0)
        bias.data = bias.data - 0.1 * h
    assert near(dict(net.state_dict()), found)
    assert (found["module.1.weight"] == 0).any()  # a subgradient would leave none at 0


@pytest.mark.parametrize("spec", [Ema(0.8), Swa(0.5)])
def test_averages_are_the_means_of_what_the_weights_were(tmp_path, spec):
    met = []

    def note(state):
        met.append(state.nets["net"].module[1].weight.detach().double().clone())

    event = "step" if isinstance(spec, Ema) else "epoch_end"
    watching = [lambda events: events.attached(**{event: note})]
    trained(tmp_path, "run", replace(PLAIN, epochs=4, average=spec), observers=watching)
    if isinstance(spec, Ema):
        shares = torch.tensor([0.2 * 0.8 ** (len(met) - 1 - t) for t in range(len(met))]).double()
        shares /= 1 - 0.8 ** len(met)
        assert float(shares.sum()) == pytest.approx(1.0)
    else:
        met, shares = met[2:], torch.tensor([0.5, 0.5]).double()
    expected = sum(share * weight for share, weight in zip(shares, met, strict=True))
    kept = torch.load(tmp_path / "run/checkpoints/last.pt", weights_only=True)["average"]["weights"]["net"]
    assert torch.allclose(kept["module.1.weight"].double(), expected, atol=1e-6)


def test_the_run_keeps_and_dev_judges_the_average(tmp_path):
    training = fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=replace(RECIPE, average=Ema(0.9)))
    splits, net = tiny_splits(), saved(tmp_path / "run")
    with torch.no_grad():
        loss = F.cross_entropy(net(splits.dev.images()), splits.dev.labels).item()
    best = training.history[training.best.epoch - 1]
    assert loss == pytest.approx(best.dev_loss, rel=1e-5)
    raw = last(tmp_path / "run")
    assert not torch.equal(raw["module.0.weight"], net.state_dict()["module.0.weight"])


def test_swa_measures_the_statistics_of_batchnorm_anew(tmp_path):
    recipe = replace(PLAIN, epochs=4, average=Swa(0.5))
    net = tiny_net()
    net.module[5].p = 0.0
    fit(net, tiny_splits(count=64), out=tmp_path / "run", recipe=recipe)
    kept = torch.load(tmp_path / "run/checkpoints/last.pt", weights_only=True)["average"]["weights"]["net"]
    twin = tiny_net()
    twin.load_state_dict(kept)
    images = tiny_splits(count=64).train.images()
    with torch.no_grad():
        seen = twin.module[0]((images - 0.4) / 0.3)
    assert torch.allclose(kept["module.1.running_mean"], seen.mean((0, 2, 3)), atol=1e-5)


def test_the_mean_leaves_the_weights_that_learn_as_they_were():
    net = tiny_net()
    average = Average(Ema(0.5), {"net": net})
    with average.in_place():
        pass  # nothing was taken yet
    average.after_step()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        net.module[0].weight.add_(1.0)
    own = net.module[0].weight.clone()
    with average.in_place():
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(net.module[0].weight, own)


def test_a_run_ends_when_dev_gets_no_better_and_resumes_as_ended(tmp_path):
    recipe = replace(RECIPE, epochs=12, patience=2, optimizer=Sgd(1e-9))
    training = fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=recipe)
    assert training.complete
    assert len(training.history) == training.best.epoch + 2 < 12
    again = fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=recipe, resume=True)
    assert again == training


def test_lbfgs_fits_a_linear_net_and_refuses_a_task_that_cannot_evaluate_again(tmp_path):
    recipe = replace(PLAIN, epochs=3, batch=64, optimizer=Lbfgs(iterations=10))
    training = fit(linear(), tiny_splits(count=64), out=tmp_path / "run", recipe=recipe)
    assert training.history[-1].train_loss < 0.2 * training.history[0].train_loss

    class Once(Classification):
        def step(self, batch, update):
            return super().step(batch, lambda loss, name, again=None: update(loss, name))

    with pytest.raises(RunError, match="cannot evaluate a batch again, as the optimizer lbfgs asks"):
        trained(tmp_path, "other", recipe, Once(linear()))


def test_class_weights_weigh_images_by_the_rarity_of_their_class(tmp_path):
    net = linear()
    task = Classification(net, class_weights=torch.tensor([2.0, 1.0, 0.5]))
    logits, labels = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0, 1, 2])
    plain = F.cross_entropy(logits, labels, reduction="none")
    assert torch.allclose(task.losses(logits, labels), plain * torch.tensor([2.0, 1.0, 0.5, 2.0, 1.0, 0.5]))
    assert torch.allclose(task.losses(logits, F.one_hot(labels, 3).float()), task.losses(logits, labels))


def test_a_fresh_net_that_is_sure_of_classes_gets_a_note_and_another_does_not(tmp_path):
    def noted(name, loss):
        def wide():
            net = linear()
            with torch.no_grad():
                net.module[1].weight.mul_(100.0)
            return net

        net = wide() if name == "wide" else linear()
        task = Classification(net, loss=loss, fresh=True)
        fit(task, tiny_splits(), out=tmp_path / f"{name}-{loss.name}", recipe=replace(PLAIN, epochs=1, loss=loss))
        return read_record(tmp_path / f"{name}-{loss.name}").notes

    assert noted("plain", Loss()) == noted("plain", Loss("hinge")) == noted("wide", Loss()) == ()  # the doctor's
    assert "hinge of 3 classes begins at 2 where" in noted("wide", Loss("hinge"))[0]


def test_the_note_leaves_the_run_as_it_is(tmp_path):
    for name, fresh in (("fresh", True), ("known", False)):
        task = Classification(tiny_net(), loss=Loss("hinge"), fresh=fresh)
        recipe = replace(RECIPE, loss=Loss("hinge"), label_smoothing=0.0)
        fit(task, tiny_splits(), out=tmp_path / name, recipe=recipe)
    assert bits(tmp_path / "fresh") == bits(tmp_path / "known")


def test_a_record_of_an_earlier_version_still_loads():
    recipe = json.loads(dumps(RECIPE))
    for later in ("loss", "class_weights", "l1", "l2", "average", "patience", "clip_norm", "clip_value", "accumulate"):
        del recipe[later]
    del recipe["optimizer"]["form"], recipe["optimizer"]["decay"]
    assert from_json(recipe, Recipe) == RECIPE


def test_a_recipe_comes_from_a_function_a_file_and_a_run(tmp_path):
    (tmp_path / "own.py").write_text(
        "from striate.training.recipe import Recipe, Sgd\n"
        "def mine():\n    return Recipe('mine', Sgd(0.3), epochs=2)\n"
        "def other():\n    return 3\n"
    )
    mine = load_recipe(f"{tmp_path}/own.py:mine")
    assert (mine.name, mine.optimizer, mine.epochs) == ("mine", Sgd(0.3), 2)
    (tmp_path / "mine.json").write_text(dumps(mine))
    assert load_recipe(f"{tmp_path}/mine.json") == mine
    fit(linear(), tiny_splits(), out=tmp_path / "run", recipe=mine)
    assert load_recipe(f"{tmp_path}/run/run.json") == load_recipe(f"{tmp_path}/run") == mine
    with pytest.raises(StriateError, match=r"own.py names no function; accepted: FILE.py:function"):
        load_recipe(f"{tmp_path}/own.py")
    with pytest.raises(UnknownNameError, match=r"accepted: mine, other$"):  # not what it imports
        load_recipe(f"{tmp_path}/own.py:absent")
    with pytest.raises(StriateError, match="holds no recipe"):
        load_recipe(str(tmp_path))
    with pytest.raises(StriateError, match="gave a int"):
        load_recipe(f"{tmp_path}/own.py:other")
    (tmp_path / "bad.json").write_text("{}")
    for name in ("bad", "none"):
        with pytest.raises(StriateError, match=f"{name}.json holds no recipe"):
            load_recipe(f"{tmp_path}/{name}.json")
    assert Record.__dataclass_fields__["recipe"].type == "Recipe"
