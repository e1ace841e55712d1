from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from striate.core.ranks import ALONE, Ranks
from striate.training.batchnorm import normalised, shared_batch_norm
from striate.training.feed import Feed
from training.tiny import tiny_split

CLOSE = 1e-5  # relative, of every number of the history and of every weight


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork, which the rig needs to be quick")
    rig = Path(__file__).with_name("ranks_rig.py")
    folder = tmp_path_factory.mktemp("ranks")
    done = subprocess.run([sys.executable, str(rig), str(folder)], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def same(one: dict, other: dict) -> None:
    """Equal history and weights, up to `CLOSE`."""
    assert len(one["rows"]) == len(other["rows"])
    for row, another in zip(one["rows"], other["rows"], strict=True):
        assert row == pytest.approx(another, rel=CLOSE)
    for name, values in one["weights"].items():
        mine, theirs = (torch.tensor(each, dtype=torch.float64) for each in (values, other["weights"][name]))
        assert float((mine - theirs).abs().max()) <= CLOSE * float(mine.abs().max())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["batchnorm", "plain", "mixed"])
def test_two_processes_give_the_numbers_of_one(told, kind):
    assert told[f"{kind}-2"]["ends"] == ["done", "done"]
    assert [told[f"{kind}-{count}"]["processes"] for count in (1, 2)] == [1, 2]
    same(told[f"{kind}-1"], told[f"{kind}-2"])


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run_with_its_checkpoint_and_a_message(told):
    (words, end), killed = told["killed"]["ends"], told["killed"]
    assert end == "signal 9"
    assert "process 1 of 2 died" in words
    assert "1 of 3 epochs are kept" in words
    assert "--resume" in words
    assert killed["state"] == "stopped"
    assert "process 1 of 2 died" in killed["why"]
    assert len(killed["rows"]) == 1


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(told):
    assert told["resumed"]["ends"] == ["done"]
    same(told["whole"], told["resumed"])


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_and_ranks_that_disagree_are_errors_on_every_process(told):
    assert len(told["three"]) == 3
    assert all("a batch is 16 images, for 3 processes" in each and "15 or 18" in each for each in told["three"])
    assert all("process 1 of 2 has other arguments" in each for each in told["disagree"])
    assert all("train.fingerprint" in each for each in told["disagree"])
    assert not told["odd is there"]


@pytest.mark.parametrize(("count", "batch"), [(1, 16), (2, 16), (4, 16), (5, 35)])
def test_ranks_meet_the_batches_of_one_process_and_every_image_of_dev_once(count, batch):
    data = tiny_split("train", 70)
    device = torch.device("cpu")
    whole = [each.rows for each in Feed(data, batch, 0, device).shuffled(3)]
    feeds = [Feed(data, batch, 0, device, ranks=Ranks(number, count)) for number in range(count)]
    parts = zip(*(feed.shuffled(3) for feed in feeds), strict=True)
    assert [torch.cat([each.rows for each in part]).tolist() for part in parts] == [each.tolist() for each in whole]
    met = torch.cat([each.rows for feed in feeds for each in feed.plain()])
    assert sorted(met.tolist()) == list(range(70))


@pytest.mark.parametrize("images", [torch.rand(6, 4, 5, 3), torch.rand(7, 4), torch.rand(3, 4, 9)])
def test_batch_norm_of_one_rank_is_that_of_torch(images):
    made = torch.Generator().manual_seed(0)
    weight, bias = torch.rand(4, generator=made, dtype=torch.float64), torch.rand(4, generator=made).double()
    ours, theirs = (images.double().clone().requires_grad_() for _ in range(2))
    running = [[torch.zeros(4).double(), torch.ones(4).double()] for _ in range(2)]
    out = normalised(ours, *running[0], ranks=ALONE, weight=weight, bias=bias, momentum=0.3)
    expected = nn.functional.batch_norm(theirs, *running[1], weight, bias, training=True, momentum=0.3)
    for each in (out, expected):
        (each.sin() ** 2).sum().backward()
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(running[0], running[1])


def test_shared_batch_norm_changes_back_and_leaves_one_process_alone():
    net = nn.Sequential(nn.BatchNorm2d(3))
    with shared_batch_norm(net, ALONE):
        assert type(net[0]) is nn.BatchNorm2d
    with shared_batch_norm(net, Ranks(0, 2)):
        assert type(net[0]).__name__ == "SharedBatchNorm2d"
        assert next(iter(net.state_dict())) == "0.weight"
    assert type(net[0]) is nn.BatchNorm2d
