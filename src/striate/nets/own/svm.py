"""A linear support vector machine as the last layer of a net."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed


def with_svm(net: Net, images: Tensor, labels: Tensor, *, penalty: float = 1.0, seed: int = 0) -> Net:
    """A copy of a net whose last layer is a linear support vector machine on what comes into it, fitted to images.

    One machine a class against all others, their scores as logits; of two classes one machine, whose score the second
    has and the first negated. Such scores rank classes; their softmax is no calibrated probability.

    Args:
        net: A sequence of modules that ends in a linear layer, such as ``striate/hog``.
        images: (N, C, H, W) in [0, 1].
        labels: Classes (N,), of which each of the net's occurs.
        penalty: C, the weight of the images on the wrong side.
        seed: Of the solver's order.

    Raises:
        StriateError: The net ends otherwise, or a class does not occur.

    Source: Cortes & Vapnik 1995; fitted by scikit-learn's ``LinearSVC`` (Fan et al. 2008, LIBLINEAR).
    """
    from sklearn.svm import LinearSVC

    made = copy.deepcopy(net)
    module = made.module
    if not isinstance(module, nn.Sequential) or not isinstance(module[-1], nn.Linear):
        raise StriateError(f"{net.name} does not end in a linear layer", accepted="a sequence that does: striate/hog")
    head, known = module[-1], sorted(set(labels.tolist()))
    if known != list(range(head.out_features)):
        raise StriateError(f"images of the classes {known}", accepted=f"all of 0 to {head.out_features - 1}")
    with undisturbed(made), torch.no_grad():
        module[-1] = nn.Identity()
        codes = made(images).flatten(1)
        module[-1] = head
    fitted = LinearSVC(C=penalty, random_state=seed).fit(codes.cpu().double().numpy(), labels.cpu().numpy())
    weight, bias = torch.from_numpy(fitted.coef_), torch.from_numpy(fitted.intercept_)
    if len(weight) == 1:
        weight, bias = torch.cat([-weight, weight]), torch.cat([-bias, bias])
    with torch.no_grad():
        head.weight.copy_(weight.to(head.weight))
        head.bias.copy_(bias.to(head.bias))
    return made.eval()
