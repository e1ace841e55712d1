"""The house: floors, sizes, names, and no import of the package root from inside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "src" / "striate"
ROOMS = (
    ("core",),
    ("nets", "data", "metrics"),
    ("imageopt", "training", "measure"),
    ("inside", "synthesis", "attacks", "learn", "checks"),
    ("doctor",),
    ("figures",),
    ("page",),
    ("verbs",),
    ("web",),
    ("cli",),
)
FLOORS = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
VAGUE = {"utils", "util", "misc", "common", "helpers", "helper", "manager", "base"}
ONLY_IN_ADAPTERS = {
    "timm": ("nets/zoo",),
    "torchvision": ("nets/zoo", "data"),
    "cv2": ("synthesis/flow.py", "inside/objects.py", "learn/baselines/words.py"),
    "umap": ("inside/embedding/projection.py",),
    "skimage": ("inside/filtering/classical.py",),
    "starlette": ("web",),
    "optuna": ("learn/search",),
    "sqlalchemy": ("learn/search",),
    "lightning": ("doctor/callbacks/lightning.py",),
    "pytorch_lightning": ("doctor/callbacks/lightning.py",),
    "keras": ("doctor/callbacks/keras.py",),
    "transformers": ("doctor/callbacks/huggingface.py",),
}
SOURCES = sorted(ROOT.rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import, relative ones resolved; type-only imports count too."""
    module = ("striate", *path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            stem = (
                ".".join([*module[: len(module) - node.level], node.module or ""]).rstrip(".")
                if node.level
                else node.module
            )
            if stem and stem.count(".") == 0 and node.level:
                yield from ((node.lineno, f"{stem}.{alias.name}") for alias in node.names)
            elif stem:
                yield node.lineno, stem


def misplaced(path: Path) -> list[str]:
    """Imports of a file that point upwards, sideways, or at the package root."""
    here = path.relative_to(ROOT).parts[0]
    found = []
    for line, name in imported(path):
        parts = name.split(".")
        if parts[0] != "striate" or here not in FLOORS:
            continue
        if len(parts) == 1:
            found.append(f"{path.name}:{line} imports the package root")
        elif parts[1] in FLOORS and parts[1] != here and FLOORS[parts[1]] >= FLOORS[here]:
            found.append(f"{path.name}:{line}: {here} imports {parts[1]}")
    return found


def test_imports_point_to_lower_floors_or_stay_in_their_room() -> None:
    assert [line for path in SOURCES for line in misplaced(path)] == []


def test_the_scan_sees_an_import_that_points_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "core").mkdir()
    wrong = tmp_path / "core" / "wrong.py"
    wrong.write_text("from striate.verbs import x\nimport striate\nfrom ..cli import main\n")
    assert len(misplaced(wrong)) == 3


def test_every_room_has_a_floor() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms <= set(FLOORS)


def test_files_have_at_most_600_lines_and_most_are_short() -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in SOURCES}
    assert {path.name: length for path, length in lengths.items() if length > 600} == {}
    ordered = sorted(lengths.values())
    assert ordered[len(ordered) // 2] <= 200


def test_functions_have_at_most_80_lines() -> None:
    long = [
        f"{path.name}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.end_lineno or 0) - node.lineno + 1 > 80
    ]
    assert long == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [path.name for path in SOURCES if path.stem in VAGUE] == []


def test_heavy_libraries_are_imported_only_in_their_adapters() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in SOURCES
        for line, name in imported(path)
        if (top := name.partition(".")[0]) in ONLY_IN_ADAPTERS
        and not path.relative_to(ROOT).as_posix().startswith(ONLY_IN_ADAPTERS[top] or ("nowhere",))
    ]
    assert wrong == []


def test_nothing_is_left_to_do_and_no_error_is_swallowed() -> None:
    found = []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        found += [
            f"{path.name}: {mark}" for mark in ("# TODO", "# FIXME", "# XXX", "NotImplementedError") if mark in text
        ]
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.ExceptHandler)
                and len(node.body) == 1
                and isinstance(node.body[0], (ast.Pass, ast.Continue))
            ):
                broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
                found += [f"{path.name}:{node.lineno} swallows every error"] if broad else []
    assert found == []


def test_tests_have_no_vague_claim_and_each_checks_something() -> None:
    empty = [
        f"{path.name}:{node.lineno} {node.name}"
        for path in sorted((ROOT.parents[1] / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and not _checks(node)
    ]
    assert empty == []


def _checks(function: ast.FunctionDef) -> bool:
    calls = (ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(isinstance(node, ast.Assert) for node in ast.walk(function)) or any(
        word in name for name in calls for word in ("raises", "assert", "check", "expect", "warns")
    )
