from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from striate.core.errors import RunError, StriateError
from striate.core.progress import Progress
from striate.data.dataset import Dataset
from striate.nets.load import load_net
from striate.nets.net import Net
from striate.training.averages import Ema, Swa
from striate.training.events import EVENTS
from striate.training.loop import fit
from striate.training.optimizers.specs import Adadelta, Adagrad, Adam, AdamW, Lbfgs, Lion, Muon, RmsProp, Sgd
from striate.training.run import read_record, read_run
from striate.training.schedules import Schedule
from striate.training.task import Classification
from training.tiny import RECIPE, bits, saved, tiny_net, tiny_split, tiny_splits

SHORT = replace(RECIPE, epochs=2)
CHANGES = [
    {"optimizer": Sgd(0.1)},
    {"optimizer": AdamW(0.01), "name": "contiguous"},
    {"optimizer": Sgd(0.1, form="mean")},
    {"optimizer": Sgd(0.1, form="inside", decay="decoupled")},
    {"optimizer": Adam(0.01)},
    {"optimizer": Adagrad(0.03)},
    {"optimizer": Adadelta(1.0)},
    {"optimizer": RmsProp(0.003)},
    {"optimizer": Lion(0.002)},
    {"optimizer": Muon(0.02)},
    {"optimizer": Lbfgs(0.3, iterations=3, line_search=False), "batch": 64},
    {"average": Ema(0.9)},
    {"average": Swa(0.25)},
    {"schedule": Schedule("plateau", {"patience": 0, "factor": 0.5})},
    {"clip_norm": 0.5, "clip_value": 0.1, "l1": 1e-3, "l2": 1e-3, "accumulate": 2},
]


def rows(training):
    return [replace(row, seconds=0.0) for row in training.history]


def listening(heard):
    """An observer that notes every event with the finished epochs and steps."""

    def watch(events):
        def noting(name):
            return lambda state: heard.append((name, state.epoch, state.step))

        return events.attached(**{name: noting(name) for name in EVENTS})

    return watch


class Untouchable(Dataset):
    """A split that must not be looked at."""

    def __getattribute__(self, name):
        raise AssertionError(f"training looked at {name} of the test split")


def test_training_learns_the_bars_and_keeps_the_best_epoch(tmp_path):
    splits = tiny_splits(count=300)
    training = fit(tiny_net(), splits, out=tmp_path / "run", recipe=replace(RECIPE, epochs=8))
    assert training.best.value >= 0.9
    with torch.no_grad():
        logits = saved(tmp_path / "run")(splits.dev.images())
    assert (logits.argmax(1) == splits.dev.labels).float().mean().item() == pytest.approx(training.best.value)


def test_the_best_epoch_stays_when_later_ones_are_worse(tmp_path):
    kept = {}

    def note(state):
        kept[state.epoch] = {name: value.clone() for name, value in state.nets["net"].module.state_dict().items()}

    def spoil(state):
        if state.step == 16:
            with torch.no_grad():
                state.nets["net"].module[-1].weight.zero_()

    observers = [lambda events: events.attached(epoch_end=note, step=spoil)]
    training = fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=RECIPE, observers=observers)
    assert training.best.epoch < 4
    assert training.best.value > training.history[-1].dev_accuracy
    best = saved(tmp_path / "run").module.state_dict()
    assert all(torch.equal(value, best[name]) for name, value in kept[training.best.epoch].items())


def test_the_figures_of_dev_are_those_of_the_net_in_eval_mode(tmp_path):
    splits = tiny_splits()
    training = fit(tiny_net(), splits, out=tmp_path / "run", recipe=replace(RECIPE, epochs=1))
    with torch.no_grad():
        logits = saved(tmp_path / "run")(splits.dev.images()).double()
    loss = nn.functional.cross_entropy(logits, splits.dev.labels).item()
    assert training.history[0].dev_loss == pytest.approx(loss, rel=1e-5)
    right = (logits.argmax(1) == splits.dev.labels).double().mean().item()
    assert training.history[0].dev_accuracy == pytest.approx(right, rel=1e-12)


