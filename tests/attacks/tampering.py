"""What was tried on a release and everything around it, and what comes of each: the rows of `docs/tampering.md`.

python -m tests.attacks.tampering > docs/tampering.md
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from releasegate.records import digest_of_bytes
from tests.attacks.tampered_release import Plain, Scene, day
from tests.tiny_releases import statement

Tamper = Callable[[Scene], object]


@dataclass(frozen=True)
class Row:
    """One way to tamper.

    Attributes:
        part: of what.
        what: what is done, in words.
        tamper: does it.
        command: the command that meets it, by its name in `COMMANDS`.
        code: its exit code.
        said: a line that it says; `…` stands for digests, days and other texts that differ from run to run.
    """

    part: str
    what: str
    tamper: Tamper
    command: str
    code: int
    said: str


COMMANDS: dict[str, Callable[[Scene], list[str | Path]]] = {
    "verify": lambda s: ["verify", s.folder, "--policy", s.policy, "-q"],
    "verify --bundle": lambda s: ["verify", s.folder, "--policy", s.policy, "--bundle", s.root / "given.jsonl", "-q"],
    "attest": lambda s: ["attest", s.made.run.root, "--key", s.key("lab"), "-q"],
    "attest (another key)": lambda s: ["attest", s.made.run.root, "--key", s.key("examiner"), "-q"],
    "attest (an approver's key)": lambda s: ["attest", s.made.run.root, "--key", s.key("ann"), "-q"],
    "decide": lambda s: ["decide", s.made.run.root],
    "gate": lambda s: s.made.gate(),
    "export": lambda s: ["export", s.made.run.root, s.root / "again", "-q"],
}
"""What is called, by the name that the page gives it."""


# The folder.


def flip(path: Path, at: int = -1) -> None:
    """Nothing; one byte of the file is another one."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def swapped(scene: Scene) -> None:
    first, second = sorted(scene.folder.glob("*.safetensors"))[:2]
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


def linked(scene: Scene) -> None:
    shutil.move(scene.folder / "config.json", scene.root / "config.json")
    (scene.folder / "config.json").symlink_to(scene.root / "config.json")


def unstripped(scene: Scene) -> None:
    for file in scene.made.checkpoint.iterdir():
        shutil.copy(file, scene.folder / file.name)


