"""What `gradcheck` and `graph` give: checked gradients; gates and operations with values and gradients."""

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


@dataclass(frozen=True)
class Gate:
    """One gate of an expression.

    Attributes:
        op: ``leaf``, ``number``, ``+``, ``*``, ``max``, ``sigmoid``, ...
        name: Name of a leaf.
        inputs: Places of what it takes, in the order of the forward pass.
        value: What it gives.
        local: Its slope by each input.
        grad: Slope of the output by what it gives.
    """

    op: str
    name: str
    inputs: tuple[int, ...]
    value: float
    local: tuple[float, ...]
    grad: float


@dataclass(frozen=True)
class Block:
    """One box of the graph of a net: an operation, or several of one module folded into one.

    Attributes:
        name: Of the site, or of the module.
        op: The operation, or the class of the module.
        sites: Operations in it.
        inputs: Places of the blocks that it takes from; -1 is the image.
        shape: Of what it gives for one image.
        parameters: In it; shared ones count where they are met first.
        macs: Multiply-adds for one image.
        mean: Mean of what it gives, over images and units; None where it was not looked at.
        std: Its standard deviation.
        grad_std: Standard deviation of the gradient of the loss by it.
    """

    name: str
    op: str
    sites: int
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    parameters: int
    macs: int
    mean: float | None = None
    std: float | None = None
    grad_std: float | None = None


@dataclass(frozen=True)
class Graph:
    """A computational graph: of an expression, or of a net.

    Attributes:
        subject: The expression, or the name of the net.
        gates: Of an expression.
        blocks: Of a net.
        depth: To how many steps of a module's path a net is unfolded.
        picture: Key of the drawing.
    """

    subject: str
    gates: tuple[Gate, ...] = ()
    blocks: tuple[Block, ...] = ()
    depth: int = 0
    picture: str = "graph.svg"
