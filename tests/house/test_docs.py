"""Every public name has its docstring, every command and option stands in the docs, oracles import nothing of ours."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import striate
from striate.verbs import VERBS
from striate.verbs.signature import read_signature

TOP = Path(__file__).parents[2]
REFERENCE = TOP / "docs" / "reference.md"


@pytest.mark.parametrize("name", [name for name in striate.__all__ if not name.startswith("__")])
def test_every_public_name_has_a_docstring_and_a_place_in_the_reference(name: str) -> None:
    assert inspect.getdoc(getattr(striate, name))
    text = REFERENCE.read_text(encoding="utf-8")
    verb = name.replace("_", "-")
    assert f"## striate {verb}\n" in text if verb in VERBS else f"## `{name}" in text


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_and_option_stands_in_the_reference(verb: str) -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    section = text.partition(f"## striate {verb}\n")[2].partition("\n## ")[0]
    assert section, f"docs/reference.md has no section for {verb}: run make docs"
    positional, options = read_signature(verb)
    missing = [name for name in positional if f"`{name.upper()}" not in section]
    missing += [name for name in options if f"`--{name.replace('_', '-')}`" not in section]
    assert missing == []


def test_the_reference_is_what_the_signatures_say() -> None:
    build = importlib.util.spec_from_file_location("build", TOP / "docs" / "build.py")
    assert build is not None
    assert build.loader is not None
    module = importlib.util.module_from_spec(build)
    build.loader.exec_module(module)
    assert REFERENCE.read_text(encoding="utf-8") == module.reference()


def test_the_page_of_the_doctor_is_what_the_checks_say() -> None:
    made = importlib.util.spec_from_file_location("doctor_page", TOP / "docs" / "doctor.py")
    assert made is not None
    assert made.loader is not None
    module = importlib.util.module_from_spec(made)
    made.loader.exec_module(module)
    text = (TOP / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert text == module.doctor_page(), "run make docs"


def test_the_example_of_the_doctors_page_runs_and_finds_its_fault(capsys: pytest.CaptureFixture[str]) -> None:
    text = (TOP / "docs" / "doctor.md").read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, object] = {}
    exec(code, names)
    assert names["doctor"].findings[0].check == "gradients-not-cleared"  # type: ignore[attr-defined]
    assert "optimizer.zero_grad()" in capsys.readouterr().out


def test_every_verb_stands_in_the_readme() -> None:
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"`{verb}" not in readme and f"striate {verb}" not in readme] == []


def test_oracles_import_nothing_of_striate() -> None:
    wrong = []
    for path in (TOP / "tests" / "oracles").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{path.name}: {name}" for name in names if name.partition(".")[0] == "striate"]
    assert wrong == []
    assert list((TOP / "tests" / "oracles").rglob("*.py"))


def test_the_lock_names_no_registry_and_holds_hashes() -> None:
    lock = (TOP / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    pinned = [line for line in lock.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert len(pinned) > 40
    assert all(line.rstrip().endswith("\\") for line in pinned)


def test_every_dependency_has_its_reason() -> None:
    import tomllib

    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(each for group in project["optional-dependencies"].values() for each in group),
    ]
    reasons = (TOP / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert [each for each in wanted if f"`{each.partition('>')[0]}`" not in reasons] == []
