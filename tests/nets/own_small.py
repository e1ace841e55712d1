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
}
DEEP = ("resnet32", "resnet44", "resnet56", "resnet110", "plain32", "plain44", "plain56")  # as their shallow kin


def small(name: str) -> tuple[str, int | None]:
    """Its name with options, and the side of its images or None for the one it is built for."""
    options, side = SMALL.get(name, ("", None))
    return f"striate/{name}{options}", side


ALL = tuple(name for name in OWN if name not in DEEP)
