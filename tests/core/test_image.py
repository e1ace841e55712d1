"""The image door: every kind of file and array comes in right, or is refused in words."""

from __future__ import annotations

import io
import struct
import threading
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from oracles.data_resize import resized
from striate.core.errors import ImageError, StriateError
from striate.core.image import (
    PIXEL_LIMIT,
    Geometry,
    as_images,
    encode_png,
    encode_webp,
    enlarge,
    from_bytes,
    read_header,
    read_image,
    to_bytes,
)

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (13, 17, 3), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (13, 17), dtype=np.uint8)
DEEP = RANDOM.integers(0, 65536, (13, 17, 3), dtype=np.uint16)


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(array: np.ndarray, colour_type: int, *, extra: bytes = b"") -> bytes:
    """A 16-bit PNG by the specification (filters none, sub and up in turn), for Pillow cannot write colour ones."""
    height, width, channels = array.shape
    rows = array.astype(">u2").reshape(height, -1).view(np.uint8)
    body, above = b"", np.zeros(rows.shape[1], np.uint8)
    for number, row in enumerate(rows):
        kind = number % 3
        left = np.concatenate([np.zeros(2 * channels, np.uint8), row[: -2 * channels]])
        body += bytes([kind]) + (row - (0, left, above)[kind]).astype(np.uint8).tobytes()
        above = row
    head = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    parts = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def tiff(array: np.ndarray, order: str, *, packed: bool = False) -> bytes:
    """A 16-bit TIFF of RGB or RGBA in either byte order, deflated or not, by the specification."""
    height, width, channels = array.shape
    data = array.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if packed else data
    bits = struct.pack(f"{order}{channels}H", *[16] * channels)
    start = 8 + len(bits)
    tags = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, 8), (259, 3, 1, 8 if packed else 1), (262, 3, 1, 2),
        (273, 4, 1, start), (274, 3, 1, 1), (277, 3, 1, channels), (278, 3, 1, height),
        (279, 4, 1, len(data)),
    ]  # fmt: skip
    if channels == 4:
        tags.append((338, 3, 1, 2))
    directory = struct.pack(f"{order}H", len(tags))
    for tag, kind, count, value in tags:
        short = kind == 3 and count == 1
        directory += struct.pack(f"{order}HHI", tag, kind, count)
        directory += struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start + len(data))
    return head + bits + data + directory + struct.pack(f"{order}I", 0)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_give_every_value_over_255(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    image = read_image(saved(Image.fromarray(COLOUR), kind, **options))
    assert image.dtype == torch.float32
    assert torch.equal(to_bytes(image), torch.from_numpy(COLOUR).permute(2, 0, 1))
    assert torch.allclose(image, torch.from_numpy(COLOUR).permute(2, 0, 1) / 255.0, atol=0)


def test_jpeg_equals_pillow() -> None:
    data = saved(Image.fromarray(COLOUR), "JPEG")
    assert torch.equal(
        to_bytes(read_image(data)), torch.from_numpy(np.array(Image.open(io.BytesIO(data)))).permute(2, 0, 1)
    )


def test_gif_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    image = read_image(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert torch.equal(image, torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 4, 6))


def test_animated_webp_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    image = read_image(saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))
    assert torch.equal(image, torch.tensor([1.0, 0, 0])[:, None, None].expand(3, 4, 6))


def test_grey_file_becomes_three_equal_channels_or_one() -> None:
    data = saved(Image.fromarray(GREY))
    colour, grey = read_image(data), read_image(data, channels=1)
    assert torch.equal(colour, grey.expand(3, -1, -1))
    assert torch.equal(to_bytes(grey)[0], torch.from_numpy(GREY))


def test_one_bit_and_palette_files_give_their_colours() -> None:
    bits = Image.fromarray((GREY > 127).astype(np.uint8) * 255).convert("1")
    assert torch.equal(read_image(saved(bits), channels=1)[0], torch.from_numpy((GREY > 127).astype(np.float32)))
    palette = Image.fromarray(COLOUR).quantize(16)
    want = torch.from_numpy(np.array(palette.convert("RGB"))).permute(2, 0, 1)
    assert torch.equal(to_bytes(read_image(saved(palette))), want)


@pytest.mark.parametrize("background", [0.0, 0.25, 1.0])
def test_alpha_is_laid_over_the_stated_background(background: float) -> None:
    alpha = RANDOM.integers(0, 256, GREY.shape, dtype=np.uint8)
    image = read_image(saved(Image.fromarray(np.dstack([COLOUR, alpha]))), background=background)
    share = alpha[..., None] / 255
    want = COLOUR / 255 * share + background * (1 - share)
    assert np.allclose(image.permute(1, 2, 0).numpy(), want, atol=1e-6)


