"""Bytes of tensors that are alive, exactly: every storage that an operation gives, until nothing holds it."""

from __future__ import annotations

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """While it is entered, ``peak`` is the most bytes at once of what was made inside, backward passes included.

    What a kernel takes and frees within one operation is not seen.
    """

    def __init__(self):
        super().__init__()
        self.held, self.given, self.peak = {}, set(), 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """The operation, and what it gave."""
        for each in tree_leaves((args, kwargs or {})):
            if isinstance(each, torch.Tensor) and each.untyped_storage()._cdata not in self.held:
                self.given.add(each.untyped_storage()._cdata)
        made = func(*args, **(kwargs or {}))
        for each in tree_leaves(made):
            if isinstance(each, torch.Tensor):
                storage = each.untyped_storage()
                if storage._cdata not in self.given:
                    self.held[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self.held = {key: entry for key, entry in self.held.items() if not entry[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.held.values()))
        return made
