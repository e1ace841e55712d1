"""What `ensemble` gives: each member, the growing average, how much members differ."""

from __future__ import annotations

from dataclasses import dataclass

from striate.core.number import Number

ALPHA = 0.01  # level at which a member is said to add something


@dataclass(frozen=True)
class EnsembleMember:
    """One net on one view of every image, alone.

    Attributes:
        name: ``"net"``, or ``"net, view"`` where it is not the whole image.
        net: Name of the net.
        view: ``"whole"``, ``"mirrored"``, ``"top left"``...
        accuracy: Share right.
        loss: Negative log-likelihood of the labels in nats, mean.
        ece: Expected calibration error.
        kept: Whether it takes part; with a choice on dev some are left out.
        dev: Accuracy of the average up to and with it on dev, where dev chose the order.
        dev_loss: Its loss there.
    """

    name: str
    net: str
    view: str
    accuracy: Number
    loss: Number
    ece: Number
    kept: bool = True
    dev: float | None = None
    dev_loss: float | None = None


@dataclass(frozen=True)
class Growth:
    """The average of the first members.

    Attributes:
        added: Name of the member that came last.
        members: How many there are: also the forward passes an image.
        accuracy: Of the average.
        loss: Of the average.
        ece: Of the average.
        gain: Its accuracy less that of the average without the last member, images in pairs.
        loss_gain: Its loss less that of the average without it, images in pairs: below 0 is better.
        p: Chance of so uneven a table if the last member changed nothing (McNemar, exact, not corrected).
        spread: Mean loss of its members less its own loss: what it owes to their being different; never below 0.
    """

    added: str
    members: int
    accuracy: Number
    loss: Number
    ece: Number
    gain: Number
    loss_gain: Number
    p: float | None
    spread: Number


@dataclass(frozen=True)
class MemberPair:
    """Two members: share of images on which they say different things, and share that both have wrong."""

    a: str
    b: str
    disagreement: Number
    both_wrong: Number


@dataclass(frozen=True)
class Ensemble:
    """Several members averaged on one split.

    Attributes:
        data: Name and split.
        n: Images.
        average: ``"probabilities"`` or ``"logits"``.
        order: ``"given"``, or ``"dev"`` where the dev split chose.
        members: Those that take part in their order, then those left out.
        growth: The average after each member.
        best: Name of the member that is best alone on these images.
        over_best: Accuracy of the whole average less that of the best member, images in pairs.
        loss_over_best: Loss of the whole less that of the best member, images in pairs: below 0 is better.
        p: Chance of so uneven a table if both were equally good (McNemar, exact).
        at_least_one: Share of images that some member has right.
        pairs: Every pair of members that take part, in the order of the most different, at most 60.
    """

    data: str
    n: int
    average: str
    order: str
    members: tuple[EnsembleMember, ...]
    growth: tuple[Growth, ...]
    best: str
    over_best: Number
    loss_over_best: Number
    p: float
    at_least_one: Number
    pairs: tuple[MemberPair, ...] = ()

    @property
    def whole(self) -> Growth:
        """The average of all that take part."""
        return self.growth[-1]

    @property
    def best_member(self) -> EnsembleMember:
        """The member that is best alone on these images."""
        return next(each for each in self.members if each.name == self.best)