def test_grey_with_alpha_and_palette_with_transparency_are_laid_over_the_background() -> None:
    both = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(GREY[::-1].copy())])
    share = GREY[::-1] / 255
    want = GREY / 255 * share + 0.5 * (1 - share)
    assert np.allclose(read_image(saved(both), channels=1, background=0.5)[0].numpy(), want, atol=1e-6)
    palette = Image.new("P", (4, 3), 1)
    palette.putpalette([0, 0, 0, 200, 10, 20])
    palette.putpixel((0, 0), 0)
    image = read_image(saved(palette, transparency=0), background=1.0)
    assert image[:, 0, 0].tolist() == [1.0, 1.0, 1.0]
    assert to_bytes(image)[:, 1, 1].tolist() == [200, 10, 20]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_transparent_colour_of_a_png_without_alpha_shows_the_background(mode: str) -> None:
    picture = Image.new(mode, (4, 3), 50 if mode == "L" else (50, 60, 70))
    picture.putpixel((1, 2), 9 if mode == "L" else (9, 8, 7))
    image = read_image(saved(picture, transparency=9 if mode == "L" else (9, 8, 7)), background=1.0)
    assert image[:, 2, 1].tolist() == [1.0, 1.0, 1.0]
    assert to_bytes(image)[0, 0, 0] == 50


def test_sixteen_bit_grey_png_and_tiff_are_divided_by_65535_exactly() -> None:
    deep = DEEP[..., 0]
    for kind in ("PNG", "TIFF"):
        image = read_image(saved(Image.fromarray(deep), kind), channels=1)
        assert torch.equal(image[0], torch.from_numpy(deep.astype(np.float32)) / 65535.0)


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour_png_keeps_all_sixteen_bits(channels: int) -> None:
    array = DEEP if channels == 3 else np.dstack([DEEP, np.full(DEEP.shape[:2], 65535, np.uint16)])
    image = read_image(png(array, 2 if channels == 3 else 6))
    assert torch.equal(image, torch.from_numpy(DEEP.astype(np.float32)).permute(2, 0, 1) / 65535.0)


def test_sixteen_bit_grey_with_alpha_png_keeps_all_sixteen_bits() -> None:
    array = DEEP[..., :2]
    image = read_image(png(array, 4), channels=1, background=0.0)
    want = array[..., 0] / 65535 * (array[..., 1] / 65535)
    assert np.allclose(image[0].numpy(), want, atol=1e-7)


def test_sixteen_bit_png_with_a_transparent_colour_compares_all_sixteen_bits() -> None:
    array = DEEP.copy()
    array[0, 0], array[0, 1] = (1000, 2000, 3000), (1001, 2000, 3000)
    image = read_image(png(array, 2, extra=chunk(b"tRNS", struct.pack(">HHH", 1000, 2000, 3000))), background=1.0)
    assert image[:, 0, 0].tolist() == [1.0, 1.0, 1.0]
    assert torch.allclose(image[:, 0, 1], torch.tensor([1001, 2000, 3000]) / 65535.0, atol=1e-7)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour_tiff_keeps_all_sixteen_bits(order: str, channels: int, packed: bool) -> None:
    array = DEEP if channels == 3 else np.dstack([DEEP, np.full(DEEP.shape[:2], 65535, np.uint16)])
    image = read_image(tiff(array, order, packed=packed))
    assert torch.equal(image, torch.from_numpy(DEEP.astype(np.float32)).permute(2, 0, 1) / 65535.0)


def test_cmyk_jpeg_and_tiff_become_rgb() -> None:
    picture = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    for kind in ("JPEG", "TIFF"):
        image = read_image(saved(picture, kind))
        assert torch.allclose(image.mean((1, 2)), torch.tensor([0.0, 1.0, 1.0]), atol=0.02)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_brings_the_picture_upright(kind: str, orientation: int) -> None:
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :8], upright[:8, 16:], upright[8:, :8] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    turned = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
        6: upright.transpose(1, 0, 2)[::-1], 7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: upright.transpose(1, 0, 2)[:, ::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(np.ascontiguousarray(turned)), kind, exif=exif)
    image = read_image(data)
    header = read_header(data)
    assert image.shape == (3, 16, 24)
    assert (header.height, header.width) == (16, 24)
    corners = [image[:, y, x].round().int().tolist() for y, x in ((3, 3), (3, 20), (12, 3), (12, 20))]
    assert corners == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_damaged_exif_counts_as_upright() -> None:
    data = saved(Image.fromarray(COLOUR), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert read_image(data).shape == (3, 13, 17)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.7, 0.97])
