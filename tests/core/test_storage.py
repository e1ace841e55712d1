"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest

from striate.core.errors import StriateError
from striate.core.storage import write_bytes, write_text, write_with

SIZE = 3_000_000
WRITER = f"""
import sys
from pathlib import Path
from striate.core.storage import write_bytes
print("ready", flush=True)
for turn in range(10**6):
    write_bytes(Path(sys.argv[1]), bytes([65 + turn % 26]) * {SIZE})
"""
LIMITED = """
import resource, signal, sys
from pathlib import Path
from striate.core.errors import StriateError
from striate.core.storage import write_bytes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(Path(sys.argv[1]), b"x" * 100_000)
except StriateError as error:
    print(error)
"""


def only(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


def test_what_is_written_is_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.bin"
    assert write_bytes(path, b"\x00\xff") == path
    assert path.read_bytes() == b"\x00\xff"
    assert only(path.parent) == ["file.bin"]
    assert write_text(tmp_path / "é.txt", "naïve ☃").read_text(encoding="utf-8") == "naïve ☃"


def test_a_file_gets_the_rights_that_any_new_file_gets(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    moments = random.Random(0)
    for _ in range(10):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(moments.uniform(0.0, 0.05))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        if path.exists():
            content = path.read_bytes()
            assert len(content) == SIZE
            assert content == content[:1] * SIZE
    assert path.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_full_disk_is_an_error_that_says_so_and_keeps_the_old_file(tmp_path: Path, number: int) -> None:
    path = write_bytes(tmp_path / "file.bin", b"old")

    def fill(stream: IO[bytes]) -> None:
        stream.write(b"half of the n")
        raise OSError(number, os.strerror(number))

    with pytest.raises(StriateError, match=rf"cannot write .*file.bin: {os.strerror(number)}.*free some space"):
        write_with(path, fill)
    assert path.read_bytes() == b"old"
    assert only(tmp_path) == ["file.bin"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file sizes are Unix's")
def test_a_write_that_the_system_cuts_short_keeps_the_old_file(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "file.bin", b"old")
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True)
    assert "cannot write" in done.stdout, done.stderr
    assert path.read_bytes() == b"old"
    assert only(tmp_path) == ["file.bin"]


def test_an_exception_or_an_interrupt_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    path = write_bytes(tmp_path / "file.bin", b"old")
    for error in (KeyboardInterrupt(), ValueError("mine")):

        def fill(stream: IO[bytes], error: BaseException = error) -> None:
            stream.write(b"new")
            raise error

        with pytest.raises(type(error)):
            write_with(path, fill)
        assert path.read_bytes() == b"old"
        assert only(tmp_path) == ["file.bin"]


def test_a_place_that_cannot_be_written_to_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "inside", tmp_path / "folder", tmp_path / ("n" * 300)):
        with pytest.raises(StriateError, match="cannot write") as caught:
            write_bytes(path, b"x")
        assert path.name in str(caught.value)
    assert only(tmp_path) == ["file", "folder"]


def test_a_device_is_written_into_and_stays_one(tmp_path: Path) -> None:
    device = tmp_path / "null"
    device.symlink_to("/dev/null")
    write_text(device, "gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert device.is_symlink()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
