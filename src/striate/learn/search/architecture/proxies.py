"""Proxies: what an architecture promises before it is trained, from its starting weights and one batch."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Proxy = Callable[[nn.Module, Tensor, Tensor], float]


def grad_norm(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Euclidean norm of the gradient of the loss on one batch, over all weights.

    Source: Abdelfattah et al. 2021, section 3.1.
    """
    module = copy.deepcopy(module).train()
    loss = F.cross_entropy(module(images), labels)
    parameters = [each for each in module.parameters() if each.requires_grad]
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return float(sum(float(each.double().square().sum()) for each in found if each is not None) ** 0.5)


def synflow(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Sum of each weight times the gradient of R, the sum of the outputs on an image of ones with positive weights.

    Source: Tanaka et al. 2020, equation 4, summed over weights as Abdelfattah et al. 2021, section 3.2, do. Batch norm
    is passed over, in float64: deep nets overflow otherwise.
    """
    del labels
    plain = copy.deepcopy(module).double().eval()
    for name, child in list(plain.named_modules()):
        if isinstance(child, nn.BatchNorm2d):
            parent = plain.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], nn.Identity())
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.abs_()
    parameters = [each for each in plain.parameters() if each.requires_grad]
    outputs = plain(torch.ones(1, *images.shape[1:], dtype=torch.float64)).sum()
    found = torch.autograd.grad(outputs, parameters, allow_unused=True)
    return float(
        sum(float((each * own.detach()).sum()) for each, own in zip(found, parameters, strict=True) if each is not None)
    )


def naswot(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Log determinant of the kernel of agreement: for two images, how many rectified units are on or off in both.

    Minus infinity, where two images switch the same units, becomes the least finite number of its kind, -1e9.

    Source: Mellor et al. 2021, equations 1 and 2: K_ij = N_A - d_H(c_i, c_j).
    """
    del labels
    net = copy.deepcopy(module).train()  # batch statistics, as in the paper: untrained running ones say nothing
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)

    def watch(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        on = (output.detach().flatten(1) > 0).double()
        kernel.add_(on @ on.t() + (1 - on) @ (1 - on).t())

    handles = [each.register_forward_hook(watch) for each in net.modules() if isinstance(each, nn.ReLU)]
    with torch.no_grad():
        net(images)
    for handle in handles:
        handle.remove()
    if not handles:
        return -1e9
    sign, value = torch.linalg.slogdet(kernel)
    return float(value) if float(sign) > 0 and bool(value.isfinite()) else -1e9


def parameters_of(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """How many weights there are."""
    del images, labels
    return float(sum(each.numel() for each in module.parameters()))


def multiply_adds_of(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Multiply-adds of one image, in convolutions and linear layers."""
    del labels
    counted = [0.0]

    def watch(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        weight = getattr(layer, "weight", None)
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and isinstance(weight, Tensor):
            counted[0] += output[0].numel() * weight[0].numel()

    handles = [each.register_forward_hook(watch) for each in module.modules()]
    was = module.training
    module.eval()
    with torch.no_grad():
        module(images[:1])
    module.train(was)
    for handle in handles:
        handle.remove()
    return counted[0]


PROXIES: Mapping[str, Proxy] = MappingProxyType(
    {
        "synflow": synflow,
        "grad_norm": grad_norm,
        "naswot": naswot,
        "params": parameters_of,
        "macs": multiply_adds_of,
    }
)


def milliseconds(module: nn.Module, images: Tensor, *, rounds: int = 5) -> float:
    """CPU time of a forward pass of one image, the least of some rounds, in milliseconds; torch's threads are added."""
    module.eval()
    found = []
    with torch.no_grad():
        module(images[:1])
        for _ in range(rounds):
            begun = time.process_time()
            module(images[:1])
            found.append(1000 * (time.process_time() - begun))
    return min(found)
