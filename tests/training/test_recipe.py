from __future__ import annotations

import dataclasses
import json

import pytest

from striate.core.codec import dumps, from_json
from striate.core.errors import StriateError, UnknownNameError
from striate.training.catalog import RECIPES
from striate.training.recipe import AdamW, Augment, Recipe, Sgd
from striate.training.schedules import Schedule


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_states_what_it_reaches_and_survives_json(name):
    recipe = RECIPES.load(name)
    assert recipe.name == name
    assert "%" in recipe.states
    assert from_json(json.loads(dumps(recipe)), Recipe) == recipe


def test_either_optimizer_comes_back_from_json():
    recipe = Recipe("mine", AdamW(1e-3), Schedule("cosine", {"warm": 0.1}), augment=Augment(0.5, 4), epochs=3)
    again = from_json(json.loads(dumps(recipe)), Recipe)
    assert again == recipe
    assert isinstance(again.optimizer, AdamW)


def test_the_budget_of_samples_sets_the_epochs_unless_they_are_given():
    recipe = Recipe("mine", Sgd(0.1), samples=1000)
    assert [recipe.epochs_on(count) for count in (1, 100, 300, 5000)] == [60, 10, 3, 1]
    assert dataclasses.replace(recipe, epochs=2).epochs_on(100) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"samples": -1}, "samples is -1"),
        ({"patience": 0}, "patience is 0"),
        ({"accumulate": 0}, "accumulate is 0"),
        ({"l1": -1.0}, "l1 is -1.0"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
    ],
)
def test_numbers_out_of_range_are_named(changes, words):
    with pytest.raises(StriateError, match=words):
        dataclasses.replace(Recipe("mine", Sgd(0.1)), **changes)


def test_an_unknown_recipe_gives_the_nearest():
    with pytest.raises(UnknownNameError, match="quick"):
        RECIPES.load("quik")


def test_an_augmentation_names_transforms_and_one_mixer_and_survives_json():
    how = Augment(mirror=0.5).named(("rotation", "cutmix", "hue"))
    assert (how.mirror, how.transforms, how.mixer) == (0.5, ("rotation", "hue"), "cutmix")
    recipe = Recipe("mine", Sgd(0.1), augment=how, preprocess="mean_image")
    assert from_json(json.loads(dumps(recipe)), Recipe) == recipe
    assert from_json({"mirror": 0.5, "shift": 1}, Augment) == Augment(0.5, 1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Augment(mirror=2.0), "mirror=2.0"),
        (lambda: Augment(shift=-1), "shift=-1"),
        (lambda: Augment(transforms=("rotatoin",)), "rotation"),
        (lambda: Augment(transforms=("mixup",)), "mixes two images"),
        (lambda: Augment(mixer="hue"), "does not mix"),
        (lambda: Augment().named(("mixup", "cutmix")), "both mix"),
    ],
)
def test_augmentations_that_make_no_sense_are_refused(make, words):
    with pytest.raises(StriateError, match=words):
        make()