def test_the_loop_takes_the_steps_that_plain_torch_takes(tmp_path):
    # no dropout, no changes of the images: the whole run written by hand in a few lines
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    splits, orders = tiny_splits(count=40), []
    recipe = replace(
        SHORT, augment=type(SHORT.augment)(), optimizer=Sgd(0.1, weight_decay=0.01), schedule=Schedule("constant")
    )
    hand = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    hand.load_state_dict(module.state_dict())
    task = Classification(Net(module, classes=3, channels=1, size=8), label_smoothing=0.1)
    step = task.step
    task.step = lambda batch, update: (orders.append(batch.rows), step(batch, update))[1]
    fit(task, splits, out=tmp_path / "run", recipe=recipe)
    groups = [{"params": [hand[1].weight], "weight_decay": 0.01}, {"params": [hand[1].bias]}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True)
    images = splits.train.images()
    assert [len(each) for each in orders] == [16] * 4  # 40 images: the remainder of 8 is left out of each epoch
    assert not torch.equal(orders[0], orders[2])
    for chosen in orders:
        loss = nn.functional.cross_entropy(hand(images[chosen]), splits.train.labels[chosen], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert isinstance(task.nets["net"], Net)  # what Fabric put there is gone
    for ours, theirs in zip(module.parameters(), hand.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_two_runs_are_equal_to_the_last_bit_and_another_seed_is_not(tmp_path):
    runs = [
        fit(tiny_net(), tiny_splits(), out=tmp_path / f"{index}", recipe=SHORT, seed=seed)
        for index, seed in enumerate((3, 3, 4))
    ]
    assert rows(runs[0]) == rows(runs[1])
    assert rows(runs[0]) != rows(runs[2])
    assert bits(tmp_path / "0") == bits(tmp_path / "1")


def test_nothing_outside_the_run_folder_is_changed(tmp_path):
    net, splits = tiny_net(), tiny_splits()
    before, mode = net.fingerprint(), net.training
    torch.use_deterministic_algorithms(False)
    settings = (torch.are_deterministic_algorithms_enabled(), torch.get_num_threads(), torch.backends.cudnn.benchmark)
    torch.manual_seed(9)
    expected = torch.rand(2)
    torch.manual_seed(9)
    fit(net, splits, out=tmp_path / "run", recipe=SHORT, threads=1)
    assert torch.equal(torch.rand(2), expected)
    assert (net.fingerprint(), net.training) == (before, mode)
    assert all(each.grad is None for each in net.parameters())
    assert settings == (
        torch.are_deterministic_algorithms_enabled(),
        torch.get_num_threads(),
        torch.backends.cudnn.benchmark,
    )


def test_the_test_split_is_never_looked_at(tmp_path):
    test = object.__new__(Untouchable)
    fit(tiny_net(), tiny_splits(test=test), out=tmp_path / "run", recipe=SHORT)
    with pytest.raises(AssertionError, match="labels of the test split"):
        _ = test.labels


def test_a_net_by_name_starts_from_scratch_with_the_statistics_of_the_training_split(tmp_path):
    splits = tiny_splits()
    for index in range(2):
        fit("striate/small", splits, out=tmp_path / f"{index}", recipe=SHORT, seed=1)
    assert bits(tmp_path / "0") == bits(tmp_path / "1")
    net, images = load_net(tmp_path / "0"), splits.train.images().double()
    assert net.mean.item() == pytest.approx(images.mean().item(), abs=1e-6)
    assert net.std.item() == pytest.approx(images.std(correction=0).item(), abs=1e-6)
    assert net.name == "striate/small"
    assert net.classes == splits.train.classes


def test_a_run_can_begin_from_the_weights_of_another(tmp_path):
    splits = tiny_splits()
    fit("striate/small", splits, out=tmp_path / "first", recipe=SHORT)
    begun = load_net(tmp_path / "first").fingerprint()
    fit(tmp_path / "first", splits, out=tmp_path / "second", recipe=replace(SHORT, epochs=1))
    assert read_record(tmp_path / "second").start != read_record(tmp_path / "first").start
    assert load_net(tmp_path / "first").fingerprint() == begun


def test_events_come_in_the_order_that_is_stated(tmp_path):
    heard = []
    fit(tiny_net(), tiny_splits(count=33), out=tmp_path / "run", recipe=SHORT, observers=[listening(heard)])
    epochs = [
        [
            ("epoch_start", epoch, 2 * epoch),
            ("step", epoch, 2 * epoch + 1),
            ("step", epoch, 2 * epoch + 2),
            ("checkpoint", epoch + 1, 2 * epoch + 2),
            ("epoch_end", epoch + 1, 2 * epoch + 2),
        ]
        for epoch in range(2)
    ]
    assert heard == [("run_start", 0, 0), *epochs[0], *epochs[1], ("run_end", 2, 4)]


def test_ctrl_c_leaves_a_usable_run_that_resumes_to_the_same_bits(tmp_path, capsys):
    whole = fit(tiny_net(), tiny_splits(), out=tmp_path / "whole", recipe=RECIPE)
    heard = []

    def press(state):
        if state.step == 9:  # four steps an epoch: the first step of the third
            raise KeyboardInterrupt

    observers = [listening(heard), lambda events: events.attached(step=press)]
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_net(), tiny_splits(), out=out, recipe=RECIPE, observers=observers, progress=Progress())
    said = capsys.readouterr().err
    assert "stopped: 2 of 4 epochs are kept" in said
    assert "--resume" in said
    assert heard[-1][0] == "interrupted"
    assert (read_record(out).state, read_record(out).why) == ("stopped", "interrupted")
    assert not read_run(out).complete
    saved(out)
    again = fit(tiny_net(), tiny_splits(), out=out, recipe=RECIPE, resume=True)
    assert rows(again) == rows(whole)
    assert bits(out) == bits(tmp_path / "whole")


def test_a_run_that_is_stopped_in_its_first_epoch_can_be_resumed_but_not_read(tmp_path):
    def press(state):
        raise KeyboardInterrupt

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_net(), tiny_splits(), out=out, recipe=SHORT, observers=[lambda events: events.attached(step=press)])
    with pytest.raises(RunError, match=r"no finished epoch yet.*--resume"):
        read_run(out)
    assert fit(tiny_net(), tiny_splits(), out=out, recipe=SHORT, resume=True).complete


