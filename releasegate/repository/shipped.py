"""The recipes that come with releasegate, by their digests, and those that the lock of a gate repository names.

The digests of what ships stand in a file of the package, so that a recipe that was edited where it lies is another one.
`python -m releasegate.schemas` writes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from releasegate.documents import parse_document
from releasegate.namedrecipe import KnownRecipes
from releasegate.receipt import Receipt
from releasegate.recipe import Recipe, RecipeId
from releasegate.records import Digest, digest_of_bytes
from releasegate.repository.gate_repository import GateRepository
from releasegate.repository.lock_file import NAME, read_lock
from releasegate.repository.reading import read_file

FILE = "shipped_recipes.json"
"""For each recipe, the digest of now and then those of earlier versions, newest first."""


@cache
def shipped_recipes() -> Mapping[RecipeId, tuple[Digest, ...]]:
    """The digests of each recipe that ships, that of now first."""
    data = json.loads((files("releasegate.repository") / FILE).read_text(encoding="utf-8"))
    return {name: tuple(digests) for name, digests in data.items()}


def shipped_text(repository: GateRepository) -> str:
    """The file of digests for the recipes of releasegate's own repository: one that changed comes before what it was.

    Raises:
        DocumentError: a recipe is not what it must be.
    """
    before, paths = shipped_recipes(), repository.recipe_files.paths()
    now = {name: repository.recipe(name).digest() for name in paths}
    made = {name: [digest, *(one for one in before.get(name, ()) if one != digest)] for name, digest in now.items()}
    return json.dumps(made, indent=1) + "\n"


def locked_recipes(repository: GateRepository | None, receipt: Receipt) -> dict[RecipeId, Digest]:
    """The digests of those recipes of a receipt that the lock of a repository names; none where there is no lock.

    Raises:
        LockError: the lock is none.
        DocumentError: a recipe that is as it was locked is not what it must be.
    """
    if repository is None or not os.path.lexists(repository.root / NAME):
        return {}
    locked = {one.file: one.sha256 for one in read_lock(repository).files}
    found = {}
    for used in receipt.recipes:
        path = repository.recipe_files.paths().get(used.id)
        file = None if path is None else repository.shown(path)
        if path is None or file not in locked:
            continue
        text = read_file(path, "recipe", "restore it")
        if digest_of_bytes(text) == locked[file]:
            found[used.id] = parse_document(Recipe, text, str(file)).record.digest()
    return found


def known_recipes(receipt: Receipt, repository: GateRepository | None = None) -> KnownRecipes:
    """What the recipes of a receipt are compared with: what ships and, of a repository, what its lock names.

    Raises:
        LockError: the lock is none.
        DocumentError: a recipe that is as it was locked is not what it must be.
    """
    return KnownRecipes(locked=locked_recipes(repository, receipt), shipped=shipped_recipes())
