from __future__ import annotations

import numpy as np
import pytest
import torch

from striate.core.errors import StriateError
from striate.synthesis.components import principal


@pytest.mark.parametrize("shape", [(9, 30), (40, 6)])
def test_components_are_those_of_a_singular_value_decomposition(shape: tuple[int, int]) -> None:
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mean, directions, spreads = principal(rows, 5)
    wide = rows.numpy()
    _, lengths, right = np.linalg.svd(wide - wide.mean(0), full_matrices=False)
    assert np.allclose(mean.numpy(), wide.mean(0))
    assert np.allclose(spreads.numpy(), lengths[:5] / shape[0] ** 0.5)
    assert np.allclose(abs((directions.numpy() * right[:5]).sum(1)), 1)
    assert np.allclose((directions @ directions.T).numpy(), np.eye(5), atol=1e-10)
    assert bool((directions.gather(1, directions.abs().argmax(1, keepdim=True)) > 0).all())


def test_all_components_give_the_rows_back() -> None:
    rows = torch.randn(5, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    mean, directions, _ = principal(rows, 4)
    assert torch.allclose(mean + (rows - mean) @ directions.T @ directions, rows)


def test_more_than_the_rows_span_is_refused_or_cut() -> None:
    line = torch.arange(6.0)[:, None] * torch.tensor([[1.0, 2.0, 0.0]])
    with pytest.raises(StriateError, match="k is 2; accepted: at most 1"):
        principal(line, 2)
    assert principal(line, 2, at_most=True)[1].shape == (1, 3)
    for k in (0, 4):
        with pytest.raises(StriateError, match=f"k is {k}; accepted: 1 to 3"):
            principal(line, k)
    with pytest.raises(StriateError, match="4 equal rows"):
        principal(torch.ones(4, 3), 1)
