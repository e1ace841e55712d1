"""What people call the splits, the groups and the captions of a data set, in whatever format they keep it."""

from __future__ import annotations

from collections.abc import Mapping

SPLITS: Mapping[str, str] = {
    "train": "train", "training": "train", "trn": "train", "dev": "dev", "val": "dev", "valid": "dev",
    "validation": "dev", "test": "test", "testing": "test",
}  # fmt: skip
GROUPS = (
    "group", "groups", "person", "persons", "subject", "subjects", "patient", "identity", "scene", "film", "video",
    "sequence",
)  # fmt: skip
CAPTIONS = ("caption", "description", "text")
