"""The coarse search proposes what a slow search over all pairs finds, in any blocks."""

from __future__ import annotations

import numpy as np
import torch

from checks.drawn import photographs
from striate.checks.proposals import ALIKE, CUTS, MOST, PROPOSED, boxes, descriptors, propose


def pictures(count: int, side: int = 64) -> torch.Tensor:
    """Grey ones, levels to 255, uint8."""
    return (255 * photographs(count, side=side).mean(1)).to(torch.uint8)


def slow_descriptor(picture: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Cell means by summing each pixel with the share of it that lies in the cell."""
    side = len(picture)
    left, top, right, bottom = (side * share for share in box)
    out = np.zeros((8, 8))
    for down in range(8):
        for across in range(8):
            y0, y1 = top + (bottom - top) * np.array([down, down + 1]) / 8
            x0, x1 = left + (right - left) * np.array([across, across + 1]) / 8
            total = weight = 0.0
            for y in range(side):
                for x in range(side):
                    part = max(0.0, min(y1, y + 1) - max(y0, y)) * max(0.0, min(x1, x + 1) - max(x0, x))
                    total, weight = total + part * picture[y, x], weight + part
            out[down, across] = total / weight
    out -= out.mean()
    return (out / np.linalg.norm(out)).reshape(-1)


def test_a_descriptor_holds_the_means_of_cells_of_the_cut() -> None:
    picture = pictures(1, side=32)
    found = descriptors(picture)[0].double().numpy()
    assert len(found) == len(CUTS) ** 2
    for number in (0, 4, 21):
        expected = slow_descriptor(picture[0].double().numpy(), tuple(boxes()[number].tolist()))
        assert np.allclose(found[number], expected, atol=1e-5)


def test_whole_pictures_that_correlate_are_proposed_once_each() -> None:
    images = pictures(30, side=32)
    images = torch.cat([images, images[:5] // 2 + 40])
    pairs, start, _ = propose(images, cut=False)
    whole = descriptors(images, CUTS[:1])[:, 0].double()
    alike = whole @ whole.T
    expected = {(a, b) for a in range(35) for b in range(a + 1, 35) if alike[a, b] >= ALIKE}
    assert {tuple(pair) for pair in pairs.tolist()} == expected
    assert {(number, number + 30) for number in range(5)} <= expected
    assert bool((start == torch.tensor([0.0, 0.0, 1.0, 1.0])).all())


def test_the_best_partners_are_proposed_whatever_the_blocks() -> None:
    images = pictures(50)
    cut = torch.nn.functional.interpolate(images[:20, None, 6:, :58].float(), (64, 64), mode="bilinear")[:, 0]
    images = torch.cat([images, cut.to(torch.uint8)])
    small = propose(images, cut=True, memory=1)
    large = propose(images, cut=True)
    assert torch.equal(small[0], large[0])
    assert torch.allclose(small[2], large[2], atol=1e-5)
    whole, cuts = descriptors(images, CUTS[:1])[:, 0], descriptors(images)
    alike = torch.einsum("nd,mkd->nmk", whole, cuts).amax(2).fill_diagonal_(-1)
    for row in range(len(images)):
        best = alike[row].topk(MOST)
        expected = set(best.indices[best.values >= PROPOSED].tolist())
        assert {other for one, other in large[0].tolist() if one == row} == expected
    assert {(number + 50, number) for number in range(20)} <= {tuple(pair) for pair in large[0].tolist()}


def test_one_picture_or_none_has_no_partner() -> None:
    assert len(propose(pictures(1), cut=True)[0]) == 0
    assert len(propose(pictures(1)[:0], cut=False)[0]) == 0
