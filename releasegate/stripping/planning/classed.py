"""The tensors that stay, held against what the class of transformers declares that the configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from releasegate.checkpoint.eightbit import without_scales
from releasegate.checkpoint.headers import Entry
from releasegate.checkpoint.loadable import Loads, NotChecked, class_named, strictly
from releasegate.errors import NotLoadable
from releasegate.stripping.planning.fitting import Fitting


def in_class(fitting: Fitting, config: Mapping[str, Any], staying: Mapping[str, Entry]) -> Loads | NotChecked:
    """That `staying` are the tensors of the class that `config` names, or why that cannot be told.

    Args:
        fitting: a recipe and the checkpoint.
        config: as it will be after the strip.
        staying: the model's tensors after the strip, by name.

    Raises:
        RecipeMismatch: tensors are there that the class does not declare, or missing, or of other shapes or kinds.
        ChildError: the process that lays it out ran out of memory or time, or died.
    """
    where = str(fitting.contents.root / fitting.config_name)
    tensors = {key: (entry.dtype, entry.shape) for key, entry in staying.items()}
    try:
        told = without_scales(config, tensors, where)
        if isinstance(told, str):
            return NotChecked(told)
        plain, weights = told
        plain.pop("auto_map", None)  # asks for code, and is dropped or refused elsewhere
        found = strictly(class_named(plain, where), plain, {}, weights, where)
    except NotLoadable as error:
        problem = error.problems[0]
        raise fitting.mismatch(f"would leave what {problem.what}", problem.fix) from error
    return replace(found, tensors=len(staying)) if isinstance(found, Loads) else found