def put(path: str, text: str = "x") -> Tamper:
    """Adds or overwrites a file of the folder."""

    def do(scene: Scene) -> None:
        (scene.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (scene.folder / path).write_text(text)

    return do


EXTRA = "is extra: sha256:… was not attested"
OTHER = "is sha256:…, and sha256:… was attested"
FOLDER = [
    Row("folder", "one bit of the weights is flipped", lambda s: flip(s.weights), "verify", 2, f"public/…: {OTHER}"),
    Row("folder", "one bit of the header of the weights is flipped", lambda s: flip(s.weights, 20), "verify", 2, f"public/…: {OTHER}"),
    Row("folder", "the configuration is changed", put("config.json", "{}"), "verify", 2, f"public/config.json: {OTHER}"),
    Row("folder", "a file of the model is deleted", lambda s: s.weights.unlink(), "verify", 2, "public/…: is missing: sha256:… was attested"),
    Row("folder", "a file is emptied", put("config.json", ""), "verify", 2, f"public/config.json: {OTHER}"),
    Row("folder", "two files of weights change places", swapped, "verify", 2, f"public/…: {OTHER}"),
    Row("folder", "the unstripped checkpoint takes the stripped one's place", unstripped, "verify", 2, f"public/…: {OTHER}"),
    Row("folder", "an adapter is added", put("adapter_config.json", "{}"), "verify", 2, f"public/adapter_config.json: {EXTRA}"),
    Row("folder", "a second copy of the weights is hidden beside the report", lambda s: shutil.copy(s.weights, s.folder / "releasegate" / "m.safetensors"), "verify", 2, f"public/releasegate/m.safetensors: {EXTRA}"),
    Row("folder", "a dot-file is added", put(".env"), "verify", 2, f"public/.env: {EXTRA}"),
    Row("folder", "`.git` is added", put(".git/config"), "verify", 2, f"public/.git/config: {EXTRA}"),
    Row("folder", "a hub client leaves its cache", put(".cache/huggingface/download/config.json.metadata"), "verify", 2, f"public/.cache/huggingface/download/config.json.metadata: {EXTRA}"),
    Row("folder", "code is added", put("modeling_tiny.py", "import os"), "verify", 2, f"public/modeling_tiny.py: {EXTRA}"),
    Row("folder", "a file gives way to a symlink to the very same bytes", linked, "verify", 2, "public/config.json: is a symlink: no release holds one"),
    Row("folder", "a symlink to a folder is added", lambda s: (s.folder / "more").symlink_to("/etc"), "verify", 2, "public/more: is a symlink: no release holds one"),
    Row("folder", "a pipe is added", lambda s: os.mkfifo(s.folder / "pipe"), "verify", 2, "public/pipe: is a pipe: no release holds one"),
    Row("folder", "an empty folder is added", lambda s: (s.folder / "empty").mkdir(), "verify", 2, "public/empty/: is an empty folder: no release holds one"),
    Row("folder", "a name changes in case alone", lambda s: (s.folder / "config.json").rename(s.folder / "Config.json"), "verify", 2, f"public/Config.json: {EXTRA}"),
    Row("folder", "a name with a mark that turns text around is added", put("a\u202etxt.json"), "verify", 2, "public/a\\u202etxt.json: has a name that is too long, is no text, or holds a backslash or an unprintable character: no release holds one"),
    Row("folder", "a name with a backslash is added", put("a\\config.json"), "verify", 2, "public/a\\config.json: has a name that is too long, is no text, or holds a backslash or an unprintable character: no release holds one"),
    Row("folder", "the report is changed", put("releasegate/report.html"), "verify", 2, f"public/releasegate/report.html: {OTHER}"),
    Row("folder", "the decision is changed", put("releasegate/decision.json"), "verify", 2, f"public/releasegate/decision.json: {OTHER}"),
    Row("folder", "the licence is changed", put("LICENSE"), "verify", 2, f"public/LICENSE: {OTHER}"),
    Row("folder", "weights are put in the place of a README that may differ", put("README.md", "GGUF" + 40 * "\0"), "verify", 2, "public/README.md: may differ, and is a second form of the weights"),
    Row("folder", "the README, which may differ, is corrected", put("README.md", "# Tiny"), "verify", 0, "differs, as the policy lets it: README.md is sha256:…, and sha256:… was attested"),
    Row("folder", "a hub adds `.gitattributes`, which may differ", put(".gitattributes"), "verify", 0, "differs, as the policy lets it: .gitattributes was added: sha256:…"),
]  # fmt: skip


# The attestations.


def lines(change: Callable[[list[Any]], object]) -> Tamper:
    """Changes the bundles as they stand, without signing anything."""

    def do(scene: Scene) -> None:
        bundles = [json.loads(line) for line in scene.bundle.read_bytes().splitlines()]
        change(bundles)
        scene.bundle.write_text("".join(json.dumps(one) + "\n" for one in bundles))

    return do


def repayload(scene: Scene) -> None:
    text = scene.bundle.read_text()
    first = json.loads(text.splitlines()[0])["dsseEnvelope"]["payload"]
    scene.bundle.write_text(text.replace(first, first[:80] + ("A" if first[80] != "A" else "B") + first[81:], 1))


def pasted(scene: Scene) -> None:
    """The examiner's signature over the statements, under the lab's name."""
    scene.attest(scene.statements(), "examiner", "lab")


def replayed(scene: Scene) -> None:
    """The attestations of another release by the same key, under the same policy."""
    flip(scene.made.run.root / "report.html")
    shutil.copytree(scene.folder, scene.root / "older")
    said = scene.statements()
    for one in said:
        for subject in one["subject"]:
            if subject["name"].endswith("report.html"):
                subject["digest"]["sha256"] = "0" * 64
    scene.attest(said)


def subject_named(name: str) -> Callable[[Plain], None]:
    """Renames the second subject."""

    def change(said: Plain) -> None:
        said["subject"][1]["name"] = name

    return change


def with_examiner(scene: Scene) -> None:
    """An examiner's line stands in the folder's own file, and not in the one that is given."""
    shutil.copy(scene.bundle, scene.root / "given.jsonl")
    said = scene.statements()[0]
    own = scene.bundle.read_bytes()
    scene.attest([statement(said["subject"], "https://example.com/v1", {})], "examiner")
    scene.bundle.write_bytes(own + scene.bundle.read_bytes())


def examined(scene: Scene) -> None:
    with_examiner(scene)
    shutil.copy(scene.bundle, scene.root / "given.jsonl")


def cut_subject(said: Plain) -> None:
    said["subject"] = [one for one in said["subject"] if one["name"] != "config.json"]


def add_subject(said: Plain) -> None:
    said["subject"].append({"name": "zz.bin", "digest": {"sha256": "0" * 64}})


def set_in(*path: str | int, to: object) -> Callable[[Plain], None]:
    """Sets one value of a predicate."""

    def change(said: Plain) -> None:
        inner: Any = said["predicate"]
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = to

    return change


def dated(offset: int) -> Tamper:
    """Attested on another day."""

    def do(scene: Scene) -> None:
        said = scene.statements()
        said[0]["predicate"]["timeVerified"] = f"{day(offset)}T00:00:00Z"
        said[2]["predicate"]["day"] = day(offset)
        scene.attest(said)

    return do


def renewed(scene: Scene) -> None:
    """Attested again, and the new lines handed on with the old ones."""
    scene.must("attest", scene.made.run.root, "--key", scene.key("lab"), "--append", "-q")
    shutil.copy(scene.made.run.root / "attestations.jsonl", scene.bundle)
    assert len(scene.bundle.read_bytes().splitlines()) == 6


ATTESTATIONS = "public/releasegate/attestations.jsonl"
CHANGED = f"{ATTESTATIONS}:1: was changed after it was signed, or is not signed with key lab, which it names"
NOBODY = f"{ATTESTATIONS}: has no attestation of a release by a signer that the policy's `trust` lists…"
DISAGREE = f"{ATTESTATIONS}: is incomplete: no verification summary, test result and predicate by one signer agree on files, day and digests"
BUNDLE_ROWS = [
    Row("attestations", "they are deleted", lambda s: s.bundle.unlink(), "verify", 2, f"{ATTESTATIONS}: there are no such attestations"),
    Row("attestations", "they are emptied", lambda s: s.bundle.write_bytes(b""), "verify", 2, f"{ATTESTATIONS}: is empty"),
    Row("attestations", "the last line is cut off", lambda s: s.bundle.write_bytes(s.bundle.read_bytes()[:-9]), "verify", 2, f"{ATTESTATIONS}: is cut off: its last line has no line feed"),
    Row("attestations", "one byte of what was signed is changed", repayload, "verify", 2, f"{ATTESTATIONS}:1: is not an in-toto statement: …"),
    Row("attestations", "what was signed is changed as a whole, the signature kept", lines(lambda b: b[0]["dsseEnvelope"].update(payload=b[1]["dsseEnvelope"]["payload"])), "verify", 2, CHANGED),
    Row("attestations", "another key signs under the name of one that is listed", pasted, "verify", 2, CHANGED),
    Row("attestations", "a key signs that the policy does not list", lambda s: s.attest(s.statements(), "examiner"), "verify", 2, NOBODY),
    Row("attestations", "the predicate is taken out", lambda s: s.attest(s.statements()[:2]), "verify", 2, f"{ATTESTATIONS}: is incomplete: our predicate by a listed signer is missing"),
    Row("attestations", "a second signature is added", lines(lambda b: b[0]["dsseEnvelope"]["signatures"].append(b[1]["dsseEnvelope"]["signatures"][0])), "verify", 2, f"{ATTESTATIONS}:1: is not a Sigstore bundle v0.3 with a DSSE envelope: dsseEnvelope.signatures: Tuple should have at most 1 item after validation, not 2"),
    Row("attestations", "the type of the payload is changed", lines(lambda b: b[0]["dsseEnvelope"].update(payloadType="text/plain")), "verify", 2, f"{ATTESTATIONS}:1: is not a Sigstore bundle v0.3 with a DSSE envelope: dsseEnvelope.payloadType: Input should be 'application/vnd.in-toto+json'"),
    Row("attestations", "a key stands twice in a line", lambda s: s.bundle.write_text(s.bundle.read_text().replace('{"dsse', '{"mediaType":"x","dsse', 1)), "verify", 2, f"{ATTESTATIONS}:1: is not a Sigstore bundle v0.3 with a DSSE envelope: the key 'mediaType' stands twice in one object"),
    Row("attestations", "a line nests 100,000 deep", lambda s: s.bundle.write_text("[" * 100_000 + "\n"), "verify", 2, f"{ATTESTATIONS}:1: is not a Sigstore bundle v0.3 with a DSSE envelope: nested too deeply"),
    Row("attestations", "they are 33 MiB of nothing", lambda s: s.bundle.write_bytes(b" " * (33 << 20)), "verify", 2, f"{ATTESTATIONS}: is larger than 32 MiB"),
    Row("attestations", "those of another release by the same key are put there", replayed, "verify", 2, f"public/releasegate/report.html: {OTHER}"),
    Row("attestations", "the right key signs for some of the files", lambda s: s.say(cut_subject), "verify", 2, f"{ATTESTATIONS}:3: says that config.json was measured as sha256:…, and attests no such file"),
    Row("attestations", "the right key signs for a file that was never measured", lambda s: s.say(add_subject), "verify", 2, f"{ATTESTATIONS}:3: attests zz.bin, which is no file of the model that was measured"),
    Row("attestations", "a path leads out of the folder", lambda s: s.say(subject_named("../LICENSE")), "verify", 2, f"{ATTESTATIONS}:1: has a subject that is no path in a released folder: '../LICENSE'"),
    Row("attestations", "a path is absolute", lambda s: s.say(subject_named("/etc/passwd")), "verify", 2, f"{ATTESTATIONS}:1: has a subject that is no path in a released folder: '/etc/passwd'"),
    Row("attestations", "the summary is about other files than the predicate", lambda s: s.say(cut_subject, 0), "verify", 2, DISAGREE),
    Row("attestations", "the summary names another resource", lambda s: s.say(set_in("resourceUri", to="urn:x"), 0), "verify", 2, DISAGREE),
    Row("attestations", "the predicate names other evidence than the test result", lambda s: s.say(set_in("evidence", to="sha256:" + "0" * 64), 2), "verify", 2, DISAGREE),
    Row("attestations", "the right key signs that it did not pass", lambda s: s.say(set_in("verificationResult", to="FAILED"), 0), "verify", 1, f"{ATTESTATIONS}:1: says that release sha256:… did not pass"),
    Row("attestations", "the right key signs for a withheld model", lambda s: s.say(set_in("verdict", to="withhold"), 2), "verify", 2, f"{ATTESTATIONS}:3: is not releasegate's predicate: verdict: Input should be 'release' or 'release_stripped'"),
    Row("attestations", "the weights were granted a narrower channel", lambda s: s.say(set_in("artefacts", 0, "granted", to="api"), 2), "verify", 2, f"{ATTESTATIONS}:3: says release_stripped through open_weights, which is not what its artefacts grant to the weights"),
    Row("attestations", "the measured files are listed otherwise", lambda s: s.say(set_in("files", 0, "sha256", to="sha256:" + "0" * 64), 2), "verify", 2, f"{ATTESTATIONS}:3: is not releasegate's predicate: model.released is not the digest of files"),
    Row("attestations", "they are of tomorrow", dated(1), "verify", 2, f"{ATTESTATIONS}:3: is of …, and today is …"),
    Row("attestations", "they are older than the policy accepts", dated(-31), "verify", 2, f"{ATTESTATIONS}:3: is 31 days old; policy tiny accepts 30 (publication.max_age_days)"),
    Row("attestations", "a stranger's line is added to the folder's own alone", with_examiner, "verify --bundle", 2, f"{ATTESTATIONS}:4: is by key examiner, whom the policy does not list, and not among those that were given"),
    Row("attestations", "a renewal is added", renewed, "verify", 0, "not considered: line 1, https://slsa.dev/verification_summary/v1 by key lab of lab, which this does not rest on"),
    Row("attestations", "an examiner's line is added", examined, "verify --bundle", 0, "not considered: line 4, https://example.com/v1 by key examiner, whom the policy does not list"),
]  # fmt: skip


# The policy, and the list of what was revoked.


def unlisted(scene: Scene) -> None:
    """The policy lists the examiner in the lab's place."""
    scene.repolicy(scene.listed("lab"), scene.listed("examiner"))


def expired(scene: Scene) -> None:
    scene.repolicy(scene.listed("lab"), scene.listed("lab").replace(day(365), day(-1)))


def unsigned(scene: Scene) -> None:
    plain = json.loads(scene.list.read_text())
    del plain["signature"]
    scene.list.write_text(json.dumps(plain))


def payloads(scene: Scene) -> list[bytes]:
    """What was signed, line by line."""
    bundles = [json.loads(line) for line in scene.bundle.read_bytes().splitlines()]
    return [base64.b64decode(one["dsseEnvelope"]["payload"]) for one in bundles]


LIST = "repo/policies/revocations/lab-models.json"
POLICY = [
    Row("policy", "a limit is changed", lambda s: s.repolicy("at_most: 0.20}\n    otherwise", "at_most: 0.30}\n    otherwise"), "verify", 2, f"{ATTESTATIONS}:3: is of a release under other rules: sha256:…, and those of tiny are sha256:…"),
    Row("policy", "another policy is given", lambda s: s.repolicy("id: tiny\n", "id: other\n"), "verify", 2, f"{ATTESTATIONS}:3: is of a release under policy tiny, not other"),
    Row("policy", "another role has to approve", lambda s: s.repolicy("{role: lead}", "{role: safety}"), "verify", 2, f"{ATTESTATIONS}:3: is of a release under other rules: …"),
    Row("policy", "the key of the attestations is taken out", unlisted, "verify", 2, NOBODY),
    Row("policy", "the key of the attestations expired yesterday", expired, "verify", 2, f"{ATTESTATIONS}:3: is signed with key lab of lab, which counts from … to …, not on …"),
    Row("policy", "weights may differ", lambda s: s.repolicy("[README.md,", "[model.safetensors, README.md,"), "verify", 2, "repo/policies/tiny.yaml:…: publication.may_differ.0: 'model.safetensors' may be weights, code or configuration, which never differ; …"),
    Row("policy", "a key stands twice", lambda s: s.repolicy("id: tiny\n", "id: tiny\nid: tiny\n"), "verify", 2, 'repo/policies/tiny.yaml:…: duplicate key "id", first on line …'),
    Row("policy", "its title is corrected", lambda s: s.repolicy("A tiny model", "A very tiny model"), "verify", 0, "ok: policy tiny, sha256:…"),
    Row("revocation list", "it is withheld", lambda s: s.list.unlink(), "verify", 2, f"{LIST}: no such file, where a revocation list is wanted"),
    Row("revocation list", "the last one is shown for ever", lambda s: s.relist(issued=day(-20), next_update=day(-1)), "verify", 2, f"{LIST}: does not count: it is stale: its next issue was due by …, and today is …"),
    Row("revocation list", "it is of tomorrow", lambda s: s.relist(issued=day(1)), "verify", 2, f"{LIST}: does not count: it was issued on …, and today is …"),
    Row("revocation list", "that of somebody else is shown", lambda s: s.relist(id="other"), "verify", 2, f"{LIST}: does not count: it is the list other, and the policy names lab-models"),
    Row("revocation list", "an entry is taken out of the text", lambda s: (s.revoke(what="key", key="eve"), s.list.write_text(s.list.read_text().replace('"eve"', '"e-v-e"'))), "verify", 2, f"{LIST}: does not count: it was changed after it was signed, or not signed with key rex"),
    Row("revocation list", "somebody signs it who may approve", lambda s: s.relist("ann", key="ann"), "verify", 2, f"{LIST}: does not count: it is signed with key ann, which is not trusted for revocations"),
    Row("revocation list", "its signature is taken out", unsigned, "verify", 2, f"{LIST}: does not count: it is not signed"),
    Row("revocation list", "the release is on it", lambda s: s.revoke(what="release", sha256="sha256:" + s.statements()[0]["subject"][0]["digest"]["sha256"]), "verify", 2, f"{ATTESTATIONS}:3: is revoked: release sha256:…, on …: Recalled."),
    Row("revocation list", "the model is on it", lambda s: s.revoke(what="model", sha256=s.statements()[2]["predicate"]["model"]["released"]), "verify", 2, f"{ATTESTATIONS}:3: is revoked: model sha256:…, on …: Recalled."),
    Row("revocation list", "what the model was stripped from is on it", lambda s: s.revoke(what="model", sha256=s.statements()[2]["predicate"]["model"]["source"]), "verify", 2, f"{ATTESTATIONS}:3: is revoked: model sha256:…, on …: Recalled."),
    Row("revocation list", "an attestation is on it", lambda s: s.revoke(what="attestation", sha256=digest_of_bytes(payloads(s)[1])), "verify", 2, f"{ATTESTATIONS}:3: is revoked: attestation sha256:…, on …: Recalled."),
    Row("revocation list", "the key of the attestations is on it", lambda s: s.revoke(what="key", key="lab"), "verify", 2, f"{ATTESTATIONS}:3: is revoked: key lab, on …: Recalled."),
    Row("revocation list", "the key of whoever approved is on it", lambda s: s.revoke(what="key", key="ann"), "verify", 2, f"{ATTESTATIONS}:3: is revoked: key ann, on …: Recalled."),
]  # fmt: skip


# The run, its approvals, the ledger, the keys.


def edit(path: Callable[[Scene], Path], before: str, after: str) -> Tamper:
    """Changes a piece of a text."""

    def do(scene: Scene) -> None:
        text = path(scene).read_text()
        assert before in text, (path(scene), before)
        path(scene).write_text(text.replace(before, after, 1))

    return do


def run_file(name: str) -> Callable[[Scene], Path]:
    """A file of the run."""
    return lambda scene: scene.made.run.root / name


def shard(scene: Scene) -> Path:
    """A shard of the evidence."""
    return min((scene.made.run.root / "evidence").glob("*/*.jsonl"))


def resampled(scene: Scene) -> None:
    """Every sample of a shard comes out the other way."""
    text = shard(scene).read_text()
    swap = {"0.0": "1.0", "1.0": "0.0"}
    shard(scene).write_text(re.sub(r"(?<=:)[01]\.0(?=\})", lambda found: swap[found[0]], text))
    assert shard(scene).read_text() != text


def locked(path: str, text: str = "\n# more\n") -> Tamper:
    """Locks what judges, and then adds to a file of it, or makes it."""

    def do(scene: Scene) -> None:
        scene.must("lock")
        with (scene.made.root / path).open("a") as file:
            file.write(text)

    return do


def locked_twice(scene: Scene) -> None:
    scene.must("lock")
    lock = scene.made.root / "policies" / "releasegate.lock"
    lock.write_text(lock.read_text().replace("{", '{"schema": "releasegate/lock/v1",', 1))


def relocked(scene: Scene) -> None:
    scene.must("lock")
    lock = scene.made.root / "policies" / "releasegate.lock"
    lock.write_text(re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{64 * '0'}", lock.read_text(), count=1))


def unapproved(scene: Scene) -> None:
    for path in scene.approvals():
        path.unlink()


def moved(scene: Scene) -> None:
    """The approval of another decision."""
    scene.reapprove(decision="sha256:" + "0" * 64)


def foreign(scene: Scene) -> None:
    """The attestations of the run are of a folder with another report."""
    replayed(scene)
    shutil.copy(scene.bundle, scene.made.run.root / "attestations.jsonl")


def by_eve(scene: Scene) -> None:
    """Somebody whom the policy does not list approves in place of who did."""
    scene.reapprove("eve", key="eve", owner="eve")
    (path,) = scene.approvals()
    path.rename(path.with_name("lead-eve.json"))


def cut_ledger(scene: Scene) -> None:
    text = scene.made.ledger.path.read_text().splitlines(keepends=True)
    scene.made.ledger.path.write_text("".join(text[:-1]))


def fresh_ledger(scene: Scene) -> None:
    scene.made.ledger.path.unlink()
    scene.made.ledger.init("tiny")


RUN = [
    Row("run", "a sample is changed", resampled, "attest", 2, "repo/run/evidence/…: is not what the index says it was"),
    Row("run", "a sample is deleted", lambda s: shard(s).write_text("".join(shard(s).read_text().splitlines(keepends=True)[1:])), "attest", 2, "repo/run/evidence/…: is not what the index says it was"),
    Row("run", "the verdict is edited", edit(run_file("decision.json"), '"verdict": "release_stripped"', '"verdict": "release"'), "attest", 2, "repo/run/decision.json: is not what the evidence, the policy and the waivers decide today"),
    Row("run", "a number of the decision is edited", edit(run_file("decision.json"), '"attempt": 1', '"attempt": 2'), "attest", 2, "repo/run/decision.json: is not what the evidence, the policy and the waivers decide today"),
    Row("run", "a limit of the plan is edited", edit(run_file("plan.json"), "0.2", "0.9"), "attest", 2, "repo/run/plan.json: holds another policy than it was opened with"),
    Row("run", "the stripped weights are changed", lambda s: flip(s.stripped), "attest", 2, "repo/run/stripped: is not what its receipt says"),
    Row("run", "a file is added to the stripped checkpoint", lambda s: (s.made.run.root / "stripped" / "more.json").write_text("{}"), "attest", 2, "repo/run/stripped: is not what its receipt says"),
    Row("run", "the receipt is edited", edit(run_file("stripped.receipt.json"), '"named_weights_absent"', '"dear_to_restore"'), "attest", 2, "repo/run/stripped.receipt.json: is not a receipt: a strip by itself does not show what it costs to restore what it took away"),
    Row("run", "the released folder is made of other weights", lambda s: flip(s.stripped), "export", 2, "repo/run/stripped: is not what its receipt says"),
    Row("run", "its attestations are of another release", foreign, "export", 2, f"repo/run/release/releasegate/report.html: {OTHER}"),
    Row("run", "a sample is changed before it is decided again", resampled, "decide", 2, "repo/run/evidence/…: is not what the index says it was"),
    Row("run", "a sample is changed before the same gate is called again", resampled, "gate", 2, "repo/run/evidence/…: is not what the index says it was"),
    Row("lock", "a harness is changed", locked("evals/drawing/harness.py"), "gate", 2, "evals/drawing/harness.py: is a harness that is locked as sha256:…, and is sha256:… now"),
    Row("lock", "a module is put beside a harness", locked("evals/drawing/extra.py"), "gate", 2, "evals/drawing/extra.py: is a harness that is not locked: sha256:…"),
    Row("lock", "a plug-in is changed", locked("evals/tiny/subject.py"), "gate", 2, "evals/tiny/subject.py: is a subject that is locked as sha256:…, and is sha256:… now"),
    Row("lock", "a card is changed", locked("evals/drawing/eval.yaml"), "gate", 2, "evals/drawing/eval.yaml: is a card that is locked as sha256:…, and is sha256:… now"),
    Row("lock", "a recipe is changed", locked("policies/recipes/chameleon-hf/drawing.yaml"), "gate", 2, "policies/recipes/chameleon-hf/drawing.yaml: is a recipe that is locked as sha256:…, and is sha256:… now"),
    Row("lock", "the policy is changed", locked("policies/tiny.yaml"), "gate", 2, "policies/tiny.yaml: is a policy that is locked as sha256:…, and is sha256:… now (its rules are the same)"),
    Row("lock", "the lock is edited", relocked, "gate", 2, "…: is a … that is locked as sha256:…, and is sha256:… now"),
    Row("lock", "a key stands twice in the lock", locked_twice, "gate", 2, "repo/policies/releasegate.lock: is not a lock: the key 'schema' stands twice in one object"),
    Row("approvals", "it is deleted", unapproved, "attest", 3, "not attested: awaiting approval: lead"),
    Row("approvals", "it is deleted after the attestation", unapproved, "export", 3, "not exported: awaiting approval: lead"),
    Row("approvals", "that of another decision is put there", moved, "attest", 3, "not attested: awaiting approval: lead"),
    Row("approvals", "another key signs it under the approver's name", lambda s: s.reapprove("eve"), "attest", 3, "not attested: awaiting approval: lead"),
    Row("approvals", "somebody approves whom the policy does not list", by_eve, "attest", 3, "not attested: awaiting approval: lead"),
    Row("approvals", "it is dated before the attempt", lambda s: s.reapprove(day=day(-1)), "attest", 3, "not attested: awaiting approval: lead"),
    Row("approvals", "they are left out of the attestation, which the right key signs", lambda s: s.say(set_in("approvals", to=[]), 2), "verify", 2, f"{ATTESTATIONS}:3: awaiting approval: lead"),
    Row("approvals", "what was approved is changed in the attestation", lambda s: s.say(set_in("approvals", 0, "verdict", to="release"), 2), "verify", 2, f"{ATTESTATIONS}:3: awaiting approval: lead; approval by ann as lead does not count: it says verdict release, and its decision says release_stripped"),
    Row("ledger", "the line that closed the attempt is deleted", cut_ledger, "attest", 2, "repo/policies/ledger/tiny.jsonl: does not say that attempt 1 was closed"),
    Row("ledger", "a line is edited", edit(lambda s: s.made.ledger.path, '"release_stripped"', '"release"'), "attest", 2, "repo/policies/ledger/tiny.jsonl:4: was changed: its hash does not fit its content"),
    Row("ledger", "a new one takes its place", fresh_ledger, "attest", 2, "repo/policies/ledger/tiny.jsonl: no attempt was opened with plan sha256:…"),
    Row("ledger", "it is deleted", lambda s: s.made.ledger.path.unlink(), "attest", 2, "policies/ledger/tiny.jsonl: there is no ledger of family tiny, so nobody counts its attempts"),
    Row("keys", "a key signs that the policy does not list", lambda s: None, "attest (another key)", 2, "keys/examiner.key: is not trusted for attestations by policy tiny"),
    Row("keys", "a key signs that is for approvals", lambda s: None, "attest (an approver's key)", 2, "keys/ann.key: …"),
    Row("keys", "others may read the key", lambda s: s.key("lab").chmod(0o644), "attest", 2, "keys/lab.key: is unencrypted, and others may read it"),
    Row("keys", "the file of the key is cut off", lambda s: s.key("lab").write_bytes(s.key("lab").read_bytes()[:60]), "attest", 2, "keys/lab.key: is not a private key in PEM"),
]  # fmt: skip

ROWS = (*FOLDER, *BUNDLE_ROWS, *POLICY, *RUN)


def page() -> str:
    """The page that lists them."""
    text = [
        "# What was tampered with, and what came of it",
        "",
        "A small model was gated, approved, attested, exported and its revocation list issued, by the commands that its makers use.",
        "Then each line below was done to a copy, and the command called: a test does all of it, and compares exit code and message.",
        "`…` stands for what differs from run to run. Most rows are refused; the few with exit code 0 show what is let through.",
        "",
    ]
    for part in dict.fromkeys(row.part for row in ROWS):
        text += [
            f"## {part[0].upper()}{part[1:]}",
            "",
            "| what is done | command | exit code | message |",
            "|---|---|---|---|",
        ]
        for row in ROWS:
            if row.part == part:
                said = row.said.replace("|", "\\|")
                text.append(f"| {row.what} | `{row.command}` | {row.code} | `` {said} `` |")
        text.append("")
    return "\n".join(text)


if __name__ == "__main__":
    sys.stdout.write(page())
