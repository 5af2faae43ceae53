"""The tensors that stay, held against what the class of transformers declares that the configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from releasegate.checkpoint.headers import Entry
from releasegate.checkpoint.loadable import Loads, NotChecked, class_named, strictly
from releasegate.errors import NotLoadable
from releasegate.stripping.planning.fitting import Fitting

QUANTISED = "quantization_config"
EIGHT_BIT = ("F8_E4M3", "F8_E5M2")
SCALE = "_scale_inv"


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
    plain, weights = dict(config), dict(staying)
    quantised = plain.pop(QUANTISED, None)
    if quantised is not None:
        if not _in_blocks(quantised):
            return NotChecked(f"it is quantised in a form ({_method(quantised)}) that does not tell the class's shapes")
        weights = _without_scales(fitting, quantised["weight_block_size"], staying)
    plain.pop("auto_map", None)  # asks for code, and is dropped or refused elsewhere
    if any(entry.dtype.startswith("F8") for entry in weights.values()) and quantised is None:
        return NotChecked(f"it has tensors in 8 bits, and no {QUANTISED} says how to read them")
    try:
        name = class_named(plain, where)
        tensors = {key: (entry.dtype, entry.shape) for key, entry in weights.items()}
        found = strictly(name, plain, {}, tensors, where)
    except NotLoadable as error:
        problem = error.problems[0]
        raise fitting.mismatch(f"would leave what {problem.what}", problem.fix) from error
    return replace(found, tensors=len(staying)) if isinstance(found, Loads) else found


def _method(quantised: object) -> str:
    method = quantised.get("quant_method") if isinstance(quantised, Mapping) else None
    return ascii(method)[:40]


def _in_blocks(quantised: object) -> bool:
    """Whether weights are in 8 bits, with a scale for each block."""
    if not isinstance(quantised, Mapping) or quantised.get("quant_method") != "fp8":
        return False
    block = quantised.get("weight_block_size")
    return isinstance(block, list) and len(block) == 2 and all(type(side) is int and side > 0 for side in block)


def _without_scales(fitting: Fitting, block: list[int], staying: Mapping[str, Entry]) -> dict[str, Entry]:
    """The tensors without the scales of those that are in 8 bits; every scale has its weight, and the reverse."""
    scales = {name for name, entry in staying.items() if entry.dtype in EIGHT_BIT}
    fix = "export the model again: weights in 8 bits have one scale for each block, and nothing else has any"
    for name in sorted(scales):
        entry, scale = staying[name], staying.get(name + SCALE)
        wanted = tuple(-(-side // by) for side, by in zip(entry.shape, block, strict=False))
        if scale is None or len(entry.shape) != 2:
            what = f"would leave tensor {name!r} in 8 bits, of shape {list(entry.shape)}, without {name + SCALE!r}"
            raise fitting.mismatch(what, fix)
        if scale.shape != wanted or scale.dtype not in ("F32", "BF16"):
            what = f"would leave tensor {name + SCALE!r} of {scale.dtype} and shape {list(scale.shape)}, and blocks of {block}"
            raise fitting.mismatch(f"{what} make {list(wanted)}", fix)
    return {
        name: entry
        for name, entry in staying.items()
        if not (name.endswith(SCALE) and name.removesuffix(SCALE) in scales)
    }
