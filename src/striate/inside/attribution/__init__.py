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
    },
    hint="striate methods",
)
