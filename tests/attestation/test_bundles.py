"""A file of attestations is read whole, line by line, or refused in one sentence that names the line."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from releasegate.attestation import (
    RELEASE_TYPE,
    SUMMARY_TYPE,
    TEST_RESULT_TYPE,
    Subjects,
    bundle_line,
    parse_bundle_lines,
    subjects_of,
)
from releasegate.errors import VerifyError
from tests.tiny_releases import (
    policy_of,
    predicates,
    released_of,
    sha,
    signed_line,
    statement,
    subjects,
    write_folder,
)

Plain = dict[str, Any]
ABOUT: list[Plain] = [
    {"name": "release", "digest": {"sha256": "ab" * 32}},
    {"name": "config.json", "digest": {"sha256": "cd" * 32}},
]
SAID = statement(ABOUT, TEST_RESULT_TYPE, {"result": "PASSED", "configuration": []})
LINE = signed_line(SAID)


def changed(change: Callable[[Plain], object], line: bytes = LINE) -> bytes:
    """The bundle, changed as JSON data."""
    plain: Plain = json.loads(line)
    change(plain)
    return json.dumps(plain).encode() + b"\n"


def said(change: Callable[[Plain], object]) -> bytes:
    """The bundle of a statement that was changed, signed again."""
    plain = json.loads(json.dumps(SAID))
    change(plain)
    return signed_line(plain)


def payload(text: str | bytes) -> bytes:
    """The bundle of any payload."""
    data = text.encode() if isinstance(text, str) else text
    return bundle_line(data, b"\x30\x06\x02\x01\x01\x02\x01\x01", "lab")


def refused(data: bytes) -> str:
    with pytest.raises(VerifyError) as error:
        parse_bundle_lines(data, "a.jsonl")
    assert all(problem.fix and problem.what.isprintable() for problem in error.value.problems)
    return str(error.value)


def test_a_line_is_read_and_not_believed() -> None:
    (one,) = parse_bundle_lines(LINE, "a.jsonl")
    assert (one.where, one.number, one.line, one.hint, one.certificate) == ("a.jsonl:1", 1, LINE[:-1], "lab", None)
    assert one.predicate_type == TEST_RESULT_TYPE
    assert one.test_result().result == "PASSED"
    assert subjects_of(one.statement, one.where) == Subjects(
        "sha256:" + "ab" * 32, {"config.json": "sha256:" + "cd" * 32}
    )
    forged = bundle_line(one.payload, b"\x30\x00", "lab")
    assert parse_bundle_lines(forged)[0].digest == one.digest


def test_an_attestation_is_known_by_its_payload_however_it_is_written() -> None:
    spaced = json.dumps(json.loads(LINE), indent=None, separators=(" , ", " : ")).encode() + b"\n"
    one, other, again = (parse_bundle_lines(line)[0] for line in (LINE, spaced, signed_line(SAID)))
    assert one.line != other.line
    assert one.signature != again.signature
    assert one.digest == other.digest == again.digest


def test_fields_that_their_specifications_may_add_are_passed_over_and_ours_are_not() -> None:
    grown = said(lambda s: (s.update(later=1), s["predicate"].update(later=1), s["subject"][0].update(uri="x:y")))
    assert parse_bundle_lines(grown)[0].test_result().result == "PASSED"
    assert "Extra inputs are not permitted" in refused(changed(lambda b: b.update(later=1)))
    assert "Extra inputs are not permitted" in refused(changed(lambda b: b["dsseEnvelope"].update(later=1)))


def test_predicates_of_others_are_left_alone() -> None:
    (one,) = parse_bundle_lines(signed_line(statement(ABOUT, "https://example.com/review/v9", {"x": [None]})))
    for read in (one.summary, one.test_result, one.release):
        with pytest.raises(VerifyError, match=r"its predicate is https://example\.com/review/v9"):
            read()


def drop(name: str) -> Callable[[Plain], object]:
    return lambda plain: plain.pop(name)


OLDER = changed(lambda b: b.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1"))
TWICE = changed(lambda b: b["dsseEnvelope"].update(signatures=b["dsseEnvelope"]["signatures"] * 2))
SPACED = changed(lambda b: b["dsseEnvelope"].update(payload=" " + b["dsseEnvelope"]["payload"]))
BOTH = changed(lambda b: b["verificationMaterial"].update(certificate={"rawBytes": "AAAA"}))

MALFORMED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is empty"),
    "an empty line": (LINE + b"\n", "a.jsonl:2: is not a Sigstore bundle"),
    "a cut line": (LINE[:-9], "is cut off"),
    "carriage returns": (LINE.replace(b"\n", b"\r"), "is cut off"),
    "no JSON": (b"hello\n", "a.jsonl:1: is not a Sigstore bundle"),
    "a list": (b"[]\n", "is not a Sigstore bundle"),
    "a number": (b"1\n", "is not a Sigstore bundle"),
    "a key twice": (LINE.replace(b'{"dsse', b'{"mediaType":"x","dsse', 1), "stands twice in one object"),
    "NaN": (changed(lambda b: b.update(x=float("nan"))), "NaN is not JSON"),
    "not UTF-8": (b'{"\xff": 1}\n', "codec can't decode"),
    "UTF-16": (LINE.decode().encode("utf-16-le") + b"\n", "is not a Sigstore bundle"),
    "a byte order mark": (b"\xef\xbb\xbf" + LINE, "is not a Sigstore bundle"),
    "deep nesting": (b'{"a":' * 50_000 + b"}" * 50_000 + b"\n", "nested too deeply"),
    "another version": (
        OLDER,
        "mediaType",
    ),
    "no envelope": (changed(drop("dsseEnvelope")), "dsseEnvelope: Field required"),
    "a signature over bytes": (changed(lambda b: b.update(messageSignature={})), "Extra inputs"),
    "no signature": (changed(lambda b: b["dsseEnvelope"].update(signatures=[])), "at least 1 item"),
    "two signatures": (
        TWICE,
        "at most 1 item",
    ),
    "an empty signature": (changed(lambda b: b["dsseEnvelope"]["signatures"][0].update(sig="")), "at least 4 char"),
    "base64 for URLs": (changed(lambda b: b["dsseEnvelope"]["signatures"][0].update(sig="_-8=")), "must be base64"),
    "loose base64": (changed(lambda b: b["dsseEnvelope"]["signatures"][0].update(sig="QR==")), "in the one way"),
    "base64 with spaces": (
        SPACED,
        "must be base64",
    ),
    "another payload type": (changed(lambda b: b["dsseEnvelope"].update(payloadType="text/plain")), "payloadType"),
    "no signer": (changed(lambda b: b["verificationMaterial"].pop("publicKey")), "either publicKey or certificate"),
    "two signers": (
        BOTH,
        "either publicKey or certificate",
    ),
    "two keys": (changed(lambda b: b["dsseEnvelope"]["signatures"][0].update(keyid="other")), "names two keys"),
    "a hint with a bell": (changed(lambda b: b["verificationMaterial"]["publicKey"].update(hint="\x07")), "printable"),
    "an empty payload": (changed(lambda b: b["dsseEnvelope"].update(payload="")), "at least 4 char"),
    "a payload that is no JSON": (payload("hello"), "is not an in-toto statement"),
    "a payload with a key twice": (payload('{"a":1,"a":1}'), "'a' stands twice"),
    "a payload with a NUL": (payload("\0"), "is not an in-toto statement"),
    "a payload beyond numbers": (payload('{"a":' + "9" * 5000 + "}"), "is not an in-toto statement"),
    "another statement version": (said(lambda s: s.update(_type="https://in-toto.io/Statement/v0.1")), "_type"),
    "no subjects": (said(lambda s: s.update(subject=[])), "at least 1 item"),
    "subjects that are none": (said(lambda s: s.update(subject={"name": "x"})), "subject"),
    "a subject without a digest": (said(lambda s: s["subject"][1].update(digest={})), "at least 1 item"),
    "a digest that is a number": (said(lambda s: s["subject"][1].update(digest={"sha256": 1})), "valid string"),
    "no predicate": (said(drop("predicate")), "predicate: Field required"),
    "a predicate that is a list": (said(lambda s: s.update(predicate=[])), "predicate"),
    "a predicate type with a line feed": (said(lambda s: s.update(predicateType="a\nb")), "predicateType"),
    "a surrogate": (payload(json.dumps({**SAID, "predicateType": "\ud800"})), "is not an in-toto statement"),
    "too many lines": (LINE * 101, "more than 100 lines"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_bundle_of_one_signed_statement_is_refused(name: str) -> None:
    data, why = MALFORMED[name]
    assert why in refused(data)


ABROAD: dict[str, list[Plain] | Callable[[], list[Plain]]] = {
    "no folder before the files": ABOUT[1:],
    "the folder alone": ABOUT[:1],
    "a file twice": [*ABOUT, ABOUT[1]],
    "not sorted": [*ABOUT, {**ABOUT[1], "name": "a"}],
    "upwards": [ABOUT[0], {**ABOUT[1], "name": "../config.json"}],
    "inside upwards": [ABOUT[0], {**ABOUT[1], "name": "a/../../b"}],
    "absolute": [ABOUT[0], {**ABOUT[1], "name": "/etc/passwd"}],
    "a backslash": [ABOUT[0], {**ABOUT[1], "name": "a\\b"}],
    "a NUL": [ABOUT[0], {**ABOUT[1], "name": "a\0b"}],
    "a bidi mark": [ABOUT[0], {**ABOUT[1], "name": "a\u202eb"}],
    "the bundle itself": [ABOUT[0], {**ABOUT[1], "name": "releasegate/attestations.jsonl"}],
    "the folder as a file": [ABOUT[0], ABOUT[0]],
    "another algorithm": [ABOUT[0], {"name": "a", "digest": {"sha1": "ab" * 20}}],
    "capital digits": [ABOUT[0], {"name": "a", "digest": {"sha256": "AB" * 32}}],
    "a short digest": [ABOUT[0], {"name": "a", "digest": {"sha256": "ab" * 31}}],
}


@pytest.mark.parametrize("name", ABROAD)
def test_subjects_are_the_files_of_a_folder_or_refused(name: str) -> None:
    (one,) = parse_bundle_lines(signed_line(statement(list(ABROAD[name]), SUMMARY_TYPE, {"x": 1})))  # type: ignore[arg-type]
    with pytest.raises(VerifyError):
        subjects_of(one.statement, one.where)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda p: p.update(later=1), "Extra inputs"),
        (lambda p: p.update(schema="releasegate/attestation/v2"), "schema"),
        (lambda p: p.update(verdict="withhold"), "verdict"),
        (lambda p: p.update(channel="api"), "channel"),
        (lambda p: p["files"][0].update(sha256=sha("other")), "model.released is not the digest of files"),
        (lambda p: p["files"][0].update(parts=sha("other")), "model.released is not the digest of files"),
        (lambda p: p["files"].reverse(), "sorted by path"),
        (lambda p: p.update(files=[]), "at least 1 item"),
        (lambda p: p["files"][0].update(path="../x"), "inside the folder"),
        (lambda p: p["model"].update(source=sha("other")), "do not agree on whether something was taken out"),
        (lambda p: p.update(verdict="release_stripped"), "do not agree on whether something was taken out"),
        (lambda p: p.update(source_files=p["files"][:1]), "model.source is not the digest of source_files"),
        (
            lambda p: p.update(replaced=[{"path": "config.json", "measured": sha("a"), "released": sha("b")}]),
            "README.md",
        ),
        (
            lambda p: p.update(replaced=[{"path": "README.md", "measured": sha("a"), "released": sha("b")}]),
            "was not measured",
        ),
        (lambda p: p.update(day="2026-02-30"), "must be a day"),
        (lambda p: p.update(attempt=True), "attempt"),
        (lambda p: p["ledger"]["opened"].update(anchored="yes"), "anchored"),
    ],
)
def test_our_predicate_is_closed_and_consistent_in_itself(
    tmp_path_factory: pytest.TempPathFactory, change: Callable[[Plain], object], why: str
) -> None:
    released = released_of(write_folder(tmp_path_factory.mktemp("folder")))
    predicate = json.loads(json.dumps(predicates(released, policy_of())[RELEASE_TYPE]))
    (sound,) = parse_bundle_lines(signed_line(statement(subjects(released), RELEASE_TYPE, predicate)))
    assert sound.release().verdict == "release"
    change(predicate)
    (one,) = parse_bundle_lines(signed_line(statement(subjects(released), RELEASE_TYPE, predicate)))
    with pytest.raises(VerifyError, match=why):
        one.release()


def hostile(scale: int) -> list[bytes]:
    """A long text, many lists, many subjects, and a key that stands twice behind many others."""
    subject = b'{"name":"a","digest":{"sha256":"' + b"0" * 64 + b'"}},'
    subjects = base64.b64encode(b'{"subject":[' + subject * scale + b"{}]}")
    return [
        b'{"a":"' + b"a" * (100 * scale) + b'"}\n',
        b"[" + b"[]," * (2 * scale) + b"[]]\n",
        b'{"dsseEnvelope":{"payload":"' + subjects + b'"}}\n',
        b"{" + b",".join(b'"%d":0' % number for number in range(scale // 5)) + b',"7":0}\n',
    ]


def test_hostile_sizes_are_refused() -> None:
    for data in hostile(50_000):
        refused(data)


@pytest.mark.slow
def test_hostile_sizes_are_refused_in_bounded_memory() -> None:
    for data in hostile(1_000_000):
        tracemalloc.start()
        refused(data)
        assert tracemalloc.get_traced_memory()[1] < 400 << 20
        tracemalloc.stop()
