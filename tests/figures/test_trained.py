"""Figures that need files which do not come with Striate."""

from __future__ import annotations

from pathlib import Path

import pytest

from striate.core.errors import StriateError
from striate.figures import FIGURES, figure, reproduce_figures


def test_two_residual_nets_are_wrong_on_78_and_65_of_932_images(
    data_root: Path, weights_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_DATA", str(data_root))
    monkeypatch.setenv("STRIATE_WEIGHTS", str(weights_root))
    row = reproduce_figures(["cifar-resnet-error"])[0].figures[0]
    assert row.passed, row.claims
    assert row.claims[0].ours == "78, 65"
    assert row.claims[1].source == "8.75, 7.51"


def test_a_layers_energy_rises_tenfold_in_a_dream_of_clouds_and_of_noise(
    weights_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_WEIGHTS", str(weights_root))
    result, pictures = reproduce_figures(["dream"])
    row = result.figures[0]
    assert row.passed, row.claims
    assert [claim.ours for claim in row.claims] == ["yes"] * 4 + ["4, 4, 4, 4"]
    assert len(pictures) == 1


def test_a_grey_square_hides_a_class_most_where_the_object_is(
    data_root: Path, weights_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_DATA", str(data_root))
    monkeypatch.setenv("STRIATE_WEIGHTS", str(weights_root))
    result, pictures = reproduce_figures(["occlusion"])
    assert result.figures[0].passed, result.figures[0].claims
    assert len(pictures) == 1


def test_images_rebuilt_from_deeper_layers_are_further_from_the_original(
    data_root: Path, weights_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_DATA", str(data_root))
    monkeypatch.setenv("STRIATE_WEIGHTS", str(weights_root))
    result, pictures = reproduce_figures(["inversion-curve"])
    assert result.figures[0].passed, result.figures[0].claims
    assert len(pictures) == 1


def test_lenet_is_sure_of_every_digit_in_noise_and_in_patterns(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_DATA", str(data_root))
    result, album = reproduce_figures(["fooling-noise"])
    assert result.figures[0].passed, result.figures[0].claims
    assert len(album) == 1


def test_a_machine_on_histograms_of_gradients_is_fooled_by_small_changes(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_DATA", str(data_root))
    result, album = reproduce_figures(["hog-adversarial"])
    assert result.figures[0].passed, result.figures[0].claims
    assert len(album) == 1


def test_nets_from_zero_stall_and_deep_ones_learn_from_hes_weights_alone(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIATE_DATA", str(data_root))
    result, album = reproduce_figures(["zero-init", "he-30-layers"])
    assert all(row.passed for row in result.figures), [row.claims for row in result.figures]
    assert len(album) == 1


@pytest.mark.parametrize("name", [name for name in FIGURES if figure(name).needs])
def test_a_figure_whose_files_are_missing_says_what_it_needs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("STRIATE_DATA", "STRIATE_WEIGHTS"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(StriateError, match=f"{name} needs .*STRIATE_(DATA|WEIGHTS)"):
        reproduce_figures([name])


def test_embed_neighbours_says_which_files_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIATE_DATA", str(tmp_path))
    monkeypatch.setenv("STRIATE_WEIGHTS", str(tmp_path))
    with pytest.raises(StriateError, match="CIFAR10 in the folder STRIATE_DATA"):
        reproduce_figures(["embed-neighbours"])
