"""A released folder holds by its attestations and a policy, or is refused with the reason."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from releasegate.attestation import RELEASE_TYPE, SUMMARY_TYPE, TEST_RESULT_TYPE
from releasegate.attesting.comparing import SHOWN
from releasegate.attesting.verifying import read_bundle
from releasegate.errors import FolderDiffers, ReleaseRefused, VerifyError
from releasegate.released import BUNDLE
from tests.tiny_releases import (
    EXAMINER,
    FILES,
    LAB,
    Plain,
    Release,
    listed,
    make_release,
    policy_of,
    predicates,
    released_of,
    sha,
    signed_line,
    statement,
    subjects,
)

CARD_MAY_DIFFER = {"may_differ": ["README.md", ".gitattributes", "pages/picture.png"]}


@pytest.fixture
def made(tmp_path: Path) -> Release:
    return make_release(tmp_path)


def why(release: Release, kind: type[VerifyError] = VerifyError) -> str:
    """Where, relative to the release, and what is wrong, a problem a line."""
    with pytest.raises(VerifyError) as caught:
        release.verify()
    assert type(caught.value) is kind
    top = f"{release.folder.parent}/"
    return "\n".join(f"{p.where.replace(top, '')}: {p.what}" for p in caught.value.problems)


def test_a_release_that_was_attested_holds(made: Release) -> None:
    verified = made.verify()
    assert (verified.files, verified.size) == (5, sum(map(len, FILES.values())))
    assert verified.may_differ == verified.others == verified.approvals == ()
    assert verified.digest_recomputed


# The folder.


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda f: (f / "model.safetensors").write_bytes(b"other"),
            r"release/model\.safetensors: is sha256:\w+, and sha256:\w+ was attested",
        ),
        (lambda f: (f / "config.json").unlink(), r"release/config\.json: is missing: sha256:\w+ was attested"),
        (
            lambda f: (f / "adapter_config.json").write_text("{}"),
            r"release/adapter_config\.json: is extra: sha256:\w+ was not attested",
        ),
        (lambda f: (f / ".gitattributes").write_text(""), r"release/\.gitattributes: is extra: .*"),
        (lambda f: (f / "Config.json").write_text("{}"), r"release/Config\.json: is extra: .*"),
        (lambda f: (f / "link").symlink_to("config.json"), r"release/link: is a symlink: no release holds one"),
        (lambda f: (f / "empty").mkdir(), r"release/empty/: is an empty folder: no release holds one"),
    ],
)  # fmt: skip
def test_every_difference_of_the_folder_is_named_with_its_digests(
    made: Release, change: Callable[[Path], object], said: str
) -> None:
    import re

    change(made.folder)
    assert re.fullmatch(said, why(made, FolderDiffers))


def test_a_file_whose_place_a_symlink_takes_is_missing_and_the_symlink_is_named(made: Release, tmp_path: Path) -> None:
    (made.folder / "config.json").rename(tmp_path / "config.json")
    (made.folder / "config.json").symlink_to(tmp_path / "config.json")
    told = why(made, FolderDiffers).splitlines()
    assert [line.split(": ")[1] for line in told] == ["is missing", "is a symlink"]


def test_of_many_differences_the_first_are_named_and_the_others_counted(made: Release) -> None:
    for number in range(30):
        (made.folder / f"extra-{number:02}").write_text("")
    told = why(made, FolderDiffers).splitlines()
    assert len(told) == SHOWN + 1
    assert told[-1] == "release: and 10 more differences"


def test_what_may_differ_is_named_with_both_digests_and_nothing_else_may(tmp_path: Path) -> None:
    made = make_release(tmp_path, policy_of(publication=CARD_MAY_DIFFER))
    (made.folder / "README.md").write_text("# Tiny, with a typo corrected\n")
    (made.folder / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    verified = made.verify()
    assert [(one.path, one.attested is None, one.found is None) for one in verified.may_differ] == [
        (".gitattributes", True, False),
        ("README.md", False, False),
    ]
    assert not verified.digest_recomputed
    (made.folder / "README.md").unlink()
    assert made.verify().may_differ[1].found is None
    (made.folder / "readme.md").write_text("# Tiny\n")
    assert why(made, FolderDiffers).startswith("release/readme.md: is extra")


def test_a_file_of_the_model_never_differs_whatever_the_policy_says(tmp_path: Path) -> None:
    files = {**FILES, "pages/picture.png": b"\x89PNG"}
    made = make_release(tmp_path, policy_of(publication=CARD_MAY_DIFFER), files)
    about = subjects(released_of(made.folder))
    measured = predicates(
        released_of(made.folder), made.policy, model=("config.json", "model.safetensors", "pages/picture.png")
    )
    made = replace(made, statements=tuple(statement(about, kind, one) for kind, one in measured.items()))
    made.verify()
    (made.folder / "pages" / "picture.png").write_bytes(b"\x89PNG and more")
    assert why(made, FolderDiffers).startswith("release/pages/picture.png: is sha256:")


@pytest.mark.parametrize("data", [b"GGUF" + b"\0" * 20, (30).to_bytes(8, "little") + b"{" + b" " * 40])
def test_weights_under_the_name_of_a_page_are_refused(tmp_path: Path, data: bytes) -> None:
    made = make_release(tmp_path, policy_of(publication=CARD_MAY_DIFFER))
    (made.folder / "README.md").write_bytes(data)
    assert why(made, FolderDiffers).startswith("release/README.md: may differ, and is a second form of the weights")


@pytest.mark.parametrize(
    ("path", "data", "said"),
    [
        ("README.md", b"cos\nsystem\n(S'id'\ntR.\0", "is no text, as its name says"),
        ("README.md", (9).to_bytes(8, "little") + b" {      }", "is no text, as its name says"),
        ("README.md", b"# Caf\xe9\n", "is no text, as its name says"),
        ("README.md", b"x" * ((4 << 20) + 1), "is larger than 4 MiB: weights could hide in it"),
        (".gitattributes", b"PK\x05\x06" + b"\0" * 18, "is no text, as its name says"),
        ("pages/picture.png", b"weights", "is no PNG, as its name says"),
    ],
)
def test_what_may_differ_is_what_its_name_says(tmp_path: Path, path: str, data: bytes, said: str) -> None:
    may = {"may_differ": ["README.md", ".gitattributes", "pages/picture.png"]}
    made = make_release(tmp_path, policy_of(publication=may))
    (made.folder / "pages").mkdir()
    (made.folder / "pages" / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n, and the picture")
    (made.folder / "README.md").write_text("# Ti\u0308ny \u2014 \U0001f98e\n")
    assert len(made.verify().may_differ) == 2
    (made.folder / path).write_bytes(data)
    assert why(made, FolderDiffers).startswith(f"release/{path}: may differ, and {said}")


# Who signed.


def test_a_changed_statement_or_another_key_under_a_listed_name_is_refused(made: Release) -> None:
    by_another = replace(made, private=EXAMINER)
    assert why(by_another) == (
        "attestations.jsonl:1: was changed after it was signed, or is not signed with key lab, which it names"
    )
    forged = replace(made, extra=(signed_line(made.statements[0], EXAMINER),))
    assert why(forged).startswith("attestations.jsonl:4: was changed after it was signed")


def test_whom_the_policy_does_not_list_is_not_believed(made: Release) -> None:
    assert why(replace(made, key_id="examiner")) == (
        "attestations.jsonl: has no attestation of a release by a signer that the policy's `trust` lists; "
        "there is one by key examiner"
    )
    trusting_nobody = replace(made, policy=policy_of(trust=None))
    assert "has no attestation of a release" in why(trusting_nobody)


def test_a_key_must_be_valid_on_the_day_of_signing_and_today(made: Release) -> None:
    def on(valid_from: str, valid_to: str) -> Release:
        keys = {"attestations": [listed(valid_from=valid_from, valid_to=valid_to)]}
        return replace(made, policy=policy_of(trust=keys))

    assert on("2026-02-01", "2026-03-01").verify()
    assert why(on("2026-02-02", "2026-12-31")) == (
        "attestations.jsonl:3: is signed with key lab of Lab Example, "
        "which counts from 2026-02-02 to 2026-12-31, not on 2026-02-01"
    )
    assert why(on("2026-01-01", "2026-02-28")).endswith("not on 2026-03-01")


def test_lines_of_others_are_listed_and_lend_nothing(made: Release) -> None:
    about = subjects(released_of(made.folder))
    foreign = statement(about, "https://example.com/examined/v1", {"anything": [1, {"goes": None}]})
    examined = replace(made, extra=(signed_line(foreign, EXAMINER, "examiner"), signed_line(foreign)))
    assert [line.signed.number for line in examined.verify().others] == [4, 5]
    alone = replace(made, statements=made.statements[:2], extra=(signed_line(made.statements[2], EXAMINER, "x"),))
    assert why(alone) == "attestations.jsonl: is incomplete: our predicate by a listed signer is missing"


def test_two_listed_signers_do_not_make_one_attestation(made: Release) -> None:
    both = policy_of(trust={"attestations": [listed(), listed("examiner", EXAMINER)]})
    split = replace(
        made,
        policy=both,
        statements=made.statements[:2],
        extra=(signed_line(made.statements[2], EXAMINER, "examiner"),),
    )
    assert "by one signer agree" in why(split)


def test_a_renewal_stands_beside_the_first_and_carries_on_when_that_is_too_old(made: Release) -> None:
    publication = {"max_age_days": 30}
    aged = replace(made, policy=policy_of(publication=publication), today=date(2026, 3, 4))
    assert why(aged) == ("attestations.jsonl:3: is 31 days old; policy tiny accepts 30 (publication.max_age_days)")
    later = predicates(released_of(made.folder), made.policy, "2026-03-02")
    about = subjects(released_of(made.folder))
    renewed = replace(aged, extra=tuple(signed_line(statement(about, kind, one)) for kind, one in later.items()))
    verified = renewed.verify()
    assert verified.attested.release.day == "2026-03-02"
    assert [line.signed.number for line in verified.others] == [1, 2, 3]


# What is said, signed by the right key.


def test_an_attestation_from_the_future_is_refused(made: Release) -> None:
    assert (
        why(replace(made, today=date(2026, 1, 31))) == "attestations.jsonl:3: is of 2026-02-01, and today is 2026-01-31"
    )


def test_another_policy_or_other_rules_are_refused(made: Release) -> None:
    stricter = policy_of(release={"channel": "open_weights", "max_failed": 0.01})
    assert "is of a release under other rules: sha256:" in why(replace(made, policy=stricter))
    assert why(replace(made, policy=policy_of(id="other"))).endswith("is of a release under policy tiny, not other")


def put(*path: str | int, to: object) -> Callable[[Plain], None]:
    """A change of one value."""

    def change(plain: Any) -> None:
        *above, last = path
        for step in above:
            plain = plain[step]
        plain[last] = to

    return change


OTHER_PLAN = {"name": "plan", "digest": {"sha256": "0" * 64}}
PREDICATE = "predicate"
OURS = "attestations.jsonl:3: is not releasegate's predicate: "
GRANTS = "attestations.jsonl:3: says release through open_weights, which is not what its artefacts grant to the weights"
DISAGREE = (
    "attestations.jsonl: is incomplete: no verification summary, test result and predicate by one signer "
    "agree on files, day and digests"
)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (SUMMARY_TYPE, put(PREDICATE, "policy", "digest", "sha256", to="0" * 64), DISAGREE),
        (SUMMARY_TYPE, put(PREDICATE, "policy", to={"uri": "urn:x"}), DISAGREE),
        (SUMMARY_TYPE, put(PREDICATE, "timeVerified", to="2026-02-02T00:00:00Z"), DISAGREE),
        (SUMMARY_TYPE, put(PREDICATE, "resourceUri", to=f"urn:releasegate:release:{sha('x')}"), DISAGREE),
        (SUMMARY_TYPE, put("subject", 2, "digest", "sha256", to="0" * 64), DISAGREE),
        (SUMMARY_TYPE, lambda s: s["subject"].pop(), DISAGREE),
        (TEST_RESULT_TYPE, put(PREDICATE, "configuration", to=[]), DISAGREE),
        (TEST_RESULT_TYPE, put(PREDICATE, "configuration", 1, "digest", "sha256", to="0" * 64), DISAGREE),
        (TEST_RESULT_TYPE, lambda s: s["predicate"]["configuration"].append(OTHER_PLAN), DISAGREE),
        (RELEASE_TYPE, put(PREDICATE, "evidence", to=sha("other")), DISAGREE),
        (RELEASE_TYPE, put(PREDICATE, "verdict", to="withhold"), OURS + "verdict"),
        (RELEASE_TYPE, put(PREDICATE, "channel", to="api"), OURS + "channel"),
        (RELEASE_TYPE, put(PREDICATE, "extra", to=1), OURS + "extra"),
        (RELEASE_TYPE, put(PREDICATE, "artefacts", 0, "granted", to="api"), GRANTS),
        (RELEASE_TYPE, put(PREDICATE, "artefacts", 0, "name", to="demo"), GRANTS),
        (RELEASE_TYPE, put(PREDICATE, "files", 0, "path", to="../config.json"), OURS + "files.0.path"),
    ],
)  # fmt: skip
def test_statements_that_do_not_say_what_a_release_needs_are_refused(
    made: Release, kind: str, change: Callable[[Plain], object], said: str
) -> None:
    told = why(made.saying(kind, change))
    assert told.startswith(
        said.replace("predicate.predicate", "predicate").replace("predicate: predicate.", "predicate: ")
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("subject", 1, "name", to="../LICENSE"), "has a subject that is no path in a released folder: '../LICENSE'"),
        (put("subject", 1, "name", to="/etc/passwd"), "has a subject that is no path in a released folder: '/etc/passwd'"),
        (put("subject", 1, "name", to="A\\b"), "has a subject that is no path in a released folder: 'A\\\\b'"),
        (put("subject", 1, "name", to="A\u202eb"), "has a subject that is no path in a released folder: 'A\\u202eb'"),
        (put("subject", 0, "name", to="README.md"), "has no subject 'release' before the others"),
        (lambda s: s["subject"].pop(0), "has no subject 'release' before the others"),
        (lambda s: s["subject"].insert(2, s["subject"][1]), "does not list the files of a folder, sorted by path, each once"),
        (lambda s: s["subject"].__delitem__(slice(1, None)), "does not list the files of a folder, sorted by path, each once"),
        (lambda s: s["subject"].append({"name": BUNDLE, "digest": {"sha256": "0" * 64}}), "does not list the files of a folder"),
        (put("subject", 1, "digest", to={"sha512": "0" * 128}), "has a subject without a sha256: 'LICENSE'"),
    ],
)  # fmt: skip
def test_subjects_that_are_no_released_folder_are_refused(
    made: Release, change: Callable[[Plain], object], said: str
) -> None:
    assert f"attestations.jsonl:1: {said}" in why(made.each(change))


def renamed(old: str, new: str) -> Callable[[Plain], None]:
    def change(plain: Plain) -> None:
        for one in plain["subject"]:
            one["name"] = new if one["name"] == old else one["name"]
        plain["subject"][1:] = sorted(plain["subject"][1:], key=lambda s: s["name"])

    return change


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("LICENSE", "extra.bin", "attests extra.bin, which is no file of the model that was measured"),
        ("config.json", "config2.json", "says that config.json was measured as"),
        ("LICENSE", "readme.md", "attests readme.md, which is no file of the model that was measured"),
        ("releasegate/decision.json", "releasegate/bom.cdx.json", None),
        (
            "releasegate/decision.json",
            "releasegate/Decision.json",
            "attests releasegate/Decision.json, which is no file",
        ),
        (
            "releasegate/decision.json",
            "releasegate/model.safetensors",
            "attests releasegate/model.safetensors, which is",
        ),
        ("releasegate/decision.json", "releasegate/modeling.py", "attests releasegate/modeling.py, which is no file"),
        (
            "releasegate/decision.json",
            "releasegate/sub/decision.json",
            "attests releasegate/sub/decision.json, which is",
        ),
    ],
)
def test_only_the_model_as_measured_and_its_companions_are_a_release(
    made: Release, old: str, new: str, said: str | None
) -> None:
    told = why(made.each(renamed(old, new)), FolderDiffers if said is None else VerifyError)
    assert told.startswith(f"attestations.jsonl:3: {said}" if said else "release/releasegate/bom.cdx.json: is missing")


def test_a_release_digest_that_the_files_do_not_make_is_refused(made: Release) -> None:
    other = sha("another release")

    def change(plain: Plain) -> None:
        plain["subject"][0]["digest"]["sha256"] = other.removeprefix("sha256:")
        if plain["predicateType"] == SUMMARY_TYPE:
            plain["predicate"]["resourceUri"] = f"urn:releasegate:release:{other}"

    assert "attests the release digest" in why(made.each(change))


def test_an_attestation_that_holds_and_says_no_is_a_sound_no(made: Release) -> None:
    failed = made.saying(SUMMARY_TYPE, put(PREDICATE, "verificationResult", to="FAILED"))
    assert "did not pass" in why(failed, ReleaseRefused)
    contradicting = made.saying(TEST_RESULT_TYPE, put(PREDICATE, "failedTests", to=["gone"]))
    assert "did not pass" in why(contradicting, ReleaseRefused)
    later = json.loads(json.dumps(made.statements[0]))
    later["predicate"]["verificationResult"] = "FAILED"
    assert why(replace(made, extra=(signed_line(later),)), ReleaseRefused).startswith("attestations.jsonl:4: says")
    nothing_else = replace(failed, statements=failed.statements[:1])
    assert "did not pass" in why(nothing_else, ReleaseRefused)
    (made.folder / "config.json").write_text("another folder")
    assert "is incomplete" in why(nothing_else)


def test_a_replayed_bundle_of_another_release_is_refused(made: Release, tmp_path: Path) -> None:
    other = make_release(tmp_path / "other", files={**FILES, "model.safetensors": b"older weights"})
    replayed = replace(made, statements=other.statements)
    assert why(replayed, FolderDiffers).startswith("release/model.safetensors: is sha256:")


# Attestations in the folder itself.


def test_the_folders_own_attestations_are_those_given_or_by_listed_signers(made: Release) -> None:
    own = made.folder / BUNDLE
    own.write_bytes(made.lines)
    assert made.verify().files == 5
    foreign = signed_line(made.statements[0], EXAMINER, "examiner")
    own.write_bytes(made.lines + foreign)
    assert "is by key examiner, whom the policy does not list" in why(made)
    assert replace(made, extra=(foreign,)).verify().files == 5
    for broken in (b"", b"{}\n", b"\n", made.lines[:-1], made.lines.replace(b'"sig":"M', b'"sig":"N')):
        own.write_bytes(broken)
        assert why(made).startswith(f"release/{BUNDLE}")


def test_nothing_else_is_left_out(made: Release) -> None:
    (made.folder / "releasegate" / "attestations.JSONL").write_bytes(made.lines)
    assert why(made, FolderDiffers).startswith("release/releasegate/attestations.JSONL: is extra")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "attestations.jsonl: is empty"),
        (b"{}", "attestations.jsonl: is cut off: its last line has no line feed"),
        (b"\n", "attestations.jsonl:1: is not a Sigstore bundle v0.3 with a DSSE envelope: "),
        (b"{}\n" * 101, "attestations.jsonl: has more than 100 lines"),
        (b"[" * 100_000 + b"\n", "attestations.jsonl:1: is not a Sigstore bundle v0.3 with a DSSE envelope: nested too deeply"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_bundle_is_refused(made: Release, data: bytes, said: str) -> None:
    empty = replace(made, statements=(), extra=(data,))
    assert why(empty).startswith(said)


def test_what_is_no_file_is_no_bundle(made: Release, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (made.folder, tmp_path / "pipe"):
        with pytest.raises(VerifyError, match="is no plain file"):
            read_bundle(place)


def test_the_key_of_the_lab_is_the_one_that_signed(made: Release) -> None:
    assert made.private is LAB
    assert made.verify().attested.signer.id == "lab"
