"""What torch operations are called, whether they write in place, and what they cost."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

_RENAMED = {
    "truediv": "div",
    "true_divide": "div",
    "divide": "div",
    "rdiv": "div",
    "rtruediv": "div",
    "multiply": "mul",
    "rmul": "mul",
    "subtract": "sub",
    "rsub": "sub",
    "radd": "add",
    "rpow": "pow",
    "rmatmul": "matmul",
    "concat": "cat",
    "concatenate": "cat",
    "negative": "neg",
    "multi_head_attention_forward": "multi_head_attention",
}
# Questions about a tensor; they are passed straight on.
QUESTIONS = frozenset(
    "__get__ __set__ __len__ __bool__ size dim numel nelement stride element_size storage_offset data_ptr item tolist "
    "is_floating_point is_complex is_contiguous get_device untyped_storage type_as_dtype register_hook".split()
)
# They give the same numbers at another place, or some of them: not operations of their own, but followed through.
BOOKKEEPING = frozenset(
    "getitem setitem chunk split split_with_sizes tensor_split unbind unsafe_chunk unsafe_split contiguous to type "
    "type_as float double half bfloat16 cpu cuda detach requires_grad_ expand expand_as broadcast_to alias clone "
    "view_as narrow select index_select zeros_like ones_like full_like empty_like rand_like randn_like new_zeros "
    "new_ones new_full new_empty set_grad_enabled retain_grad".split()
)
# Of these nothing but the form of the input reaches the output.
FORM_ONLY = frozenset(
    "zeros_like ones_like full_like empty_like rand_like randn_like new_zeros new_ones new_full new_empty".split()
)
_SIGNATURES: Mapping[str, str] = {
    "conv1d": "input weight bias stride padding dilation groups",
    "conv2d": "input weight bias stride padding dilation groups",
    "conv3d": "input weight bias stride padding dilation groups",
    "conv_transpose2d": "input weight bias stride padding output_padding groups dilation",
    "max_pool2d": "input kernel_size stride padding dilation ceil_mode",
    "avg_pool2d": "input kernel_size stride padding ceil_mode",
    "lp_pool2d": "input norm_type kernel_size stride ceil_mode",
    "pad": "input pad mode value",
    "interpolate": "input size scale_factor mode align_corners",
    "layer_norm": "input normalized_shape weight bias",
    "softmax": "input dim",
    "log_softmax": "input dim",
    "normalize": "input p dim",
    "cat": "tensors dim",
    "mean": "input dim keepdim",
    "sum": "input dim keepdim",
    "amax": "input dim keepdim",
    "amin": "input dim keepdim",
    "unbind": "input dim",
    "chunk": "input chunks dim",
    "split": "input split_size dim",
    "transpose": "input dim0 dim1",
    "swapaxes": "input dim0 dim1",
    "hardtanh": "input min_val max_val inplace",
    "multi_head_attention": "query key value embed_dim num_heads",
}


def op_name(func: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> str:
    """The plain name of what ``func`` computes: ``relu`` for ``F.relu``, ``torch.relu``, ``Tensor.relu_`` alike."""
    name = _plain(getattr(func, "__name__", type(func).__name__))
    if name == "hardtanh":
        given = bound(name, args, kwargs or {})
        if (given.get("min_val", -1.0), given.get("max_val", 1.0)) == (0.0, 6.0):
            return "relu6"
    return name


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    if name.startswith("__i") and name not in ("__init__", "__invert__", "__index__", "__int__"):
        name = name[3:]
    name = name.strip("_")
    return _RENAMED.get(name, name)


def bound(op: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name, those of the operations whose names matter here; others stay as they were given."""
    names = _SIGNATURES.get(op, "input").split()
    return {**dict(zip(names, args, strict=False)), **kwargs}


