"""What torch operations are called, whether they write in place, and what they cost."""

from __future__ import annotations

import inspect
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


def names(text: str) -> frozenset[str]:
    """The words of ``text``."""
    return frozenset(text.split())


# Questions about a tensor; they are passed straight on.
QUESTIONS = names(
    "__get__ __set__ __len__ __bool__ size dim numel nelement stride element_size storage_offset data_ptr item tolist "
    "is_floating_point is_complex is_contiguous get_device untyped_storage register_hook"
)
# They give the same numbers at another place, or some of them: not operations of their own, but followed through.
BOOKKEEPING = names(
    "getitem setitem chunk split split_with_sizes tensor_split unbind unsafe_chunk unsafe_split contiguous to type "
    "type_as float double half bfloat16 cpu cuda detach requires_grad_ expand expand_as broadcast_to alias clone "
    "view_as narrow select index_select zeros_like ones_like full_like empty_like rand_like randn_like new_zeros "
    "new_ones new_full new_empty set_grad_enabled retain_grad"
)
# Of these nothing but the form of the input reaches the output.
FORM_ONLY = names(
    "zeros_like ones_like full_like empty_like rand_like randn_like new_zeros new_ones new_full new_empty"
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
    "scaled_dot_product_attention": "query key value",
    "linear": "input weight bias",
    "conv_transpose1d": "input weight bias stride padding output_padding groups dilation",
    "conv_transpose3d": "input weight bias stride padding output_padding groups dilation",
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
    return {**dict(zip(_SIGNATURES.get(op, "input").split(), args, strict=False)), **kwargs}


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


def out_of_place(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The arguments with which ``func`` writes into a tensor of its own, or None where it cannot be asked to."""
    if "out" in kwargs:
        return None
    if kwargs.get("inplace") is True:
        return args, {**kwargs, "inplace": False}
    position = _inplace_position(func)
    if position is not None and len(args) > position and args[position] is True:
        return (*args[:position], False, *args[position + 1 :]), dict(kwargs)
    return None


_NOT_IN_PLACE = frozenset({"__invert__", "__index__", "__int__", "__init__"})


@lru_cache(maxsize=4096)
def _inplace_position(func: Callable[..., Any]) -> int | None:
    if not inspect.isfunction(func):
        return None
    parameters = list(inspect.signature(func).parameters)
    return parameters.index("inplace") if "inplace" in parameters else None


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


def grad_inputs(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The floating tensors that a call takes in, each once, in the order of its arguments."""
    found: dict[int, Tensor] = {}
    for tensor in tensors_in((list(args), dict(kwargs))):
        if tensor.is_floating_point() and tensor.dtype in _REAL:
            found.setdefault(id(tensor), tensor)
    return list(found.values())


_REAL = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16})
