from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from oracles import synthesis_style as slow
from striate.core.errors import StriateError
from striate.synthesis.flow import dense_flow, visible, warped, warped_errors


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_picture_is_moved_as_the_slow_loop_moves_it() -> None:
    image, flow = drawn(3, 7, 9), 6 * drawn(2, 7, 9, seed=1) - 3
    np.testing.assert_allclose(warped(image, flow), slow.warped(image.numpy(), flow.numpy()), atol=1e-12)
    whole = torch.tensor([2.0, -1.0], dtype=torch.float64).view(2, 1, 1).expand(2, 7, 9)
    torch.testing.assert_close(warped(image, whole)[:, 1:, :-2], image[:, :-1, 2:])


@pytest.mark.parametrize("scale", [0.2, 2.0, 8.0])
def test_what_can_be_seen_is_what_ruder_et_al_say(scale: float) -> None:
    smooth = torch.nn.functional.interpolate(drawn(2, 2, 3, 3) - 0.5, size=(10, 12), mode="bicubic")
    forward = scale * smooth[0]
    backward = -forward + 0.4 * scale * smooth[1]
    exact = slow.visible(forward.numpy(), backward.numpy())
    np.testing.assert_array_equal(visible(forward, backward)[0], exact)
    if scale == 2:
        assert 0 < exact.mean() < 1


@pytest.mark.parametrize(("apart", "shown"), [(0.7, 1.0), (0.75, 0.0)])
def test_flows_that_do_not_undo_each_other_are_told_at_the_papers_threshold(apart: float, shown: float) -> None:
    """With flows of 1 and 1 - d pixels the threshold is d^2 = .5 + .01 (1 + (1 - d)^2), at d = .7146."""
    backward = torch.zeros(2, 20, 20).double()
    forward = backward.clone()
    backward[0], forward[0] = 1.0, -(1.0 - apart)
    assert float(visible(forward, backward)[0, 5, 5]) == shown


def moved_square(at: int) -> tuple[Tensor, Tensor]:
    """A square of 8 pixels at a column on a ground that stands still: the frame, and where the square is."""
    ground, thing = drawn(1, 24, 32), drawn(1, 8, 8, seed=1)
    frame, where = ground.clone(), torch.zeros(24, 32, dtype=torch.bool)
    frame[:, 8:16, at : at + 8], where[8:16, at : at + 8] = thing, True
    return frame, where


def test_behind_a_moving_square_the_uncovered_ground_cannot_be_seen_before() -> None:
    (one, before), (two, after) = moved_square(6), moved_square(10)
    forward, backward = torch.zeros(2, 24, 32).double(), torch.zeros(2, 24, 32).double()
    forward[0, before], backward[0, after] = 4.0, -4.0
    seen = visible(forward, backward)[0]
    uncovered = before & ~after
    assert not bool(seen[uncovered].any())
    assert bool(seen[9:15, 11:17].all())
    assert bool(seen[18:, :].all())
    np.testing.assert_array_equal(seen, slow.visible(forward.numpy(), backward.numpy()))
    error = warped_errors(torch.stack([one, two]), lambda *_: backward, lambda _: seen[None])
    assert float(error) == pytest.approx(0, abs=1e-20)
    everywhere = warped_errors(torch.stack([one, two]), lambda *_: backward, lambda _: torch.ones(1, 24, 32))
    assert float(everywhere) > 0
    assert len(warped_errors(one[None], lambda *_: backward, lambda _: seen[None])) == 0


def test_the_estimated_flow_of_a_moved_picture_is_its_movement() -> None:
    pytest.importorskip("cv2")
    wide = torch.nn.functional.interpolate(drawn(1, 3, 20, 20), size=(100, 100), mode="bicubic").clamp(0, 1)[0].float()
    one, two = wide[:, 10:74, 10:74], wide[:, 12:76, 13:77]  # the window moves by 3 to the right and 2 down
    flow = dense_flow(one, two)
    inner = flow[:, 16:-16, 16:-16].flatten(1)
    torch.testing.assert_close(inner.median(1).values, torch.tensor([-3.0, -2.0]), atol=0.1, rtol=0)
    assert torch.equal(dense_flow(one, two), flow)
    back = dense_flow(two, one)
    assert float(visible(flow, back)[:, 16:-16, 16:-16].mean()) > 0.95
    assert float((two - warped(one, back))[:, 16:-16, 16:-16].abs().mean()) < 0.01


def test_without_opencv_and_for_small_pictures_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StriateError, match="at least 16 pixels a side"):
        dense_flow(torch.zeros(3, 8, 8), torch.zeros(3, 8, 8))
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(StriateError, match=r"opencv.*striate\[classical\]"):
        dense_flow(torch.zeros(3, 20, 20), torch.zeros(3, 20, 20))