def written_in_place(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The tensor that ``func`` is about to overwrite, or None."""
    out = kwargs.get("out")
    if isinstance(out, Tensor):
        return out
    if not args or not isinstance(args[0], Tensor):
        return None
    name = getattr(func, "__name__", "")
    if name == "__setitem__" or (name.startswith("__i") and name.endswith("__") and name not in _NOT_IN_PLACE):
        return args[0]
    if name.endswith("_") and not name.endswith("__"):
        return args[0]
    if kwargs.get("inplace"):
        return args[0]
    position = _inplace_position(func)
    return args[0] if position is not None and len(args) > position and args[position] is True else None


_NOT_IN_PLACE = frozenset({"__invert__", "__index__", "__int__", "__init__"})


@lru_cache(maxsize=4096)
def _inplace_position(func: Callable[..., Any]) -> int | None:
    if not inspect.isfunction(func):
        return None
    names = list(inspect.signature(func).parameters)
    return names.index("inplace") if "inplace" in names else None


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested lists, tuples and mappings, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)


def replace_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same nest of lists, tuples and dicts with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(replace_tensors(item, change) for item in value))
    if type(value) in (list, tuple):
        return type(value)(replace_tensors(item, change) for item in value)
    if type(value) is dict:
        return {key: replace_tensors(item, change) for key, item in value.items()}
    return value


def first_tensor(value: Any) -> Tensor | None:
    """The floating tensor that an operation gives, or the first of several; None where there is none."""
    if isinstance(value, Tensor):
        return value if value.is_floating_point() else None
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], Tensor):
        return value[0] if value[0].is_floating_point() else None
    return None


def multiply_adds(op: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Tensor) -> int:
    """Multiply-adds of one call; 0 for what is neither convolution, linear layer, matrix product nor attention.

    Additions of a bias, normalisation, activations, pooling and element-wise products are not counted, as is usual.
    """
    given = bound(op, args, kwargs)
    if op in ("conv1d", "conv2d", "conv3d", "linear"):
        weight = given["weight"] if "weight" in given else args[1]
        return output.numel() * math.prod(weight.shape[1:])
    if op.startswith("conv_transpose"):
        weight = given["weight"] if "weight" in given else args[1]
        return int(given["input"].numel()) * math.prod(weight.shape[1:])
    if op in ("matmul", "mm", "bmm", "mv", "dot"):
        return output.numel() * int(next(tensors_in(args)).shape[-1])
    if op in ("addmm", "baddbmm", "addbmm"):
        return output.numel() * int(args[1].shape[-1])
    if op == "einsum":
        return _einsum(args, output)
    if op == "scaled_dot_product_attention":
        query, key, value = _attention_inputs(args, kwargs)
        pairs = query.shape[:-1].numel() * key.shape[-2]
        return int(pairs * (query.shape[-1] + value.shape[-1]))
    if op == "multi_head_attention":
        return _multi_head(given)
    return 0


def _attention_inputs(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    names = ("query", "key", "value")
    query, key, value = (args[i] if len(args) > i else kwargs[name] for i, name in enumerate(names))
    return query, key, value


def _multi_head(given: Mapping[str, Any]) -> int:
    """Projections in and out, and the two products of attention; tensors are (length, batch, width)."""
    query, key, value = given["query"], given["key"], given["value"]
    width, batch = query.shape[-1], (query.shape[1] if query.dim() == 3 else 1)
    target, source = query.shape[0], key.shape[0]
    projected = batch * width * (2 * target * width + source * (key.shape[-1] + value.shape[-1]))
    return int(projected + 2 * batch * target * source * width)


def _einsum(args: Sequence[Any], output: Tensor) -> int:
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
    contracted = math.prod(size for letter, size in sizes.items() if letter not in right)
    return output.numel() * contracted


def grad_inputs(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The floating tensors that a call takes in, each once, in the order of its arguments."""
    found: dict[int, Tensor] = {}
    for tensor in tensors_in((list(args), dict(kwargs))):
        if tensor.is_floating_point() and tensor.dtype in _REAL:
            found.setdefault(id(tensor), tensor)
    return list(found.values())


_REAL = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16})