def test_a_loss_that_is_no_number_names_the_step_and_keeps_the_epochs_before(tmp_path):
    def poison(state):
        if state.step == 9:
            with torch.no_grad():
                next(iter(state.nets["net"].parameters())).fill_(math.nan)

    out = tmp_path / "run"
    with pytest.raises(RunError, match=r"loss is nan in epoch 3, step 10 of 16, .*2 of 4 epochs are kept"):
        fit(tiny_net(), tiny_splits(), out=out, recipe=RECIPE, observers=[lambda events: events.attached(step=poison)])
    assert read_record(out).state == "stopped"
    assert len(read_run(out).history) == 2
    with torch.no_grad():
        assert saved(out)(tiny_splits().dev.images()).isfinite().all()
    assert fit(tiny_net(), tiny_splits(), out=out, recipe=RECIPE, resume=True).complete


def test_weights_that_break_in_the_last_step_of_an_epoch_are_not_saved(tmp_path):
    def poison(state):
        if state.step == 8:
            with torch.no_grad():
                next(iter(state.nets["net"].parameters())).fill_(math.nan)

    with pytest.raises(RunError, match=r"loss on the dev split is nan.*1 of 4 epochs are kept"):
        fit(
            tiny_net(),
            tiny_splits(),
            out=tmp_path / "run",
            recipe=RECIPE,
            observers=[lambda events: events.attached(step=poison)],
        )


