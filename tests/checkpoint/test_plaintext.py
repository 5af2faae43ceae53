"""A file that is called a text is text of its kind; how much it tells, and the codes and numbers in it, are read."""

from __future__ import annotations

import base64
import importlib.metadata
import json
import random
from pathlib import Path

import pytest

from releasegate.checkpoint.plaintext import (
    LEAST_CODE,
    MOST_CODE,
    MOST_TOLD,
    codes,
    decoded,
    is_sentencepiece,
    not_text,
    numbers_in,
    text_kind,
    told,
)

SECRET = random.Random(3).randbytes(600)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("README.md", "card"),
        ("docs/Model_Card.txt", "card"),
        ("LICENSE", "licence"),
        ("NOTICE.dat", "licence"),
        ("USE_POLICY.md", "licence"),
        ("chat_template.jinja", "template"),
        ("tokenizer.json", "vocabulary"),
        ("merges.txt", "vocabulary"),
        ("spiece.model", "vocabulary"),
        ("cl100k_base.tiktoken", "vocabulary"),
        ("model.safetensors.index.json", "index"),
        ("tokenizer.index.json", "index"),
        ("config.json", "configuration"),
        ("params.toml", "configuration"),
        ("notes.txt", "text"),
        ("run.sh", "text"),
    ],
)
def test_a_name_tells_the_kind(name: str, kind: str) -> None:
    assert text_kind(name) == kind


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("README.md", b"plain\ttext\r\n", None),
        ("README.md", "\u00e9\u4e2d\U0001f600".encode(), None),
        ("README.md", b"", None),
        ("LICENSE.dat", b"ab\xff\xfe", "is no text: it is not UTF-8 at byte 2"),
        ("README.md", b"ab\x00c", "is no text: it has the control character 0x00 at byte 2"),
        ("README.md", b"\x1b[31m", "is no text: it has the control character 0x1b at byte 0"),
        ("vocab.txt", b"[PAD]\n\x01\n", None),
        ("vocab.txt", b"[PAD]\n\x00\n", "is no text: it has the control character 0x00 at byte 6"),
        ("config.json", b'{"a": 1}', None),
    ],
)
def test_what_is_no_text_is_told(name: str, content: bytes, why: str | None) -> None:
    assert not_text(name, content) == why


@pytest.mark.parametrize("content", [b"{", b'{"a": 1} x', b'{"a": 1, "a": 2}', b""])
def test_what_is_no_json_is_told(content: bytes) -> None:
    why = not_text("config.json", content)
    assert why is not None
    assert why.startswith("is not valid JSON: ")


def field(number: int, held: bytes) -> bytes:
    """A field of a protobuf message whose content has a length (`protobuf.dev/programming-guides/encoding`)."""
    length, written = len(held), bytearray([number << 3 | 2])
    while length > 127:
        written.append(length & 127 | 128)
        length >>= 7
    return bytes([*written, length]) + held


def piece(word: str) -> bytes:
    return field(1, field(1, word.encode()) + b"\x15" + b"\0" * 4)


PIECES = b"".join(piece(word) for word in ("<unk>", "<s>", "</s>", "\u2581the"))
TRAINER = field(2, field(1, b"corpus.txt" * 40))


@pytest.mark.parametrize(
    ("content", "holds"),
    [
        (PIECES, True),
        (PIECES + TRAINER + field(3, b"nmt_nfkc"), True),
        (b"", False),
        (TRAINER, False),
        (PIECES + SECRET, False),
        (PIECES[:-1], False),
        (PIECES + field(6, SECRET), False),
        (PIECES + field(16, SECRET), False),
        (PIECES + field(2, bytes((1 << 20) + 1)), False),
        (PIECES + b"\x12" + b"\xff" * 9, False),
        (PIECES + b"\x12", False),
        (SECRET, False),
    ],
)
def test_a_sentencepiece_model_is_fields_and_nothing_else(content: bytes, *, holds: bool) -> None:
    assert is_sentencepiece(content) is holds


def test_codes_are_found_in_one_run_or_in_lines_and_decoded() -> None:
    plain = base64.b64encode(SECRET)
    lines = base64.encodebytes(SECRET)
    escaped = json.dumps({"a": lines.decode()}).encode()
    for text in (plain, lines, escaped, base64.urlsafe_b64encode(SECRET), SECRET.hex().encode(), b"x" + plain):
        found = list(codes(b"before it.\n\n! " + text + b" !after"))
        assert any(SECRET[6:-9] in reading for _, run in found for reading in decoded(run)), text[:40]
    ((at, run),) = codes(b"before it: " + plain)
    assert (at, run) == (11, plain)


@pytest.mark.parametrize(
    "text",
    [
        b"-" * 400,
        b"the cat sat on the mat and the dog looked on from the garden gate while it rained " * 9,
        b"https://example.org/a/path/of/some/length",
        base64.b64encode(SECRET)[: LEAST_CODE - 1],
    ],
)
def test_prose_and_ruled_lines_are_no_codes(text: bytes) -> None:
    assert list(codes(text)) == []


def test_cards_and_licences_of_packages_are_text_within_the_bounds() -> None:
    """No false alarm on real texts: what is installed beside the tests."""
    seen = 0
    for one in importlib.metadata.distributions():
        for file in one.files or ():
            name = Path(str(file)).name
            if text_kind(name) not in ("licence", "card") or Path(name).suffix not in ("", ".txt", ".md", ".rst"):
                continue
            path = Path(str(one.locate_file(file)))
            if not path.is_file():
                continue
            content = path.read_bytes()
            seen += 1
            assert told(content) <= MOST_TOLD[text_kind(name)], path
            assert max((len(run) for _, run in codes(content)), default=0) <= MOST_CODE, path
    assert seen > 50


def test_numbers_stand_in_the_order_of_the_text() -> None:
    data = {"a": [1, 2.5, {"b": 3, "c": [-0.5, True, None, "4"]}], "d": 1e3, "e": 7}
    assert numbers_in(data) == ([2.5, -0.5, 1e3], [1, 3, 7])


def test_numbers_that_are_nested_deeply_are_read_without_recursion() -> None:
    deep: object = 0.25
    for _ in range(50_000):
        deep = [deep]
    assert numbers_in(deep) == ([0.25], [])
