"""Attention probabilities of a net, read from the operations that compute them, fused ones included.

`scaled_dot_product_attention` and `multi_head_attention_forward` give no probabilities. So while a net runs, each such
call is answered by the formula written out, on the same inputs: the net goes on with that result, gradients go through
the probabilities, and the call's own output shows that the formula is right.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from striate.core.errors import StriateError
from striate.inside.attribution.chunks import CPU_BYTES, chunk_size
from striate.nets.interception import Call, Interception, paths_of
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

OTHERS = "gradient, occlusion, grad_cam"
Change = Callable[[int, Tensor], Tensor]
Written = tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]  # probabilities, values, what follows on their product
_HEADS = 12  # of the layers whose sites do not tell
_SDPA = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")


@dataclass(frozen=True)
class Attention:
    """What one pass of n images showed.

    Attributes:
        sites: Sites of the attention, in the order of execution.
        weights: For each of them the probabilities (n, heads, T, T): row t says where token t looks, and sums to one.
        residuals: Largest difference, for each image and site, between the output of the formula and that of the net's
            own operation, as a share of the largest output, (n, sites) float64.
        output: The net's output.
    """

    sites: tuple[str, ...]
    weights: tuple[Tensor, ...]
    residuals: Tensor
    output: Any


def attention_of(net: Net, images: Tensor) -> Attention:
    """The attention probabilities of every layer and head for images (N, C, H, W), without gradients.

    One forward pass. A layer takes heads x T x T numbers an image: 12 heads and 197 tokens are 1.9 MB.

    Raises:
        StriateError: The net has no attention, or one within windows, over channels, or from some tokens to others.

    Source: Vaswani et al. 2017, section 3.2.1, equation 1; Dosovitskiy et al. 2021, appendix A.
    """
    with undisturbed(net), torch.no_grad():
        return read_attention(net, images)


def read_attention(net: Net, images: Tensor, *, change: Change | None = None) -> Attention:
    """The same in one pass of whatever gradient mode is on; the net must be undisturbed already.

    Where gradients are on, the output depends on the images through the probabilities that are given. With ``change``
    the net goes on with ``change(layer, probabilities)`` of each layer, counted from 0.
    """
    size = (images.shape[-2], images.shape[-1])
    listener = _Listener(net, net.trace(size).names, len(images), change)
    with Interception(paths_of(net.module), listener.answer):
        output = net(images)
    if not listener.weights:
        raise StriateError(f"{net.name} has no attention", accepted="a vision transformer", hint=OTHERS)
    shapes = {tuple(each.shape[2:]) for each in listener.weights}
    if len(shapes) > 1:
        raise StriateError(
            f"{net.name} has attention over {', '.join(f'{a} x {b}' for a, b in sorted(shapes))} tokens",
            accepted="a vision transformer with the same tokens in all layers",
            hint=OTHERS,
        )
    return Attention(tuple(listener.sites), tuple(listener.weights), torch.stack(listener.residuals, 1), output)


def has_attention(net: Net, size: tuple[int, int]) -> bool:
    """Whether some operation of the net attends: heads that weigh tokens, whether among all of them or not."""
    return any(
        site.op in _FORMULAS or (site.op == "softmax" and len(site.shape) >= 3 and site.shape[-1] == site.shape[-2])
        for site in net.sites(size)
    )


class _Listener:
    """Answers the calls of one pass."""

    def __init__(self, net: Net, names: Any, count: int, change: Change | None) -> None:
        self.net, self.names, self.count, self.change = net, names, count, change
        self.sites: list[str] = []
        self.weights: list[Tensor] = []
        self.residuals: list[Tensor] = []

    def answer(self, call: Call) -> Any:
        """What the net goes on with."""
        if call.op in _FORMULAS:
            formula, axis = _FORMULAS[call.op]
            own = call()
            first = own[0] if isinstance(own, tuple) else own
            weights, values, finish = formula(call)
            self.keep(call, weights, finish(weights @ values).movedim(axis, 0), first.movedim(axis, 0))
            output = finish(self.taken(weights) @ values)
            return (output, *own[1:]) if isinstance(own, tuple) else output
        output = call()
        if call.op == "softmax" and isinstance(output, Tensor) and output.ndim >= 4:
            inputs = call.args[0].double()
            dim = call.args[1] if len(call.args) > 1 else call.kwargs["dim"]
            if dim in (-1, output.ndim - 1):
                powers = (inputs - inputs.amax(-1, keepdim=True)).exp()
                self.keep(call, output, powers / powers.sum(-1, keepdim=True), output)
                return self.taken(output)
        return output

    def taken(self, weights: Tensor) -> Tensor:
        """The probabilities that the net goes on with, which are those that are kept."""
        changed = weights if self.change is None else self.change(len(self.weights), weights)
        self.weights.append(changed)
        return changed

    def keep(self, call: Call, weights: Tensor, written: Tensor, own: Tensor) -> None:
        """Takes note of an attention, if it is one among all tokens of each image."""
        name = self.names.get(call.key, call.op)
        if weights.ndim != 4 or len(weights) != self.count:
            raise StriateError(
                f"{self.net.name} has attention within windows ({name})",
                accepted="attention among all tokens of an image",
                hint=OTHERS,
            )
        if weights.shape[2] != weights.shape[3]:
            raise StriateError(
                f"attention of {self.net.name} at {name} goes from {weights.shape[2]} tokens to {weights.shape[3]}",
                accepted="attention among all tokens of an image",
                hint=OTHERS,
            )
        gap = (written.detach().double() - own.detach().double()).abs().flatten(1).amax(1)
        scale = own.detach().double().abs().flatten(1).amax(1).clamp(min=1e-30)
        self.sites.append(name)
        self.residuals.append((gap / scale).cpu())


def _dot_product(call: Call) -> Written:
    """`torch.nn.functional.scaled_dot_product_attention`, written out."""
    given = {**dict(zip(_SDPA, call.args, strict=False)), **call.kwargs}
    if given.get("enable_gqa"):
        raise StriateError("attention whose heads share keys (enable_gqa)", accepted="one key head for each query head")
    query, key, value = given["query"], given["key"], given["value"]
    scale = given.get("scale") or 1 / math.sqrt(query.shape[-1])
    weights = _softmax(query, key, scale, given.get("attn_mask"), causal=bool(given.get("is_causal")))
    return weights, value, lambda output: output


def _multi_head(call: Call) -> Written:
    """`torch.nn.functional.multi_head_attention_forward`, written out; its output is (T, N, D)."""
    bound = inspect.signature(F.multi_head_attention_forward).bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    given = bound.arguments
    for name in ("bias_k", "bias_v", "static_k", "static_v", "key_padding_mask"):
        if given[name] is not None:
            raise StriateError(f"multi-head attention with {name}", accepted="plain self-attention")
    if given["add_zero_attn"]:
        raise StriateError("multi-head attention with add_zero_attn", accepted="plain self-attention")
    heads = given["num_heads"]
    if given["use_separate_proj_weight"]:
        matrices = tuple(given[f"{each}_proj_weight"] for each in "qkv")
    else:
        matrices = given["in_proj_weight"].chunk(3)
    biases = (None,) * 3 if given["in_proj_bias"] is None else given["in_proj_bias"].chunk(3)
    query, key, value = (
        _by_head(F.linear(given[name], weight, bias), heads)
        for name, weight, bias in zip(("query", "key", "value"), matrices, biases, strict=True)
    )
    mask = given["attn_mask"]
    if mask is not None:  # of a boolean mask, true hides here, and shows in the other operation
        mask = ~mask if mask.dtype == torch.bool else mask
        mask = mask.view(-1, heads, *mask.shape[-2:]) if mask.ndim == 3 else mask
    weights = _softmax(query, key, 1 / math.sqrt(query.shape[-1]), mask, causal=False)

    def finish(output: Tensor) -> Tensor:
        together = output.permute(2, 0, 1, 3).flatten(2)
        return F.linear(together, given["out_proj_weight"], given["out_proj_bias"])

    return weights, value, finish


# The axis is that of the images in the operation's output.
_FORMULAS: dict[str, tuple[Callable[[Call], Written], int]] = {
    "scaled_dot_product_attention": (_dot_product, 0),
    "multi_head_attention": (_multi_head, 1),
}


def images_at_once(net: Net, images: Tensor, *, memory: int, backward: bool = False) -> int:
    """How many images a pass may hold with the probabilities of all its layers, counted from above."""
    size = (images.shape[-2], images.shape[-1])
    sites = [site for site in net.sites(size) if site.op in (*_FORMULAS, "softmax") and len(site.shape) > 1]
    tokens = max((sum(site.shape) for site in sites), default=1)  # more than there are
    need = 4 * _HEADS * tokens**2 * max(1, len(sites)) * (4 if backward else 2)
    return max(1, min(chunk_size(net, images, memory=memory, backward=backward), min(memory, CPU_BYTES * 4) // need))


def _by_head(tokens: Tensor, heads: int) -> Tensor:
    """(T, N, D) as (N, heads, T, D / heads)."""
    if tokens.ndim != 3:
        raise StriateError(f"multi-head attention over {tuple(tokens.shape)}", accepted="a batch of images")
    count, images, width = tokens.shape
    return tokens.view(count, images, heads, width // heads).permute(1, 2, 0, 3)


def _softmax(query: Tensor, key: Tensor, scale: float, mask: Tensor | None, *, causal: bool) -> Tensor:
    logits = (query * scale) @ key.transpose(-2, -1)
    if causal:
        logits = logits.masked_fill(torch.ones_like(logits, dtype=torch.bool).triu(1), -math.inf)
    if mask is not None:
        logits = logits.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else logits + mask
    return logits.softmax(-1)
