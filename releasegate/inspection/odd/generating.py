"""Keys that keep tokens out of what a model writes, or make it write something else: in any configuration of a checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from releasegate.inspection.odd.kinds import walked
from releasegate.inspection.odd.oddity import Oddity, shown_number
from releasegate.inspection.odd.published import Range, within

TAKE_OUT = "take the key out, as whoever has the weights would; a strip of this gate lists it in its receipt"

LISTS: Mapping[str, frozenset[str]] = {
    "suppress_tokens": frozenset({"whisper", "moonshine", "lite-whisper"}),
    "begin_suppress_tokens": frozenset({"whisper", "moonshine", "lite-whisper"}),
    "bad_words_ids": frozenset({"marian", "mbart", "pegasus", "seamless_m4t", "fsmt"}),
    "force_words_ids": frozenset(),
    "sequence_bias": frozenset(),
    "constraints": frozenset(),
    "exponential_decay_length_penalty": frozenset(),
    "forced_decoder_ids": frozenset({"whisper", "lite-whisper", "speech_to_text"}),
    "watermarking_config": frozenset(),
    "logit_bias": frozenset(),
}
"""Keys that published models leave empty, and the types that do not: those whose output has marks of its own."""
DECODED: frozenset[str] = frozenset({"forced_bos_token_id", "forced_eos_token_id", "decoder_start_token_id"})
"""Keys that models with an encoder have, and that say nothing of others."""
NUMBERS: Mapping[str, Range] = {
    "temperature": (0.0, 2.0),  # 1e-6 (Qwen2-VL) to 1
    "top_k": (0.0, 1000.0),  # 1 to 200
    "top_p": (1e-4, 1.0),  # .001 (Qwen2-VL) to 1
    "min_p": (0.0, 0.5),
    "typical_p": (0.1, 1.0),
    "epsilon_cutoff": (0.0, 0.02),
    "eta_cutoff": (0.0, 0.02),
    "repetition_penalty": (0.9, 1.5),  # 1 to 1.3
    "encoder_repetition_penalty": (0.9, 1.5),
    "diversity_penalty": (0.0, 2.0),
    "length_penalty": (-2.0, 5.0),  # .6 to 2
    "guidance_scale": (0.5, 20.0),  # MusicGen: 3
    "penalty_alpha": (0.0, 1.0),
    "assistant_confidence_threshold": (0.0, 1.0),
    "encoder_no_repeat_ngram_size": (0.0, 64.0),
}
"""Published, widened. What stands outside answers nothing of sense, or nothing."""
LEAST_LENGTH = 16
"""Tokens; less is an answer cut off. transformers' own default is 20."""
MOST_FORCED = 0
"""Tokens that a model without an encoder must write at least."""


def generating_oddities(
    file: str, config: Mapping[str, Any], kind: str, *, exempt: Collection[tuple[str, str]] = ()
) -> Iterator[Oddity]:
    """What is odd among the keys of generation in one configuration.

    Args:
        file: its name.
        config: what it holds.
        kind: the `model_type` of the model.
        exempt: pairs of file and key that a receipt of this gate lists.
    """
    encoder = config.get("is_encoder_decoder") is True
    for path, value in walked(config):
        if value is None or (file, ".".join(path)) in exempt or (path[:-1] and path[0].startswith("task_specific")):
            continue
        what = _odd(path[-1], value, kind, encoder=encoder)
        if what is not None:
            yield Oddity(f"{file}: {'.'.join(path)}"[:300], what, TAKE_OUT)


def _odd(key: str, value: Any, kind: str, *, encoder: bool) -> str | None:
    """What is odd about one value, if something is."""
    if key in LISTS:
        return _list(value, kind, LISTS[key])
    if key in ("forced_bos_token_id", "forced_eos_token_id"):
        return None if encoder or kind in _ENCODERS else f"is {str(value)[:40]}; models of its type force no token"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if key in NUMBERS:
        low, high = NUMBERS[key]
        usual = f"{shown_number(low)} to {shown_number(high)}"
        return None if within(float(value), (low, high)) else f"is {shown_number(value)}; published models have {usual}"
    if key in ("max_length", "max_new_tokens"):
        return f"is {shown_number(value)}: every answer is cut off" if 0 <= value < LEAST_LENGTH else None
    if key in ("min_length", "min_new_tokens"):
        odd = value > MOST_FORCED and not (encoder or kind in _ENCODERS)
        return f"is {shown_number(value)}: the model may not end where it would" if odd else None
    if key == "no_repeat_ngram_size":
        return f"is {shown_number(value)}: no word may come twice" if 0 < value < 3 else None
    return None


_ENCODERS = frozenset({
    "bart", "mbart", "marian", "pegasus", "pegasus_x", "m2m_100", "nllb-moe", "blenderbot", "blenderbot-small", "fsmt",
    "led", "mvp",
    "plbart", "bigbird_pegasus", "whisper", "speech_to_text", "seamless_m4t", "seamless_m4t_v2", "t5", "mt5", "prophetnet",
    "xlm-prophetnet", "florence2", "longt5", "umt5", "switch_transformers", "encoder-decoder", "vision-encoder-decoder",
    "speech-encoder-decoder",
})  # fmt: skip


def _list(value: Any, kind: str, owners: Collection[str]) -> str | None:
    if value in ([], {}, "", 0, False) or kind in owners:
        return None
    many = f"{len(value):,} entries" if isinstance(value, list | dict) else str(value)[:40]
    return f"holds {many}; models of the type {kind[:60]} keep no token back"
