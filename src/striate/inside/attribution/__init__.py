"""Attribution: for each image a map of what speaks for the target, one page a method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from striate.core.registry import Entry, Registry

if TYPE_CHECKING:
    from .maps import Method

_HERE = "striate.inside.attribution"

METHODS: Registry[Method] = Registry(
    "method",
    {
        "gradient": Entry(
            f"{_HERE}.gradient:gradient",
            "how fast the target's score changes with each pixel",
            cites=("simonyan2013deep",),
        ),
        "grad_cam": Entry(
            f"{_HERE}.grad_cam:grad_cam",
            "where a layer speaks for the target, channels weighed by their mean gradient",
            cites=("selvaraju2017grad",),
        ),
        "occlusion": Entry(
            f"{_HERE}.occlusion:occlusion",
            "how far the target's score drops when a patch is covered",
            cites=("zeiler2014visualizing",),
        ),
        "gradient_x_input": Entry(
            f"{_HERE}.gradient_x_input:gradient_x_input",
            "what each pixel adds to the score, were the net linear",
            cites=("shrikumar2016just",),
        ),
        "smooth_grad": Entry(
            f"{_HERE}.smooth_grad:smooth_grad",
            "the gradient averaged over noisy copies of the image",
            cites=("smilkov2017smoothgrad",),
        ),
        "var_grad": Entry(
            f"{_HERE}.smooth_grad:var_grad",
            "where the gradient changes most over noisy copies of the image",
            cites=(
                "adebayo2018local",
                "hooker2019benchmark",
            ),
        ),
        "integrated_gradients": Entry(
            f"{_HERE}.integrated_gradients:integrated_gradients",
            "the rise of the score from a plain image, shared out among the pixels",
            cites=("sundararajan2017axiomatic",),
        ),
        "expected_gradients": Entry(
            f"{_HERE}.expected_gradients:expected_gradients",
            "the rise of the score from many reference images, shared out among the pixels",
            cites=("erion2021improving",),
        ),
        "rise": Entry(
            f"{_HERE}.rise:rise",
            "how much higher the score is where a pixel is left visible by random masks",
            cites=("petsiuk2018rise",),
        ),
        "extremal_perturbation": Entry(
            f"{_HERE}.extremal_perturbation:extremal_perturbation",
            "the part of a stated size that, shown alone, keeps the target's score highest",
            cites=("fong2019understanding",),
        ),
    },
    hint="striate methods",
)