def test_a_truncated_file_is_refused_by_name(kind: str, share: float, tmp_path: Path) -> None:
    picture = Image.fromarray(RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = saved(picture, kind)
    path = tmp_path / "holiday.png"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageError, match=r"holiday\.png"):
        read_image(path)


def test_what_is_no_image_is_refused_by_name(tmp_path: Path) -> None:
    cases = {
        "empty.png": b"", "note.png": b"just a note", "page.jpg": b"<!DOCTYPE html><p>404", "paper.png": b"%PDF-1.4 x",
        "photo.jpg": b"\0\0\0\x18ftypheic\0\0\0\0", "pointer.png": b"version https://git-lfs.github.com/spec/v1\n",
    }  # fmt: skip
    says = {"empty.png": "empty", "page.jpg": "web page", "photo.jpg": "heic", "pointer.png": "Git LFS"}
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ImageError, match=name.replace(".", r"\.")) as caught:
            read_image(tmp_path / name)
        assert says.get(name, "not an image") in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no_such\.png does not exist"):
        read_image(tmp_path / "no_such.png")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="the image given as bytes is empty"):
        read_image(b"")
    with pytest.raises(ImageError, match="called so is not an image"):
        read_image(b"nothing", name="called so")


def bomb(side: int = 40_000) -> bytes:
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_huge_picture_is_refused_from_its_header_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb())
    limit = Image.MAX_IMAGE_PIXELS
    begun = time.perf_counter()
    with warnings.catch_warnings(record=True) as said, pytest.raises(ImageError, match=r"bomb\.png has 40000x40000"):
        warnings.simplefilter("always")
        read_image(path)
    assert time.perf_counter() - begun < 0.5
    assert not said
    assert limit == Image.MAX_IMAGE_PIXELS


def test_a_picture_above_the_limit_is_read_when_allowed() -> None:
    side = 4001
    assert side * side > PIXEL_LIMIT
    data = saved(Image.new("1", (side, side), 1))
    with pytest.raises(ImageError, match="16 million"):
        read_image(data)
    image = read_image(data, channels=1, allow_huge=True, geometry=Geometry((8, 8)))
    assert torch.equal(image, torch.ones(1, 8, 8))


def test_between_the_limits_of_pillow_no_warning_leaks() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert read_header(bomb(10_000)).width == 10_000
    assert not said


def test_floating_point_files_are_refused() -> None:
    with pytest.raises(ImageError, match="floating-point"):
        read_image(saved(Image.fromarray(GREY.astype(np.float32)), "TIFF"))


def test_reading_in_threads_gives_the_same_images() -> None:
    files, results = sorted(PHOTOS.glob("*.jpg")), {}

    def read(path: Path) -> None:
        results[path] = read_image(path)

    threads = [threading.Thread(target=read, args=(path,)) for path in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files) == 5
    assert all(torch.equal(results[path], read_image(path)) for path in files)


# geometry


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("size", [(7, 9), (30, 21), (13, 40)])
def test_resizing_follows_the_definition(interpolation: str, size: tuple[int, int]) -> None:
    plane = RANDOM.random((17, 23))
    got = Geometry(size, crop="none", interpolation=interpolation).apply(torch.from_numpy(plane)[None].float())
    assert np.allclose(got[0].numpy(), resized(plane, *size, interpolation), atol=2e-5)


def test_nearest_equals_pillow_and_makes_no_new_values() -> None:
    picture = Image.fromarray(COLOUR)
    geometry = Geometry((29, 8), crop="none", interpolation="nearest")
    want = np.asarray(picture.resize((8, 29), Image.Resampling.NEAREST))
    got = geometry.apply(as_images(COLOUR, layout="HWC"))[0]
    assert torch.equal(to_bytes(got), torch.from_numpy(want.copy()).permute(2, 0, 1))


