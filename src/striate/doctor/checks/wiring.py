"""Checks of how a model is wired: what reaches what, what is frozen, shared, left out, mixed or cut up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise
from operator import mul
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..start import Layer, Start
from ..wires import Link, sources

WEIGHTED = (nn.Linear, nn.modules.conv._ConvNd)


def weighted(start: Start) -> list[Layer]:
    """Linear layers and convolutions in the order in which they were called."""
    return [each for each in start.layers if isinstance(each.module, WEIGHTED)]


def weight_of(layer: Layer) -> Tensor:
    """The weight of a linear layer or convolution."""
    found = layer.module.weight
    assert isinstance(found, Tensor)
    return found


def some(names: list[str], most: int = 3) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@check(
    "samples-mix",
    what="the output of one image depends on the other images of its batch",
    why="results change with the company an image keeps, and one image alone gets another answer",
    phase="start",
    needs=("start",),
    symptom="shift",
    mend="Find the step that treats the batch axis as another: a reshape or transpose that moves it, a normalisation "
    "or softmax over axis 0, attention with batch_first left out.",
    code="nn.MultiheadAttention(width, heads, batch_first=True)",
    thresholds=(Threshold("share of the squared gradient", 1e-6, "healthy set-ups lie at 0 exactly"),),
    cost="one pass of 8 samples forward, 4 back",
    else_=("a batch statistic that is used on purpose when predicting",),
    leads_to=("capacity", "too-small", "parameters-unused"),
)
def samples_mix(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    mixed = start.mixing
    if mixed is None or mixed <= limits["share of the squared gradient"]:
        return
    sideways = [
        name
        for name, each in start.model.named_modules()
        if isinstance(each, (nn.MultiheadAttention, nn.RNNBase)) and not each.batch_first
    ]
    yield Seen(
        f"In eval mode {mixed:.1%} of what an image's output depends on lies in other images of the batch"
        + (f"; {some(sideways)} takes the batch on axis 1 (batch_first=False)." if sideways else "."),
        evidence=(
            Evidence("share of the squared gradient on other images", Number.of(mixed), limit="above .000001"),
            *(Evidence(name) for name in sideways[:3]),
        ),
        sure=0.95,
    )


@check(
    "reshape-for-transpose",
    what="a reshape stands where axes should be swapped",
    why="the numbers keep their order in memory, so channels and places are cut up and mixed: neighbours in the new "
    "tensor have nothing to do with each other",
    phase="start",
    needs=("start",),
    symptom="slow",
    mend="Swap axes with transpose, permute or flatten and transpose; view and reshape only cut and join.",
    code="tokens = maps.flatten(2).transpose(1, 2)  # (B, C, H, W) to (B, H*W, C)",
    cost="two passes forward with at most 31 samples",
    else_=("a relative shift of attention tables, done by reshape on purpose",),
    leads_to=("samples-mix", "capacity", "too-small"),
)
def reshape_for_transpose(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.start is not None
    wires = case.start.wires
    seen = set()
    for each in () if wires is None else wires.calls:
        if each.op not in ("view", "reshape", "unflatten") or not each.before or wires is None:
            continue
        if each.before[0] != wires.batch:
            continue
        kind = scrambled(each.before, each.shape)
        if kind and (each.before, each.shape) not in seen:
            seen.add((each.before, each.shape))
            yield Seen(
                f"A {each.op} makes {_sizes(each.before)} into {_sizes(each.shape)}: the sizes of axes that were to be "
                "swapped, and the numbers in their old order.",
                severity="error" if kind == "order" else "warning",
                evidence=(
                    Evidence(f"before: {_sizes(each.before)}"),
                    Evidence(f"after: {_sizes(each.shape)} (B is the batch)"),
                ),
                subject=f"{_sizes(each.before)}-{_sizes(each.shape)}",
                sure=0.95 if kind == "order" else 0.8,
            )


def _sizes(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(["B", *map(str, shape[1:])]) + ")" if shape else "()"


def scrambled(before: tuple[int, ...], after: tuple[int, ...]) -> str:
    """``"order"`` where the same sizes come in another order, ``"cut"`` where axes are cut across, else empty.

    A reshape keeps the order of the numbers, so it can join neighbouring axes and split one. Where the products of
    the leading sizes, before and after, do not divide one another, an axis of the one was cut by one of the other.
    """
    a, b = [each for each in before if each != 1], [each for each in after if each != 1]
    if len(a) < 2 or len(b) < 2 or a == b:
        return ""
    if len(a) == len(b) and Counter(a) == Counter(b):
        return "order"
    if len(a) < 3:
        return ""  # a flat vector may be cut in any way
    if len(a) == 4 and b == [a[0], a[2] * a[3], a[1]] and a[1] != a[2] * a[3]:
        return "order"
    edges = sorted({*accumulate(a, mul), *accumulate(b, mul)})
    divide = all(large % small == 0 for small, large in pairwise(edges))
    return "" if divide or a[1] != b[-1] else "cut"


@check(
    "layers-unregistered",
    what="layers that the model does not know as its own take part in its output",
    why="model.parameters() leaves them out: the optimizer never changes them, a checkpoint does not hold them, "
    "model.to(device) leaves them behind",
    phase="start",
    needs=("start",),
    symptom="flat",
    mend="Keep layers in nn.ModuleList or nn.ModuleDict, single weights in nn.Parameter, and make them in __init__.",
    code="self.blocks = nn.ModuleList(blocks)  # not a plain list",
    cost="two passes forward with at most 31 samples",
    source="torch.nn.Module: only modules and parameters set as attributes are registered",
    leads_to=("optimizer-missing", "no-progress", "capacity", "too-small"),
)
def layers_unregistered(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    if start.wires is None:
        return
    known = {id(each) for each in start.model.parameters()}
    held = {id(p) for each in case.setup.optimizers for group in each.param_groups for p in group["params"]}
    foreign = {key: leaf for key, leaf in start.wires.leaves.items() if key not in known | held}
    foreign = {key: leaf for key, leaf in foreign.items() if leaf is not start.x}
    if not foreign:
        return
    places = sorted({place for place, found in hidden(start.model) for leaf in found if id(leaf) in foreign})
    count = sum(each.numel() for each in foreign.values())
    where = f"in {some(places)}, held in a plain list, dict or attribute" if places else "made anew in each forward"
    if not places and _outside(start, set(foreign)):
        where = "outside the model"
    yield Seen(
        f"{count:,} weights that the output depends on are not among the model's parameters: {where}.",
        evidence=(Evidence("weights that model.parameters() leaves out", Number.of(count), limit="above 0"),),
        sure=0.97,
    )


def _outside(start: Start, keys: set[int]) -> bool:
    """Whether a second look meets the same tensors again: then they are not made anew."""
    from ..wires import wires_of

    again = wires_of(start)
    return again is not None and bool(keys & set(again.leaves))


def hidden(model: nn.Module) -> Iterator[tuple[str, list[Tensor]]]:
    """Modules and tensors in plain attributes of any submodule, with their weights."""
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if key.startswith("_") and key in ("_parameters", "_buffers", "_modules"):
                continue
            found = list(_weights(value, 0))
            if found:
                yield f"{name}.{key}" if name else key, found


def _weights(value: Any, depth: int) -> Iterator[Tensor]:
    if isinstance(value, nn.Module):
        yield from value.parameters()
    elif isinstance(value, Tensor):
        if value.requires_grad and value.is_leaf:
            yield value
    elif depth < 4:
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple, set)) else ()
        for each in list(inner)[:1_000]:
            yield from _weights(each, depth + 1)


@check(
    "output-detached",
    what="the way from the loss back to the first layers is cut",
    why="layers before the cut keep the weights they began with",
    phase="start",
    needs=("start", "loss"),
    symptom="flat",
    mend="Take away what cuts it: .detach(), .data, torch.no_grad() in forward, a way through NumPy, argmax, round.",
    code="features = self.trunk(x)  # not self.trunk(x).detach()",
    cost="two passes forward with at most 31 samples",
    else_=("a trunk that is kept as it is on purpose: say so with requires_grad_(False)",),
    leads_to=("parameters-unused", "no-progress", "capacity", "too-small"),
)
def output_detached(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    learning = [name for name, each in start.parameters.items() if each.requires_grad]
    if not learning or start.loss is None:
        return
    reached = [name for name in learning if start.gradients.get(name) is not None]
    if not reached:
        if len(learning) == len(start.parameters) or start.graph is None:
            yield Seen(
                f"No gradient comes to any of the {len(learning)} parameters: {_cut(start)}.",
                evidence=(Evidence("parameters that a gradient reaches", Number.of(0, n=len(learning))),),
                sure=1.0,
            )
        return
    layers = weighted(start)
    cut = []
    for each in layers:
        own = [p for p in each.module.parameters(recurse=False) if p.requires_grad]
        if not own:
            continue
        if any(start.gradients.get(name) is not None for name, p in start.parameters.items() if _among(p, own)):
            break
        cut.append(each)
    held = {id(p) for each in case.setup.optimizers for group in each.param_groups for p in group["params"]}
    users = dict(case.model.named_parameters())
    cut = [each for each in cut if not held or any(id(users.get(f"{each.name}.weight")) == key for key in held)]
    if not cut or len(cut) == len(layers):
        return
    yield Seen(
        f"No gradient comes to the first {len(cut)} of {len(layers)} layers ({some([each.name for each in cut])}): "
        f"{_cut(start)}.",
        severity="note" if case.setup.pretrained else "error",
        evidence=(Evidence("first layers without a gradient", Number.of(len(cut), n=len(layers)), limit="above 0"),),
        sure=0.95,
    )


def _among(one: Tensor, many: list[nn.Parameter]) -> bool:
    return any(one is each for each in many)


def _cut(start: Start) -> str:
    """What cuts the graph, as far as the calls show it."""
    wires = start.wires
    if wires is None:
        return "something between them and the loss cuts the graph"
    if any(each.op in ("linear", "conv2d", "conv1d", "conv3d") and not each.grad for each in wires.calls):
        return "the model runs them under torch.no_grad()"
    for op, words in (
        ("detach", "a .detach() cuts the graph"),
        ("data", "a .data cuts the graph"),
        ("numpy", "a way through NumPy cuts the graph"),
        ("argmax", "an argmax cuts the graph"),
        ("round", "rounding has no slope"),
        ("sign", "a sign has no slope"),
    ):
        if any(each.op == op for each in wires.calls):
            return words
    return "something between them and the loss cuts the graph"


@check(
    "parameters-unused",
    what="layers that are made and never used",
    why="they take memory and learn nothing; where they were meant to be used, forward leaves them out",
    phase="start",
    needs=("start", "loss"),
    symptom="slow",
    mend="Use them in forward, or take them out of the model.",
    code="x = self.block2(self.block1(x))  # every layer of __init__",
    thresholds=(Threshold("share of the weights", 0.01, "tokens and biases left over in healthy nets are smaller"),),
    cost="two passes forward with at most 31 samples",
    else_=("heads for another task or for pre-training, kept on purpose",),
    leads_to=(),
)
def parameters_unused(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    if start.wires is None or start.graph is None or not start.graph.whole:
        return
    total = sum(each.numel() for each in start.parameters.values())
    idle: list[str] = []
    count = 0
    for name, module in start.model.named_modules():
        own = list(module.named_parameters(recurse=False))
        if not own or list(module.children()) or name in start.wires.called:
            continue
        full = [f"{name}.{key}" if name else key for key, _ in own]
        if all(start.gradients.get(each) is None for each in full) and any(p.requires_grad for _, p in own):
            idle.append(name)
            count += sum(p.numel() for _, p in own)
    if not idle:
        return
    share = count / max(total, 1)
    yield Seen(
        f"{some(idle)} {'are' if len(idle) > 1 else 'is'} in the model and never called: "
        f"{count:,} weights, {share:.1%} of all.",
        severity="warning" if share >= limits["share of the weights"] and not case.setup.pretrained else "note",
        evidence=(Evidence("share of the weights that nothing uses", Number.of(share), limit="above .01"),),
        sure=0.9,
    )


@check(
    "frozen",
    what="layers that should learn are frozen",
    why="what is frozen stays as it is: an untrained layer stays random, a frozen last layer cannot name new classes",
    phase="start",
    needs=("start",),
    symptom="flat",
    mend="Set requires_grad_(True) on what is to learn, before the optimizer is made.",
    code="model.requires_grad_(True)",
    cost="nothing beyond what others measured",
    else_=("random features that are kept on purpose",),
    leads_to=("no-progress", "capacity", "too-small", "output-detached"),
)
def frozen(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    layers = list({id(each.module): each for each in weighted(start)}.values())
    still = [each for each in layers if not weight_of(each).requires_grad]
    if not still or not layers:
        return
    names = some([each.name for each in still])
    number = Evidence("frozen layers", Number.of(len(still), n=len(layers)), limit="above 0")
    if not any(each.requires_grad for each in start.parameters.values()):
        yield Seen("Every parameter is frozen (requires_grad is False): nothing can learn.", evidence=(number,), sure=1)
        return
    if any(each.requires_grad for each in start.parameters.values()) and len(still) == len(layers):
        return  # biases, norms, prompts or adapters are tuned
    untouched = [each for each in still if fresh(each.module)]
    stale = not case.setup.pretrained and len(untouched) == len(still) and never_ran(start.model)
    if layers[-1] in still:
        yield Seen(
            f"The last layer ({layers[-1].name}) is frozen while others learn.",
            severity="error" if fresh(layers[-1].module) else "warning",
            evidence=(number,),
            sure=0.9,
        )
    elif stale:
        yield Seen(
            f"{len(still)} of {len(layers)} layers are frozen ({names}) at weights that were never trained.",
            evidence=(number,),
            sure=0.9,
        )
    elif layers[0] not in still:
        yield Seen(
            f"Frozen layers ({names}) stand behind layers that learn.", severity="note", evidence=(number,), sure=0.8
        )


def fresh(module: nn.Module) -> bool:
    """Whether a weight still looks as torch drew it: even over +-1/sqrt(inputs), so 1.8 in kurtosis and bounded."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.numel() < 200 or weight.dim() < 2:
        return True
    value = weight.detach().double().flatten()
    scaled = value / value.std().clamp(min=1e-300)
    kurtosis = float((scaled - scaled.mean()).pow(4).mean())
    even = float(scaled.abs().max()) < 1.78 and abs(kurtosis - 1.8) < 0.15
    normal = abs(kurtosis - 3) < 4 * (24 / weight.numel()) ** 0.5 and abs(float(scaled.mean())) < 4 * len(value) ** -0.5
    fan = weight[0].numel()
    he = [(gain / count) ** 0.5 for gain in (1, 2) for count in (fan, weight.shape[0] * fan // weight.shape[1])]
    return even or (normal and any(abs(float(value.std()) / each - 1) < 0.05 for each in he))


def never_ran(model: nn.Module) -> bool:
    """Whether the batch norms of the model, if any, counted no batches but the few of this look."""
    norms = [each for each in model.modules() if isinstance(each, _BatchNorm) and each.running_var is not None]
    counted = [each.num_batches_tracked for each in norms if each.num_batches_tracked is not None]
    return all(int(each) <= 3 for each in counted)


@check(
    "shared-by-accident",
    what="one layer object stands at several places of the model",
    why="the places share their weights: a model that looks deep has the weights of one layer, and a shared batch norm "
    "mixes the statistics of all",
    phase="start",
    needs=("start",),
    symptom="slow",
    mend="Make a new layer for each place.",
    code="nn.Sequential(*[Block() for _ in range(3)])  # not [Block()] * 3",
    else_=("weights that are shared on purpose, as in recurrent or siamese nets",),
    leads_to=("capacity", "too-small"),
)
def shared_by_accident(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    for name, parent in start.model.named_modules():
        if not isinstance(parent, (nn.Sequential, nn.ModuleList)):
            continue
        places: dict[int, list[str]] = defaultdict(list)
        for key, child in parent._modules.items():
            if child is not None and any(p.numel() > 1 for p in child.parameters()) and not isinstance(child, nn.PReLU):
                places[id(child)].append(f"{name}.{key}" if name else key)
        for several in places.values():
            if len(several) > 1:
                yield Seen(
                    f"{', '.join(several[:4])} are one and the same layer.",
                    severity="warning",
                    evidence=(Evidence("places of one layer", Number.of(len(several)), limit="above 1"),),
                    subject=several[0],
                    sure=0.9,
                )
    feeds = sources(start.layers)
    fed: dict[int, list[Layer]] = defaultdict(list)
    for at, each in enumerate(start.layers):
        if isinstance(each.module, _BatchNorm) and at in feeds:
            fed[id(each.module)].append(start.layers[feeds[at]])
    for at, each in enumerate(start.layers):
        others = fed.pop(id(each.module), [])
        if len({id(other.module) for other in others}) > 1 and at in feeds:
            yield Seen(
                f"The batch norm {each.name} comes after {len(others)} different layers "
                f"({some([other.name for other in others])}) and keeps one mean for all.",
                severity="warning",
                evidence=(Evidence("layers that one batch norm follows", Number.of(len(others)), limit="above 1"),),
                subject=each.name,
                mend="Give each layer a batch norm of its own.",
                code="self.bn1, self.bn2 = nn.BatchNorm2d(32), nn.BatchNorm2d(32)",
                sure=0.9,
            )


@check(
    "activation-missing",
    what="two weighted layers follow one another with nothing between that is not linear",
    why="two linear maps in a row are one: the second adds weights and no power",
    phase="start",
    needs=("start",),
    symptom="slow",
    mend="Put an activation between them.",
    code="nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))",
    cost="two passes forward with at most 31 samples",
    source="Goodfellow, Bengio & Courville 2016, section 6.1",
    else_=("a product of two matrices on purpose, to have fewer weights",),
    leads_to=("capacity", "too-small"),
)
def activation_missing(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.start is not None
    wires = case.start.wires
    pairs = [] if wires is None else [each for each in wires.links if not deliberate(each)]
    if not pairs or wires is None:
        return
    whole = len(wires.links) >= wires.weighted - 1 and wires.weighted > 1
    names = some([f"{_layer_name(each.below)} and {_layer_name(each.above)}" for each in pairs[::-1]])
    yield Seen(
        (
            f"The model has {wires.weighted} weighted layers and no activation: all of it is one linear map."
            if whole
            else f"Nothing but linear operations stands between {names}."
        ),
        severity="error" if whole else "warning",
        evidence=(Evidence("pairs of layers that are one linear map", Number.of(len(pairs)), limit="above 0"),),
        sure=0.97 if whole else 0.85,
    )


def _layer_name(weight: str) -> str:
    return weight.removesuffix(".weight")


def deliberate(link: Link) -> bool:
    """Whether a pair is one of those that healthy nets have.

    Depthwise-separable convolutions and grouped ones; a bottleneck narrower than both sides (factorised matrices,
    linear bottlenecks of MobileNetV2 and V3); a 1x1 convolution that only narrows (the lateral ones of feature
    pyramids); a convolution along rows and one along columns.
    """
    into, middle, out = link.widths
    low, high = link.kernels
    if max(link.groups) > 1 or middle < min(into, out):
        return True
    if low and set(low) == {1} and (middle * 2 <= into or (middle <= into and middle < out and set(high) == {1})):
        return True
    return len(low) == len(high) == 2 and min(low) == min(high) == 1 and low != high and max(*low, *high) > 1


@check(
    "field-small",
    what="no feature sees more than a small part of the image before the features are averaged",
    why="what is larger than that part cannot be told by its shape, only by the textures in it",
    phase="start",
    needs=("start", "images"),
    symptom="slow",
    mend="Add layers with stride or pooling before the average, larger kernels or dilation.",
    code="nn.MaxPool2d(2)  # between stages: it doubles what all later layers see",
    thresholds=(Threshold("share of the image's side", 0.3, "healthy nets see .4 and more, most the whole image"),),
    source="Luo et al. 2016, the effective field is smaller still",
    else_=("nets of local features on purpose (Brendel & Bethge 2019)",),
)
def field_small(case: Case, limits: Limits) -> Iterator[Seen]:
    start = case.start
    assert start is not None
    side = min(start.x.shape[2:])
    found = field_of(start)
    if found is None or side < 8 or start.output.dim() != 2:
        return
    share = found / side
    if share < limits["share of the image's side"]:
        yield Seen(
            f"A feature sees {found} of {side} pixels a side before all places are averaged.",
            severity="warning",
            evidence=(Evidence("share of the image's side that a feature sees", Number.of(share), limit="below .3"),),
            sure=0.7,
        )


def field_of(start: Start) -> int | None:
    """Pixels a side that a feature before the global average can see; None where something else sees the whole image.

    Convolutions and pools are counted in the order of their calls as if they followed one another: with branches this
    is more than the truth, never less.
    """
    field, jump, left = 1, 1, 0
    wires = start.wires
    if wires is None:
        return None
    for call in wires.calls:
        if call.op in ("multi_head_attention", "scaled_dot_product_attention", "bmm", "matmul", "interpolate"):
            return None
    for each in start.layers:
        module = each.module
        if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size not in (1, (1, 1)):
            return None
        if isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
            kernel, stride = _side(module.kernel_size), _side(module.stride or module.kernel_size)
            field += (kernel - 1) * _side(getattr(module, "dilation", 1)) * jump
            jump *= stride
            left = min(each.shape[2:]) if len(each.shape) == 4 else 0
        elif isinstance(module, (nn.ConvTranspose2d, nn.Upsample)):
            return None
        elif isinstance(module, nn.Linear):
            before = [one for one in start.layers if len(one.shape) == 4]
            channels = before[-1].shape[1] if before else 0
            pooled = any(isinstance(one.module, nn.AdaptiveAvgPool2d) for one in start.layers) or any(
                one.op in ("mean", "adaptive_avg_pool2d") and len(one.given) == 4 for one in wires.calls
            )
            return field if left > 1 and pooled and module.in_features == channels and field > 1 else None
    return None


def _side(size: Any) -> int:
    return int(max(size)) if isinstance(size, tuple) else int(size)
