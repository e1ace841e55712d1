"""`synthesize invert` and `synthesize morph`: from files to report."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import striate as st
from striate.core.errors import StriateError, UnknownNameError
from striate.nets.load import load_net
from striate.synthesis.decoder import Decoded, Decoder
from striate.verbs.kinds import morph as kind

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
TWO = (PHOTOS / "astronaut.jpg", PHOTOS / "coffee.jpg")
FEW = {"steps": 2, "quiet": True}


def synthesize(what: str, **options: object) -> tuple[object, dict[str, bytes]]:
    report = st.synthesize(what, "striate/small", **FEW | options)
    return report.result, report.album


def test_one_photograph_keeps_its_aspect_and_every_layer_gives_an_image(tmp_path: Path) -> None:
    wide = tmp_path / "wide.png"
    Image.open(TWO[0]).resize((96, 64)).save(wide)
    result, album = synthesize("invert", image=str(wide))
    assert [one.target for one in result.images] == [
        f"wide from {layer}" for layer in ("stem", "stage1", "stage2", "stage3", "pool", "output")
    ]
    assert "wide-layers.png" in album
    with Image.open(io.BytesIO(album["wide-stem.png"])) as picture:
        assert picture.width > picture.height


def test_several_photographs_are_cut_to_squares_and_inverted_several_times() -> None:
    result, album = synthesize("invert", image=",".join(map(str, TWO)), layer="stage1,output", count=2)
    assert len(result.images) == 8
    assert {"astronaut-layers.png", "coffee-layers.png", "coffee-output-1.png"} <= set(album)
    assert [len(table.rows) for table in result.tables] == [2, 8]
    assert all(row[-1] is not None for row in result.tables[0].rows)


def test_a_morph_goes_by_pixels_or_by_the_layer_that_is_given() -> None:
    images = ",".join(map(str, TWO))
    by_pixels, album = synthesize("morph", image=images, count=3, steps=None)
    assert by_pixels.objective == "pixels, linear interpolation"
    assert "morph.gif" in album
    assert "astronaut-to-coffee.png" in album
    by_codes, _ = synthesize("morph", image=images, count=3, layer="stage1", way="linear")
    assert by_codes.objective.startswith("codes at stage1, linear interpolation")
    assert by_codes.tables[0].columns[-1] == "code error (%)"


def test_a_morph_through_a_learnt_decoder_starts_and_ends_at_what_it_makes_of_the_codes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = load_net("striate/small")
    decoder = Decoder((96, 8, 8), channels=3, size=(32, 32), width=4, components=2).eval()
    zero = torch.zeros(96, 8, 8)
    decoded = Decoded(decoder, (96, 8, 8), zero, zero + 9, 3, (32, 32), "stage2", "striate/small", net.fingerprint())
    monkeypatch.setattr(kind, "load_decoder", lambda _: decoded)
    images = ",".join(map(str, TWO))
    result, album = synthesize("morph", image=images, prior="runs/decoder", count=3, steps=None, size=32)
    assert result.objective == "codes of a generator, spherical interpolation"
    assert {"astronaut.png", "coffee.png"} <= set(album)
    with pytest.raises(StriateError, match="accepted: 32 x 32"):
        synthesize("morph", image=images, prior="runs/decoder", count=3, steps=None, size=48)
    monkeypatch.setattr(kind, "load_decoder", lambda _: replace(decoded, fingerprint="other"))
    with pytest.raises(StriateError, match="decodes striate/small"):
        synthesize("morph", image=images, prior="runs/decoder", steps=None, size=32)


def test_bad_input_is_refused_with_what_to_try() -> None:
    images = ",".join(map(str, TWO))
    with pytest.raises(UnknownNameError, match="unknown search 'sgd'"):
        synthesize("invert", image=str(TWO[0]), search="sgd")
    with pytest.raises(UnknownNameError, match=r"unknown site 'stage7'.*stage1"):
        synthesize("invert", image=str(TWO[0]), layer="stage7")
    with pytest.raises(StriateError, match="image names 1 files; accepted: two for morph"):
        synthesize("morph", image=str(TWO[0]), steps=None)
    with pytest.raises(StriateError, match="--steps does nothing in pixel space"):
        synthesize("morph", image=images, space="pixel")
    with pytest.raises(StriateError, match="--layer does nothing in latent space"):
        synthesize("morph", image=images, space="latent", layer="stem", steps=None)
    with pytest.raises(StriateError, match="latent space needs a generator"):
        synthesize("morph", image=images, space="latent", steps=None)
    with pytest.raises(UnknownNameError, match="unknown space 'codes'"):
        synthesize("morph", image=images, space="codes", steps=None)
