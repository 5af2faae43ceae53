"""The recipes of a gate repository, each in a file of its own: a broken one stops only those who ask for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from releasegate.documents import parse_document
from releasegate.errors import DocumentError, NotFound, Problem, nearest
from releasegate.recipe import Recipe
from releasegate.repository.reading import read_file

ENDING = ".yaml"


@dataclass(frozen=True)
class Recipes:
    """Recipes that could be read, by id, and what is wrong with the others, by the id that their place gives them."""

    read: dict[str, Recipe]
    broken: dict[str, tuple[Problem, ...]]

    @property
    def problems(self) -> list[Problem]:
        """Everything that is wrong with the broken ones."""
        return [problem for found in self.broken.values() for problem in found]


@dataclass(frozen=True)
class RecipeFiles:
    """The files `<layout>/<capability>.yaml` under a folder.

    Attributes:
        base: the folder.
        shown: how messages name a file.
    """

    base: Path
    shown: Callable[[Path], str]

    def paths(self) -> dict[str, Path]:
        """The file of each recipe, by id."""
        found = sorted(self.base.glob(f"*/*{ENDING}"))
        return {path.relative_to(self.base).with_suffix("").as_posix(): path for path in found}

    def ignored(self) -> list[str]:
        """Files that look like recipes and are none, since their names do not end as they must; as messages name them."""
        return [self.shown(path) for path in sorted(self.base.glob("*/*.yml"))]

    def read(self, name: str) -> Recipe:
        """The recipe `name` (`layout/capability`). No other file is read.

        Raises:
            NotFound: there is none.
            DocumentError: it is not what it must be.
        """
        paths = self.paths()
        if name not in paths:
            raise self._missing(name, paths)
        return self._parsed(name, paths[name])

    def read_all(self) -> Recipes:
        """All of them."""
        read: dict[str, Recipe] = {}
        broken: dict[str, tuple[Problem, ...]] = {}
        for name, path in self.paths().items():
            try:
                read[name] = self._parsed(name, path)
            except DocumentError as error:
                broken[name] = tuple(error.problems)
        return Recipes(read, broken)

    def _parsed(self, name: str, path: Path) -> Recipe:
        located = parse_document(Recipe, read_file(path, "recipe", "add it"), self.shown(path))
        if located.record.id != name:
            raise DocumentError([located.problem(("id",), f"the file is named {name}", "give both the same name")])
        return located.record

    def _missing(self, name: str, paths: dict[str, Path]) -> NotFound:
        other = self.base / f"{name}.yml"
        if other.is_file():
            return NotFound(self.shown(other), f"is ignored: recipes end in {ENDING}", f"rename it to {name}{ENDING}")
        if name.endswith((ENDING, ".yml")):
            meant = "/".join(Path(name).with_suffix("").parts[-2:])
            fix = (
                f"give `{meant}`" if meant in paths else f"put it at {self.shown(self.base)}/LAYOUT/CAPABILITY{ENDING}"
            )
            return NotFound(name, "is a file, and a recipe is named by its id, LAYOUT/CAPABILITY", fix)
        return NotFound(name, "no such recipe", nearest(name, list(paths), "add one to policies/recipes/"))
