"""Features and simple classifiers against loops written from the papers, scikit-learn's optima, and laws."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from oracles import learn_baselines as oracle
from striate.core.cite import cite
from striate.core.errors import StriateError
from striate.core.progress import Progress
from striate.core.rng import Rng
from striate.data.dataset import Dataset, Splits
from striate.data.load import load_splits
from striate.learn.baselines import CLASSIFIERS, FEATURES
from striate.learn.baselines.linear import cross_entropy, fit_path, squared_hinge
from striate.learn.baselines.means import nearest_mean
from striate.learn.baselines.measure import Measured, measure_baselines
from striate.learn.baselines.neighbours import nearest_images
from striate.learn.baselines.perceptron import answers, learn_perceptron
from striate.learn.baselines.words import cells_of, grid, pyramid


@pytest.fixture(scope="module")
def digits() -> Splits:
    splits = load_splits("digits")
    return replace(splits, train=splits.train.limit(150), dev=splits.dev.limit(60), test=splits.test.limit(80))


@pytest.fixture(scope="module")
def measured(digits: Splits) -> Measured:
    return measure_baselines(*digits, features=("pixels", "hog"), classifiers=("svm", "nearest", "means"))


def blobs(count: int, classes: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=count)
    rows = rng.normal(size=(classes, width))[labels] + rng.normal(size=(count, width))
    return torch.from_numpy(rows), torch.from_numpy(labels)


def test_every_feature_and_classifier_loads_and_its_papers_are_known() -> None:
    for registry in (FEATURES, CLASSIFIERS):
        for name, entry in registry.items():
            assert callable(registry.load(name))
            assert all(cite(key).title for key in entry.cites)


def test_a_pyramid_code_times_another_is_the_pyramid_match() -> None:
    rng, words = np.random.default_rng(0), 5
    points = grid((64, 80))
    cells = cells_of(points, (64, 80))
    found = torch.from_numpy(rng.integers(words, size=(3, len(points))))
    codes = pyramid(found, cells, words).double()
    for a, b in ((0, 1), (1, 2), (2, 2)):
        expected = oracle.pyramid_match(found[a].numpy(), found[b].numpy(), cells.numpy(), words, 2)
        assert float(codes[a] @ codes[b]) == pytest.approx(expected, abs=1e-6)
    assert torch.allclose(codes.norm(dim=1), torch.ones(3).double(), atol=1e-6)


def test_a_histogram_counts_every_pixel_once_in_its_colour() -> None:
    images = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    images[0, :, 0, 0] = 1.0
    data = Dataset.of(images, [0, 1])
    made = FEATURES.load("colours")(data, seed=0, memory=1 << 30)
    for image, code in zip(images, made(images), strict=True):
        assert np.allclose(code.square().numpy(), oracle.joint_histogram(image.numpy(), 8), atol=1e-6)


def test_a_support_vector_machine_has_the_optimum_of_liblinear() -> None:
    from sklearn.svm import LinearSVC

    codes, labels = blobs(120, 3, 6)
    made = fit_path(codes, labels, classes=3, loss=squared_hinge, costs=(0.3,), tolerance=1e-13)
    x = ((codes - made.mean) / made.scale).numpy()
    theirs = LinearSVC(C=0.3, tol=1e-9, intercept_scaling=1e3, max_iter=100_000, dual=False).fit(x, labels.numpy())
    assert np.allclose(made.weights[0].T.numpy(), theirs.coef_, atol=1e-3)
    assert np.allclose(made.offsets[0].numpy(), theirs.intercept_, atol=1e-3)


def test_softmax_regression_has_the_optimum_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    codes, labels = blobs(120, 3, 6, seed=1)
    made = fit_path(codes, labels, classes=3, loss=cross_entropy, costs=(1.0, 5.0), tolerance=1e-13)
    x = ((codes - made.mean) / made.scale).numpy()
    theirs = LogisticRegression(C=5.0, tol=1e-9, max_iter=5000).fit(x, labels.numpy())
    assert np.allclose(made.weights[1].T.numpy(), theirs.coef_, atol=1e-4)


@pytest.mark.parametrize("loss", [squared_hinge, cross_entropy])
@pytest.mark.parametrize("twins", [False, True])
def test_codes_wider_than_there_are_of_them_have_the_optimum_of_scikit_learn(loss, twins: bool) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    codes, labels = blobs(30, 3, 80, seed=4)
    codes = torch.cat([codes, codes[:5]]) if twins else codes  # some lie in the span of others
    labels = torch.cat([labels, labels[:5]]) if twins else labels
    made = fit_path(codes, labels, classes=3, loss=loss, costs=(0.1, 0.5), tolerance=1e-13)
    x = ((codes - made.mean) / made.scale).numpy()
    if loss is squared_hinge:
        theirs = LinearSVC(C=0.5, tol=1e-9, intercept_scaling=1e3, max_iter=100_000, dual=False)
    else:
        theirs = LogisticRegression(C=0.5, tol=1e-9, max_iter=5000)
    assert np.allclose(made.weights[1].T.numpy(), theirs.fit(x, labels.numpy()).coef_, atol=1e-3)
    assert made.weights.shape == (2, 80, 3)


def test_codes_that_are_all_alike_still_have_a_fit() -> None:
    made = fit_path(torch.ones(4, 9), torch.tensor([0, 1, 1, 1]), classes=2, loss=cross_entropy)
    assert made(torch.ones(1, 9))[-1].tolist() == [1]


def test_neighbours_and_means_agree_with_scikit_learn() -> None:
    from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

    codes, labels = blobs(90, 4, 5, seed=2)
    fresh = blobs(40, 4, 5, seed=3)[0]
    made = nearest_images(codes, labels, classes=4)
    first = KNeighborsClassifier(1).fit(codes.numpy(), labels.numpy()).predict(fresh.numpy())
    assert made(fresh)[0].tolist() == first.tolist()
    middle = NearestCentroid().fit(codes.numpy(), labels.numpy()).predict(fresh.numpy())
    assert nearest_mean(codes, labels, classes=4)(fresh)[0].tolist() == middle.tolist()
    assert 4 not in nearest_mean(codes, labels, classes=6)(fresh)[0].tolist()


def test_of_equal_votes_the_nearest_decides() -> None:
    codes, labels = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([2, 0, 1])
    made = nearest_images(codes, labels, classes=3)
    assert made.settings == ("k = 1", "k = 3")
    assert made(torch.tensor([[0.4]])).tolist() == [[2], [2]]


def test_the_perceptron_rule_is_that_of_the_slow_loop_and_goes_on_where_it_stopped() -> None:
    codes, labels = blobs(40, 3, 4, seed=4)
    order = [row for step in range(3) for row in Rng(7, "baselines/perceptron").permutation(40, step=step).tolist()]
    last, averaged, mistakes = oracle.perceptron(codes.numpy(), labels.numpy(), order, 3)
    found = learn_perceptron(codes, labels, classes=3, epochs=3, seed=7)
    assert np.allclose(found.last, last)
    assert np.allclose(found.averaged, averaged)
    assert sum(found.mistakes) == mistakes
    part = learn_perceptron(codes, labels, classes=3, epochs=1, seed=7)
    whole = learn_perceptron(codes, labels, classes=3, epochs=2, seed=7, known=part)
    assert np.allclose(whole.averaged, averaged)
    assert whole.mistakes == found.mistakes


@pytest.mark.parametrize("seed", range(5))
def test_the_perceptron_is_wrong_at_most_radius_over_margin_squared_times(seed: int) -> None:
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=4)
    direction[3] = 0.1
    direction /= np.linalg.norm(direction)
    rows = rng.normal(size=(300, 3))
    heights = rows @ direction[:3] + direction[3]
    rows, heights = rows[abs(heights) > 0.2], heights[abs(heights) > 0.2]
    radius = np.sqrt((rows**2).sum(1) + 1).max()
    codes, labels = torch.from_numpy(rows), torch.from_numpy((heights > 0).astype(np.int64))
    found = learn_perceptron(codes, labels, classes=2, epochs=60, seed=seed)
    assert 0 < sum(found.mistakes) <= (radius / abs(heights).min()) ** 2
    assert found.mistakes[-1] == 0
    assert bool((answers(found.last, codes) == labels).all())


def test_codes_of_an_image_do_not_hang_on_the_others(digits: Splits) -> None:
    images = digits.test.images([0, 1, 2, 3, 4])
    for name in FEATURES:
        made = FEATURES.load(name)(digits.train, seed=0, memory=1 << 30)
        together = made(images)
        assert together.shape == (5, made.width)
        assert torch.allclose(made(images[2:3])[0], together[2], atol=1e-6)


def test_what_is_chosen_hangs_on_dev_alone(digits: Splits, measured: Measured) -> None:
    other = Dataset.of(digits.test.images().flip(0), digits.test.labels, classes=digits.test.classes)
    again = measure_baselines(
        digits.train, digits.dev, other, features=("pixels", "hog"), classifiers=("svm", "nearest", "means")
    )
    assert [(row.name, row.chosen, row.dev) for row in again.rows] == [
        (row.name, row.chosen, row.dev) for row in measured.rows
    ]
    assert again.best.name == measured.best.name
    assert measured.best.dev == max(row.dev for row in measured.rows)


def test_the_same_call_gives_the_same_answers_for_every_image(digits: Splits, measured: Measured) -> None:
    again = measure_baselines(*digits, features=("pixels", "hog"), classifiers=("svm", "nearest", "means"))
    assert all(torch.equal(a.predicted, b.predicted) for a, b in zip(again.rows, measured.rows, strict=True))
    assert float(measured.of("hog", "svm").correct.double().mean()) > 0.9
    assert torch.equal(measured.majority.correct, digits.test.labels == digits.train.labels.mode().values)


def test_a_small_memory_learns_from_fewer_images_and_says_so(digits: Splits) -> None:
    found = measure_baselines(*digits, features=("pixels",), classifiers=("means",), memory=1 << 20)
    assert found.features[0].train == (1 << 20) // (12 * 784)


def test_splits_that_do_not_fit_each_other_are_refused(digits: Splits) -> None:
    with pytest.raises(StriateError, match="what train has"):
        measure_baselines(digits.train, digits.dev, digits.test.as_channels(3))
    with pytest.raises(StriateError, match="feature"):
        measure_baselines(*digits, features=("hogg",))


def test_without_opencv_words_say_how_to_install_it(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(StriateError) as caught:
        FEATURES.load("words")(digits.train, seed=0, memory=1 << 30)
    assert "striate[classical]" in str(caught.value)


def test_long_fits_say_that_they_go_on_and_the_bar_ends_at_its_end(digits) -> None:
    told: list[tuple[int, str]] = []

    class Watched(Progress):
        @contextmanager
        def task(self, label: str, total: int, *, unit: str = "images"):
            self.__dict__["total"] = total
            yield lambda count=1, note="": told.append((count, note))

    watched = Watched()
    train, dev, test = (part.take(range(60)) for part in digits)
    measure_baselines(train, dev, test, features=("pixels",), classifiers=("svm", "means"), progress=watched)
    assert sum(count for count, _ in told) == watched.__dict__["total"]
    begun = told.index((0, "pixels, svm"))
    assert told[begun + 1 : begun + 4] == [(0, "")] * 3  # from within the fit
