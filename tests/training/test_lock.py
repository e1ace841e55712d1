from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from striate.core.errors import RunError
from striate.training.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from striate.training.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_folder_in_use_is_refused_with_the_process_that_holds_it(tmp_path, holder):
    with pytest.raises(RunError, match=f"process {holder.pid} is training in"), locked(tmp_path):
        pass


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_holder_leaves_nothing_that_blocks(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_the_same_process_cannot_enter_twice_but_again_later(tmp_path):
    with locked(tmp_path), pytest.raises(RunError, match="is training in"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write into"), locked(tmp_path / "file" / "run"):
        pass
