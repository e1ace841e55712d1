"""Whatever befalls a worker is named with the file it was at; nothing hangs, nothing is left behind."""

from __future__ import annotations

import faulthandler
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from striate.core.errors import ImageError, StriateError
from striate.core.image import Geometry
from striate.data import crew, dataset
from striate.data.batches import batches
from striate.data.dataset import Dataset
from striate.data.layouts.images import FileStore
from striate.data.load import load_data
from striate.data.stores import TensorStore
from striate.data.tree import Folder, Stamp

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as Linux and macOS have them")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(dataset, "FITS", 0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(10):
            noise = torch.randint(0, 256, (8, 8, 3), generator=torch.Generator().manual_seed(number)).to(torch.uint8)
            Image.fromarray(noise.numpy()).save(tmp_path / "pets" / name / f"{number}.png")
    return tmp_path / "pets"


@dataclass(frozen=True)
class Trap(Folder):
    """A folder in which one file does something to whoever reads it."""

    where: str = ""
    what: str = ""

    def load(self, name: str) -> tuple[bytes, Stamp]:
        if name == self.where:
            if self.what == "exit":
                os._exit(3)
            if self.what == "raise":
                raise KeyError("a mistake of ours")
            if self.what == "memory":
                raise MemoryError
            faulthandler.disable()
            os.kill(os.getpid(), getattr(signal, self.what))
        return super().load(name)


def trapped(folder: Path, what: str) -> tuple[Dataset, str]:
    data = load_data(folder, split="train")
    where = data.name_of(7)
    assert isinstance(data.store, FileStore)
    return replace(data, store=replace(data.store, tree=Trap(folder, where, what))), where


def nobody_left() -> bool:
    gc.collect()
    return not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("what", "says", "hint"),
    [
        ("SIGKILL", r"a worker process was killed \(SIGKILL\)", "fewer workers, or --workers 0"),
        ("SIGSEGV", r"a worker process was killed \(SIGSEGV\)", "--workers 0"),
        ("exit", "a worker process ended with code 3", "--workers 0"),
    ],
)
def test_a_worker_that_dies_is_named_with_its_file(folder: Path, what: str, says: str, hint: str) -> None:
    data, where = trapped(folder, what)
    came = []
    with pytest.raises(StriateError, match=f"{says} while it read pets/{where}.*{hint}"):
        for rows, images, _ in batches(data, 3, workers=2):
            assert len(rows) == len(images) == 3  # no batch comes in part
            came += rows.tolist()
    assert came in ([0, 1, 2], [0, 1, 2, 3, 4, 5])  # what was read before the death was met, in order
    assert nobody_left()


def test_a_worker_that_hangs_is_named_with_its_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "SILENCE", 0.5)
    monkeypatch.setattr(crew, "_LOOK", 0.1)
    data, where = trapped(folder, "SIGSTOP")
    begun = time.monotonic()
    with pytest.raises(StriateError, match=f"no sign of life for 0 seconds while it read pets/{where}"):
        list(batches(data, 3, workers=2))
    assert time.monotonic() - begun < 20
    assert nobody_left()


def test_what_goes_wrong_inside_a_worker_comes_back(folder: Path) -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'a mistake of ours'"):
        list(batches(trapped(folder, "raise")[0], 3, workers=2))
    with pytest.raises(StriateError, match="memory ran out in a worker; try: fewer workers"):
        list(batches(trapped(folder, "memory")[0], 3, workers=1))
    data = load_data(folder, split="train")
    (folder / data.name_of(4)).write_bytes(b"")
    with pytest.raises(ImageError, match=rf"pets/{data.name_of(4)} is empty \(0 bytes\).*put the file back"):
        list(batches(data, 3, workers=2))
    assert nobody_left()


def test_a_loop_that_stops_early_leaves_nobody_behind(folder: Path) -> None:
    data = load_data(folder, split="train")
    for _ in batches(data, 1, workers=2):
        break
    assert nobody_left()
    stream = batches(data, 1, workers=2)
    next(stream)
    with pytest.raises(ZeroDivisionError):
        stream.throw(ZeroDivisionError())  # type: ignore[attr-defined]
    assert nobody_left()


def test_a_started_from_nothing_worker_gives_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    want = list(batches(load_data(folder, split="train"), 5))
    monkeypatch.setattr(crew, "METHOD", "spawn")
    got = list(batches(load_data(folder, split="train"), 5, workers=1))
    assert len(got) == len(want)
    assert all(torch.equal(a, b) for one, two in zip(got, want, strict=True) for a, b in zip(one, two, strict=True))
    assert nobody_left()