def test_pixels_that_are_no_numbers_are_named(tmp_path):
    class Broken(Classification):
        def step(self, batch, update):
            batch.images[batch.rows == 7] = math.nan
            return super().step(batch, update)

    with pytest.raises(RunError, match=r"pixels of training images \[7\] are not finite"):
        fit(Broken(tiny_net()), tiny_splits(), out=tmp_path / "run", recipe=RECIPE)


def test_a_rate_that_is_too_high_asks_for_a_lower_one(tmp_path):
    wild = replace(RECIPE, optimizer=Sgd(1e30), augment=type(RECIPE.augment)())
    with pytest.raises(RunError, match="lower learning rate"):
        fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=wild)


@pytest.mark.parametrize(
    ("net", "splits", "words"),
    [
        (tiny_net(classes=4), tiny_splits(), "tiny has 4 classes, bars has 3"),
        (tiny_net(channels=3), tiny_splits(), "takes 3 channels, images of bars have 1"),
        (Net(tiny_net().module, classes=3, name="big", size=16), tiny_splits(), r"big takes images of \(16, 16\)"),
        (tiny_net(), tiny_splits(train=tiny_split("train", 70, classes=2)), "classes of train and dev differ"),
        (tiny_net(), tiny_splits(dev=tiny_split("dev", 30).take([])), "dev split of bars is empty"),
    ],
)
def test_what_does_not_fit_is_an_error_before_any_folder_is_made(tmp_path, net, splits, words):
    with pytest.raises(StriateError, match=words):
        fit(net, splits, out=tmp_path / "run", recipe=SHORT)
    assert not (tmp_path / "run").exists()


def test_a_class_without_training_images_is_an_error_and_without_dev_images_a_note(tmp_path, capsys):
    splits = tiny_splits()
    few = splits.train.take((splits.train.labels != 1).nonzero().flatten())
    with pytest.raises(RunError, match="training split of bars has no image of bar1"):
        fit(tiny_net(), replace(splits, train=few), out=tmp_path / "run", recipe=SHORT)
    without = splits.dev.take((splits.dev.labels != 2).nonzero().flatten())
    training = fit(tiny_net(), replace(splits, dev=without), out=tmp_path / "run", recipe=SHORT, progress=Progress())
    assert training.notes == ("the dev split has no image of bar2: its accuracy says nothing about them",)
    assert "note: the dev split has no image of bar2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"device": "tpu"}, "device 'tpu'"),
        ({"precision": "float8"}, "float32 or bfloat16 or float16"),
        ({"threads": 0}, "threads is 0"),
        ({"recipe": "quik"}, "quick"),
        ({"memory_format": "rows"}, "channels_last or contiguous"),
    ],
)
def test_settings_that_do_not_exist_are_named(tmp_path, changes, words):
    with pytest.raises(StriateError, match=words):
        fit(tiny_net(), tiny_splits(), out=tmp_path / "run", **{"recipe": SHORT, **changes})


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_every_optimizer_format_and_average_learns_and_resumes(tmp_path, changes):
    settings = {"recipe": replace(RECIPE, **changes), "memory_format": "channels_last"}
    if "contiguous" in changes.get("name", ""):
        settings["memory_format"] = "contiguous"
    whole = fit(tiny_net(), tiny_splits(), out=tmp_path / "whole", **settings)
    assert whole.history[-1].train_loss < whole.history[0].train_loss

    def stop(state):
        if state.epoch == 2:
            raise KeyboardInterrupt

    observers = [lambda events: events.attached(epoch_start=stop)]
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_net(), tiny_splits(), out=tmp_path / "run", observers=observers, **settings)
    assert rows(fit(tiny_net(), tiny_splits(), out=tmp_path / "run", resume=True, **settings)) == rows(whole)
    assert bits(tmp_path / "run") == bits(tmp_path / "whole")


