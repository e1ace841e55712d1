"""Every example in a docstring of the room says what the code does."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
import torch

from striate import metrics

NAMES = [each.name for each in pkgutil.iter_modules(metrics.__path__)]


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_docstrings_run_and_give_what_they_say(name: str) -> None:
    module = importlib.import_module(f"striate.metrics.{name}")
    result = doctest.testmod(module, extraglobs={"torch": torch})
    assert result.failed == 0
