"""Minutes of mutants of headers, indexes and configurations: an answer or a ReleaseGateError, never a crash, never a hang.

`RELEASEGATE_FUZZ_SECONDS` says for how long in all (600 if it is not set).
"""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from releasegate.checkpoint import read_contents, read_header
from releasegate.cli.inspected import print_inspection
from releasegate.errors import ReleaseGateError
from releasegate.inspection import Inspection, inspect_checkpoint
from tests.attacks.test_hostile_headers import BAD
from tests.mutation import Mutation
from tests.tiny_checkpoints import chameleon_recipe, safetensors, tiny

SECONDS = float(os.environ.get("RELEASEGATE_FUZZ_SECONDS", "600"))
INDEX = "model.safetensors.index.json"
GOOD = safetensors(
    {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
        "b": {"dtype": "U8", "shape": [4], "data_offsets": [12, 16]},
    },
    bytes(16),
)

Target = Callable[[bytes], object]


def header(root: Path) -> tuple[Target, list[bytes]]:
    path = root / "x.safetensors"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        found = read_header(path)
        assert found.data_start + sum(entry.size for entry in found.entries.values()) == len(content)

    return read, [GOOD, *(content for content, _ in BAD.values() if len(content) < 5000)]


def replaced(root: Path, name: str, more: list[bytes]) -> tuple[Target, list[bytes]]:
    folder = tiny().write(root / "model")
    sound = (folder / name).read_bytes() if (folder / name).exists() else b"{}"

    def read(content: bytes) -> None:
        (folder / name).write_bytes(content)
        assert set(read_contents(folder).shards) <= {path.name for path in folder.iterdir()}

    return read, [sound, *more]


def index(root: Path) -> tuple[Target, list[bytes]]:
    return replaced(root, INDEX, [b"{}", b'{"weight_map": {"a": "../x.safetensors"}}'])


def config(root: Path) -> tuple[Target, list[bytes]]:
    return replaced(
        root, "config.json", [b'{"model_type": "x", "text_config": {"auto_map": {}}}', b'{"model": "xtts"}']
    )


def tokenizer(root: Path) -> tuple[Target, list[bytes]]:
    added = {"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 9, "content": "<image>"}]}
    return replaced(root, "tokenizer.json", [json.dumps(added).encode()])


def inspected(root: Path) -> tuple[Target, list[bytes]]:
    """The same bytes in every role that a file can have."""
    folder = tiny().write(root / "model")
    names = (
        "x.safetensors",
        INDEX,
        "config.json",
        "tokenizer_config.json",
        "a.yaml",
        "chat_template.jinja",
        "m.gguf",
        "LICENSE",
    )
    mail = b'{"chat_template": "{{ x.__class__ }}", "_name_or_path": "/home/ada/x", "by": "ada@lab.org", "auto_map": {"a": 1}}'

    def read(content: bytes) -> None:
        for name in names:
            (folder / name).write_bytes(content)
        found = inspect_checkpoint(folder, [chameleon_recipe()], list_tensors=True, compare=True)
        assert Inspection.from_text(found.text()) == found
        print_inspection(Console(file=io.StringIO()), found)

    sound = [(folder / name).read_bytes() for name in (INDEX, "config.json")]
    return read, [GOOD, *sound, mail, b"GGUF" + (3).to_bytes(4, "little") + bytes(16), *header(root)[1]]


def fuzzed(make: Callable[[Path], tuple[Target, list[bytes]]], root: Path, seconds: float, seed: int) -> Mutation:
    target, corpus = make(root)
    mutation = Mutation(
        target, ("releasegate/checkpoint/", "releasegate/inspection/"), ReleaseGateError, corpus, random.Random(seed)
    )
    mutation.run(seconds)
    return mutation


@pytest.mark.slow
@pytest.mark.parametrize("make", [header, index, config, tokenizer, inspected])
def test_minutes_of_mutants_crash_and_hang_nothing(
    make: Callable[[Path], tuple[Target, list[bytes]]], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    mutation = fuzzed(make, tmp_path, SECONDS / 5, seed=int.from_bytes(os.urandom(8)))
    record_property("cases", mutation.cases)
    print(f"{make.__name__}: {mutation.cases:,} cases, {len(mutation.seen)} lines reached")  # noqa: T201
    assert mutation.cases > 100


def test_a_second_of_mutants_reaches_refusals_of_many_kinds(tmp_path: Path) -> None:
    mutation = fuzzed(header, tmp_path, 0.5, seed=0)
    assert len(mutation.seen) > 80
    assert len(mutation.corpus) > 20
