"""Writes `class_defaults.json`: what every configuration class of transformers has for the keys that are looked at.

Run as `python -m tests.inspection.odd.defaults` after an update of transformers.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import releasegate.inspection.odd as odd
from releasegate.inspection.odd.kinds import kind_of_key, walked
from releasegate.inspection.odd.published import DROPOUT, ROPE, is_rope, within

PLACE = Path(odd.__file__).with_name("class_defaults.json")


def plain_default(kind: str) -> Mapping[str, Any] | None:
    """The configuration that the class of a `model_type` makes of nothing; None where it makes none."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING

    logging.getLogger("transformers").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found: Mapping[str, Any] = CONFIG_MAPPING[kind]().to_dict()
        except (TypeError, ValueError, AttributeError, KeyError, ImportError, OSError, StrictDataclassError):
            return None
    return found


def _is_looked_at(path: tuple[str, ...], value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    if is_rope(path) and path[-1] in ROPE:
        return isinstance(value, int | float) and not within(value, ROPE[path[-1]])
    kind = kind_of_key(path[-1])
    return kind is not None and (kind != "dropout" or (isinstance(value, int | float) and value > DROPOUT[1]))


def defaults() -> dict[str, dict[str, Any]]:
    """The defaults by `model_type` and dotted key."""
    from transformers import CONFIG_MAPPING

    found = {}
    for kind in sorted(CONFIG_MAPPING.keys()):
        config = plain_default(kind)
        listed = {".".join(path): value for path, value in walked(config or {}) if _is_looked_at(path, value)}
        if listed:
            found[kind] = listed
    return found


def text_of(found: Mapping[str, Mapping[str, Any]]) -> str:
    """One line a class."""
    lines = [f"{json.dumps(kind)}: {json.dumps(found[kind], sort_keys=True)}" for kind in sorted(found)]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    PLACE.write_text(text_of(defaults()))
