"""The contract of every network here: pixels in [0, 1] go in, normalisation lives inside."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from striate.core.errors import StriateError

from .budget import capped
from .look import Edit, Rule, Seen, plan, run
from .passes import count_backward, count_forward
from .site import Pair, Site
from .trace import Trace, trace, zero_image
from .undisturbed import undisturbed

if TYPE_CHECKING:
    from striate.core.image import Geometry

Outputs = Literal["logits", "probabilities", "other"]
Look = Callable[..., Seen]
_PROBED = 512  # pixels of the first image that a pass without gradient looks at


@dataclass(frozen=True)
class WeightsOrigin:
    """Where weights came from.

    Attributes:
        source: Words: ``"torchvision resnet18 IMAGENET1K_V1"``, ``"random, seed 0"``.
        licence: Licence of the weights, "" where none is declared.
        cites: Keys of `striate.core.cite`.
        checksum: SHA-256 of the file, "" where there is none.
        file: Name of the file, without its folder.
        arch: The name that makes the architecture again: ``"striate/small"``, ``"nets.py:mine"``.
    """

    source: str = ""
    licence: str = ""
    cites: tuple[str, ...] = ()
    checksum: str = ""
    file: str = ""
    arch: str = ""


class Net(nn.Module):
    """A module with what is needed to use it on images.

    Args:
        module: Takes normalised images (N, C, H, W).
        mean: Per channel, subtracted from the pixels first; one number counts for all channels. An image (C, H, W) is
            subtracted pixel by pixel, and ties the net to its size.
        std: Per channel, divided by afterwards.
        classes: Names of the outputs, or how many there are; by default as many as its last linear layer gives.
        name: What to call it in reports.
        channels: Channels of an image; by default what its first convolution takes; 1 where its first linear layer
                takes a square number of inputs (784 = 28 x 28), else 3.
        size: (H, W) that it takes, or None for any.
        outputs: What it gives.
        geometry: How an image is resized and cropped at the door, as its weights were trained.
        origin: Where its weights came from.
        least_size: The smallest height and width that it takes.

    >>> net = Net(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 4)), mean=0.5, std=0.25)
    >>> net(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 4])
    >>> [site.name for site in net.sites((8, 8))]
    ['0', '1', '2', '3']

    Source: striate's own contract; the normalisation inside is that of Croce et al. 2020 (RobustBench), section 3.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(
        self,
        module: nn.Module,
        *,
        mean: float | Sequence[float] | Tensor | None = None,
        std: float | Sequence[float] | Tensor | None = None,
        classes: Sequence[str] | int | None = None,
        name: str = "",
        channels: int | None = None,
        size: int | Pair | None = None,
        outputs: Outputs = "logits",
        geometry: Geometry | None = None,
        origin: WeightsOrigin | None = None,
        least_size: int = 1,
    ) -> None:
        super().__init__()
        _refuse_scripts(module)
        self.module = module
        self.name = name or type(module).__name__
        self.size = (size, size) if isinstance(size, int) else size
        self.channels = channels or _channels_of(module, self.size)
        self.outputs: Outputs = outputs
        self.geometry, self.origin, self.least_size = geometry, origin or WeightsOrigin(), least_size
        self.classes = _class_names(module, classes)
        centre = _mean_image(mean, self.channels)
        if centre is None:
            centre = _per_channel(mean, self.channels, "mean")
        else:
            self.size = _fitting(centre, self.size)
        self.register_buffer("mean", centre, persistent=False)
        self.register_buffer("std", _per_channel(std, self.channels, "std"), persistent=False)
        if self.std is not None and not self.std.is_meta and not bool((self.std > 0).all()):
            raise StriateError(f"std is {self.std.flatten().tolist()}", accepted="positive numbers")
        self._traces: dict[tuple[Any, ...], Trace] = {}
        self._trusted = False

    def forward(self, images: Tensor) -> Any:
        """The module's output for pixels in [0, 1], shape (N, C, H, W).

        Raises:
            StriateError: Not such images; the message says what they are and what is taken.
        """
        self.check(images)
        count_forward(images)
        with self._telling(images):
            output = self.module(self._normalised(images))
        count_backward([output], images)
        return output

    def logits(self, images: Tensor) -> Tensor:
        """Logits (N, K); the logarithm of the probabilities where that is what the net gives.

        Raises:
            StriateError: The net gives something else.
        """
        return self.as_logits(self(images))

    def as_logits(self, output: Any) -> Tensor:
        """Logits (N, K) of an output of this net, such as `Seen.output`."""
        if not isinstance(output, Tensor) or output.dim() != 2 or self.outputs == "other":
            given = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise StriateError(
                f"{self.name} gives {given}", accepted="a classifier that gives one row of scores an image"
            )
        return output.clamp_min(torch.finfo(output.dtype).tiny).log() if self.outputs == "probabilities" else output

    def sites(self, size: int | Pair | None = None) -> tuple[Site, ...]:
        """Every executed operation in order, on one image of ``size`` (by default the net's own).

        Found by one pass of a zero image, which no counter counts; kept until the net's modules change.
        """
        return self.trace(size).sites

    def trace(self, size: int | Pair | None = None) -> Trace:
        """How the net executes on one image of ``size``: what `sites` is read from."""
        height, width = self.a_size(size)
        key = (height, width, tuple(id(each) for each in self.module.modules()))
        if key not in self._traces:
            with undisturbed(self):
                image = zero_image(self.module, self.channels, (height, width))
                self.check(image)
                with self._telling(image):
                    self._traces[key] = trace(self.module, self._normalised(image))
        return self._traces[key]

    def a_size(self, size: int | Pair | None = None) -> Pair:
        """The size to look at the net with: the given one, else its own, else that of its geometry; else an error."""
        if size is None:
            size = self.size or (self.geometry.size if self.geometry else None)
        if size is None:
            raise StriateError(
                f"{self.name} takes images of any size",
                accepted="a size (height, width) to look at it with",
                hint="--size 32, or Net(module, size=32)",
            )
        return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))

    @contextmanager
    def look(
        self,
        *,
        read: Iterable[str] = (),
        edits: Mapping[str, Edit] | None = None,
        rules: Mapping[str, Rule] | None = None,
        stop: bool = True,
    ) -> Iterator[Look]:
        """Gives ``see(images, rows=None) -> Seen``: passes in which sites are read, edited, given other backwards.

        The net is in eval mode inside, gives no parameter gradients, and is left as it was found. Names are those of
        `sites`; the path of a module with children, such as ``"layer4"``, stands for the site that makes its output;
        ``"input"`` are the pixels, ``"output"`` what the net gives. What is read is what the net goes on with (after
        an edit), stays on the way to the output for autograd, and is safe from being overwritten in place.

        Args:
            read: Sites to record.
            edits: What to do to the output of which site.
            rules: What takes the place of the backward of which site.
            stop: Stop at the deepest site that is read, unless ``"output"`` is read too or nothing is.

        Raises:
            UnknownNameError: A name is no site (said at once where the net's size is known, else at the first pass).
            StriateError: A rule refuses its site.

        >>> net = Net(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), size=8)
        >>> with net.look(read=["1"], edits={"0": lambda site, output, rows: -output}) as see:
        ...     seen = see(torch.rand(3, 1, 8, 8))
        >>> seen["1"].shape
        torch.Size([3, 2, 6, 6])
        """
        wanted, edits, rules = tuple(dict.fromkeys(read)), dict(edits or {}), dict(rules or {})

        def planned(size: Pair) -> Any:
            return plan(self.trace(size), read=wanted, edits=edits, rules=rules, stop=stop, net=self.name)

        if self.size is not None or self.geometry is not None:
            planned(self.a_size())
        is_open = True

        def see(images: Tensor, rows: Tensor | None = None) -> Seen:
            if not is_open:
                raise StriateError("this look is closed", hint="call it inside its with block")
            return self._see(images, rows, planned)

        with undisturbed(self):
            try:
                yield see
            finally:
                is_open = False

    def _see(self, images: Tensor, rows: Tensor | None, planned: Callable[[Pair], Any]) -> Seen:
        self.check(images)
        todo = planned((images.shape[2], images.shape[3]))
        rows = torch.arange(len(images), device=images.device) if rows is None else rows
        if len(rows) != len(images):
            raise StriateError(f"{len(rows)} rows for {len(images)} images", accepted="one row for each image")
        pixels = images
        if "input" in todo.edits:
            pixels = todo.edits["input"](Site("input", "input", (), tuple(images.shape[1:])), images, rows)
        count_forward(images)
        with self._telling(images):
            output, values, stopped = run(self.module, self._normalised(pixels), rows, todo)
        if not stopped and "output" in todo.edits:
            output = todo.edits["output"](Site("output", "output", (), tuple(output.shape[1:])), output, rows)
        count_backward([output, *values.values()], images)
        return Seen(pixels, output, rows, values, stopped=stopped)

    def with_module(self, module: nn.Module) -> Net:
        """The same contract around another module."""
        made = Net(
            module,
            classes=self.classes,
            name=self.name,
            channels=self.channels,
            size=self.size,
            outputs=self.outputs,
            geometry=self.geometry,
            origin=self.origin,
            least_size=self.least_size,
        )
        made.mean, made.std = self.mean, self.std
        return made

    def batch_size(self, size: int | Pair | None = None, *, memory: int = 1 << 30, backward: bool = False) -> int:
        """How many images a chunk may hold so that its activations fit ``memory`` bytes; at least 1.

        Counted from the bytes of the outputs: with a backward all of them and their gradients, without one the
        largest operation's inputs and output, twice for what the kernels need.
        """
        height, width = self.a_size(size)
        found = self.trace((height, width))
        image = self.channels * height * width * 4
        sizes = dict(found.bytes_of)
        if backward:
            need = 2 * sum(sizes.values())
        else:
            sizes["input"] = image
            need = 2 * max((sizes[s.name] + sum(sizes[each] for each in s.inputs) for s in found.sites), default=0)
        return capped(max(1, int(memory // (need + 2 * image))))

    def fingerprint(self) -> str:
        """SHA-256 of parameters, buffers and their names, normalisation included: equal nets have equal ones."""
        digest = hashlib.sha256()
        named = [*self.module.state_dict(keep_vars=True).items(), ("mean", self.mean), ("std", self.std)]
        for name, tensor in named:
            if isinstance(tensor, Tensor):
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
                plain = tensor.detach().to("cpu").contiguous().reshape(-1)
                digest.update(plain.view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def adapted(
        self,
        *,
        mean: float | Sequence[float] | Tensor | None = None,
        std: float | Sequence[float] | Tensor | None = None,
        classes: Sequence[str] | int | None = None,
        size: int | Pair | None = None,
        geometry: Geometry | None = None,
        name: str = "",
        origin: WeightsOrigin | None = None,
    ) -> Net:
        """Another Net around the same module, with what is given in the place of what this one says."""
        changed = Net(
            self.module,
            mean=self.mean if mean is None else mean,
            std=self.std if std is None else std,
            classes=self.classes if classes is None else classes,
            name=name or self.name,
            channels=self.channels,
            size=self.size if size is None else size,
            outputs=self.outputs,
            geometry=geometry or self.geometry,
            origin=origin or self.origin,
            least_size=self.least_size,
        )
        return changed.train(self.training)

    def check(self, images: Any) -> None:
        """Raises a `StriateError` where ``images`` are not what the net takes, saying what they are."""
        wanted = f"float pixels in [0, 1], shape {self._shape_words()}"
        if not isinstance(images, Tensor):
            raise StriateError(f"images are a {type(images).__name__}", accepted=wanted, hint="as_images(...)")
        if images.dim() == 3:
            raise StriateError(f"one image of shape {tuple(images.shape)}", accepted=wanted, hint="image.unsqueeze(0)")
        if images.dim() != 4 or images.shape[1] != self.channels:
            hint = "images.permute(0, 3, 1, 2)" if images.dim() == 4 and images.shape[3] == self.channels else ""
            raise StriateError(f"images of shape {tuple(images.shape)} for {self.name}", accepted=wanted, hint=hint)
        if not images.is_floating_point():
            hint = "images / 255" if images.dtype == torch.uint8 else "images.float(), scaled to [0, 1]"
            raise StriateError(f"images are {str(images.dtype).removeprefix('torch.')}", accepted=wanted, hint=hint)
        height, width = images.shape[2:]
        if self.size is not None and (height, width) != self.size:
            raise StriateError(
                f"images of {height} x {width} for {self.name}", accepted=wanted, hint="resize them with a Geometry"
            )
        if min(height, width) < self.least_size:
            raise StriateError(
                f"images of {height} x {width} for {self.name}",
                accepted=f"at least {self.least_size} x {self.least_size}",
            )
        self._check_precision(images)

    def _check_precision(self, images: Tensor) -> None:
        like = next((each for each in self.module.parameters() if each.is_floating_point()), None)
        if like is None or torch.is_autocast_enabled(images.device.type):
            pass
        elif images.dtype != like.dtype:
            ours, theirs = (str(each.dtype).removeprefix("torch.") for each in (like, images))
            raise StriateError(f"images are {theirs} and {self.name} is {ours}", hint=f"images.to(torch.{ours})")
        elif images.device != like.device:
            raise StriateError(
                f"images are on {images.device} and {self.name} is on {like.device}",
                hint=f"images.to({str(like.device)!r})",
            )
        # A search may leave [0, 1] on its way, so images with gradient pass; a look at a few pixels costs microseconds.
        # In a training loop the first batch is looked at: a loop that feeds wrong pixels does so from the start.
        trusted = self.training and self._trusted
        if images.device.type == "cpu" and not images.requires_grad and images.numel() and not trusted:
            first = images[0].detach().reshape(-1)
            low, high = torch.aminmax(first[:: max(1, len(first) // _PROBED)])
            if float(high) > 2.0 or float(low) < -1.0:
                raise StriateError(
                    f"pixels between {float(low):.3g} and {float(high):.3g} for {self.name}",
                    accepted="pixels in [0, 1]; the net normalises them itself",
                    hint="images / 255" if float(low) >= 0 else "leave out the normalisation",
                )
            self._trusted = self.training

    def extra_repr(self) -> str:
        """Name, channels, size, number of classes."""
        size = "any size" if self.size is None else f"{self.size[0]} x {self.size[1]}"
        return f"{self.name!r}, {self.channels} channels, {size}, {len(self.classes)} classes"

    def _shape_words(self) -> str:
        height, width = self.size or ("H", "W")
        return f"(N, {self.channels}, {height}, {width})"

    def _normalised(self, images: Tensor) -> Tensor:
        if self.mean is None and self.std is None:
            return images.clone()  # a net that starts with an in-place operation must not change the caller's pixels
        centred = images if self.mean is None else images - self.mean.to(images.dtype)
        return centred if self.std is None else centred / self.std.to(images.dtype)

    @contextmanager
    def _telling(self, images: Tensor) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not isinstance(error, StriateError):
                error.add_note(f"while {self.name} ran on images of shape {tuple(images.shape)}, {images.dtype}")
            raise


def _refuse_scripts(module: nn.Module) -> None:
    if not isinstance(module, nn.Module):
        raise StriateError(f"a net made of {type(module).__name__}", accepted="a torch.nn.Module")
    for path, each in module.named_modules():
        if isinstance(each, torch.jit.ScriptModule):
            where = f"its part {path!r}" if path else "it"
            raise StriateError(
                f"{type(module).__name__}: {where} is TorchScript, whose operations cannot be seen or edited",
                accepted="a plain torch.nn.Module",
                hint="build the module from its Python code and load its state dict",
            )


def _channels_of(module: nn.Module, size: Pair | None) -> int:
    for each in module.modules():
        if isinstance(each, nn.Conv2d):
            return each.in_channels
        if isinstance(each, nn.Linear):
            if size is None:  # a square number of inputs is one grey image, flattened
                return 1 if math.isqrt(each.in_features) ** 2 == each.in_features else 3
            pixels = math.prod(size)
            return each.in_features // pixels if each.in_features % pixels == 0 else 3
    return 3


def _class_names(module: nn.Module, classes: Sequence[str] | int | None) -> tuple[str, ...]:
    if classes is None:
        linear = [each.out_features for each in module.modules() if isinstance(each, nn.Linear)]
        classes = linear[-1] if linear else 0
    if isinstance(classes, int):
        return tuple(str(index) for index in range(classes))
    return tuple(str(each) for each in classes)


def _per_channel(value: float | Sequence[float] | Tensor | None, channels: int, what: str) -> Tensor | None:
    if value is None:
        return None
    numbers = torch.as_tensor(value, dtype=torch.get_default_dtype()).flatten()
    if len(numbers) == 1:
        numbers = numbers.expand(channels).clone()
    if len(numbers) != channels:
        raise StriateError(f"{what} has {len(numbers)} numbers", accepted=f"one for each of {channels} channels")
    return numbers.view(1, channels, 1, 1)


def _mean_image(value: float | Sequence[float] | Tensor | None, channels: int) -> Tensor | None:
    """A mean that differs from pixel to pixel as (1, C, H, W); None for every other."""
    if not isinstance(value, Tensor) or value.dim() < 3 or value.shape[-2:] == (1, 1):
        return None
    if value.shape[-3] != channels or value.shape[:-3].numel() != 1:
        raise StriateError(f"mean has shape {tuple(value.shape)}", accepted=f"an image of {channels} channels")
    return value.detach().to(torch.get_default_dtype()).reshape(1, *value.shape[-3:])


def _fitting(centre: Tensor, size: Pair | None) -> Pair:
    height, width = centre.shape[-2:]
    if size is not None and tuple(size) != (height, width):
        raise StriateError(f"a mean image of {height} x {width} for images of {size[0]} x {size[1]}")
    return height, width
