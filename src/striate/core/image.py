"""The image door: files, arrays and pictures in, float32 tensors (C, H, W) or (N, C, H, W) in [0, 1] out."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from .decode import FORMATS, PIXEL_LIMIT, Header, Pixels, _pixels, decode_picture, read_header
from .errors import ImageError, StriateError

__all__ = [
    "FORMATS", "PIXEL_LIMIT", "Geometry", "Header", "as_images", "encode_png", "encode_webp", "enlarge", "from_bytes",
    "read_header", "read_image", "read_image_bytes", "to_bytes", "to_channels",
]  # fmt: skip

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Layout = Literal["NCHW", "NHWC", "CHW", "HWC", "NHW", "HW"]
Scale = Literal["unit", "byte", "16bit"]
_FULL: dict[str, float] = {"unit": 1.0, "byte": 255.0, "16bit": 65535.0}
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's "L"
_SLACK = 1e-6  # how far outside [0, 1] rounding alone may carry a value


@dataclass(frozen=True)
class Geometry:
    """How an image is brought to the size a net takes: once, when it enters; recorded in the origin of a report.

    Files of eight bits are resized by Pillow itself, so that the pixels are bit for bit those of torchvision's and
    timm's evaluation pipelines; tensors get the same filter in float32, which differs by at most 2/255 when shrinking
    and a little more at sharp edges when enlarging, because Pillow rounds and clips between its two passes.

    Attributes:
        size: Height and width that come out.
        resize: The short side is brought to this many pixels first, the long one in proportion (rounded down). None:
            straight to ``size`` when ``crop`` is ``"none"``, else to the smallest that covers ``size``.
        crop: ``"center"`` cuts the middle out; ``"none"`` cuts nothing, so that the aspect may change.
        interpolation: Filter; ``"nearest"`` never mixes pixels.
        antialias: Widen the filter when the picture shrinks; without it fine patterns turn into coarse ones.

    >>> Geometry((224, 224), resize=256).apply(torch.zeros(3, 300, 400)).shape
    torch.Size([3, 224, 224])
    """

    size: tuple[int, int]
    resize: int | None = None
    crop: Literal["center", "none"] = "center"
    interpolation: Interpolation = "bilinear"
    antialias: bool = True

    def __post_init__(self) -> None:
        size = tuple(int(side) for side in self.size)
        if len(size) != 2 or min(size) < 1:
            raise StriateError(f"size is {self.size}", accepted="height and width of at least 1")
        object.__setattr__(self, "size", size)
        if self.resize is not None and self.resize < 1:
            raise StriateError(f"resize is {self.resize}", accepted="a number of pixels of at least 1, or None")
        if self.resize is not None and self.crop == "none":
            raise StriateError(f"resize is {self.resize} with crop 'none'", accepted="resize with crop 'center'")
        if self.crop not in {"center", "none"}:
            raise StriateError(f"crop is {self.crop!r}", accepted="center, none")
        if self.interpolation not in get_args(Interpolation):
            raise StriateError(f"interpolation is {self.interpolation!r}", accepted=", ".join(get_args(Interpolation)))

    def apply(self, image: Tensor) -> Tensor:
        """The image or images, (C, H, W) or (N, C, H, W) in [0, 1], at ``size``."""
        batch = image if image.dim() == 4 else image[None]
        height, width = self.resized(batch.shape[-2], batch.shape[-1])
        batch = _resize(batch, (height, width), self.interpolation, self.antialias)
        top, left = self._corner(height, width)
        batch = batch[..., top : top + self.size[0], left : left + self.size[1]]
        return batch if image.dim() == 4 else batch[0]

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the resize and before the crop."""
        if self.crop == "none":
            return self.size
        if self.resize is None:
            share = max(self.size[0] / height, self.size[1] / width)
            return max(self.size[0], round(height * share)), max(self.size[1], round(width * share))
        long = int(self.resize * max(height, width) / min(height, width))
        sides = (self.resize, long) if height <= width else (long, self.resize)
        if sides[0] < self.size[0] or sides[1] < self.size[1]:
            raise ImageError(
                f"an image of {width}x{height} resized to {sides[1]}x{sides[0]} is smaller than the crop "
                f"{self.size[1]}x{self.size[0]}",
                accepted="a resize of at least the crop",
            )
        return sides

    def _corner(self, height: int, width: int) -> tuple[int, int]:
        return round((height - self.size[0]) / 2), round((width - self.size[1]) / 2)

    def _apply_pillow(self, image: Any) -> Any:
        from PIL import Image

        height, width = self.resized(image.height, image.width)
        if (image.height, image.width) != (height, width):
            image = image.resize((width, height), getattr(Image.Resampling, self.interpolation.upper()))
        top, left = self._corner(height, width)
        if (height, width) == self.size:
            return image
        return image.crop((left, top, left + self.size[1], top + self.size[0]))


