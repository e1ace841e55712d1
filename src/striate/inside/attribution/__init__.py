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
        "grad_cam_plus_plus": Entry(
            f"{_HERE}.grad_cam_plus_plus:grad_cam_plus_plus",
            "where a layer speaks for the target, each place of an object counted alike",
            cites=("chattopadhay2018grad",),
        ),
        "hires_cam": Entry(
            f"{_HERE}.hires_cam:hires_cam",
            "where a layer speaks for the target, each value times its own gradient",
            cites=("draelos2020use",),
        ),
        "layer_cam": Entry(
            f"{_HERE}.layer_cam:layer_cam",
            "where a layer speaks for the target, each value times its own positive gradient",
            cites=("jiang2021layercam",),
        ),
        "score_cam": Entry(
            f"{_HERE}.score_cam:score_cam",
            "where a layer speaks for the target, channels weighed by the score of the image seen through them",
            cites=("wang2020score",),
        ),
        "ablation_cam": Entry(
            f"{_HERE}.ablation_cam:ablation_cam",
            "where a layer speaks for the target, channels weighed by what the net loses without them",
            cites=("desai2020ablation",),
        ),
        "occlusion": Entry(
            f"{_HERE}.occlusion:occlusion",
            "how far the target's score drops when a patch is covered",
            cites=("zeiler2014visualizing",),
        ),
        "guided_backprop": Entry(
            f"{_HERE}.guided_backprop:guided_backprop",
            "the gradient through rectifiers that let no negative signal back: the edges that the net looks at",
            cites=("springenberg2015striving",),
        ),
        "deconvnet": Entry(
            f"{_HERE}.deconvnet:deconvnet",
            "the target projected back through transposed filters, switches and rectifiers",
            cites=("zeiler2014visualizing",),
        ),
        "guided_grad_cam": Entry(
            f"{_HERE}.guided_grad_cam:guided_grad_cam",
            "the edges of guided backpropagation where Grad-CAM sees evidence for the target",
            cites=("selvaraju2017grad",),
        ),
        "lrp": Entry(
            f"{_HERE}.lrp:lrp",
            "the logit shared out among the pixels, by the rule that suits each layer",
            cites=(
                "montavon2019layer",
                "montavon2017explaining",
            ),
        ),
        "lrp_epsilon": Entry(
            f"{_HERE}.lrp_epsilon:lrp_epsilon",
            "the logit shared out in proportion to contributions, weak sums damped",
            cites=("bach2015pixel",),
        ),
        "lrp_gamma": Entry(
            f"{_HERE}.lrp_gamma:lrp_gamma",
            "the logit shared out in proportion to contributions, positive ones favoured",
            cites=("montavon2019layer",),
        ),
        "lrp_z_plus": Entry(
            f"{_HERE}.lrp_z_plus:lrp_z_plus",
            "the logit shared out in proportion to positive contributions alone",
            cites=("montavon2017explaining",),
        ),
        "lrp_alpha_beta": Entry(
            f"{_HERE}.lrp_alpha_beta:lrp_alpha_beta",
            "the logit shared out to positive and negative contributions apart",
            cites=("bach2015pixel",),
        ),
        "attention_rollout": Entry(
            f"{_HERE}.attention_rollout:attention_rollout",
            "share of each patch in what a transformer's head reads, for no target in particular",
            cites=("abnar2020quantifying",),
        ),
        "gradient_attention": Entry(
            f"{_HERE}.gradient_attention:gradient_attention",
            "which patches speak for the target, by a transformer's attention times its gradient",
            cites=("chefer2021generic",),
        ),
        "deep_lift": Entry(
            f"{_HERE}.deep_lift:deep_lift",
            "how far each pixel's difference from a baseline raised the logit, by the rescale rule",
            cites=("shrikumar2017learning",),
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
