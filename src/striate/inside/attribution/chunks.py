"""Images in chunks that fit the memory budget, in the layout that the CPU computes fastest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from striate.core.allocator import memory_kept
from striate.nets.layout import laid_out
from striate.nets.net import Net
from striate.nets.undisturbed import undisturbed

# Larger chunks bring a CPU nothing and leave its caches: squeezenet1_0 at 224 is 30 % slower by 32 than by 8.
CPU_BYTES = 224 << 20


def chunk_size(net: Net, images: Tensor, *, memory: int, backward: bool = False) -> int:
    """How many images go through the net at once."""
    budget = min(memory, CPU_BYTES) if images.device.type == "cpu" else memory
    return net.batch_size((images.shape[-2], images.shape[-1]), memory=budget, backward=backward)


def chunks(
    net: Net, images: Tensor, targets: Tensor, *, memory: int, backward: bool = False, at_once: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images with their targets, chunk by chunk, detached, on the device of the images; ``at_once`` where given."""
    most = at_once or chunk_size(net, images, memory=memory, backward=backward)
    for part, wanted in zip(torch.split(images.detach(), most), torch.split(targets, most), strict=True):
        yield fast_layout(part), wanted.to(images.device)


def fast_layout(images: Tensor) -> Tensor:
    """The same images with channels last in memory: convolutions take 1.3 to 1.7 times less CPU so."""
    return images.contiguous(memory_format=torch.channels_last)


def target_scores(logits: Tensor, targets: Tensor) -> Tensor:
    """The logit of each image's target, (n,)."""
    return logits.gather(1, targets[:, None]).squeeze(1)


@contextmanager
def looked_into(net: Net, images: Tensor) -> Iterator[None]:
    """Inside, the net is undisturbed, with its weights in the layout of `fast_layout`, and freed memory is kept."""
    layout = torch.channels_last if images.dtype == torch.float32 else torch.contiguous_format
    with memory_kept(), undisturbed(net), laid_out(net, layout):
        yield