def read_image(
    source: str | Path | bytes,
    *,
    channels: int = 3,
    background: float = 1.0,
    allow_huge: bool = False,
    geometry: Geometry | None = None,
    name: str | None = None,
) -> Tensor:
    """The first frame of an image file, upright, (C, H, W) float32 in [0, 1].

    Eight bits are divided by 255, sixteen by 65535. Alpha is laid over a ground of ``background`` (0 black, 1 white).
    CMYK is turned to RGB without a colour profile, and colour to grey by ITU-R BT.601.

    Raises:
        ImageError: The file is missing, a folder, empty, truncated, not an image, or above `PIXEL_LIMIT` pixels
            (refused from the header, before anything is decoded) without ``allow_huge``.
    """
    if channels not in {1, 3}:
        raise StriateError(f"channels is {channels}", accepted="1 or 3")
    if not 0.0 <= background <= 1.0:
        raise StriateError(f"background is {background}", accepted="a number from 0 (black) to 1 (white)")
    found = decode_picture(source, name=name, allow_huge=allow_huge)
    done = _in_bytes(found, channels, geometry)
    if done is not None:
        return torch.from_numpy(np.ascontiguousarray(done, dtype=np.float32)) / 255.0
    return _in_floats(found, channels, background, geometry, name)


def read_image_bytes(
    source: str | Path | bytes, *, channels: int = 3, geometry: Geometry | None = None, name: str | None = None
) -> npt.NDArray[np.uint8]:
    """`read_image` as bytes, (C, H, W), bit for bit ``to_bytes(read_image(...))``; most files see no float on the way.

    Raises:
        ImageError: As `read_image`.
    """
    found = decode_picture(source, name=name)
    done = _in_bytes(found, channels, geometry)
    return to_bytes(_in_floats(found, channels, 1.0, geometry, name)).numpy() if done is None else done


def as_images(
    value: Any,
    *,
    layout: Layout | None = None,
    channels: int | None = None,
    scale: Scale | None = None,
    background: float = 1.0,
) -> Tensor:
    """Arrays, tensors, Pillow pictures, files, or lists of them as (N, C, H, W) float32 in [0, 1].

    Args:
        value: uint8 counts to 255, uint16 to 65535, floats and booleans lie in [0, 1] already.
        layout: Order of the axes, needed where the shape alone admits two; a list holds one image an entry.
        channels: 1 or 3 to turn grey into colour or colour into grey; None keeps what there is.
        scale: What white is: ``"unit"`` 1, ``"byte"`` 255, ``"16bit"`` 65535; needed for other integers.
        background: Grey level under images with alpha (four channels).

    Raises:
        ImageError: Values that are not finite or out of range (the message says the range seen), images of several
            sizes, a layout that cannot be told from the shape.

    >>> as_images(np.zeros((28, 28), dtype=np.uint8)).shape
    torch.Size([1, 1, 28, 28])
    """
    if isinstance(value, (list, tuple)):
        if not value:
            raise ImageError("the list of images is empty")
        each = layout[1:] if layout in {"NCHW", "NHWC", "NHW"} else layout
        parts = [
            as_images(one, layout=each, channels=channels, scale=scale, background=background)  # type: ignore[arg-type]
            for one in value
        ]
        shapes = sorted({tuple(part.shape[1:]) for part in parts})
        if len(shapes) > 1:
            raise ImageError(f"the images have several shapes {shapes[:4]}", accepted="images of one size and kind")
        return torch.cat(parts)
    if isinstance(value, (str, Path, bytes)):
        return read_image(value, channels=channels or 3, background=background)[None]
    if type(value).__module__.startswith("PIL."):
        return _from_pillow(value, channels, background)
    tensor = _unit(_tensor(value), scale)
    batch = _arranged(tensor, layout)
    if batch.shape[1] == 4:
        batch = batch[:, :3] * batch[:, 3:] + background * (1.0 - batch[:, 3:])
    if batch.shape[1] not in {1, 3}:
        raise ImageError(f"images have {batch.shape[1]} channels", accepted="1, 3, or 4 with alpha last")
    batch = batch if channels is None else to_channels(batch, channels)
    return batch.contiguous()


