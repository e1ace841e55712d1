"""One pass forward, and one backward in which rules take the place of what autograd would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from striate.core.errors import StriateError
from striate.nets.look import Rule
from striate.nets.net import Net
from striate.nets.ops import names
from striate.nets.passes import input_gradient

# What autograd calls the operations that are linear, or choose: all else must have a rule.
_PLAIN = names(
    "AccumulateGrad Convolution Mkldnn Cudnn Slow Addmm Mm Bmm Mv Dot Linear TBackward Transpose Permute View Reshape "
    "Unsafe Alias Clone Copy ToCopy Slice Select Split Chunk Unbind Index Gather Narrow Cat Stack Add Sub Rsub Neg Mul "
    "Div Mean Sum Upsample Expand Repeat Roll Flip Squeeze Unsqueeze AsStrided PixelShuffle PixelUnshuffle Amax "
    "ChannelShuffle Fold Im2Col Col2Im Unfold Rot Cumsum Movedim Identity Dropout"
)
_WITHIN = (
    "BatchNorm",
    "AvgPool",
    "MaxPool",
    "Pad",
)  # these names have prefixes: MaxPool2DWithIndices, Native..., Reflection...
_PRODUCTS = names("MulBackward0 DivBackward0 MmBackward0 BmmBackward0 AddmmBackward0 DotBackward0 MvBackward0")


def signal(
    net: Net,
    images: Tensor,
    *,
    rules: Mapping[str, Rule],
    site: str,
    score: Callable[[Tensor], Tensor],
    plain: str = "",
    heard: Mapping[str, Callable[[Tensor], object]] | None = None,
) -> tuple[Tensor, Tensor]:
    """What arrives at the pixels when 1 is sent back from each image's score, (n, C, H, W), and the scores (n,).

    Args:
        net: The net.
        images: (n, C, H, W).
        rules: What takes the place of which backward.
        site: The site that is explained.
        score: From its output to one number an image.
        plain: Further operations that need no rule, as autograd calls them.
        heard: What becomes, in place, of the gradient that the own backward of which site gives; where that is all that
            a rule does, it costs less than a rule. Sites whose backward makes a new tensor.

    Raises:
        StriateError: The net does something that has no rule and that the trace does not show.
    """
    leaf = images.clone().requires_grad_()
    heard = heard or {}
    with net.look(rules=rules, read=(*heard, site)) as look:
        seen = look(leaf)
        output = seen[site]
        _nothing_hidden(output, net, (*_PLAIN, *plain.split()), {seen[name].grad_fn for name in heard})
        for name, change in heard.items():
            node = seen[name].grad_fn
            if node is not None:
                node.register_hook(_after(change))
        values = score(output)
        return input_gradient(values, leaf).detach(), values.detach()


def _after(change: Callable[[Tensor], object]) -> Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], None]:
    def hear(given: tuple[Tensor, ...], _taken: tuple[Tensor, ...]) -> None:
        change(given[0])

    return hear


def class_score(net: Net, site: str, targets: Tensor) -> Callable[[Tensor], Tensor]:
    """The score of each image's class, of the net's logits at ``site``."""

    def score(output: Tensor) -> Tensor:
        logits = net.as_logits(output) if site == "output" else output
        if logits.dim() != 2:
            raise StriateError(f"{net.name} gives {tuple(output.shape)}", accepted="one row of scores an image")
        return logits.gather(1, targets[:, None]).squeeze(1)

    return score


def _nothing_hidden(output: Tensor, net: Net, plain: tuple[str, ...], known: set[Any]) -> None:
    """Every node of autograd's graph is a rule of ours, known, linear, or chooses: an independent look at the pass."""
    seen: set[Any] = set()
    nodes = [output.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        what = "" if node in known else _unruled(node, plain)
        if what:
            raise StriateError(f"{net.name} holds {what}, for which there is no rule", hint="gradient, occlusion")
        nodes += [each for each, _ in node.next_functions]


def _unruled(node: Any, plain: tuple[str, ...]) -> str:
    """What a node does that has no rule, or nothing."""
    name = node.name().rsplit("::", 1)[-1]
    if name == "_RuledBackward":
        return ""
    factors = node.next_functions[1:] if name.startswith("Addmm") else node.next_functions
    if name in _PRODUCTS and sum(each is not None for each, _ in factors) > 1:
        return "a product of two activations"
    if "BatchNorm" in name and getattr(node, "_saved_training", False):
        return "a normalisation by the statistics of the batch"
    return "" if name.startswith(plain) or any(each in name for each in _WITHIN) else f"autograd's {name}"
