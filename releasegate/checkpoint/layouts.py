"""What a checkpoint folder looks like on disk: where its configuration and its weights stand, and what it is called."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import Any

from releasegate.checkpoint.files import read_json_object
from releasegate.checkpoint.gguf import read_gguf
from releasegate.errors import LayoutUnknown

CONFIG = "config.json"
PARAMS = "params.json"
ENDPOINT = "endpoint.json"
ADAPTER = ("adapter/adapter_config.json", "adapter/adapter_model.safetensors")
"""Where the adapter of a checkpoint lies: in a folder of its own, out of which no loader applies it unasked."""

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
            does: the folder is a program, whose tensors, if any, lie beside it, or says where a server is.
        indexes: names of an index of the shards; the first that is there counts, before `weights`.
        sign: whether files and configuration are those of this layout.
        own: files that no checkpoint of another layout may hold, and that this one is made of.
    """

    layout: str
    config: str | None
    weights: tuple[str, ...]
    indexes: tuple[str, ...] = ()
    sign: Callable[[list[str], Mapping[str, Any]], bool] = field(default=lambda names, config: True, repr=False)
    own: frozenset[str] = frozenset()


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
    Form(
        "endpoint",
        ENDPOINT,
        (),
        sign=lambda names, config: config.get("schema") == "releasegate/endpoint/v1",
    ),
)
"""Layouts that name no `model_type`; the first whose files are all there counts."""


def find_form(root: Path, names: list[str]) -> Form:
    """The layout of the folder `root`, which holds the files `names`.

    Raises:
        LayoutUnknown: it has none that is known.
    """
    configs = {name: read_json_object(root / name) for name in (CONFIG, PARAMS, ENDPOINT) if name in names}
    kind = configs.get(CONFIG, {}).get("model_type")
    if kind == PROGRAM:
        return Form(PROGRAM, CONFIG, ())
    if isinstance(kind, str) and kind:
        return _of_transformers(kind, names)
    if CONFIG not in names and PARAMS not in names:
        gguf = [name for name in names if name.lower().endswith(".gguf")]
        if len(gguf) == 1 and "/" not in gguf[0]:
            return Form(f"{_architecture(root / gguf[0])}-gguf", None, (escape(gguf[0]),), own=frozenset(gguf))
    for form in FORMS:
        has_config = form.config is None or form.config in configs
        has_weights = not form.weights or any(fnmatchcase(name, pattern) for pattern in form.weights for name in names)
        if has_config and has_weights and form.sign(names, configs.get(form.config or "", {})):
            return form
    if CONFIG not in names:
        what = f"has no {CONFIG}, so that its layout is unknown"
        raise LayoutUnknown(str(root), what, "give a checkpoint in Hugging Face's layout, or convert it")
    raise LayoutUnknown(str(root / CONFIG), "has no model_type, so that its layout is unknown", "add the model_type")


def _of_transformers(kind: str, names: list[str]) -> Form:
    """Hugging Face's layout of the models called `kind`, with an adapter over it if there is one."""
    adapted = all(name in names for name in ADAPTER)
    return Form(
        f"{kind}-lora" if adapted else f"{kind}-hf",
        CONFIG,
        ("model.safetensors", "pytorch_model.bin"),
        indexes=(INDEXED, PICKLE_INDEX),
        own=frozenset(ADAPTER if adapted else ()),
    )


def _architecture(path: Path) -> str:
    """What the GGUF file at `path` calls its architecture.

    Raises:
        GgufError: it is malformed.
        LayoutUnknown: it does not say.
    """
    stated = read_gguf(path).values.get("general.architecture")
    if isinstance(stated, str) and re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,50}", stated):
        return stated
    raise LayoutUnknown(str(path), "does not name its architecture", "convert the model again")


def is_program(root: Path, names: list[str]) -> bool:
    """Whether the folder `root`, which holds the files `names`, says that it is a program."""
    return CONFIG in names and read_json_object(root / CONFIG).get("model_type") == PROGRAM