@pytest.mark.parametrize("name", ["astronaut.jpg", "coffee.jpg", "rocket.jpg"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_files_get_bit_for_bit_what_torchvision_gives_them(name: str, interpolation: str) -> None:
    from torchvision.transforms import v2

    way = getattr(v2.InterpolationMode, interpolation.upper())
    theirs = v2.Compose(
        [v2.PILToTensor(), v2.ToPILImage(), v2.Resize(232, interpolation=way), v2.CenterCrop(224), v2.PILToTensor()]
    )(Image.open(PHOTOS / name))
    ours = read_image(PHOTOS / name, geometry=Geometry((224, 224), resize=232, interpolation=interpolation))
    assert torch.equal(to_bytes(ours), theirs)


def test_files_get_bit_for_bit_what_timm_gives_them() -> None:
    from timm.data import create_transform

    transform = create_transform(
        (3, 160, 160), crop_pct=0.95, interpolation="bicubic", mean=(0, 0, 0), std=(1, 1, 1), is_training=False
    )
    theirs = transform(Image.open(PHOTOS / "coffee.jpg"))
    ours = read_image(PHOTOS / "coffee.jpg", geometry=Geometry((160, 160), resize=168, interpolation="bicubic"))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("size", [(50, 60), (300, 400)])
def test_tensors_are_resized_as_pillow_resizes_files(interpolation: str, size: tuple[int, int]) -> None:
    geometry = Geometry(size, crop="none", interpolation=interpolation)
    from_file = read_image(PHOTOS / "chelsea.jpg", geometry=geometry)
    from_tensor = geometry.apply(read_image(PHOTOS / "chelsea.jpg"))
    if interpolation == "nearest":
        assert torch.equal(from_file, from_tensor)
    assert float((from_file - from_tensor).abs().max()) <= (2.01 if size < (256, 385) else 5.0) / 255
    assert float((from_file - from_tensor).abs().mean()) < 0.5 / 255


def test_shrinking_without_antialias_is_another_picture() -> None:
    image = read_image(PHOTOS / "chelsea.jpg")
    smooth, rough = (Geometry((32, 32), antialias=which).apply(image) for which in (True, False))
    assert float((smooth - rough).abs().max()) > 0.1
    file = read_image(PHOTOS / "chelsea.jpg", geometry=Geometry((32, 32), antialias=False))
    assert torch.equal(file, rough)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(1, 40))
def test_every_size_becomes_the_size_asked_for(height: int, width: int, tall: int, wide: int) -> None:
    for crop in ("center", "none"):
        assert Geometry((tall, wide), crop=crop).apply(torch.rand(2, 1, height, width)).shape == (2, 1, tall, wide)


def test_the_middle_is_cut_out() -> None:
    image = torch.arange(36.0).view(1, 6, 6) / 36
    assert torch.equal(Geometry((2, 2), resize=6).apply(image), image[:, 2:4, 2:4])


def test_geometries_that_make_no_sense_are_refused() -> None:
    bad = [{"size": (0, 4)}, {"size": (4,)}]
    bad += [{"size": (4, 4), **more} for more in ({"resize": 0}, {"crop": "left"}, {"interpolation": "magic"})]
    for wrong in (*bad, {"size": (4, 4), "resize": 8, "crop": "none"}):
        with pytest.raises(StriateError):
            Geometry(**wrong)
    with pytest.raises(ImageError, match="smaller than the crop"):
        Geometry((20, 20), resize=10).apply(torch.zeros(1, 30, 30))


# arrays


@pytest.mark.parametrize(
    ("shape", "want"),
    [
        ((5, 7), (1, 1, 5, 7)), ((3, 5, 7), (1, 3, 5, 7)), ((1, 5, 7), (1, 1, 5, 7)), ((5, 7, 3), (1, 3, 5, 7)),
        ((5, 7, 1), (1, 1, 5, 7)), ((9, 5, 7), (9, 1, 5, 7)), ((2, 3, 5, 7), (2, 3, 5, 7)),
        ((2, 5, 7, 3), (2, 3, 5, 7)),
        ((2, 1, 5, 7), (2, 1, 5, 7)), ((0, 3, 5, 7), (0, 3, 5, 7)),
    ],
)  # fmt: skip
def test_usual_layouts_are_told_from_the_shape(shape: tuple[int, ...], want: tuple[int, ...]) -> None:
    assert as_images(torch.zeros(shape)).shape == want
    assert as_images(np.zeros(shape, np.uint8)).shape == want


@pytest.mark.parametrize("shape", [(3, 32, 3), (3, 3, 3), (1, 28, 3), (2, 3, 8, 3), (4, 1, 8, 1), (4, 9, 8)])
def test_ambiguous_layouts_are_refused_and_the_argument_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="layout="):
        as_images(torch.zeros(shape))
    layout = "CHW" if len(shape) == 3 else "NCHW"
    assert as_images(torch.zeros(shape), layout=layout).shape[-2:] == shape[-2:]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "CHW", "HWC", "NHW", "HW"])
def test_a_stated_layout_puts_every_axis_in_its_place(layout: str) -> None:
    sides = {"N": 2, "C": 3, "H": 5, "W": 7}
    full = torch.rand(2, 3, 5, 7)
    part = full[:1] if "N" not in layout else full
    part = part[:, :1] if "C" not in layout else part
    first = ["NCHW".index(axis) for axis in "NCHW" if axis not in layout]
    given_ = part.permute(*first, *("NCHW".index(axis) for axis in layout)).reshape([sides[axis] for axis in layout])
    assert torch.equal(as_images(given_, layout=layout), part)


