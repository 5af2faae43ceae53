"""Numbers of a configuration that its class's published configurations do not use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from releasegate.inspection.odd import published
from releasegate.inspection.odd.kinds import KeyKind, kind_of_key, walked
from releasegate.inspection.odd.oddity import Oddity, shown_number
from releasegate.inspection.odd.published import Range, default_of, within

REMEDY = (
    "set what the checkpoint was trained with; if that is it, let the policy judge the model by safeguards or a strip"
)


def configured_oddities(file: str, config: Mapping[str, Any], kind: str) -> Iterator[Oddity]:
    """What is odd in the configuration `config` of a model of the `model_type` `kind`, key by key."""
    for stated, value in walked(config):
        owner = _owner(config, stated, kind)
        path = tuple(step for part in stated for step in part.split("."))  # a GGUF file's keys are dotted
        key = path[-1]
        if _is_default(value, path, kind, owner):
            continue
        if published.is_rope(path) and key in published.ROPE:
            yield from _rope(file, path, value)
            continue
        found = kind_of_key(key)
        if found is not None and value is not None and not isinstance(value, bool):
            if found == "activation":
                yield from _activation(file, path, value, owner)
            elif isinstance(value, int | float):
                yield from _number(file, path, float(value), found, owner, config)
            elif isinstance(value, list) and found == "scale":
                yield from _listed(file, path, value)


def _is_default(value: Any, path: Sequence[str], *kinds: str) -> bool:
    return any(value == default_of(kind, path) for kind in kinds) and not isinstance(value, bool) and value is not None


def _owner(config: Mapping[str, Any], path: Sequence[str], kind: str) -> str:
    """The `model_type` of the part that a key belongs to."""
    here: Any = config
    for step in path[:-1]:
        here = here[step]
        stated = here.get("model_type") if isinstance(here, Mapping) else None
        kind = stated if isinstance(stated, str) else kind
    return kind


def _rope(file: str, path: Sequence[str], value: Any) -> Iterator[Oddity]:
    usual = published.ROPE[path[-1]]
    values = value if isinstance(value, list) else [value]
    numbers = [float(one) for one in values if isinstance(one, int | float) and not isinstance(one, bool)]
    odd = [one for one in numbers if not within(one, usual)]
    if odd:
        yield _told(file, path, odd[0], usual)


def _listed(file: str, path: Sequence[str], values: Sequence[Any]) -> Iterator[Oddity]:
    """A list of scales, such as Falcon-H1's: none may silence what it scales."""
    usual = (1e-3, 1e2)
    odd = [float(one) for one in values if isinstance(one, int | float) and not within(float(one), usual)]
    if odd:
        yield _told(file, path, odd[0], usual)


def _number(
    file: str, path: Sequence[str], value: float, found: KeyKind, kind: str, config: Mapping[str, Any]
) -> Iterator[Oddity]:
    default = default_of(kind, path)
    stated = float(default) if isinstance(default, int | float) and not isinstance(default, bool) else None
    usual = _usual(path[-1], found, kind, stated, config)
    if usual is None or within(value, usual):
        return
    if found == "base" and any(within(value, (one, one)) for one in published.MORE_BASES.get(kind, ())):
        return
    yield _told(file, path, value, usual)


def _usual(key: str, found: KeyKind, kind: str, default: float | None, config: Mapping[str, Any]) -> Range | None:
    """The range of a key, in which the default of its class lies; None where nothing can be said."""
    match found:
        case "epsilon":
            return (0.0, max(published.EPSILON[1], 10 * (default or 0.0)))
        case "base":
            return _base(kind, default)
        case "rotated":
            return published.ROTATED
        case "dropout":
            return (0.0, max(published.DROPOUT[1], default or 0.0))
        case "window":
            least = min(published.LEAST_WINDOW, default or published.LEAST_WINDOW)
            length = config.get("max_position_embeddings")
            least = min(least, length) if isinstance(length, int | float) else least
            return (least, float("inf")) if least > 0 else None
        case "experts":
            return None if not default else (default / 4, default * 16)
        case _:
            return _scale(key, default)


def _base(kind: str, default: float | None) -> Range:
    if kind in published.ONE_BASE:
        return (published.ONE_BASE[kind],) * 2
    low, high = published.BASE
    if default is None:
        return low, high
    return (min(low, default / 4), max(high, default * 4)) if default >= low else (default / 4, high)


def _scale(key: str, default: float | None) -> Range | None:
    listed = published.SCALES.get(key)
    if listed is not None:
        return (min(listed[0], default or listed[0]), max(listed[1], default or listed[1]))
    if not default or default < 0:
        return None
    return default / published.WIDE, default * published.WIDE


def _activation(file: str, path: Sequence[str], value: Any, kind: str) -> Iterator[Oddity]:
    default = default_of(kind, path)
    if not isinstance(value, str) or not isinstance(default, str) or published.same_activation(value, default):
        return
    if value in published.MORE_ACTIVATIONS.get(kind, ()):
        return
    what = f"is {value[:60]!a}; published models of the type {kind[:60]} have {default!a}"
    yield Oddity(f"{file}: {'.'.join(path)}"[:300], what, REMEDY)


def _told(file: str, path: Sequence[str], value: float, usual: Range) -> Oddity:
    low, high = usual
    span = shown_number(low) if low == high else f"{shown_number(low)} to {shown_number(high)}"
    what = f"is {shown_number(value)}; published models of its type have {span}"
    return Oddity(f"{file}: {'.'.join(path)}"[:300], what, REMEDY)
