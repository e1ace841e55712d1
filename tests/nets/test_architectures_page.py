"""The table of docs/architectures.md against the networks themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from striate.figures.layers import total_macs
from striate.nets.load import load_net
from striate.nets.own import OWN

PAGE = Path(__file__).parents[2] / "docs" / "architectures.md"
ROWS = re.findall(
    r"^\| `(\w+)` \| (\d+) x \d+ \| ([\d,]+) \| ([\d,]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE
)


def test_the_page_has_the_classic_networks() -> None:
    assert {"lenet1", "alexnet", "vgg_c", "googlenet", "mobilenet1"} <= {name for name, *_ in ROWS} <= set(OWN)


@pytest.mark.parametrize(("name", "side", "weights", "work"), ROWS)
def test_the_page_says_size_weights_and_work_as_they_are(name: str, side: str, weights: str, work: str) -> None:
    with torch.device("meta"):
        net = load_net(f"striate/{name}", weights=False)
    shape = (net.channels, *net.a_size())
    assert shape[1:] == (int(side), int(side))
    assert sum(each.numel() for each in net.parameters()) == int(weights.replace(",", ""))
    assert total_macs(net.module, shape) == int(work.replace(",", ""))