def test_what_is_sent_to_a_worker_does_not_grow_with_the_folder(folder: Path) -> None:
    store = load_data(folder, split="train").store
    assert isinstance(store, FileStore)
    many = replace(store, names=type(store.names)(f"class_{n // 100:04d}/{n:08d}.png" for n in range(10_000)))
    many = replace(many, sizes=torch.full((10_000, 2), -1), stamps=torch.full((10_000, 2), -1))
    small, large = (len(pickle.dumps(one.errand(torch.arange(10)))) for one in (store, many))
    assert large < small + 10 * 40


def test_what_is_read_ahead_is_bounded_in_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load_data(folder, split="train", size=64)
    one = 3 * 64 * 64
    monkeypatch.setattr(crew, "AHEAD_BYTES", 4 * one)
    monkeypatch.setattr(crew, "PIECE_BYTES", one)
    taken: list[int] = []
    plain = crew.mmap.mmap
    monkeypatch.setattr(crew.mmap, "mmap", lambda _, size: taken.append(size) or plain(-1, size))
    monkeypatch.setattr(crew, "METHOD", "fork")
    got = torch.cat([images for _, images, _ in batches(data, 5, workers=8)])
    assert torch.equal(got, data.images(torch.arange(len(data))))
    assert taken == [4 * one]


def test_the_first_pass_fills_the_memory_and_later_ones_read_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "FITS", 1 << 29)
    for workers in (0, 2):
        data = load_data(folder, split="train")
        part = torch.tensor([1, 5, 5, 2])
        first = torch.cat([images for _, images, _ in batches(data, 3, order=part, workers=workers)])
        assert data.missing(torch.arange(len(data))).tolist() == [
            row for row in range(len(data)) if row not in {1, 2, 5}
        ]
        for _ in batches(data, 3, workers=workers):
            pass
        kept = {path: path.read_bytes() for path in folder.rglob("*.png")}
        for path in kept:
            path.unlink()
        again = torch.cat([images for _, images, _ in batches(data, 3, order=part, workers=workers)])
        assert torch.equal(first, again)
        assert data.take([5]).images().equal(again[1:2])
        for path, bytes_ in kept.items():
            path.write_bytes(bytes_)


def test_tensors_are_not_sent_to_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "FITS", 0)
    monkeypatch.setattr(crew, "_crew", None)
    data = Dataset.of(torch.rand(20, 3, 8, 8), torch.arange(20) % 2).resized(Geometry((5, 5)))
    assert isinstance(data.store, TensorStore)
    got = torch.cat([images for _, images, _ in batches(data, 3, workers=2)])
    assert torch.equal(got, data.images(torch.arange(20)))


SCRIPT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # the suite may run where Ctrl-C is ignored
from striate.data import dataset
dataset.FITS = 0
from striate.data.batches import batches
from striate.data.load import load_data
if __name__ == "__main__":
    data = load_data(sys.argv[1], split="train")
    stream = batches(data, 1, workers=2)
    next(stream)
    print("begun", flush=True)
    while True:
        for _ in batches(data, 1, workers=2):
            time.sleep(0.05)
"""


def start(folder: Path, tmp_path: Path) -> tuple[subprocess.Popen[str], list[int]]:
    (tmp_path / "loop.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "loop.py"), str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process, children_of(process.pid)


def children_of(pid: int) -> list[int]:
    lines = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout.split("\n")[1:]
    return [int(line.split()[0]) for line in lines if line and int(line.split()[1]) == pid]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
def test_ctrl_c_leaves_no_worker_and_no_word_of_one(folder: Path, tmp_path: Path) -> None:
    process, workers = start(folder, tmp_path)
    assert len(workers) >= 2
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everyone gets it
    _, said = process.communicate(timeout=30)
    assert said.count("Traceback") == 1  # the script's own
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert "Process" not in said
    assert not any(map(alive, workers))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
def test_workers_end_when_their_parent_is_killed(folder: Path, tmp_path: Path) -> None:
    process, workers = start(folder, tmp_path)
    process.kill()
    process.communicate(timeout=30)
    until = time.monotonic() + 20
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(alive, workers))


def test_ctrl_c_while_workers_start_counts_once_they_have() -> None:
    handler, now, numbers = signal.default_int_handler, threading.Event(), iter(range(1000))
    before = signal.signal(signal.SIGINT, handler)  # the suite may run where Ctrl-C is ignored

    def take() -> None:  # a thread that does not block the signal, as those that torch computes with
        now.wait()
        signal.raise_signal(signal.SIGINT)

    other = threading.Thread(target=take)
    other.start()
    with pytest.raises(KeyboardInterrupt), crew._undisturbed():
        now.set()
        other.join()
        while next(numbers) < 999:
            pass
    assert next(numbers, None) is None
    assert signal.signal(signal.SIGINT, before) is handler
