"""Checks of what is trained without a class for each input: adversarial and contrastive training."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from striate.core.finding import Evidence
from striate.core.number import Number

from ..case import Case
from ..check import Limits, Seen, Threshold, check
from ..samples import unnoticed

ASKED = 64  # samples that are drawn


def spread(x: Tensor) -> float:
    """Mean distance between two different rows of (n, ...)."""
    return float(torch.pdist(x.detach().cpu().float().flatten(1)).mean()) if len(x) > 1 else 0.0


def effective_rank(codes: Tensor) -> float:
    """Exponential of the entropy of the normalised singular values of the centred codes (n, d).

    Source: Roy & Vetterli 2007, "The effective rank", definition 1.
    """
    values = torch.linalg.svdvals((codes - codes.mean(0)).double())
    shares = values / values.sum().clamp(min=1e-300)
    return float(torch.exp(-(shares * shares.clamp(min=1e-300).log()).sum()))


@check(
    "mode-collapse",
    what="a generator gives nearly the same sample for every latent",
    why="it has found one sample that deceives, and learns nothing of the others",
    phase="end",
    needs=("generator", "train"),
    symptom="flat",
    mend="Let the discriminator see several samples at once, or take a loss whose gradient does not vanish.",
    thresholds=(
        Threshold("spread of the samples over that of the data", 0.25, "half of what a blurred generator keeps"),
    ),
    cost="64 samples of the generator",
    source="Goodfellow 2016, section 5.1.1; Salimans et al. 2016, section 3.2",
    leads_to=("no-progress",),
)
def mode_collapse(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.train is not None
    assert case.setup.generate is not None
    with unnoticed(), torch.no_grad():
        made = case.setup.generate(ASKED)
    real = spread(case.train.x[:ASKED])
    share = spread(made) / real if real > 0 else 1.0
    if share < limits["spread of the samples over that of the data"]:
        yield Seen(
            f"Generated samples lie {share:.0%} as far apart as the data do.",
            evidence=(Evidence("spread over the data's", Number.of(share), limit="below .25"),),
            images=("generated", made) if made.dim() == 4 else None,
        )


@check(
    "discriminator-too-strong",
    what="a discriminator tells real from generated without a mistake",
    why="its score is flat around the generated samples, so that hardly a gradient comes back to the generator",
    phase="end",
    needs=("generator", "discriminator", "train"),
    symptom="flat",
    mend="Train the discriminator less often, at a lower rate, with smoothed labels or a gradient penalty.",
    thresholds=(Threshold("root mean square of the gradient, a pixel", 1e-4, "Arjovsky & Bottou 2017"),),
    cost="64 samples of the generator, one pass back through the discriminator",
    source="Arjovsky & Bottou 2017, theorem 2.4",
    else_=("a generator that has only just begun",),
    leads_to=("no-progress",),
)
def discriminator_too_strong(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.train is not None
    assert case.setup.generate is not None
    assert case.setup.discriminate is not None
    with unnoticed(), torch.enable_grad():
        made = case.setup.generate(ASKED).detach().requires_grad_(True)
        fake = case.setup.discriminate(made).reshape(len(made), -1).mean(1)
        real = case.setup.discriminate(case.train.x[:ASKED].to(made)).reshape(-1)
        # what reaches the generator under the loss that saturates: log(1 - D)
        slope = torch.autograd.grad(torch.nn.functional.logsigmoid(-fake).sum(), made)[0]
    right = float(torch.cat([(fake < 0).float(), (real > 0).float()]).mean())
    size = float(slope.square().mean().sqrt())
    if right >= 1.0 and size < limits["root mean square of the gradient, a pixel"]:
        yield Seen(
            f"The discriminator is right on {right:.0%} of real and generated samples, and a gradient of {size:.1g} a "
            "pixel is left for the generator.",
            severity="warning",
            sure=0.8,
            evidence=(Evidence("gradient a pixel", Number.of(size), limit="below .0001"),),
        )


@check(
    "codes-collapsed",
    what="an encoder gives nearly the same code for every input",
    why="a constant code makes pairs agree at no cost where nothing pushes others apart",
    phase="end",
    needs=("codes", "train"),
    symptom="good",
    mend="Use more negatives or a term that keeps variances up, stop the gradient on one side, keep BatchNorm.",
    thresholds=(
        Threshold("mean cosine between codes of different inputs", 0.98, "trained encoders lie below .9"),
        Threshold("effective rank over the width", 0.02, "Jing et al. 2022, figure 2"),
    ),
    cost="one pass over 64 inputs",
    source="Jing et al. 2022, Understanding dimensional collapse, section 2",
    leads_to=("no-progress",),
)
def codes_collapsed(case: Case, limits: Limits) -> Iterator[Seen]:
    assert case.train is not None
    assert case.setup.embed is not None
    with unnoticed(), torch.no_grad():
        codes = case.setup.embed(case.train.x[:ASKED]).detach().cpu().float().flatten(1)
    unit = torch.nn.functional.normalize(codes, dim=1)
    cosines = (unit @ unit.t())[~torch.eye(len(unit), dtype=torch.bool)]
    mean, rank = float(cosines.mean()), effective_rank(codes)
    together = mean > limits["mean cosine between codes of different inputs"]
    if together or rank < max(1.5, limits["effective rank over the width"] * codes.shape[1]):
        yield Seen(
            f"Codes of different inputs: cosine {mean:.3f}, {rank:.1f} of {codes.shape[1]} dimensions filled.",
            evidence=(
                Evidence("mean cosine", Number.of(mean), limit="above .98"),
                Evidence("effective rank", Number.of(rank), limit=f"of {codes.shape[1]}"),
            ),
        )
