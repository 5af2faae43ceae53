"""Strict YAML: what surprises people is refused or plain text, and every refusal has its place."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from releasegate.errors import DocumentError
from releasegate.yamltext import (
    LARGEST_INTEGER,
    MAX_ALIASES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    Parsed,
    parse_yaml,
)


def read(text: str | bytes) -> Any:
    return parse_yaml(text, "x.yaml").data


def refused(text: str | bytes) -> str:
    """`place: what` of the one problem."""
    with pytest.raises(DocumentError) as caught:
        parse_yaml(text, "x.yaml")
    (problem,) = caught.value.problems
    assert problem.fix
    return f"{problem.where}: {problem.what}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("True", "True"),
        ("NULL", "NULL"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("'null'", "null"),
        ('"true"', "true"),
        ("! 3", "3"),
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("-2.5e+2", -250.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-0", 0),
        ("+7", 7),
        ("0", 0),
        ("12:30:00", "12:30:00"),
        ("190:20:30.15", "190:20:30.15"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z"),
        ("0123", "0123"),
        ("00.5", "00.5"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("-.inf", "-.inf"),
        (".nan", ".nan"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("=", "="),
        ("1e99999", "1e99999"),
    ],
)
def test_a_scalar_is_what_it_looks_like(text: str, value: object) -> None:
    found = read(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["no", "on", "12", "null", "true", "1.5"])
def test_a_key_is_always_text(text: str) -> None:
    assert read(f"{text}: 1") == {text: 1}


def test_whole_numbers_that_a_digest_cannot_hold_are_refused() -> None:
    assert read(f"a: {LARGEST_INTEGER}") == {"a": 2**53 - 1}
    assert read(f"a: {-LARGEST_INTEGER}") == {"a": 1 - 2**53}
    for text in ("9007199254740992", "-9007199254740992", "12345678901234567890", "9" * 5000):
        assert refused(f"a: {text}").startswith("x.yaml:1:4: ")
        assert refused(f"a: {text}").endswith("is too large for a whole number")


def test_a_number_too_large_for_a_float_is_refused() -> None:
    assert refused("a: 1e999") == "x.yaml:1:4: 1e999 is too large for a number"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!int 3", "x.yaml:1:4: the tag 'tag:yaml.org,2002:int'"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "x.yaml:1:4: the tag 'tag:yaml.org,2002:python/object/apply:os.system'",
        ),
        ("a: !!binary aGk=", "x.yaml:1:4: the tag 'tag:yaml.org,2002:binary'"),
        ("a: !mine {b: 1}", "x.yaml:1:4: the tag '!mine'"),
        ("a: ! {b: 1}", "x.yaml:1:4: the tag '!'"),
        ("!!str a: 1", "x.yaml:1:1: a key that is not plain text"),
        ("a: &b {c: 1}\nd:\n  <<: *b", "x.yaml:3:3: a merge key (<<)"),
        ('a: {"<<": 1}', "x.yaml:1:5: a merge key (<<)"),
        ("? [a, b]\n: 1", "x.yaml:1:3: a key that is not plain text"),
        ("a: &k b\n*k : 1", "x.yaml:2:1: a key that is not plain text"),
        ("a: 1\nb: 2\na: 3", 'x.yaml:3:1: duplicate key "a", first on line 1'),
        ("a:\n  - {b: 1, c: 2, b: 3}", 'x.yaml:2:18: duplicate key "b", first on line 2'),
        ("'a': 1\n\"a\": 2", 'x.yaml:2:1: duplicate key "a", first on line 1'),
        ("a: 1\n---\nb: 2", "x.yaml:2:1: a second document"),
        ("", "x.yaml:1:1: the document is empty"),
        ("# nothing\n", "x.yaml:1:1: the document is empty"),
        ("a: *b", "x.yaml:1:4: the alias *b stands before its anchor or inside it"),
        ("a: &b [*b]", "x.yaml:1:8: the alias *b stands before its anchor or inside it"),
        ("a: b: c", "x.yaml:1:5: not valid YAML: mapping values are not allowed in this context"),
        (
            "a:\n\tb: 1",
            "x.yaml:2:1: not valid YAML: while scanning for the next token found character that cannot start any token",
        ),
        ("a: [1, 2", "x.yaml:2:1: not valid YAML: while parsing a flow sequence did not find expected ',' or ']'"),
        ("a: 'b", "x.yaml:1:6: not valid YAML: while scanning a quoted scalar found unexpected end of stream"),
        ("a: 1\nb: x\x00y", "x.yaml:2:5: the character U+0000"),
        ("a: \x1b[31m", "x.yaml:1:4: the character U+001B"),
        ("a: \ud800", "x.yaml:1:4: the character U+D800"),
        ("a: 1\nb: \ufffe", "x.yaml:2:4: the character U+FFFE"),
        (b"a: 1\nb: cd\xff", "x.yaml:2:6: not UTF-8"),
        ("a: é".encode("latin-1"), "x.yaml:1:4: not UTF-8"),
        ("a: 1".encode("utf-16"), "x.yaml:1:1: not UTF-8"),
    ],
)
def test_what_is_not_allowed_is_refused_at_its_place(text: str | bytes, message: str) -> None:
    assert refused(text) == message


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert read(b"\xef\xbb\xbfschema: x") == {"schema": "x"}
    assert read("\ufeffschema: x") == {"schema": "x"}


def test_windows_line_ends_change_neither_values_nor_places() -> None:
    parsed = parse_yaml(b"a: 1\r\nb:\r\n  - no\r\n  - c: 2\r\n", "x.yaml")
    assert parsed.data == {"a": 1, "b": ["no", {"c": 2}]}
    assert parsed.where(("b", 1, "c")) == "x.yaml:4:8"


def test_as_many_aliases_as_the_budget_and_not_one_more() -> None:
    within = "a: &x [1, 2]\nb: [" + ", ".join(["*x"] * MAX_ALIASES) + "]"
    assert read(within)["b"] == [[1, 2]] * MAX_ALIASES
    beyond = "a: &x [1, 2]\nb: [" + ", ".join(["*x"] * (MAX_ALIASES + 1)) + "]"
    assert refused(beyond).endswith(f"more than {MAX_ALIASES} aliases")


def test_laughs_are_counted_by_what_they_expand_to() -> None:
    lines = ["a0: &a0 [" + ", ".join(["x"] * 1000) + "]"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 8)]
    assert refused("\n".join(lines)) == f"x.yaml:6:15: more than {MAX_NODES} values"
    wide = "a: &a [" + ", ".join(["x"] * (MAX_NODES // 4)) + "]\nb: [*a, *a, *a, *a]"
    assert refused(wide) == f"x.yaml:2:13: more than {MAX_NODES} values"


def test_depth_is_counted_through_aliases() -> None:
    deep = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert read(f"a: {deep}")
    nested = f"a: &a {deep}\nb: [*a]"
    assert refused(nested) == f"x.yaml:2:5: nested deeper than {MAX_DEPTH} levels"


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_one_level_too_deep_is_refused(brackets: str) -> None:
    inside = "[" * (MAX_DEPTH - 1) + brackets + "]" * (MAX_DEPTH - 1)
    assert read(inside)
    assert refused(f"[{inside}]") == f"x.yaml:1:{MAX_DEPTH + 1}: nested deeper than {MAX_DEPTH} levels"


def test_size_is_counted_in_bytes() -> None:
    assert read("a: " + "x" * (MAX_BYTES - 3))
    assert refused("a: " + "x" * (MAX_BYTES - 2)) == f"x.yaml:1:1: larger than {MAX_BYTES} bytes"
    assert refused("a: " + "é" * (MAX_BYTES // 2)) == f"x.yaml:1:1: larger than {MAX_BYTES} bytes"


def test_too_many_values_are_refused_where_the_budget_ends() -> None:
    text = "- 1\n" * (MAX_NODES + 5)
    assert refused(text) == f"x.yaml:{MAX_NODES}:3: more than {MAX_NODES} values"


def test_every_value_and_key_has_its_place() -> None:
    parsed = parse_yaml("a: 1\nb:\n  - c: x\n    d: [1, 2]\n", "dir/x.yaml")
    assert parsed.where(("a",)) == "dir/x.yaml:1:4"
    assert parsed.where(("a",), key=True) == "dir/x.yaml:1:1"
    assert parsed.where(("b", 0, "d")) == "dir/x.yaml:4:8"
    assert parsed.where(("b", 0, "d"), key=True) == "dir/x.yaml:4:5"
    assert parsed.where(("b", 0, "d", 1)) == "dir/x.yaml:4:12"


def test_the_place_of_what_is_not_there_is_the_nearest_one_above() -> None:
    parsed = parse_yaml("a: 1\nb:\n  - c: x\n", "x.yaml")
    assert parsed.where(("b", 0, "missing", "deeper")) == "x.yaml:3:5"
    assert parsed.where(("b", 0, "missing"), key=True) == "x.yaml:3:5"
    assert parsed.where(("missing",)) == "x.yaml:1:1"
    assert parsed.where(()) == "x.yaml:1:1"


def test_what_an_alias_stands_for_is_placed_at_the_alias() -> None:
    parsed = parse_yaml("a: &x {b: [1]}\nc: *x\n", "x.yaml")
    assert parsed.data["c"] == {"b": [1]}
    assert parsed.where(("c", "b", 0)) == "x.yaml:2:4"


@pytest.mark.parametrize(
    "text",
    [
        "[" * MAX_BYTES,
        "{" * MAX_BYTES,
        "- " * (MAX_BYTES // 2),
        "? " * (MAX_BYTES // 2),
        "a: " + "b " * (MAX_BYTES // 2 - 2),
        "&a " * (MAX_BYTES // 3),
        "\n" * (MAX_BYTES - 1),
        "#" * MAX_BYTES,
        "a: '" + "''" * (MAX_BYTES // 2 - 3) + "'",
        "a: |\n" + " x\n" * (MAX_BYTES // 3 - 4),
        "%" * MAX_BYTES,
        "a: &a [x, x]\n" + "b: [*a, *a]\n" * 20_000,
        '"' + "\\x41" * (MAX_BYTES // 4 - 2) + '"',
    ],
    ids=lambda text: repr(text[:8]),
)
def test_hostile_text_costs_no_more_than_seconds(text: str) -> None:
    before = time.process_time()
    parsed_or_refused(text)
    assert time.process_time() - before < 5


def parsed_or_refused(text: str | bytes) -> Parsed | None:
    """What parsing gave; None if it was refused, which always has a file, a line and a column."""
    try:
        return parse_yaml(text, "x.yaml")
    except DocumentError as error:
        for problem in error.problems:
            file, line, column = problem.where.rsplit(":", 2)
            assert file == "x.yaml"
            assert int(line) >= 1
            assert int(column) >= 1
            assert problem.what
            assert problem.fix
        return None


any_character = st.characters(exclude_categories=())
yamlish = st.lists(
    st.sampled_from(
        [*"[]{}:,-?&*!|>'\"%@`#~ \n\t", "a", "b: ", "- ", "\n  ", "&x ", "*x", "<<: ", "---\n", "...\n", "1e3"]
    )
).map("".join)


@given(st.text(any_character) | yamlish)
@settings(max_examples=400, deadline=1000)
@example("\ud800")
@example("a: \x85b")
@example("\u2028- a")
def test_any_text_is_parsed_or_refused(text: str) -> None:
    parsed = parsed_or_refused(text)
    if parsed is not None:
        assert parsed.marks[()]


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=1000)
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    parsed_or_refused(data)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
    | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdefgh", min_size=1, max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain)
@settings(max_examples=150, deadline=1000)
def test_json_reads_as_itself(data: object) -> None:
    import json

    if '"<<"' not in json.dumps(data):
        assert read(json.dumps(data)) == data
