"""The same maps and measures by other packages, each called as its own documentation calls it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Work = Callable[[Any, int], object]  # a subject of looking.py, and how many of its images


def captum(name: str, *, noisy: bool = False, **options: object) -> Work:
    """A method of captum, on the net with its normalisation."""

    def run(subject: Any, count: int) -> object:
        attr: Any = importlib.import_module("captum.attr")
        images, targets = subject.some(count)
        # DeepLift and GuidedBackprop put hooks on modules and want the plain module behind the normalisation.
        hooked = name in ("DeepLift", "GuidedBackprop", "Deconvolution")
        method = getattr(attr, name)(subject.plain if hooked else subject.net)
        method = attr.NoiseTunnel(method) if noisy else method
        return method.attribute(images.clone().requires_grad_(), target=targets, **options)

    return run


def captum_cam(subject: Any, count: int) -> object:
    """Captum's Grad-CAM, enlarged to the image."""
    attr: Any = importlib.import_module("captum.attr")
    images, targets = subject.some(count)
    layer = subject.net.module.get_submodule(subject.layer)
    maps = attr.LayerGradCam(subject.net, layer).attribute(images, target=targets, relu_attributions=True)
    return attr.LayerAttribution.interpolate(maps, tuple(images.shape[2:]), interpolate_mode="bilinear")


def grad_cam(subject: Any, count: int) -> object:
    """Grad-CAM of pytorch-grad-cam."""
    package: Any = importlib.import_module("pytorch_grad_cam")
    outputs: Any = importlib.import_module("pytorch_grad_cam.utils.model_targets")
    images, targets = subject.some(count)
    wanted = [outputs.ClassifierOutputTarget(int(each)) for each in targets]
    with package.GradCAM(subject.net, [subject.net.module.get_submodule(subject.layer)]) as cam:
        return cam(input_tensor=images, targets=wanted)


def torchcam(subject: Any, count: int) -> object:
    """Torchcam's Grad-CAM."""
    package: Any = importlib.import_module("torchcam.methods")
    images, targets = subject.some(count)
    with package.GradCAM(subject.net, subject.net.module.get_submodule(subject.layer)) as cam:
        scores = subject.net(images.clone().requires_grad_())
        return cam(targets.tolist(), scores)


def zennit(name: str) -> Work:
    """LRP of zennit by one rule for convolutions and linear layers, batch normalisation folded by its canonizer."""

    def run(subject: Any, count: int) -> object:
        rules: Any = importlib.import_module("zennit.rules")
        composites: Any = importlib.import_module("zennit.composites")
        types: Any = importlib.import_module("zennit.types")
        canonizers: Any = importlib.import_module("zennit.torchvision")
        images, targets = subject.some(count)
        rule = {
            "epsilon": rules.Epsilon,
            "gamma": lambda: rules.Gamma(0.25),
            "alpha_beta": lambda: rules.AlphaBeta(2, 1),
        }[name]()
        layers = [(types.Convolution, rule), (types.Linear, rules.Epsilon()), (types.Activation, rules.Pass())]
        own = [canonizers.ResNetCanonizer()] if "resnet" in subject.net.name else []
        composite = composites.LayerMapComposite([*layers, (types.AvgPool, rules.Norm())], canonizers=own)
        leaf = subject.normalised(images).requires_grad_()
        with composite.context(subject.net.module) as module:
            output = module(leaf)
            seed = nn.functional.one_hot(targets, output.shape[1]).to(output)
            return torch.autograd.grad(output, leaf, seed * output.detach())

    return run


def quantus(steps: int) -> Work:
    """Pixel flipping of Quantus: as many steps of equal size over all pixels, covered in grey as in `deletion`."""

    def run(subject: Any, count: int) -> object:
        package: Any = importlib.import_module("quantus")
        images, targets = subject.some(count)
        side = images.shape[-1]
        metric = package.PixelFlipping(
            features_in_step=side * side // steps, perturb_baseline=0.0, disable_warnings=True, normalise=False
        )
        return metric(
            model=subject.net.module,
            x_batch=subject.normalised(images).numpy(),
            y_batch=targets.numpy(),
            a_batch=subject.maps[:count, None].numpy(),
            device="cpu",
            batch_size=count,
        )

    return run


class Plain(nn.Module):
    """The module behind its normalisation, without our checks."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.module, self.mean, self.std = net.module, net.mean, net.std

    def forward(self, images: Tensor) -> Any:
        """Logits of pixels."""
        return self.module((images - self.mean) / self.std)
