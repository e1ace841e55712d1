"""Every own network at a size at which a test can afford it."""

from __future__ import annotations

from striate.nets.own import OWN

# Of those that are too large as they are: options, side of the images. The others are taken as they are built.
SMALL: dict[str, tuple[str, int]] = {
    "lenet5_1998": ("+end=linear", 28),
    "alexnet": ("+width=0.03+stem=small", 16),
    "zfnet": ("+width=0.04+stem=small", 28),
    **{f"vgg_{column}": ("+width=0.0625+stem=small", 16) for column in "abcde"},
    "nin": ("+width=0.04+stem=small", 16),
    "nin_cifar": ("+width=0.08", 16),
    "allconv": ("+width=0.08", 16),
    "googlenet": ("+width=0.125", 32),
    "mobilenet1": ("+width=0.125", 32),
    "neocognitron": ("+planes=4", 16),
    "preact_resnet20": ("+width=4", 16),
    "preact_resnet164": ("+width=2", 16),
    "wrn40_1": ("+width=4", 16),
    "wrn16_8": ("+width=1", 16),
    "densenet40_12": ("+growth=3", 16),
    "densenet_bc100_12": ("+growth=2", 16),
    "resnext29_8x64d": ("+cardinality=2+width=4+stem=4", 16),
    "plain18": ("+width=8", 64),
    # at widths whose drawn weights leave no gate without a rectified unit that is on
    "se_resnet18": ("+width=12", 64),
    "se_resnet20": ("+width=4", 16),
    "se_resnet50": ("+width=16", 64),
    "cbam_resnet18": ("+width=16", 64),
    "cbam_resnet20": ("+width=16", 16),
    "cbam_resnet50": ("+width=16", 64),
    "efficientnet_b0": ("+width=0.25", 64),
}
DEEP = (  # as their shallow kin
    *("resnet32", "resnet44", "resnet56", "resnet110", "plain32", "plain44", "plain56", "plain34"),
    *(f"preact_resnet{depth}" for depth in (32, 44, 56, 110, 1001)),
    *("wrn40_4", "wrn28_10", "densenet100_12", "densenet_bc190_40"),
    *(f"efficientnet_b{number}" for number in range(1, 8)),
)


def small(name: str) -> tuple[str, int | None]:
    """Its name with options, and the side of its images or None for the one it is built for."""
    options, side = SMALL.get(name, ("", None))
    return f"striate/{name}{options}", side


ALL = tuple(name for name in OWN if name not in DEEP)
