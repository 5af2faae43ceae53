"""What goes out of a run: every file of the model as it was measured, what is said of it, and nothing that is the lab's own."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from releasegate.errors import EvidenceUntrusted, NotFound, PublishError, UsageError
from releasegate.manifest import FileEntry, Manifest
from releasegate.plan import SOURCE
from releasegate.publishing.composing import Composition, refuse_taken
from releasegate.publishing.outgoing import Outgoing
from releasegate.publishing.releasable import hindrance
from releasegate.publishing.screening import screen_model, screen_texts
from tests.tiny_checkpoints import tiny
from tests.tiny_decided import LICENCE, PROMPT, SPOKEN, composed, copy_of, decided
from tests.tiny_gates import WEAK, Gate, capability, policy, share
from tests.tiny_repository import Tiny

SAID = {
    "README.md",
    "LICENSE",
    "releasegate/report.html",
    "releasegate/decision.json",
    "releasegate/receipt.json",
    "releasegate/bom.cdx.json",
}


@pytest.fixture(scope="module")
def out(stripped_run: Tiny) -> Composition:
    """What goes out of a run whose model was stripped."""
    return composed(stripped_run, model=True)


def text_of(composition: Composition, name: str) -> str:
    return composition.places[name].read_text()


def test_every_file_goes_out_once_with_the_digest_of_the_bytes_that_lie_there(out: Composition) -> None:
    import hashlib

    assert {file.path for file in out.released.files} == set(out.places)
    for file in out.released.files:
        data = out.places[file.path].read_bytes()
        assert (file.size, file.sha256) == (len(data), "sha256:" + hashlib.sha256(data).hexdigest()), file.path


def test_the_stripped_files_and_what_is_said_of_them_go_out_and_nothing_else(
    out: Composition, stripped_run: Tiny
) -> None:
    stripped = {p.relative_to(stripped_run.run.stripped).as_posix() for p in stripped_run.run.stripped.rglob("*")}
    assert set(out.places) == stripped | SAID
    assert set(out.replaced) == {"README.md"}
    assert out.places["config.json"] == stripped_run.run.stripped / "config.json"
    assert text_of(out, "LICENSE") == LICENCE


def test_the_bill_names_the_files_that_go_out_by_their_digests(out: Composition) -> None:
    """Of the card, too, which stands in the place of the measured one."""
    component = json.loads(text_of(out, "releasegate/bom.cdx.json"))["metadata"]["component"]
    billed = {one["name"]: one["hashes"][0]["content"] for one in component["components"]}
    assert billed == {f.path: f.sha256.removeprefix("sha256:") for f in out.released.files if f.path in billed}
    assert set(billed) == {entry.path for entry in out.model.files}


def test_every_file_of_the_source_is_named(out: Composition, stripped_run: Tiny) -> None:
    assert out.source is not None
    there = {p.relative_to(stripped_run.checkpoint).as_posix() for p in stripped_run.checkpoint.rglob("*")}
    assert {file.path for file in out.source} == there
    changed = {file.path for file in out.source if file not in out.released.files}
    assert {"vqgan.safetensors", "model-00001-of-00002.safetensors"} <= changed
    assert "config.json" not in changed


def test_a_whole_model_goes_out_from_where_it_lies(whole_run: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("releasegate.publishing.composing.shown_report", lambda *of: "<!DOCTYPE html>")
    out = composed(whole_run, model=True)
    assert out.places["vqgan.safetensors"] == whole_run.checkpoint / "vqgan.safetensors"
    assert "releasegate/receipt.json" not in out.places
    assert out.source is None


def test_a_whole_model_that_is_not_given_or_another_one_is_refused(
    whole_run: Tiny, stripped_run: Tiny, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="does not lie in the run"):
        composed(whole_run)
    other = copy_of(whole_run, tmp_path / "repo")
    (other.checkpoint / "extra.txt").write_text("more")
    with pytest.raises(EvidenceUntrusted, match=r"extra\.txt: was never measured"):
        composed(other, model=True)
    (other.checkpoint / "extra.txt").unlink()
    shard = other.checkpoint / "vqgan.safetensors"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(bytes(data))
    with pytest.raises(EvidenceUntrusted, match=r"vqgan\.safetensors: is not the file that was measured"):
        composed(other, model=True)


def test_nothing_that_goes_out_holds_a_sample_a_reason_of_a_failure_or_the_machine(
    out: Composition, stripped_run: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = decided(stripped_run)
    assert any(SPOKEN in error for f in lab.decision.findings for error in f.errors)
    shards = "".join(path.read_text() for path in (stripped_run.run.root / "evidence").rglob("*.jsonl"))
    assert PROMPT in shards
    theirs = [SPOKEN, "hf_qqq", "canary", str(stripped_run.root), str(stripped_run.root.resolve())]
    theirs += [socket.gethostname(), str(Path.home()), os.environ.get("HOSTNAME", "")]
    theirs += [getpass.getuser()] if getpass.getuser() != "root" else []  # a word of many texts
    said = {name: text_of(out, name) for name in SAID}
    for name, text in said.items():
        assert [word for word in theirs if len(word) > 4 and word in text] == [], name


def test_the_public_decision_is_the_labs_but_for_the_reasons_of_failures(out: Composition, stripped_run: Tiny) -> None:
    public = json.loads(text_of(out, "releasegate/decision.json"))
    stored = json.loads(stripped_run.run.decision_path.read_text())
    assert public != stored
    assert [f["errors"] for f in public["strip"]["findings"]] == [[], []]
    assert public["verdict"] == stored["verdict"]
    assert public["strip"]["findings"][1]["slices"] == stored["strip"]["findings"][1]["slices"]


def test_the_public_report_says_that_it_shows_no_sample(out: Composition) -> None:
    page = text_of(out, "releasegate/report.html")
    assert "No sample is shown outside the lab" in page
    assert "releasegate verify FOLDER --policy tiny.yaml" in page
    assert "releasegate decide RUN" not in page  # nobody outside has the run


def test_the_same_run_gives_the_same_release_wherever_it_lies_and_whatever_lay_there_before(
    out: Composition, stripped_run: Tiny, tmp_path: Path
) -> None:
    made = copy_of(stripped_run, tmp_path / "elsewhere")
    (made.run.root / "release" / "notes.txt").write_text("left over")
    assert composed(made).released == out.released
    assert not (made.run.root / "release" / "notes.txt").exists()
    assert [p.name for p in made.run.root.iterdir() if p.name.endswith(".partial")] == []


NO_LICENCE = {
    "no text": ("license_file: policies/licenses/tiny.txt\n  ", "", PublishError, "has no text of its licence"),
    "a file that is not there": ("licenses/tiny.txt", "licenses/none.txt", NotFound, "is not there"),
    "a text that is none": ("licenses/tiny.txt", "licenses/binary.txt", PublishError, "is not UTF-8"),
    "an empty one": ("licenses/tiny.txt", "licenses/empty.txt", PublishError, "holds no text"),
    "a folder": ("policies/licenses/tiny.txt", "policies/licenses", PublishError, "is not a regular file"),
    "a way out of the repository": ("licenses/tiny.txt", "licenses/link.txt", PublishError, "through a symlink"),
}


@pytest.mark.parametrize("case", NO_LICENCE)
def test_without_the_text_of_a_licence_nothing_goes_out(case: str, stripped_run: Tiny, tmp_path: Path) -> None:
    before, after, kind, message = NO_LICENCE[case]
    made = copy_of(stripped_run, tmp_path / "repo")
    licences = made.root / "policies" / "licenses"
    (licences / "binary.txt").write_bytes(b"\xff\xfe\x00")
    (licences / "empty.txt").write_text(" \n")
    (licences / "link.txt").symlink_to("/etc/hostname")
    made.change(made.policy, before, after)
    shutil.rmtree(made.run.root / "release", ignore_errors=True)
    with pytest.raises(kind, match=message):
        composed(made)
    assert not (made.run.root / "release").exists()


TAKEN = {
    "a file in the folder of ours": ("releasegate/notes.txt", "has files of its own"),
    "the same in another case": ("ReleaseGate/notes.txt", "has files of its own"),
    "the name of the whole": ("release", "has a name of its own"),
    "a twin of the card": ("Readme.md", "has a name of its own"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_file_of_the_model_where_ours_belongs_is_refused(case: str) -> None:
    name, message = TAKEN[case]
    entry = FileEntry(path=name, size=1, sha256="sha256:" + "0" * 64)
    with pytest.raises(PublishError, match=rf"stands where the release {message}"):
        refuse_taken(Outgoing(Path("model"), Manifest(files=(entry,)), SOURCE))


KEPT_IN = {
    "a token": (
        "config.json",
        '{"model_type": "x", "hub_token": "hf_' + "a" * 34 + '"}',
        "config.json: hub_token: hf_a…",
    ),
    "a password": ("notes.txt", "postgres://ada:secret-word@db/x", "notes.txt: line 1: postgres://…@"),
    "a private key": ("key.txt", "-----BEGIN EC PRIVATE KEY-----\n", "key.txt: line 1"),
    "a leftover of training": ("trainer_state.json", "{}", "is a leftover of training"),
    "a pickle under another name": ("data.txt", "\x80\x04\x95", "data.txt"),
    "a history": (".git/HEAD", "ref: refs/heads/main", ".git"),
}


@pytest.mark.parametrize("case", KEPT_IN)
def test_a_model_that_carries_what_no_release_may_is_refused_with_the_place(case: str, tmp_path: Path) -> None:
    name, text, message = KEPT_IN[case]
    tiny().write(tmp_path / "model")
    screen_model(tmp_path / "model")
    (tmp_path / "model" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "model" / name).write_bytes(text.encode("latin-1" if "\x80" in text else "utf-8"))
    with pytest.raises(PublishError) as refused:
        screen_model(tmp_path / "model")
    (problem, *_) = refused.value.problems
    assert message in f"{problem.where} {problem.what}"
    assert "secret-word" not in problem.where
    assert "a" * 10 not in problem.where.replace(str(tmp_path), "")


def test_a_credential_in_what_is_said_of_a_model_is_refused_with_its_line() -> None:
    said = {"README.md": b"# A\n\nBearer " + b"k" * 40, "releasegate/decision.json": b'{"a": "/home/ada/x"}'}
    said["LICENSE"] = b"by\nplain-looking-password"
    with pytest.raises(PublishError) as refused:
        screen_texts(said, {"HUB_PASSWORD": "plain-looking-password", "LANG": "by"})
    places = [problem.where for problem in refused.value.problems]
    assert places == ["README.md:3", "releasegate/decision.json:1", "LICENSE:2"]
    assert "plain-looking" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("releasegate/decision.json", b'{"a":\n"seen in\\n/home/ada/x"}'),
        ("releasegate/decision.json", b'{"a":\n"\\u002fhome\\/ada/x"}'),
        ("releasegate/receipt.json", b'{"a":\n"pass\\"word & <more>"}'),
        ("releasegate/report.html", b"<p>\npass&#34;word &amp; &lt;more&gt;"),
        ("run/attestations.jsonl", b'{}\n"\\tghp_' + b"a1B2" * 9 + b'"'),
    ],
)
def test_an_escape_hides_nothing(name: str, data: bytes) -> None:
    with pytest.raises(PublishError) as refused:
        screen_texts({name: data}, {"HUB_PASSWORD": 'pass"word & <more>'})
    assert {problem.where for problem in refused.value.problems} == {f"{name}:2"}


PUBLIC = {"channel": "open_weights"}
DEMO = {"artefacts": {"demo": "api"}}
HINDERED = {
    "a rehearsal": ({"rehearsal": True}, PUBLIC, 0, 2, "is a rehearsal"),
    "a replay": ({"replay": True}, PUBLIC, 0, 2, "is a replay"),
    "no weights among what goes out": ({}, DEMO, 0, 2, "does not list the weights"),
    "weights behind an interface": ({}, {"channel": "api"}, 0, 1, "through api, and go to nobody"),
    "a model that harms": ({}, PUBLIC, 90, 1, "is withhold"),
    "a model of which too little was measured": ({}, PUBLIC, None, 3, "is incomplete"),
}


@pytest.mark.parametrize("case", HINDERED)
def test_what_may_not_go_out_says_why_and_with_which_code(case: str) -> None:
    changes, channels, hits, code, message = HINDERED[case]
    measured = {} if hits is None else {("drawing", "source"): share(hits)}
    gate = Gate(policy(capability("drawing", misuse=[WEAK]), **channels), measured)
    decision = gate.decide().model_copy(update=changes)
    found = hindrance(decision)
    assert found is not None
    assert (found.exit, message in found.sentence) == (code, True), found


def test_weights_that_may_go_out_are_hindered_by_nothing() -> None:
    gate = Gate(policy(capability("drawing", misuse=[WEAK]), **PUBLIC), {("drawing", "source"): share(0)})
    assert hindrance(gate.decide()) is None