def to_channels(images: Tensor, channels: int) -> Tensor:
    """Grey from colour (ITU-R BT.601: .299 R + .587 G + .114 B), or the grey three times; (..., C, H, W)."""
    have = images.shape[-3]
    if have == channels:
        return images
    if channels == 3 and have == 1:
        return images.expand(*images.shape[:-3], 3, *images.shape[-2:]).contiguous()
    if channels == 1 and have == 3:
        red, green, blue = images.unbind(-3)
        return (_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue).unsqueeze(-3)
    raise ImageError(f"images with {have} channels cannot be turned into {channels}", accepted="1 or 3")


def to_bytes(image: Tensor) -> Tensor:
    """The values in [0, 1] rounded to 0..255, uint8, as saving to PNG rounds them."""
    return (image.detach() * 255.0).round().clamp(0, 255).to(torch.uint8)


def from_bytes(image: Tensor) -> Tensor:
    """Bytes 0..255 as float32 in [0, 1]; ``to_bytes(from_bytes(x))`` is x."""
    return image.to(torch.float32).div_(255.0) if image.dtype == torch.uint8 else image.to(torch.float32) / 255.0


def enlarge(image: Tensor, least: int = 128) -> Tensor:
    """The image enlarged by the smallest whole factor that brings its short side to ``least``, each pixel a square."""
    factor = max(1, math.ceil(least / min(image.shape[-2:])))
    return image.repeat_interleave(factor, -2).repeat_interleave(factor, -1)


def encode_png(image: Tensor) -> bytes:
    """A PNG file of one image, (C, H, W) in [0, 1] with 1 or 3 channels, eight bits a channel."""
    return _encoded(image, "PNG", optimize=False, compress_level=6)


def encode_webp(image: Tensor, *, quality: int = 75) -> bytes:
    """A lossy WebP file of one image, (C, H, W) in [0, 1] with 1 or 3 channels."""
    return _encoded(image, "WEBP", quality=quality, method=4)


def through_jpeg(images: Tensor, quality: int = 75) -> Tensor:
    """Images (N, C, H, W) in [0, 1] as JPEG files of a quality give them back; C is 1 or 3.

    Chroma is halved along both axes, as JPEG files usually have it. The codec takes one image at a time.
    """
    from PIL import Image

    back = [
        _planes(np.atleast_3d(np.asarray(Image.open(io.BytesIO(_encoded(each, "JPEG", quality=quality)))))) / 255.0
        for each in images
    ]
    return torch.stack(back).to(images) if back else images.clone()


def _encoded(image: Tensor, kind: str, **options: Any) -> bytes:
    from PIL import Image

    if image.dim() != 3 or image.shape[0] not in {1, 3}:
        raise ImageError(f"an image to save has shape {tuple(image.shape)}", accepted="(1, H, W) or (3, H, W)")
    if not bool(torch.isfinite(image).all()):
        raise ImageError("an image to save holds values that are not finite")
    array = to_bytes(image).permute(1, 2, 0).cpu().numpy()
    stream = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(array if array.shape[2] == 3 else array[..., 0]))
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _planes(array: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)).astype(np.float32))


