"""Importing the code of one eval: from source alone, and from nothing that its digest does not cover.

An eval's digest is over the files of its own folder and the modules that lie directly in `evals/`. So its code may import
those and what is installed, and nothing else of the repository; and neither compiled files nor `__pycache__` are read,
which could hold something else than the source.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

PREFIX = "releasegate_eval_"


class _FromSource(SourceFileLoader):
    """Compiles what the file holds now."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


class _Finder(MetaPathFinder):
    """Finds the modules of the packages that stand for an eval."""

    def __init__(self) -> None:
        self.folders: dict[str, str] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, *inner = fullname.split(".")
        if package not in self.folders or not inner or not path:
            return None
        own, place = self.folders[package], Path(path[0]) / inner[-1]
        if place.with_suffix(".py").is_file():
            file = place.with_suffix(".py")
            return spec_from_file_location(fullname, file, loader=_FromSource(fullname, str(file)))
        if place.is_dir() and not place.is_symlink() and inner[0] == own:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(place)]
            return spec
        what = f"an eval imports modules of its own folder ({own}) and those that lie directly in evals/"
        raise ModuleNotFoundError(f"{'.'.join(inner)}: {what}", name=fullname)


_FINDER = _Finder()


def import_file(file: Path) -> ModuleType:
    """The module in `file`, `evals/<id>/<name>.py`, in which `from ..module import …` reaches `evals/module.py`.

    Raises:
        Exception: whatever the module raises.
    """
    folder = file.parent.resolve()
    package = PREFIX + hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    if package not in sys.modules:
        _FINDER.folders[package] = folder.name
        top = ModuleType(package)
        top.__path__ = [str(folder.parent)]
        sys.modules[package] = top
    return importlib.import_module(f"{package}.{folder.name}.{file.stem}")
