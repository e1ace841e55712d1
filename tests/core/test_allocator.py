"""Freed memory stays while the same sizes come again, and goes back afterwards."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from striate.core.allocator import memory_kept

COUNTED = """
import resource
import torch
from striate.core.allocator import memory_kept

def faults(work):
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun

def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

def work():
    for _ in range(50):
        parts = [torch.ones(600_000) for _ in range(6)]
        del parts

torch.set_num_threads(1)
work()
with memory_kept():
    work()
    inside = faults(work)
    big = [torch.ones(600_000) for _ in range(100)]
    full = held()
    del big
print(inside, full - held())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone")
def test_inside_the_same_work_faults_no_pages_and_afterwards_memory_is_given_back() -> None:
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("no glibc")
    done = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True)
    inside, given_back = map(int, done.stdout.split())
    assert inside < 200  # without it some hundred thousand
    assert given_back > 200_000_000


def test_blocks_may_be_nested_and_an_error_leaves_them() -> None:
    with pytest.raises(KeyError), memory_kept(), memory_kept():
        raise KeyError("half-way")
    with memory_kept():
        pass
