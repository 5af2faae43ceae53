"""Random recipes on random checkpoints: each is refused with an error of ours, or does just what it says.

`RELEASEGATE_FUZZ_SECONDS` says for how long; a seed is printed with every failure. A strip that is written is held against
numpy, tensor by tensor, and against `verify`; a strip that is refused leaves nothing behind. Nothing is ever written
outside the target. Some checkpoints hold a second copy of a tensor: what was to go stands nowhere in what is written,
unless the receipt says that it could not be searched for.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.numpy import load_file

from releasegate.checkpoint import read_contents
from releasegate.errors import ReleaseGateError
from releasegate.receipt import Receipt, expand
from releasegate.recipe import Recipe
from releasegate.repository import receipt_path
from releasegate.stripping import plan_strip, verify_strip, write_strip
from tests.tiny_checkpoints import Tiny, bytes_of

SECONDS = float(os.environ.get("RELEASEGATE_FUZZ_SECONDS", "600"))
LONGEST = 20.0
"""Seconds that one case may take."""
DTYPES = ("float32", "float16", "int8", "uint8", "int64", "float64", "bool")
NAMES = (
    "head.weight",
    "embed.weight",
    "layers.0.w",
    "layers.1.w",
    "layers.10.w",
    "layers.2.bias",
    "codes",
    "ünï",
    "a@b",
)
KINDS = (
    *("drop", "zero_fill", "zero_rows", "zero_rows", "remove_rows", "remove_rows", "reinitialise_rows", "zero_slices"),
    *("remove_slices", "drop_file", "set", "unset", "drop_tokens", "nonsense"),
)
JUNK = (
    "",
    "*",
    "**",
    "[",
    "[!]",
    "layers.[0-9].w",
    "layers.{>=depth}.*",
    "layers.{<depth}.*",
    "{",
    "{>=nothing}",
    "../x",
    "\x00",
    "a:b",
)


def array(rng: random.Random) -> NDArray[Any]:
    shape = tuple(rng.choice((1, 2, 3, 5, 8, 16, 33)) for _ in range(rng.choice((1, 2, 2, 2, 3, 4))))
    drawn = np.random.default_rng(rng.randrange(2**32)).integers(0, 255, size=(*shape, 8), dtype=np.uint8)
    dtype = np.dtype(rng.choice(DTYPES))
    values = drawn.astype("float64").sum(axis=-1) - 1000
    return (values > 0) if dtype.kind == "b" else values.astype("int64").astype(dtype)


def checkpoint(rng: random.Random) -> Tiny:
    names = rng.sample(NAMES, rng.randint(2, len(NAMES)))
    tensors = {name: array(rng) for name in names}
    if rng.random() < 0.2:
        one, other = rng.sample(names, 2)
        tensors[one] = tensors[other].copy()
    vocabulary = {f"t{i}": i for i in range(rng.choice((2, 5, 8)))}
    half = len(names) // 2
    shards = (
        {"model.safetensors": tensors}
        if rng.random() < 0.5
        else {
            "model-00001-of-00002.safetensors": {name: tensors[name] for name in names[:half]},
            "model-00002-of-00002.safetensors": {name: tensors[name] for name in names[half:]},
        }
    )
    siblings = {"codec.safetensors": {"decoder.w": array(rng), "encoder.w": array(rng)}} if rng.random() < 0.5 else {}
    config = {"model_type": "toy", "depth": rng.randrange(4), "heads": 2, "vocabulary_map": vocabulary}
    texts = {"generation_config.json": json.dumps({"eos_token_id": 1, "list": [1, 2]}), "notes.txt": "n"}
    return Tiny(shards={k: v for k, v in shards.items() if v}, siblings=siblings, config=config, texts=texts)


def name(rng: random.Random, known: list[str], *, wild: bool) -> str:
    roll = rng.random() if wild else 0.85 * rng.random()
    if roll < 0.7:
        return rng.choice(known)
    if roll < 0.85:
        return rng.choice(known)[: rng.randint(0, 9)] + "*"
    return rng.choice(JUNK)


def rows(rng: random.Random, *, wild: bool) -> dict[str, Any]:
    if rng.random() < 0.2:
        return {"vocabulary": rng.choice(("t*", "t1", "x*", "t[0-2]"))}
    first = rng.choice((0, 0, 1, 2, 4, 9))
    ids: list[Any] = [[first, first + rng.choice((0, 1, 2, 7))]]
    if rng.random() < 0.4:
        ids.append(rng.choice((0, 3, 40, 2**70, -1) if wild else (0, 1, 3)))
    return {"ids": ids}


def expect(rng: random.Random, *, wild: bool) -> Any:
    roll = rng.random()
    if roll < 0.8 or not wild:
        return {"min": 0, "max": 99}
    return rng.choice(
        (1, 2, 0, -1, {"config": "depth"}, {"config": "nothing"}, {"config": "depth", "plus": -1, "times": 2})
    )


def edit(rng: random.Random, tensors: list[str], files: list[str], *, wild: bool) -> dict[str, Any]:
    """One edit; a `wild` one may be nonsense in any of its parts."""
    kind = rng.choice(KINDS if wild else KINDS[:-2])
    pattern = name(rng, files if kind in ("drop_file", "set", "unset") else tensors, wild=wild)
    found: dict[str, Any] = {kind: pattern}
    if kind in ("set", "unset"):
        found["key"] = rng.choice(("list", "eos_token_id", "a.b", "heads", "")[: 5 if wild else 4])
        if kind == "set":
            found |= rng.choice(
                ({"value": 3}, {"less": 1}, {"value": {"x": [1]}}, {"tokens": {"vocabulary": "t*"}}, {})
            )
        return found
    found["expect"] = expect(rng, wild=wild)
    if kind.endswith("_rows"):
        found |= {"rows": rows(rng, wild=wild), "dimension": rng.choice((0, 0, 1, 1, 2, 5, -1) if wild else (0, 0, 1))}
    if kind == "reinitialise_rows":
        found["std"] = rng.choice((0.02, 1.0, 1.0, 0, -1, 1e9)[: 6 if wild else 3])
    if kind.endswith("_slices"):
        found |= {
            "slices": {"ids": [rng.randrange(3)]},
            "of": rng.choice((2, 3, {"config": "heads"}, 1, 4, 0, {"config": "x"})[: 7 if wild else 3]),
            "dimension": rng.choice((0, 1, 7)[: 3 if wild else 2]),
        }
    return found


def recipe(rng: random.Random, made: Tiny) -> dict[str, Any]:
    tensors = [key for shard in made.shards.values() for key in shard]
    inner = [f"{file}:{key}" for file, held in made.siblings.items() for key in held]
    files = ["config.json", *made.siblings, *made.texts]
    wild = rng.random() < 0.4
    edits = [edit(rng, tensors + inner, files, wild=wild) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    named = {value for one in edits for value in one.values() if isinstance(value, str)}
    by_tensor = rng.random() < 0.3 or bool(named & set(inner))
    keep_tensors = [key for key in tensors + (inner if by_tensor else []) if key not in named]
    keep_files = [key for key in files if key not in named and not (by_tensor and key in made.siblings)]
    whole = {pattern_of(one) for one in edits if {"drop", "zero_fill", "drop_tokens"} & one.keys()}
    staying = named & set(tensors + inner) - whole
    offered = [{"files": "*.json", "why": "w"}] if rng.random() < 0.9 else []
    if wild and rng.random() < 0.1 and keep_tensors:
        keep_tensors.pop()
    return {
        "schema": "releasegate/recipe/v1",
        "id": "toy-hf/thing",
        "title": "t",
        "rationale": "r",
        "layout": rng.choice(("toy-hf",) * 20 + ("other-hf",)),
        "edits": edits,
        "keep": {"tensors": keep_tensors, "files": keep_files},
        "residual": [*({"tensors": value, "why": "w"} for value in sorted(staying)), *offered],
    }


def pattern_of(edit: dict[str, Any]) -> Any:
    """What the edit is about: its first value."""
    return next(iter(edit.values()))


def expected(outcome: Any, before: NDArray[Any]) -> NDArray[Any] | None:
    """What numpy makes of the tensor; of reinitialised rows only the others are known, and those are zero here."""
    after = before.copy()
    if outcome.outcome == "removed":
        return None
    if outcome.outcome == "zero_filled":
        after[...] = 0
    elif outcome.outcome != "untouched":
        chosen: list[Any] = [slice(None)] * before.ndim
        chosen[outcome.dimension or 0] = expand(outcome.rows)
        if outcome.outcome == "rows_removed":
            return np.delete(before, expand(outcome.rows), axis=outcome.dimension or 0)
        after[tuple(chosen)] = 0
    return after


def check_written(made: Tiny, receipt: Receipt, target: Path) -> None:
    before = {key: held for shard in made.shards.values() for key, held in shard.items()}
    before |= {f"{file}:{key}": held for file, inner in made.siblings.items() for key, held in inner.items()}
    after: dict[str, NDArray[Any]] = {}
    for path in target.glob("*.safetensors"):
        prefix = f"{path.name}:" if path.name in made.siblings else ""
        after |= {prefix + key: held for key, held in load_file(path).items()}
    for outcome in receipt.tensors:
        want = expected(outcome, before[outcome.name])
        if want is None:
            assert outcome.name not in after
            continue
        got = after[outcome.name]
        if outcome.outcome == "rows_reinitialised":
            chosen: list[Any] = [slice(None)] * got.ndim
            chosen[outcome.dimension or 0] = expand(outcome.rows)
            fresh = got[tuple(chosen)].astype("float64")
            assert np.isfinite(fresh).all()
            assert (np.abs(fresh) <= outcome.std * 2).all()
            got = got.copy()
            got[tuple(chosen)] = 0
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        assert got.tobytes() == want.tobytes()


def check_gone(made: Tiny, receipt: Receipt, target: Path) -> None:
    """Slowly: no row, and no tensor of short rows, that was to go is in a file."""
    before = {key: held for shard in made.shards.values() for key, held in shard.items()}
    before |= {f"{file}:{key}": held for file, inner in made.siblings.items() for key, held in inner.items()}
    edited = {outcome.name: outcome for outcome in receipt.tensors if outcome.outcome != "untouched"}
    unsearched = {one.part for one in receipt.leftovers.unsearched}
    for file in (entry.path for entry in receipt.dropped if entry.path in made.siblings):
        edited |= {f"{file}:{key}": None for key in made.siblings[file]}
    written = [path.read_bytes() for path in target.rglob("*") if path.is_file()]
    for part, outcome in edited.items():
        for piece in pieces(before[part], outcome):
            assert part in unsearched or not any(piece in data for data in written), f"{part} is still there"


def pieces(held: NDArray[Any], outcome: Any) -> list[bytes]:
    """What goes of a tensor along its first dimension, in pieces of 64 bytes or more."""
    rows = getattr(outcome, "rows", None)
    if rows is not None and outcome.dimension:
        return []
    if held.ndim < 2 or held[0].nbytes < 64:
        return [held.tobytes()] if rows is None and held.nbytes >= 64 else []
    return [held[row].tobytes() for row in (range(len(held)) if rows is None else expand(rows))]


def one_case(seed: int, folder: Path) -> str:
    rng = random.Random(seed)
    made = checkpoint(rng)
    source, target = made.write(folder / "source"), folder / "out"
    held = bytes_of(folder)
    try:
        chosen = Recipe.from_text(json.dumps(recipe(rng, made)))
    except ValidationError:
        return "no recipe"
    try:
        contents = read_contents(source)
        receipt = write_strip(contents, plan_strip(contents, [chosen]), target)
    except ReleaseGateError as error:
        assert bytes_of(folder) == held, "a refused strip left something behind"
        return type(error).__name__
    written = bytes_of(folder)
    assert {path: data for path, data in written.items() if path in held} == held
    new = set(written) - set(held)
    assert all(path.startswith("out/") or path == receipt_path(target).name for path in new)
    verify_strip(target, receipt)
    verify_strip(target, receipt, source)
    check_written(made, receipt, target)
    check_gone(made, receipt, target)
    return "written"


@pytest.mark.slow
def test_random_recipes_are_refused_or_do_just_what_they_say(tmp_path: Path) -> None:
    seed = int(os.environ.get("RELEASEGATE_FUZZ_SEED", "0"))
    ends: dict[str, int] = {}
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        folder = tmp_path / str(seed)
        folder.mkdir()
        began = time.monotonic()
        try:
            end = one_case(seed, folder)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
        assert time.monotonic() - began < LONGEST, f"seed {seed} hangs"
        ends[end] = ends.get(end, 0) + 1
        shutil.rmtree(folder)
        seed += 1
    count = sum(ends.values())
    print(f"\n{count:,} cases: {ends}")  # noqa: T201
    assert ends.get("written", 0) > count / 10
