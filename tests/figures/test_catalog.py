from __future__ import annotations

import subprocess
import sys

import pytest

from oracles.figures_known import IDS
from striate.core.cite import cite
from striate.core.errors import UnknownNameError
from striate.figures import FIGURES, figure
from striate.figures.catalog import KINDS, LECTURES


def test_every_registered_figure_is_one_that_the_lectures_hold() -> None:
    assert set(FIGURES) <= IDS


def test_an_unknown_figure_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="hinge-example"):
        figure("hinge-exampel")


@pytest.mark.parametrize("name", FIGURES)
def test_every_entry_is_complete(name: str) -> None:
    entry = figure(name)
    code = FIGURES.load(name)
    assert code.__name__ == name.replace("-", "_")
    assert code.__doc__
    assert len(code.__doc__.splitlines()[0]) > 10
    assert len(entry.summary) > 8
    assert entry.kind in KINDS
    assert all(place.startswith(tuple(LECTURES.values())) for place in entry.where.split("; "))
    for key in entry.cites:
        assert cite(key).year.isdigit()


def test_the_catalog_loads_neither_torch_nor_numpy() -> None:
    code = "import sys; from striate.figures import figure; figure('lrn'); print({'torch', 'numpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