def _in_bytes(found: Any, channels: int, geometry: Geometry | None) -> npt.NDArray[np.uint8] | None:
    """(channels, H, W) with no float on the way; None where alpha, 16 bits, the filter or the channels need one."""
    from PIL import Image

    if isinstance(found, Pixels):
        if found.alpha is not None or found.colour.dtype != np.uint8:
            return None
        colour = found.colour
        found = Image.fromarray(np.ascontiguousarray(colour if colour.shape[2] == 3 else colour[..., 0]))
    if geometry is not None:
        if not geometry.antialias and geometry.interpolation not in {"nearest", "lanczos"}:
            return None
        found = geometry._apply_pillow(found.convert("L") if channels == 1 and found.mode == "RGB" else found)
    elif channels == 1 and found.mode == "RGB":
        return None
    width, height = found.size
    if found.mode == "RGB":  # Pillow's fastest way out lays each row's reds, greens and blues after each other
        rows = np.frombuffer(found.tobytes("raw", "RGB;L"), np.uint8).reshape(height, 3, width)
        return rows.transpose(1, 0, 2)
    grey = np.frombuffer(found.tobytes(), np.uint8).reshape(1, height, width)
    return np.broadcast_to(grey, (channels, height, width))


def _in_floats(found: Any, channels: int, background: float, geometry: Geometry | None, name: str | None) -> Tensor:
    pixels = found if isinstance(found, Pixels) else _pixels(found, name or "the image")
    full = 65535.0 if pixels.colour.dtype == np.uint16 else 255.0
    image = _planes(pixels.colour) / full
    if pixels.alpha is not None:
        alpha = torch.from_numpy(pixels.alpha.astype(np.float32)) / full
        image = image * alpha + background * (1.0 - alpha)
    image = to_channels(image, channels)
    return geometry.apply(image) if geometry is not None else image


def _resize(batch: Tensor, size: tuple[int, int], interpolation: Interpolation, antialias: bool) -> Tensor:
    if tuple(batch.shape[-2:]) == size:
        return batch
    if interpolation == "nearest":
        down, across = (_nearest(given, wanted) for given, wanted in zip(batch.shape[-2:], size, strict=True))
        return batch[..., down.to(batch.device)[:, None], across.to(batch.device)]
    if interpolation == "lanczos":
        down = _lanczos(batch.shape[-2], size[0], antialias).to(batch)
        across = _lanczos(batch.shape[-1], size[1], antialias).to(batch)
        return (down @ batch @ across.T).clamp(0.0, 1.0)
    done = F.interpolate(batch, size=size, mode=interpolation, align_corners=False, antialias=antialias)
    return done.clamp(0.0, 1.0)


def _nearest(given: int, wanted: int) -> Tensor:
    """The pixel in whose square each new centre falls; centres are summed up as Pillow does, which settles ties."""
    steps = np.full(wanted, given / wanted)
    steps[0] /= 2
    return torch.from_numpy(np.cumsum(steps).astype(np.int64)).clamp(max=given - 1)


def _lanczos(given: int, wanted: int, antialias: bool) -> Tensor:
    """Weights (wanted, given) of the Lanczos-3 filter, each row of sum 1 (Turkowski 1990)."""
    ratio = given / wanted
    widen = max(ratio, 1.0) if antialias else 1.0
    centres = (torch.arange(wanted, dtype=torch.float64) + 0.5) * ratio
    offsets = (torch.arange(given, dtype=torch.float64) + 0.5 - centres[:, None]) / widen
    weights = torch.where(offsets.abs() < 3, torch.sinc(offsets) * torch.sinc(offsets / 3), 0.0)
    return weights / weights.sum(1, keepdim=True)


def _from_pillow(picture: Any, channels: int | None, background: float) -> Tensor:
    pixels = _pixels(picture, "the picture given")
    full = 65535.0 if pixels.colour.dtype == np.uint16 else 255.0
    image = _planes(pixels.colour) / full
    if pixels.alpha is not None:
        alpha = torch.from_numpy(pixels.alpha.astype(np.float32)) / full
        image = image * alpha + background * (1.0 - alpha)
    return (image if channels is None else to_channels(image, channels))[None]