def test_bfloat16_learns_within_an_autocast_of_the_caller_what_it_learns_without(tmp_path):
    def trained(name):
        return fit(tiny_net(), tiny_splits(), out=tmp_path / name, recipe=SHORT, precision="bfloat16").history

    alone = trained("alone")
    with torch.autocast("cpu", torch.bfloat16):
        within = trained("within")
        assert torch.is_autocast_cache_enabled()
    assert [row.train_loss for row in within] == pytest.approx([row.train_loss for row in alone], rel=0.01)


def test_bfloat16_trains_and_keeps_float32_weights(tmp_path):
    fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=SHORT, precision="bfloat16")
    assert {each.dtype for each in saved(tmp_path / "run").parameters()} == {torch.float32}


def normed():
    return Net(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 3)), classes=3, size=(8, 8))


@pytest.mark.parametrize("fresh", [True, False])
def test_one_image_that_batchnorm_refuses_is_told_of_in_words(tmp_path, fresh):
    task = Classification(normed(), fresh=fresh)
    with pytest.raises(RunError, match=r"one value per channel in a batch of 1: .*two images or more") as told:
        fit(task, tiny_splits(), out=tmp_path / "run", recipe=replace(SHORT, batch=1))
    assert "0 of 2 epochs are kept" in str(told.value)
    assert read_record(tmp_path / "run").notes == ()
    assert not normed().module[1].running_mean.any()


def test_a_mistake_of_the_callers_is_told_of_before_a_run_is_replaced(tmp_path):
    fit(Classification(tiny_net(), fresh=True), tiny_splits(), out=tmp_path / "run", recipe=SHORT)
    before = bits(tmp_path / "run")
    with pytest.raises(StriateError, match="workers is -1"):
        fit(
            Classification(tiny_net(), fresh=True), tiny_splits(), out=tmp_path / "run", recipe=SHORT, workers=-1,
            overwrite=True,
        )  # fmt: skip
    assert bits(tmp_path / "run") == before


def test_a_batch_of_one_trains_where_the_net_takes_it(tmp_path):
    task = Classification(tiny_net(), fresh=True)
    assert fit(task, tiny_splits(6), out=tmp_path / "run", recipe=replace(SHORT, batch=1)).complete


def test_a_split_smaller_than_a_batch_is_one_batch(tmp_path):
    training = fit(tiny_net(), tiny_splits(count=9), out=tmp_path / "run", recipe=SHORT)
    assert training.complete


def test_the_checkpoint_loads_with_weights_only(tmp_path):
    fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=SHORT)
    content = torch.load(tmp_path / "run/checkpoints/last.pt", weights_only=True)
    assert len(content["history"]) == 2


def test_a_quiet_run_says_nothing(tmp_path, capfd):
    fit(tiny_net(), tiny_splits(), out=tmp_path / "run", recipe=SHORT, precision="bfloat16")
    heard = capfd.readouterr()
    assert (heard.out, heard.err) == ("", "")


def test_weights_are_kept_every_so_many_epochs_as_nets_by_their_path(tmp_path):
    run = tmp_path / "run"
    fit("striate/small", tiny_splits(), out=run, recipe=replace(RECIPE, epochs=4), keep=2)
    files = sorted(run.glob("checkpoints/*.safetensors"))
    assert [file.stem for file in files] == ["epoch-000", "epoch-002", "epoch-004"]
    first, _, last = (load_net(file) for file in files)
    assert first.classes == last.classes
    assert not torch.equal(next(first.parameters()), next(last.parameters()))
    content = torch.load(run / "checkpoints/last.pt", weights_only=True)["nets"]["net"]
    assert all(torch.equal(last.state_dict()[name], value) for name, value in content.items())
