from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import pytest
import torch
from torch import Tensor

from striate.core.errors import StriateError
from striate.imageopt.goal import classified_as, confident_above, misclassified, none
from striate.imageopt.objective import (
    Objective,
    Term,
    cross_entropy,
    log_odds,
    log_probability,
    logit,
    margin,
    squared_distance,
    total_variation,
)


@dataclass(frozen=True)
class Pass:
    images: Tensor
    output: Tensor
    rows: Tensor

    def __getitem__(self, site: str) -> Tensor:
        raise KeyError(site)


def a_pass(scale: float = 1.0, rows: tuple[int, ...] = (0, 1, 2, 3)) -> Pass:
    draw = torch.Generator().manual_seed(0)
    return Pass(
        torch.rand(len(rows), 1, 4, 5, generator=draw, dtype=torch.float64),
        scale * torch.randn(len(rows), 3, generator=draw, dtype=torch.float64),
        torch.tensor(rows),
    )


def test_objectives_are_what_their_names_say() -> None:
    seen, labels = a_pass(), torch.tensor([0, 1, 2, 1])
    z, y = seen.output.numpy(), labels.numpy()
    for k in range(4):
        others = [z[k, j] for j in range(3) if j != y[k]]
        e = torch.tensor(z[k]).exp()
        p = float(e[y[k]] / e.sum())
        assert float(logit(labels)(seen)[k]) == z[k, y[k]]
        assert float(log_probability(labels)(seen)[k]) == pytest.approx(float(torch.tensor(p).log()))
        assert float(cross_entropy(labels)(seen)[k]) == pytest.approx(-float(torch.tensor(p).log()))
        assert float(log_odds(labels)(seen)[k]) == pytest.approx(float(torch.tensor(p / (1 - p)).log()))
        assert float(margin(labels)(seen)[k]) == pytest.approx(max(others) - z[k, y[k]])


def test_penalties_read_the_image() -> None:
    seen = a_pass()
    image = seen.images[2, 0].numpy()
    across = sum(abs(image[i, j + 1] - image[i, j]) for i in range(4) for j in range(4))
    down = sum(abs(image[i + 1, j] - image[i, j]) for i in range(3) for j in range(5))
    assert float(total_variation()(seen)[2]) == pytest.approx(across + down)
    assert float(squared_distance(0.5)(seen)[2]) == pytest.approx(((image - 0.5) ** 2).sum())
    centres = torch.zeros(9, 1, 4, 5, dtype=torch.float64)
    centres[7] = 1.0
    at = Pass(seen.images[:1], seen.output[:1], torch.tensor([7]))
    assert float(squared_distance(centres)(at)[0]) == pytest.approx(((seen.images[0] - 1) ** 2).sum())


def test_labels_belong_to_rows_not_to_places_in_the_batch() -> None:
    labels = torch.tensor([0, 0, 0, 2, 1])
    seen = a_pass(rows=(4, 3))
    assert logit(labels)(seen).tolist() == [float(seen.output[0, 1]), float(seen.output[1, 2])]
    assert misclassified(labels)(seen).tolist() == (seen.output.argmax(1) != torch.tensor([1, 2])).tolist()


def test_objectives_compose_print_and_cannot_be_changed() -> None:
    seen = a_pass()
    total = 2 * (logit(1) - margin(1)) + 0.5 * total_variation() - squared_distance(0.5)
    expected = 2 * (logit(1)(seen) - margin(1)(seen)) + 0.5 * total_variation()(seen) - squared_distance(0.5)(seen)
    torch.testing.assert_close(total(seen), expected)
    torch.testing.assert_close((-logit(0))(seen), -(logit(0)(seen)))
    assert str(logit(3) - 0.1 * squared_distance(0.5)) == "logit(3) - 0.1 * squared_distance(0.5)"
    assert str(2 * (logit(1) - margin(1))) == "2 * (logit(1) - margin(1))"
    assert repr(-logit(torch.tensor([1, 2]))) == "<objective -logit(labels)>"
    assert total.sites == {"output"}
    assert total_variation().sites == frozenset()
    with pytest.raises(FrozenInstanceError):
        logit(1).words = "another"


def test_log_odds_ascends_like_cross_entropy_and_does_not_vanish_on_large_logits() -> None:
    labels = torch.tensor([0, 1, 2, 1])

    def direction(objective: Objective, logits: Tensor) -> Tensor:
        free = logits.clone().requires_grad_()
        (grad,) = torch.autograd.grad(objective(Pass(torch.zeros(4, 1, 1, 1), free, torch.arange(4))).sum(), free)
        return grad / grad.norm(dim=1, keepdim=True)

    logits = a_pass().output
    torch.testing.assert_close(direction(cross_entropy(labels), logits), direction(-log_odds(labels), logits))
    sure = torch.tensor([[900.0, 0, 1], [0, 900, 1], [0, 1, 900], [0, 900, 1]])
    assert bool(direction(cross_entropy(labels), sure).isnan().all())
    assert bool(direction(-log_odds(labels), sure).isfinite().all())


def test_goals_are_apart_from_the_score() -> None:
    seen, labels = a_pass(), torch.tensor([0, 1, 2, 1])
    predicted = seen.output.argmax(1)
    assert torch.equal(misclassified(labels)(seen), predicted != labels)
    assert torch.equal(classified_as(2)(seen), predicted == 2)
    sure = seen.output.softmax(1)[:, 1]
    assert torch.equal(confident_above(1, 0.4)(seen), sure > 0.4)
    assert not bool(none()(seen).any())
    with pytest.raises(StriateError, match="probability is 1"):
        confident_above(1, 1.0)


def test_an_objective_that_mixes_images_is_refused() -> None:
    with pytest.raises(StriateError, match=r"mean of all gave shape \(\) for 4 images"):
        Term("mean of all", lambda seen: seen.output.mean())(a_pass())


@pytest.mark.parametrize(("classes", "message"), [(3, "class 3 is out of range"), (-1, "class -1")])
def test_a_class_that_the_net_lacks_is_refused(classes: int, message: str) -> None:
    with pytest.raises(StriateError, match=message):
        logit(classes)(a_pass())


def test_a_net_with_one_output_has_no_margin() -> None:
    seen = Pass(torch.zeros(2, 1, 1, 1), torch.zeros(2, 1), torch.arange(2))
    with pytest.raises(StriateError, match="one output"):
        margin(0)(seen)