def _tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise ImageError(f"the array holds values of kind {array.dtype}", accepted="integers, floats or booleans")
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(np.ascontiguousarray(native))


def _unit(tensor: Tensor, scale: Scale | None) -> Tensor:
    if tensor.is_complex():
        raise ImageError("the images hold complex numbers", accepted="integers, floats or booleans")
    if scale is not None and scale not in _FULL:
        raise StriateError(f"scale is {scale!r}", accepted=", ".join(_FULL))
    if scale is None:
        if tensor.is_floating_point() or tensor.dtype == torch.bool:
            scale = "unit"
        elif tensor.dtype in {torch.uint8, torch.uint16}:
            scale = "byte" if tensor.dtype == torch.uint8 else "16bit"
        else:
            raise ImageError(
                f"the images are {str(tensor.dtype).removeprefix('torch.')} integers, whose white is not known",
                accepted="scale='byte' (white is 255) or scale='16bit' (white is 65535)",
            )
    values = tensor.to(torch.float32) / _FULL[scale]
    if values.numel() == 0:
        return values
    bad = int((~torch.isfinite(values)).sum())
    if bad:
        raise ImageError(f"the images hold {bad:,} values that are not finite (NaN or infinite)")
    low, high = (float(values.detach().min()) * _FULL[scale], float(values.detach().max()) * _FULL[scale])
    if low < -_SLACK * _FULL[scale] or high > _FULL[scale] * (1 + _SLACK):
        raise ImageError(
            f"the images hold values from {low:.6g} to {high:.6g}",
            accepted=f"0 to {_FULL[scale]:.0f}",
            hint="scale='byte' or scale='16bit' says what white is; images that were normalised must be undone first",
        )
    return values.clamp(0.0, 1.0)


def _arranged(tensor: Tensor, layout: Layout | None) -> Tensor:
    shape = tuple(tensor.shape)
    if layout is None:
        layout = _told(shape)
    if layout not in get_args(Layout):
        raise StriateError(f"layout is {layout!r}", accepted=", ".join(get_args(Layout)))
    if len(layout) != len(shape):
        raise ImageError(f"images of shape {shape} are not {layout}", accepted=f"{len(layout)} axes")
    for axis, missing in (("N", 0), ("C", 1)):
        if axis not in layout:
            place = missing if "N" in layout or axis == "N" else 0
            tensor, layout = tensor.unsqueeze(place), _with(layout, axis, place)  # type: ignore[assignment]
    tensor = tensor.permute(*(layout.index(axis) for axis in "NCHW"))
    if min(tensor.shape[2:]) == 0:
        raise ImageError(f"images of shape {shape} hold no pixels")
    return tensor


def _with(layout: str, axis: str, place: int) -> str:
    return layout[:place] + axis + layout[place:]


def _told(shape: tuple[int, ...]) -> Layout:
    """The layout that a shape admits; images with 1, 3 or 4 channels count, a stack of grey ones only failing these."""
    channels = {1, 3, 4}
    if len(shape) == 2:
        return "HW"
    if len(shape) not in {3, 4}:
        raise ImageError(f"images have shape {shape}", accepted="2 axes (HW), 3 (CHW, HWC, NHW) or 4 (NCHW, NHWC)")
    first, last = shape[-3] in channels, shape[-1] in channels
    names: tuple[Layout, Layout] = ("NCHW", "NHWC") if len(shape) == 4 else ("CHW", "HWC")
    if len(shape) == 3 and shape[0] == 4 and not last:
        raise ImageError(
            f"images of shape {shape} may be CHW with alpha or four grey ones", hint="say layout='CHW' or 'NHW'"
        )
    if first and last:
        raise ImageError(
            f"images of shape {shape} may be {names[0]} or {names[1]}", hint=f"say layout={names[0]!r} or {names[1]!r}"
        )
    if not first and not last:
        if len(shape) == 3:
            return "NHW"
        raise ImageError(f"images of shape {shape} have no axis of 1, 3 or 4 channels", accepted="NCHW or NHWC")
    return names[0] if first else names[1]
