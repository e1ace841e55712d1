"""What `gradcheck` gives: each gradient that was checked, and where a backward is wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SlopeCheck:
    """The gradient of one tensor, along several directions.

    Attributes:
        name: Name of the parameter or of the site, or ``input``.
        shape: Its shape; of a site and of the input with the images in front.
        directions: How many directions were checked.
        kinks: In how many of them a kink (of a ReLU, of a pooling) lay within the first step or at the very point.
        worst: Largest relative difference between both slopes, over the directions.
        backward: Slope by the backward pass in the worst direction.
        difference: Slope by differences in the worst direction.
        right: Whether every direction agrees.
        reached: Whether the backward pass comes to it at all.
    """

    name: str
    shape: tuple[int, ...]
    directions: int
    kinks: int
    worst: float
    backward: float
    difference: float
    right: bool
    reached: bool = True


@dataclass(frozen=True)
class GradientCheck:
    """The gradients of a net in float64.

    Attributes:
        net: Its name.
        images: Images that passed at once.
        step: First step of the differences.
        bound: Relative difference up to which two slopes agree.
        training: Whether the net was in training mode.
        input: The gradient by the pixels.
        parameters: Those by the parameters, in the order of the module.
        sites: Those by what each executed operation gives, in order; none in training mode.
        culprits: Operations that get a right gradient and hand on a wrong one, or at which it ends.
    """

    net: str
    images: int
    step: float
    bound: float
    training: bool
    input: SlopeCheck
    parameters: tuple[SlopeCheck, ...]
    sites: tuple[SlopeCheck, ...]
    culprits: tuple[str, ...]

    @property
    def checks(self) -> tuple[SlopeCheck, ...]:
        """All of them: input, parameters, sites."""
        return (self.input, *self.parameters, *self.sites)
