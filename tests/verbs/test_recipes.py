"""How options of `train` become a recipe."""

from __future__ import annotations

import pytest

import striate as st
from striate.core.errors import StriateError
from striate.training.averages import Ema, Swa
from striate.training.optimizers.specs import Adagrad, AdamW, Lbfgs, Sgd
from striate.training.recipe import Recipe
from striate.training.recipes import QUICK
from striate.training.run import read_record
from striate.training.schedules import Schedule
from striate.verbs.recipes import PARTS, cites_of, varied
from striate.verbs.signature import read_signature
from striate.verbs.train import SHAPING

NONE = {"epochs": None, "rate": None, "batch": None}


def test_options_change_their_part_and_leave_the_others():
    assert varied("quick", **NONE) is QUICK
    recipe = varied(
        "quick", **{**NONE, "rate": 0.01}, optimizer="adamw+second_momentum=0.99", schedule="cosine+warm=0.1"
    )
    assert recipe.optimizer == AdamW(0.01, second_momentum=0.99)
    assert recipe.schedule == Schedule("cosine", {"warm": 0.1})
    assert (recipe.batch, recipe.label_smoothing, recipe.augment) == (QUICK.batch, QUICK.label_smoothing, QUICK.augment)
    assert recipe.name == "quick with rate 0.01, optimizer adamw+second_momentum=0.99, schedule cosine+warm=0.1"
    assert varied("momentum", **NONE, momentum=0.5, weight_decay=0.0).optimizer == Sgd(
        0.2, momentum=0.5, weight_decay=0.0
    )
    kept = varied("quick", **NONE, swa=0.5, patience=3, clip=1.0, accumulate=2, l1=0.1, init="he_normal")
    assert (kept.average, kept.patience, kept.clip_norm, kept.accumulate) == (Swa(0.5), 3, 1.0, 2)
    assert (kept.l1, kept.init) == (0.1, "he_normal")
    newton = varied("linear", **NONE, optimizer="lbfgs")
    assert (newton.optimizer, newton.schedule.name) == (Lbfgs(), "constant")


def test_a_loss_that_knows_one_label_an_image_leaves_the_smoothing_of_the_recipe_out_and_says_so():
    hinge = varied("quick", **NONE, loss="hinge")
    assert (hinge.loss.name, hinge.label_smoothing) == ("hinge", 0.0)
    assert hinge.name == "quick with loss hinge, label smoothing 0.0"
    assert varied("quick", **NONE, loss="squared_error").label_smoothing == QUICK.label_smoothing


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ema": 0.9, "swa": 0.5}, "--ema 0.9 and --swa 0.5"),
        ({"optimizer": "adagrad", "momentum": 0.9}, "momentum 0.9 with the optimizer adagrad"),
        ({"optimizer": "adm"}, "adam"),
        ({"schedule": "cosin"}, "cosine"),
        ({"loss": "hinge", "label_smoothing": 0.1}, "label smoothing 0.1 with the loss hinge"),
        ({"optimizer": "lbfgs", "clip": 1.0}, "clip_norm with the optimizer lbfgs"),
        ({"init": "he_norml"}, "he_normal"),
    ],
)
def test_options_that_do_not_go_together_are_both_named(options, words):
    with pytest.raises(StriateError, match=words):
        varied("quick", **NONE, **options)


def test_a_recipe_cites_its_parts():
    recipe = Recipe("mine", Adagrad(0.1), Schedule("cosine"), average=Ema(), patience=2)
    cites = cites_of("quick", recipe)
    assert {"duchi2011adaptive", "loshchilov2017sgdr", "polyak1992acceleration", "prechelt1998early"} <= set(cites)


def test_every_part_is_an_option_that_a_run_keeps_and_takes_up_again(tmp_path):
    assert set(PARTS) <= set(read_signature("train")[1]) & set(SHAPING)
    given = {"net": "striate/linear", "limit": 100, "quiet": True, "out": tmp_path / "run"}
    parts = {"optimizer": "lion", "schedule": "plateau+patience=0", "ema": 0.5, "accumulate": 2, "label_smoothing": 0.0}
    whole = st.train("digits", **given, **parts, epochs=2)
    record = read_record(tmp_path / "run")
    assert {name: record.asked[name] for name in parts} == parts
    assert (record.recipe.optimizer.name, record.recipe.average) == ("lion", Ema(0.5))
    again = st.train("digits", resume=True, out=tmp_path / "run", quiet=True)
    assert again.result.history == whole.result.history
    with pytest.raises(StriateError, match=r"optimizer.name is 'adam', the run's is 'lion'"):
        st.train("digits", optimizer="adam", resume=True, out=tmp_path / "run", quiet=True)


def test_the_losses_of_other_tasks_are_their_own_and_weights_keep_theirs(tmp_path):
    with pytest.raises(StriateError, match="init he_normal for a net with weights"):
        st.train("digits", net="striate/linear", epochs=1, limit=100, out=tmp_path / "one", quiet=True)
        st.train("digits", net=tmp_path / "one", init="he_normal", limit=100, out=tmp_path / "two", quiet=True)
