"""Write tests/expected/peers.json: what captum and foolbox give on a small fixed net, which the suite compares with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[1]
sys.path.insert(0, str(TOP / "tests"))
PLACE = TOP / "tests" / "expected" / "peers.json"


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 7) for value in values.detach().flatten()]


def captum_maps() -> dict[str, Any]:
    """Gradient and its kin, Grad-CAM at conv2's ReLU and occlusion, as captum computes them."""
    from captum.attr import (
        InputXGradient,
        IntegratedGradients,
        LayerAttribution,
        LayerGradCam,
        Occlusion,
        Saliency,
    )

    from oracles.peers_net import TARGETS, FixedNet, fixed_images

    net, images = FixedNet().eval(), fixed_images()
    net.act.inplace = False  # captum's hooks would see the overwritten tensor
    targets = list(TARGETS)
    gradient = Saliency(net).attribute(images.clone().requires_grad_(), target=targets, abs=False)
    cam = LayerGradCam(net, net.act).attribute(images, target=targets, relu_attributions=True)
    large = LayerAttribution.interpolate(cam, (16, 16), interpolate_mode="bilinear")
    drops = Occlusion(net).attribute(
        images, sliding_window_shapes=(3, 4, 4), strides=(3, 4, 4), target=targets, baselines=0.5
    )
    times = InputXGradient(net).attribute(images.clone().requires_grad_(), target=targets)
    paths = {
        f"integrated gradients of the first image from 0.25, {ours}, 12": _rounded(
            IntegratedGradients(net).attribute(images[:1], baselines=0.25, target=targets[0], n_steps=12, method=theirs)
        )
        for ours, theirs in (("gauss_legendre", "gausslegendre"), ("midpoint", "riemann_middle"))
    }
    return {
        "gradient x input of the first image": _rounded(times[:1]),
        **paths,
        "logits": _rounded(net(images)),
        "gradient": _rounded(gradient),
        "grad_cam": _rounded(large),
        "occlusion patch 4 stride 4, one channel": _rounded(drops[:, 0]),
    }


def foolbox_attacks() -> dict[str, Any]:
    """FGSM's and PGD's images (no random start) and what they fool, as foolbox computes them."""
    import foolbox

    from oracles.peers_net import FixedNet, fixed_images

    net, images = FixedNet().eval(), fixed_images()
    labels = net(images).argmax(1)
    peer = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    fast = foolbox.attacks.FGSM(random_start=False)
    many = foolbox.attacks.LinfPGD(abs_stepsize=0.005, steps=10, random_start=False)
    _, one_step, fooled_fast = fast(peer, images, labels, epsilons=0.02)
    _, _, fooled_many = many(peer, images, labels, epsilons=0.02)
    return {
        "labels": labels.tolist(),
        "fgsm 0.02": _rounded(one_step),
        "fgsm 0.02 fools": fooled_fast.tolist(),
        "pgd 0.02 fools": fooled_many.tolist(),
    }


def main() -> None:
    """Compute and write."""
    from importlib.metadata import version

    peers = {name: version(name) for name in ("captum", "foolbox", "torch")}
    values = {"peers": peers, "captum": captum_maps(), "foolbox": foolbox_attacks()}
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_text(json.dumps(values), encoding="utf-8")
    print(f"wrote {PLACE.relative_to(TOP)}, {PLACE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
