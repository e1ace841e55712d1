"""What a user gets wrong at the terminal: exit code 2, one message that helps, no traceback."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from striate.cli.main import run


def png(width: int, height: int, rows: int | None = None) -> bytes:
    """An RGB PNG, or one that only claims its size when ``rows`` is short."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    line = b"\0" + bytes((17 * i) % 256 for i in range(3 * width))
    body = zlib.compress(line * (height if rows is None else rows), 9)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a good image, a text called PNG, half an image, a bomb, and an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.png").write_bytes(png(64, 64))
    (tmp_path / "note.png").write_text("not an image")
    (tmp_path / "cut.png").write_bytes(png(64, 64)[:200])
    (tmp_path / "bomb.png").write_bytes(png(40000, 40000, rows=4))
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken.html").write_text("mine")
    return tmp_path


MISTAKES = {
    "unknown net": ("summary torchvision/resnet81", "resnet18"),
    "unknown own net": ("summary striate/smal", "small"),
    "unknown source": ("summary torchvison/resnet18", "torchvision"),
    "no net": ("summary", "net"),
    "options that are needed": ("convert shapes", "required: --to, --out"),
    "unknown layout": ("check good.png --layout vocc", "is a file"),
    "unknown layout of a folder": ("check . --layout vocc", "voc"),
    "shares that are none": ("check shapes --fast --shares 60/40", "60/20/20"),
    "shares of what comes divided": ("check shapes --fast --shares 80/10/10", "comes divided already"),
    "shares and a fold": ("check digits --fast --shares 80/10/10 --fold 1/5", "one of the two"),
    "a fold that is none": ("check digits --fast --fold 6/5", "K/N"),
    "geometry that is none": ("evaluate striate/small shapes --geometry 224:256", "RESIZE:CROP"),
    "unknown data": ("evaluate striate/small FashonMNIST", "FashionMNIST"),
    "unknown method": ("attack striate/small shapes --method pdg", "pgd"),
    "unknown map": ("explain striate/small good.png --method grad_cm", "grad_cam"),
    "unknown verb": ("evalute striate/small shapes", "evaluate"),
    "unknown option": ("evaluate striate/small shapes --limt 3", "limt"),
    "unknown recipe": ("train shapes --recipe quik --out r", "quick"),
    "unknown figure": ("reproduce hinge-exampel", "hinge-example"),
    "unknown device": ("evaluate striate/small shapes --device gpu", "cpu"),
    "missing image": ("explain striate/small no_such_file.png", "no_such_file.png"),
    "not an image": ("explain striate/small note.png", "note.png"),
    "truncated image": ("explain striate/small cut.png", "cut.png"),
    "huge image": ("explain striate/small bomb.png", "bomb.png"),
    "negative radius": ("attack striate/small shapes --radius -1", "radius"),
    "radius in words": ("attack striate/small shapes --radius much", "radius"),
    "class out of range": ("explain striate/small good.png --target 12345", "12345"),
    "unknown class": ("explain striate/small good.png --target sqare", "square"),
    "unknown layer": ("explain striate/small good.png --method grad_cam --layer nowhere", "nowhere"),
    "empty folder": ("evaluate striate/small empty", "empty"),
    "no epochs": ("train shapes --net striate/small --epochs 0", "epochs"),
    "no steps": ("attack striate/small shapes --steps 0", "steps"),
    "limit 0": ("evaluate striate/small shapes --limit 0", "limit"),
    "memory in words": ("evaluate striate/small shapes --memory lots", "memory"),
    "page is taken": ("examine striate/small shapes --out taken.html", "--overwrite"),
    "page is a folder": ("examine striate/small shapes --out empty", "folder"),
    "missing weights file": ("evaluate striate/small@nothing.safetensors shapes", "nothing.safetensors"),
    "resume without a folder": ("train shapes --resume", "--out"),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_is_told_in_one_line_with_what_helps(
    mistake: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    command, word = MISTAKES[mistake]
    assert run(command.split()) == 2
    text = capsys.readouterr()
    assert word in text.err
    assert "Traceback" not in text.out + text.err
    assert text.err.startswith("error: ")
    assert len(text.err.strip().splitlines()) == 1
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_mistake_of_ours_has_another_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("striate.cli.main._call", broken)
    assert run(["models"]) == 70
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_interrupt_has_its_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("striate.cli.main._call", interrupted)
    assert run(["models"]) == 130
    assert "interrupted" in capsys.readouterr().err


USERS = """
import torch
def boom(): raise ValueError("no such thing")
def needy(x): return torch.nn.Identity()
class Bad(torch.nn.Module):
    def forward(self, x): raise RuntimeError("inside forward")
def bad(): return Bad()
"""


@pytest.mark.parametrize(
    ("net", "helps"),
    [
        ("nets.py:boom", "ValueError: no such thing"),
        ("nets.py:needy", "missing 1 required positional argument"),
        ("nets.py:bad", "nets.py, line 6, in forward, raised RuntimeError: inside forward"),
        ("broken.py:f", "SyntaxError"),
        ("nets.py", "nets.py:FUNCTION"),
        ("runs/nowhere", "runs/nowhere does not exist"),
    ],
)
def test_an_error_in_the_callers_own_file_is_the_callers(
    net: str, helps: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "nets.py").write_text(USERS)
    (folder / "broken.py").write_text("def f(:")
    (folder / "runs").mkdir()
    assert run(["evaluate", net, "shapes", "--limit", "4", "--quiet"]) == 2
    told = capsys.readouterr().err
    assert helps in told
    assert "internal" not in told


def test_a_report_that_cannot_be_written_is_refused_before_the_work(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", "striate/small", "no_such_data", "--json", "good.png/report.json"]) == 2
    told = capsys.readouterr().err
    assert "good.png is a file" in told
    assert "space" not in told
    assert run(["evaluate", "striate/small", "no_such_data", "--json", "empty"]) == 2
    assert "it is a folder" in capsys.readouterr().err


def test_where_the_files_of_a_report_lie_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["synthesize", "class", "striate/small", "--target", "1", "--steps", "1", "--quiet"]) == 0
    assert "folder: striate-synthesize\n" in capsys.readouterr().out


def test_a_net_of_any_size_is_summarised_once_a_size_is_given(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "nets.py").write_text("import torch\ndef any(): return torch.nn.Conv2d(3, 4, 3)\n")
    assert run(["summary", "nets.py:any"]) == 2
    assert "--size 32" in capsys.readouterr().err
    assert run(["summary", "nets.py:any", "--size", "32"]) == 0
    assert run(["summary", "striate/small"]) == 0
    out = capsys.readouterr().out
    assert "no weights loaded" in out
    assert "not trained" not in out
