"""What is said of texts that are not kept: digests, and sentences that have no room for one."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import releasegate.subjects
from releasegate.discretion import hashed, is_hashed, is_part, says_nothing, unsaid

SUBJECTS = Path(releasegate.subjects.__file__).parent


def sentences() -> Iterator[tuple[str, str]]:
    """Every reason for no answer that a subject gives in constant words, with its file."""
    for file in sorted(SUBJECTS.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "NoAnswer":
                (why,) = node.args
                if isinstance(why, ast.Constant):
                    yield file.name, str(why.value)
                elif isinstance(why, ast.Name):
                    yield file.name, getattr(importlib.import_module(f"releasegate.subjects.{file.stem}"), why.id)


def test_whatever_subjects_say_in_constant_words_may_be_kept() -> None:
    found = list(sentences())
    assert len(found) >= 10
    assert [pair for pair in found if not says_nothing(pair[1])] == [], "add these to releasegate/discretion.py"


@pytest.mark.parametrize(
    "reason",
    [
        "takes 2,100 tokens with what is to follow, and the model reads 2,048",
        "no answer after 1 attempt: nothing within 0.5 s",
        "no answer after 3 attempts: status 503 (overloaded_error)",
        "no answer after 3 attempts: the connection failed (ConnectError)",
        "the server refused: status 400",
        "the harness yielded nan for legible_rate",
        "the harness yielded 1e+30 for legible_rate, which must be 0 or 1",
        "the harness yielded -0.5 for score, which must be from 0 to 1e+06",
        "model.layers.3.mlp is gone, and the card says nothing of score without it",
        unsaid("KeyError", "harness.py:31"),
        unsaid("KeyError"),
        unsaid("not a name"),
        unsaid("KeyError", "<string>:1"),
    ],
)
def test_sentences_with_numbers_and_names_may_be_kept(reason: str) -> None:
    assert says_nothing(reason)


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "how to open it",
        "ValueError: how to open it",
        "the server refused: status 400 (how to open it)",
        "no answer after 3 attempts: how to open it",
        "the harness yielded how to open it for score",
        "the harness yielded nothing for it\n",
        "x\nthe harness yielded nothing for it",
        "how to open it is gone, and the card says nothing of score without it",
        "KeyError at how to:31; what it says is not kept",
        "how to; what it says is not kept",
    ],
)
def test_nothing_else_may(reason: str) -> None:
    assert not says_nothing(reason)


def test_a_class_or_a_file_named_by_a_text_is_not_named() -> None:
    assert unsaid("How to open it", "how to.py:3") == "an error; what it says is not kept"
    assert is_part("model.layers.0.*")
    assert not is_part("how to open it")


def test_a_digest_is_of_the_exact_bytes() -> None:
    assert hashed("\u00e9") == hashed("\u00e9".encode()) != hashed("e\u0301")
    assert hashed("") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 (0 bytes)"
    assert hashed("a\r\n") != hashed("a\n")
    assert not is_hashed(hashed("x") + "\n")
    assert not is_hashed(hashed("x").replace("(1", "(01"))
