"""The operations between the pixels and what is explained, and which families of rules say something of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from striate.core.errors import StriateError, UnknownNameError
from striate.nets.net import Net
from striate.nets.ops import names
from striate.nets.site import Pair, Site

from ..layers import default_layer

# Linear in what they take in, so that every rule here lets them be.
LINEAR = names(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear batch_norm avg_pool1d avg_pool2d "
    "avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d mean sum add sub neg cat stack hstack "
    "vstack flatten unflatten view reshape permute transpose t swapaxes swapdims movedim moveaxis squeeze unsqueeze "
    "pad dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout interpolate "
    "upsample pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle roll flip repeat tile "
    "repeat_interleave unfold fold rot90 identity stochastic_depth cumsum"
)
# Linear where one factor alone depends on the image.
PRODUCTS = names("mul div matmul mm bmm einsum")
# Each output is one of the inputs.
SELECTING = names("max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d amax")
RECTIFIERS = names("relu relu6 hardtanh threshold clamp clamp_min clip maximum max")
# Functions of one number with f(0) = 0 that never fall: relevance goes through them unchanged.
PASSING = RECTIFIERS | names("leaky_relu prelu elu celu tanh softsign")
ELEMENTWISE = PASSING | names(
    "rrelu selu gelu silu mish softplus tanhshrink softshrink hardshrink hardsigmoid hardswish logsigmoid sigmoid "
    "clamp_max exp log log1p sqrt square abs pow erf expit"
)


@dataclass(frozen=True)
class Family:
    """What one kind of rules says: the operations that it covers, and what it is called where it does not."""

    name: str
    methods: str
    covers: frozenset[str]
    why: str
    products: bool = False


RECTIFYING = Family(
    "rectifying",
    "guided_backprop, deconvnet",
    LINEAR | PRODUCTS | SELECTING | RECTIFIERS | {"local_response_norm"},
    "the rule is defined at rectifiers (ReLU, ReLU6) alone",
)
RELEVANCE = Family(
    "relevance",
    "lrp, lrp_epsilon, lrp_gamma, lrp_z_plus, lrp_alpha_beta",
    LINEAR | PRODUCTS | SELECTING | PASSING,
    "no rule says how relevance is shared there",
)
DIFFERENCES = Family(
    "differences",
    "deep_lift",
    LINEAR | PRODUCTS | SELECTING | ELEMENTWISE,
    "the rescale rule is defined where each output depends on one input alone",
    products=True,
)
FAMILIES = (RECTIFYING, RELEVANCE, DIFFERENCES)


# What they give is at least 0 where all that they take in is.
_KEEPING = SELECTING | names(
    "avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d mean sum flatten "
    "view reshape permute transpose squeeze unsqueeze dropout dropout2d identity channel_shuffle"
)
_JOINING = names("add cat stack")


def never_negative(way: Sequence[Site]) -> frozenset[str]:
    """Sites whose outputs are at least 0 whatever the image is."""
    found: set[str] = set()
    for site in way:
        joins = site.op in _KEEPING or (site.op in _JOINING and len(site.inputs) > 1)
        if site.op in ("relu", "relu6") or (joins and set(site.inputs) <= found):
            found.add(site.name)
    return frozenset(found)


def only_rectified(way: Sequence[Site]) -> frozenset[str]:
    """Sites that nothing but ReLUs take in: where their outputs are negative no signal comes back."""
    other = {name for site in way for name in site.inputs if site.op not in ("relu", "relu6")}
    return frozenset(name for site in way for name in site.inputs) - other - {way[-1].name}


def end_of(net: Net, size: Pair) -> str:
    """The site whose output is explained by class: the logits, also where a softmax follows them."""
    sites = net.sites(size)
    if not sites:
        raise StriateError(f"{net.name} runs no operation", accepted="a net with layers")
    last = sites[-1]
    return last.inputs[0] if last.op in ("softmax", "log_softmax") and len(last.inputs) == 1 else "output"


def way_to(net: Net, size: Pair, site: str) -> tuple[Site, ...]:
    """The sites that the output of ``site`` comes from, itself included, in order; ``"output"`` is the last one.

    Raises:
        UnknownNameError: No such site.
        StriateError: The image does not reach it through operations that can be seen.
    """
    trace = net.trace(size)
    by_name = {each.name: each for each in trace.sites}
    start = trace.sites[-1].name if site == "output" else trace.aliases.get(site, site)
    if start not in by_name:
        raise UnknownNameError("site", site, [*by_name, *trace.aliases], hint=f"striate summary {net.name}")
    found: set[str] = set()
    open_ends = [start]
    while open_ends:
        name = open_ends.pop()
        if name not in found:
            found.add(name)
            open_ends += by_name[name].inputs if name in by_name else ()
    if "input" not in found:
        raise StriateError(f"the image does not reach {start} through operations that can be seen", hint="occlusion")
    return tuple(each for each in trace.sites if each.name in found)


def covered(net: Net, size: Pair, site: str, family: Family) -> tuple[Site, ...]:
    """The way to ``site``, all of which the family covers.

    Raises:
        StriateError: An operation that it does not cover: which site, which operation, why, and what works instead.
    """
    way = way_to(net, size, site)
    for each in way:
        reason = _refused(each, family)
        if reason:
            raise StriateError(f"{each.name} of {net.name} is {_article(each.op)}: {reason}", hint=_others(net, size))
    return way


def _refused(site: Site, family: Family) -> str:
    if site.op in PRODUCTS and len(site.inputs) > 1:
        if family.products and site.op == "mul":
            return ""
        return f"it multiplies two activations ({', '.join(site.inputs[:2])}), and {family.why}"
    return "" if site.op in family.covers else family.why


def _article(op: str) -> str:
    known: Mapping[str, str] = {
        "silu": "a SiLU",
        "gelu": "a GELU",
        "hardswish": "a hard swish",
        "sigmoid": "a sigmoid",
        "hardsigmoid": "a hard sigmoid",
        "mul": "a product",
        "layer_norm": "a layer normalisation",
        "multi_head_attention": "attention",
        "scaled_dot_product_attention": "attention",
        "softmax": "a softmax",
    }
    return known.get(op, f"the operation {op!r}")


def _others(net: Net, size: Pair) -> str:
    """The methods that do work on this net."""
    found = ["gradient", "occlusion"]
    if any("attention" in site.op for site in net.sites(size)):
        found += ["attention_rollout", "gradient_attention"]
    try:
        default_layer(net, size)
        found.append("grad_cam")
    except StriateError:
        pass
    way = way_to(net, size, end_of(net, size))
    found += [family.methods for family in FAMILIES if not any(_refused(each, family) for each in way)]
    return ", ".join(found)
