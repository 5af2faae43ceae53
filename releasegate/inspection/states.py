"""What the names of tensors and files give away: states of an optimizer, averaged copies, quantisation, training."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from releasegate.inspection.reading import SHOWN
from releasegate.inspection.record import Finding, Kind, Level
from releasegate.inspection.stored import Stored

_OPTIMIZER = re.compile(
    r"(?:^|[._/])(?:exp_avg(?:_sq)?|max_exp_avg_sq|exp_inf|momentum(?:_buffer)?|moment[12]|adam_[mv]|square_avg|sum_sq"
    r"|grad_avg|acc_delta|optimizer(?:_state(?:s)?)?|optim(?:_state)?|optimizer_states|master_(?:param|weight)s?"
    r"|fp32_from_fp16_params|lr_scheduler|grad_scaler|param_groups)(?:$|[._/])",
    re.IGNORECASE,
)
_EMA = re.compile(
    r"(?:^|[._/-])(?:ema|model_ema|ema_model|ema_state_dict|ema_params|shadow(?:_params)?|averaged(?:_model)?"
    r"|swa(?:_model)?|polyak|teacher_ema|model_ema_state_dict|embed_avg)(?:$|[._/-])|_ema(?:$|[._/])",
    re.IGNORECASE,
)
_SCALES = re.compile(
    r"(?:^|[./])(?:[a-z_]*_?scales?(?:_inv)?|qzeros|zeros|zero_points?|[a-z_]*_zero_point|g_idx|SCB|CB|absmax|nested_absmax"
    r"|quant_map|nested_quant_map|quant_state(?:\..*)?|weight_packed|weight_shape|qweight|qscales?|perm|codebooks?|codes"
    r"|lut|su|sv|Qidxs|block_scales?|blocks|amax|[a-z_]*_amax|act_scales?|smooth(?:_factor)?|lora_scale)$"
)
_NO_SCALE = re.compile(
    r"(?:^|[./])(?:logit_scale|layer_scale\w*|scale|ls_?scale|output_scale_embed|embed_scale|rope_scale)$"
)
_RANDOM = re.compile(r"(?:^|[._/])(?:\w*rng\w*|random_states?\w*)(?:$|[._/])", re.IGNORECASE)
"""The state of a generator of random numbers is bytes, and quantises nothing."""
_PACKED = re.compile(r"F4|F6_\w+|F8_\w+|U8|I8|I4|MXFP4|NVFP4|I?Q[0-9]\w*|TQ[0-9]\w*")
_QUANT_KEYS = (
    "quantization_config",
    "compression_config",
    "quantization",
    "quant_config",
    "quant_method",
    "quantize_config",
)

_FILES: Sequence[tuple[Kind, Level, re.Pattern[str], str, str]] = (
    (
        "optimizer",
        "concern",
        re.compile(
            r"(?:.*/)?(?:optimizer\w*\.(?:pt|pth|bin|safetensors|ckpt)|\w*optim_states\.pt|zero_pp_rank_\w*\.pt|optim\w*\.(?:pt|bin)"
            r"|bf16_zero_\w*\.pt|distrib_optim\.pt)"
        ),
        "holds the state of an optimizer, from which weights before and after can be inferred",
        "take it out",
    ),
    (
        "training_state",
        "concern",
        re.compile(
            r"(?:.*/)?(?:scheduler\w*\.(?:pt|bin)|rng_state\w*\.pth|random_states\w*\.pkl|trainer_state\.json|training_args\.(?:bin|json)"
            r"|scaler\.(?:pt|bin)|latest|zero_to_fp32\.py|events\.out\.tfevents.*|wandb/.*|all_results\.json|train_results\.json)"
        ),
        "is a leftover of training",
        "take it out",
    ),
    (
        "ema",
        "concern",
        re.compile(
            r"(?:.*/)?(?:[\w.-]*[._-])?ema(?:[._-][\w.-]*)?\.(?:pt|pth|bin|safetensors|ckpt|th)|(?:.*/)?ema/.*",
            re.IGNORECASE,
        ),
        "is called after an averaged copy of the weights",
        "take it out, or name it in a recipe: it holds what the weights hold",
    ),
)


def state_findings(tensors: Iterable[Stored]) -> Iterator[Finding]:
    """Tensors that are no weights of the model itself, by what their names say; one finding for each file and kind."""
    found: dict[tuple[Kind, str], list[str]] = defaultdict(list)
    for tensor in tensors:
        kind = _kind(tensor)
        if kind is not None:
            found[kind, tensor.file].append(tensor.name)
    for (kind, file), names in found.items():
        level, what, fix = _WORDS[kind]
        yield Finding(
            kind=kind, level=level, where=file, what=what, fix=fix, count=len(names), names=tuple(names[:SHOWN])
        )


_WORDS: Mapping[Kind, tuple[Level, str, str]] = {
    "optimizer": ("concern", "has tensors of an optimizer's state: they hold what the weights were", "take them out"),
    "ema": (
        "concern",
        "has tensors that are called after a running average of the weights",
        "take them out, or name them in a recipe: they hold what the weights hold",
    ),
    "quantised": (
        "note",
        "has quantised tensors, or scales of such",
        "an edit of rows must edit their scales too; a scale alone can tell what was there",
    ),
}


def _kind(tensor: Stored) -> Kind | None:
    if _OPTIMIZER.search(tensor.name):
        return "optimizer"
    if _EMA.search(tensor.name):
        return "ema"
    if _RANDOM.search(tensor.name):
        return None
    quantised = _PACKED.fullmatch(tensor.dtype) or (_SCALES.search(tensor.name) and not _NO_SCALE.search(tensor.name))
    return "quantised" if quantised else None


def file_findings(names: Iterable[str]) -> Iterator[Finding]:
    """Files that are called as leftovers of training are."""
    for name in names:
        for kind, level, pattern, what, fix in _FILES:
            if pattern.fullmatch(name):
                yield Finding(kind=kind, level=level, where=name, what=what, fix=fix)
                break


def quantisation_findings(file: str, config: Any) -> Iterator[Finding]:
    """What a configuration says about quantisation."""
    if not isinstance(config, Mapping):
        return
    for key in _QUANT_KEYS:
        value = config.get(key)
        if value:
            method = value.get("quant_method") or value.get("quant_algo") if isinstance(value, Mapping) else value
            said = f" ({method})" if isinstance(method, str) and method.isprintable() and len(method) < 60 else ""
            what = f"says that the weights are quantised{said}"
            yield Finding(kind="quantised", level="note", where=f"{file}: {key}", what=what, fix=_WORDS["quantised"][2])