def test_integers_are_divided_by_what_white_is() -> None:
    assert torch.equal(as_images(np.full((4, 5), 255, np.uint8)), torch.ones(1, 1, 4, 5))
    assert torch.equal(as_images(np.full((4, 5), 65535, np.uint16)), torch.ones(1, 1, 4, 5))
    assert torch.equal(as_images(np.full((4, 5), 51, ">i4"), scale="byte"), torch.full((1, 1, 4, 5), 0.2))
    assert torch.equal(as_images(np.ones((4, 5), bool)), torch.ones(1, 1, 4, 5))
    with pytest.raises(ImageError, match="scale='byte'"):
        as_images(torch.zeros(4, 5, dtype=torch.int64))


def test_values_out_of_range_say_the_range_seen() -> None:
    with pytest.raises(ImageError, match=r"from -1\.5 to 2\.5"):
        as_images(torch.tensor([[-1.5, 2.5]]))
    with pytest.raises(ImageError, match=r"from 0 to 255; accepted: 0 to 1; try: scale='byte'"):
        as_images(torch.tensor([[0.0, 255.0]]))
    with pytest.raises(ImageError, match="2 values that are not finite"):
        as_images(torch.tensor([[float("nan"), 0.5, float("inf")]]))


def test_rounding_alone_is_no_reason_to_refuse() -> None:
    assert float(as_images(torch.tensor([[1.0000001, -1e-8]])).max()) == 1.0


def test_lists_of_images_must_agree_in_size() -> None:
    assert as_images([np.zeros((6, 5, 3)), np.zeros((6, 5, 3))]).shape == (2, 3, 6, 5)
    with pytest.raises(ImageError, match="several shapes"):
        as_images([np.zeros((6, 5, 3)), np.zeros((7, 5, 3))])
    with pytest.raises(ImageError, match="empty"):
        as_images([])


def test_pictures_files_and_four_channels_are_taken() -> None:
    picture = Image.fromarray(COLOUR)
    assert torch.equal(as_images(picture), read_image(saved(picture))[None])
    assert torch.equal(as_images([str(PHOTOS / "camera.jpg")]), read_image(PHOTOS / "camera.jpg")[None])
    clear = torch.zeros(4, 2, 5)
    assert torch.equal(as_images(clear, layout="CHW", background=0.5), torch.full((1, 3, 2, 5), 0.5))
    assert as_images(picture, channels=1).shape == (1, 1, 13, 17)


def test_what_is_no_array_of_numbers_is_refused() -> None:
    for wrong in (np.array([["a", "b"]]), np.zeros((4, 4), complex), np.zeros((2, 2, 2, 2, 2)), np.zeros((2, 9, 9, 9))):
        with pytest.raises(ImageError):
            as_images(wrong)
    with pytest.raises(ImageError, match="no pixels"):
        as_images(np.zeros((0, 5)))
    with pytest.raises(ImageError, match="3 axes"):
        as_images(np.zeros((4, 4)), layout="CHW")


# writing


def test_bytes_come_back_as_they_were() -> None:
    every = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    assert torch.equal(to_bytes(from_bytes(every)), every)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_rounds_once_and_comes_back(channels: int) -> None:
    image = torch.rand(channels, 9, 11)
    again = read_image(encode_png(image), channels=channels)
    assert torch.equal(again, from_bytes(to_bytes(image)))


def test_webp_is_smaller_and_close() -> None:
    image = read_image(PHOTOS / "coffee.jpg")
    data = encode_webp(image)
    assert len(data) < len(encode_png(image)) / 4
    assert float((read_image(data) - image).abs().mean()) < 0.03


def test_pictures_that_cannot_be_saved_are_refused() -> None:
    for wrong in (torch.zeros(2, 4, 4), torch.zeros(1, 3, 4, 4), torch.full((3, 4, 4), float("nan"))):
        with pytest.raises(ImageError):
            encode_png(wrong)


def test_enlarging_repeats_pixels_by_a_whole_factor() -> None:
    image = torch.rand(3, 28, 30)
    large = enlarge(image)
    assert large.shape == (3, 140, 150)
    assert torch.equal(large[:, ::5, ::5], image)
    assert torch.equal(large[:, 4::5, 4::5], image)
    assert torch.equal(enlarge(torch.rand(3, 200, 300)), enlarge(torch.rand(3, 200, 300))) is False
    assert enlarge(torch.rand(3, 200, 300)).shape == (3, 200, 300)
