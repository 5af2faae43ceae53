"""What a checkpoint folder looks like on disk: where its configuration and its weights stand, and what it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from releasegate.checkpoint.files import read_json_object
from releasegate.errors import LayoutUnknown

CONFIG = "config.json"
PARAMS = "params.json"

INDEXED = "model.safetensors.index.json"
PICKLE_INDEX = "pytorch_model.bin.index.json"

PROGRAM = "command"
"""The layout of a model that is a program, and its `model_type`. What its weights are is the program's affair."""


@dataclass(frozen=True, slots=True)
class Form:
    """A layout on disk.

    Attributes:
        layout: its name.
        config: the file of its configuration; `None` where there is none.
        weights: patterns of the files that form the model; the first that matches any file counts. Without patterns no file
            does: the folder is a program, and its tensors, if any, lie beside it.
        indexes: names of an index of the shards; the first that is there counts, before `weights`.
        sign: whether files and configuration are those of this layout.
    """

    layout: str
    config: str | None
    weights: tuple[str, ...]
    indexes: tuple[str, ...] = ()
    sign: Callable[[list[str], Mapping[str, Any]], bool] = field(default=lambda names, config: True, repr=False)


_CONSOLIDATED = (
    "consolidated.safetensors",
    "consolidated.[0-9][0-9].safetensors",
    "consolidated.pth",
    "consolidated.[0-9][0-9].pth",
)

FORMS: tuple[Form, ...] = (
    Form(
        "chameleon-original",
        PARAMS,
        _CONSOLIDATED,
        sign=lambda names, config: any(fnmatchcase(name, "tokenizer/vqgan.*") for name in names),
    ),
    Form(
        "multi-token-prediction",
        PARAMS,
        _CONSOLIDATED,
        sign=lambda names, config: "n_future_tokens" in config,
    ),
    Form("llama-original", PARAMS, _CONSOLIDATED),
    Form(
        "xtts",
        CONFIG,
        ("model.safetensors", "model.pth"),
        sign=lambda names, config: config.get("model") == "xtts",
    ),
    Form("audiocraft", None, ("state_dict.safetensors", "state_dict.bin")),
)
"""Layouts that name no `model_type`; the first whose files are all there counts."""


def find_form(root: Path, names: list[str]) -> Form:
    """The layout of the folder `root`, which holds the files `names`.

    Raises:
        LayoutUnknown: it has none that is known.
    """
    configs = {name: read_json_object(root / name) for name in (CONFIG, PARAMS) if name in names}
    kind = configs.get(CONFIG, {}).get("model_type")
    if kind == PROGRAM:
        return Form(PROGRAM, CONFIG, ())
    if isinstance(kind, str) and kind:
        return Form(f"{kind}-hf", CONFIG, ("model.safetensors", "pytorch_model.bin"), indexes=(INDEXED, PICKLE_INDEX))
    for form in FORMS:
        has_config = form.config is None or form.config in configs
        has_weights = any(fnmatchcase(name, pattern) for pattern in form.weights for name in names)
        if has_config and has_weights and form.sign(names, configs.get(form.config or "", {})):
            return form
    if CONFIG not in names:
        what = f"has no {CONFIG}, so that its layout is unknown"
        raise LayoutUnknown(str(root), what, "give a checkpoint in Hugging Face's layout, or convert it")
    raise LayoutUnknown(str(root / CONFIG), "has no model_type, so that its layout is unknown", "add the model_type")


def is_program(root: Path, names: list[str]) -> bool:
    """Whether the folder `root`, which holds the files `names`, says that it is a program."""
    return CONFIG in names and read_json_object(root / CONFIG).get("model_type") == PROGRAM
