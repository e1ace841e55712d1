"""Multiply-adds of an operation: convolutions, linear layers, matrix products, attention.

Additions of a bias, normalisation, activations, pooling and element-wise products are not counted, as is usual where
networks are compared. Source: Canziani, Paszke & Culurciello 2016, "An analysis of deep neural network models for
practical applications", section 2.4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from .ops import bound, tensors_in


def multiply_adds(op: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Tensor) -> int:
    """Multiply-adds of one call that gave ``output``; 0 for an operation that has none worth counting."""
    cost = _COSTS.get(op)
    return 0 if cost is None else cost(bound(op, args, kwargs), args, output)


def _sliding(given: Mapping[str, Any], args: Sequence[Any], output: Tensor) -> int:
    """Every output is a sum over the inputs of one row of the weight."""
    del args
    weight: Tensor = given["weight"]
    return output.numel() * math.prod(weight.shape[1:])


def _transposed(given: Mapping[str, Any], args: Sequence[Any], output: Tensor) -> int:
    """Every input is spread over one row of the weight."""
    del args, output
    source, weight = given["input"], given["weight"]
    return int(source.numel() * math.prod(weight.shape[1:]))


def _product(given: Mapping[str, Any], args: Sequence[Any], output: Tensor) -> int:
    del given
    return output.numel() * next(tensors_in(args)).shape[-1]


def _added_product(given: Mapping[str, Any], args: Sequence[Any], output: Tensor) -> int:
    del given
    left: Tensor = args[1]
    return output.numel() * left.shape[-1]


def _einsum(given: Mapping[str, Any], args: Sequence[Any], output: Tensor) -> int:
    """Every output is a sum over the indices that it lacks."""
    del given
    equation, operands = args[0], list(tensors_in(args[1:]))
    if not isinstance(equation, str) or len(operands) < 2:
        return 0
    left, _, right = equation.replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    for term, operand in zip(left.split(","), operands, strict=False):
        before, dots, after = term.partition("...")
        sizes.update(zip(before, operand.shape, strict=False))
        if dots and after:
            sizes.update(zip(after, operand.shape[-len(after) :], strict=False))
    return output.numel() * math.prod(size for letter, size in sizes.items() if letter not in right)


def _attention(given: Mapping[str, Any], args: Sequence[Any], output: Tensor) -> int:
    """Scores of every query with every key, then sums of values."""
    del args, output
    query, key, value = given["query"], given["key"], given["value"]
    pairs = math.prod(query.shape[:-1]) * key.shape[-2]
    return int(pairs * (query.shape[-1] + value.shape[-1]))


def _multi_head(given: Mapping[str, Any], args: Sequence[Any], output: Tensor) -> int:
    """Projections in and out, and the two products of attention; tensors are (length, batch, width)."""
    del args, output
    query, key, value = given["query"], given["key"], given["value"]
    width, batch = query.shape[-1], (query.shape[1] if query.dim() == 3 else 1)
    target, source = query.shape[0], key.shape[0]
    projected = batch * width * (2 * target * width + source * (key.shape[-1] + value.shape[-1]))
    return int(projected + 2 * batch * target * source * width)


_COSTS: Mapping[str, Callable[[Mapping[str, Any], Sequence[Any], Tensor], int]] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "linear"), _sliding),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed),
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot"), _product),
    **dict.fromkeys(("addmm", "baddbmm", "addbmm"), _added_product),
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention": _multi_head,
}
