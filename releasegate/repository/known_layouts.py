"""The layouts that a checkpoint can have, as far as releasegate and the installed transformers know them. Nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from releasegate.checkpoint.layouts import FORMS, PROGRAM
from releasegate.recipe import Recipe

_NAMED = re.compile(r'"([A-Za-z0-9][\w.-]*)"\s*[,:]\s*"\w+Config"')
OURS = ("audioseal-hf", "mini-voice-hf", "perth-hf")
"""Of the kinds of models that only releasegate's own subjects read."""


def known_layouts(recipes: Iterable[Recipe]) -> frozenset[str]:
    """Layouts that a policy may name: of models that transformers knows, of releasegate's subjects, and of recipes."""
    named = {PROGRAM, *OURS, *(form.layout for form in FORMS), *(recipe.layout for recipe in recipes)}
    return frozenset(named | {f"{kind}-{end}" for kind in transformers_kinds() for end in ("hf", "lora")})


@cache
def transformers_kinds() -> frozenset[str]:
    """Every `model_type` that the installed transformers maps to a configuration, read from its source."""
    found = find_spec("transformers")
    places = found.submodule_search_locations if found is not None else None
    folder = Path(places[0], "models", "auto") if places else None
    sources = [] if folder is None else [folder / "auto_mappings.py", folder / "configuration_auto.py"]
    return frozenset(kind for file in sources if file.is_file() for kind in _NAMED.findall(file.read_text("utf-8")))
