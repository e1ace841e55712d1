"""`FILE.py:function`: neighbours and dataclasses work, and nothing of the caller's path stays behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from striate.core.errors import StriateError
from striate.core.script import call_script


def test_a_script_may_import_its_neighbour_and_define_a_dataclass(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("VALUE = 7\n")
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nimport beside_it\n"
        "@dataclass\nclass Box:\n    value: int\n\ndef make():\n    return Box(beside_it.VALUE).value\n"
    )
    before = list(sys.path)
    assert call_script(f"{tmp_path / 'mine.py'}:make") == 7
    assert sys.path == before


@pytest.mark.parametrize(("name", "said"), [("mak", "make"), ("fails", "ZeroDivisionError")])
def test_what_a_script_gets_wrong_is_told(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def make():\n    return 1\n\ndef fails():\n    return 1 / 0\n")
    with pytest.raises(StriateError, match=said):
        call_script(f"{tmp_path / 'mine.py'}:{name}")
