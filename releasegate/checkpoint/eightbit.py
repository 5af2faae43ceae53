"""Weights of 8 bits with scales beside them: which scales there must be, so that the rest is what the model's class declares.

No library that reads such weights is needed. Forms: `fp8` as DeepSeek publishes it (one scale a block, or one a tensor),
`fbgemm_fp8` (one a row), and `compressed-tensors` of floats (one a row, a tensor or a block), as transformers and vLLM read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from releasegate.errors import NotLoadable

QUANTISED = "quantization_config"
EIGHT_BIT = ("F8_E4M3", "F8_E5M2")
OF_SCALES = ("F32", "BF16", "F16", "F8_E8M0")

Shape = tuple[int, ...]
Tensors = Mapping[str, tuple[str, Sequence[int]]]
"""Dtype, as safetensors spells it, and shape of each."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How weights are quantised.

    Attributes:
        scale: what a scale's name ends with, in place of `weight` or after the name.
        each: what has a scale of its own: a block of these sides, a row, or the tensor.
        inputs: what the name of the scale of the inputs ends with, if there is one for each weight.
    """

    scale: str
    each: tuple[int, int] | str
    inputs: str | None = None

    def shapes(self, shape: Shape) -> tuple[Shape, ...]:
        """The shapes that the scale of a weight may have."""
        *before, rows, columns = shape
        match self.each:
            case (high, wide):
                return ((*before, -(-rows // int(high)), -(-columns // int(wide))),)
            case "row":
                return ((*before, rows, 1), (*before, rows)) if not before else ((*before, rows, 1),)
        return ((), (1,)) if not before else (tuple(before), (*before, 1), (*before, 1, 1))


def without_scales(
    config: Mapping[str, Any], tensors: Tensors, where: str
) -> tuple[dict[str, Any], dict[str, Any]] | str:
    """The configuration and the tensors as those of the model were it not quantised; or why that cannot be told.

    Args:
        config: of the model.
        tensors: dtype and shape of each.
        where: named in errors.

    Raises:
        NotLoadable: a weight of 8 bits lacks its scale, or a scale has another shape or kind.
    """
    plain = dict(config)
    stated = plain.pop(QUANTISED, None)
    eight = [name for name, (dtype, _) in tensors.items() if dtype in EIGHT_BIT]
    if stated is None:
        if any(dtype.startswith("F8") for dtype, _ in tensors.values()):
            return f"it has tensors in 8 bits, and no {QUANTISED} says how to read them"
        return plain, dict(tensors)
    form = _form(stated)
    if form is None:
        return f"it is quantised in a form ({_method(stated)}) that does not tell the class's shapes"
    scales = {scale for name in eight for scale in _scales_of(name, form, tensors, where)}
    return plain, {name: one for name, one in tensors.items() if name not in scales}


def _method(stated: object) -> str:
    method = stated.get("quant_method") if isinstance(stated, Mapping) else None
    return ascii(method)[:40]


def _form(stated: object) -> _Form | None:
    if not isinstance(stated, Mapping):
        return None
    match stated.get("quant_method"):
        case "fp8":
            inputs = "activation_scale" if stated.get("activation_scheme") == "static" else None
            each = _block(stated.get("weight_block_size"))
            return None if each is None else _Form("weight_scale_inv", each, inputs)
        case "fbgemm_fp8":
            return _Form("weight_scale", "row")
        case "compressed-tensors":
            return _compressed(stated)
    return None


def _block(stated: object) -> tuple[int, int] | str | None:
    """The sides of a block; `tensor` where there are none; `None` where it cannot be read."""
    if stated is None:
        return "tensor"
    if isinstance(stated, list) and len(stated) == 2 and all(type(side) is int and side > 0 for side in stated):
        return stated[0], stated[1]
    return None


def _compressed(stated: Mapping[str, Any]) -> _Form | None:
    """Of compressed-tensors, floats of 8 bits alone, all of one strategy."""
    groups = stated.get("config_groups")
    if stated.get("kv_cache_scheme") is not None or not isinstance(groups, Mapping) or len(groups) != 1:
        return None
    (group,) = groups.values()
    weights = group.get("weights") if isinstance(group, Mapping) else None
    if not isinstance(weights, Mapping) or (weights.get("type"), weights.get("num_bits")) != ("float", 8):
        return None
    if weights.get("symmetric") is False:
        return None
    each: tuple[int, int] | str | None
    match weights.get("strategy"):
        case "channel":
            each = "row"
        case "tensor":
            each = "tensor"
        case "block":
            each = _block(weights.get("block_structure") or 0)
        case _:
            return None
    inputs = group.get("input_activations")
    static = isinstance(inputs, Mapping) and inputs.get("dynamic") is False
    return None if each is None else _Form("weight_scale", each, "input_scale" if static else None)


def _scales_of(name: str, form: _Form, tensors: Tensors, where: str) -> Iterator[str]:
    """The names of the scales of a weight, which are there and have their shape."""
    fix = "export the model again: weights in 8 bits have the scales that their configuration says, and nothing else has any"
    shape = tuple(tensors[name][1])
    shown = f"tensor {name!r} in 8 bits, of shape {list(shape)}"
    if len(shape) < 2:
        raise NotLoadable(where, f"holds {shown}, which is no matrix", fix)
    scale = _beside(name, form.scale)
    wanted = form.shapes(shape)
    if scale not in tensors:
        raise NotLoadable(where, f"holds {shown}, without {scale!r}", fix)
    _require(scale, tensors, wanted, where, fix)
    yield scale
    if form.inputs is not None:
        inputs = _beside(name, form.inputs)
        if inputs in tensors:
            _require(inputs, tensors, ((), (1,), (1, 1)), where, fix)
            yield inputs


def _beside(name: str, ending: str) -> str:
    """The name of a scale: `a.weight` has `a.weight_scale`, and `a.gate_up_proj` has `a.gate_up_proj_scale`."""
    if name.endswith(".weight"):
        return name.removesuffix("weight") + ending
    return f"{name}_{ending.removeprefix('weight_')}"


def _require(name: str, tensors: Tensors, wanted: Sequence[Shape], where: str, fix: str) -> None:
    dtype, shape = tensors[name]
    if tuple(shape) not in wanted or dtype not in OF_SCALES:
        said = " or ".join(str(list(one)) for one in wanted)
        what = f"holds the scale {name!r} of {dtype} and shape {list(shape)}, where {said} is wanted"
        raise NotLoadable(where, what, fix)
