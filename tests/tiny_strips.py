"""Strips by plans that are made by hand, and the sources that they need."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from releasegate.checkpoint import Contents
from releasegate.receipt import LentParts, RecipeUsed
from releasegate.recipe import Residual
from releasegate.stripping import StripPlan
from releasegate.stripping.edits import TensorEdit

RECIPE = RecipeUsed(id="tests/by_hand", sha256="sha256:" + "1" * 64)
OFFERED = Residual(files="*.json", why="The vocabulary still names the tokens of rows that are emptied.")
STAYING = Residual(tensors="*", why="Of tensors that lose rows, the others stay.")


def plan_of(tensors: Mapping[str, TensorEdit], **changes: Any) -> StripPlan:
    """A plan that does this to the tensors and nothing else; its texts may go on naming what is gone."""
    made = {
        "recipes": (RECIPE,),
        "dropped": (),
        "keys": (),
        "residual": (OFFERED, STAYING),
        "lent": LentParts(),
        **changes,
    }
    return StripPlan(tensors=tensors, **made)


def allocated(folder: Path) -> int:
    """Bytes that the files of a folder take up on disk."""
    return sum(os.stat(path).st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def everything(contents: Contents) -> dict[str, bytes]:
    """The data of every tensor of the model's files, by its name."""
    return {name: data_of(contents, name) for name in contents.tensors}


def data_of(contents: Contents, name: str) -> bytes:
    """The data of one tensor."""
    place = contents.tensors[name]
    start = contents.shards[place.file].data_start + place.entry.begin
    return (contents.root / place.file).read_bytes()[start : start + place.entry.size]
