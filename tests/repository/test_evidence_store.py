"""A run folder that was changed is not believed: each way to change it, by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from releasegate.decision import decide
from releasegate.errors import EvidenceUntrusted, NotFound, RunError
from releasegate.evidence import Done, Failed, Measured, evidence_digest, parse_index_line, parse_sample
from releasegate.plan import Plan
from releasegate.repository import RunFolder
from releasegate.repository.evidence_store import EvidenceStore
from tests.tiny_gates import OPENED, Gate, capability, policy, requirement, samples_of, share

CODE = Gate(
    policy(
        capability(
            "drawing",
            misuse=[requirement("weak", "drawing/legible", at_most=0.2)],
            safeguards={"s": [requirement("marked", "marking/found", at_least=0.8, enforced_by="weights")]},
        )
    )
)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of two measurements of 100 items each, in shards of 25, all stored."""
    folder = RunFolder(tmp_path / "run")
    plan = CODE.plan
    folder.open(plan)
    store(folder, plan)
    return folder


def store(folder: RunFolder, plan: Plan, *, shards: int = 4) -> None:
    """Nothing; the first shards of every measurement are stored, as the runner stores them."""
    for measurement in plan.measurements:
        identity = plan.identity(measurement)
        samples = list(samples_of(measurement, share(2, failed=1)))
        for shard in range(shards):
            folder.evidence.start_shard(plan, identity, shard)
            part = samples[shard * 25 : (shard + 1) * 25]
            folder.evidence.finish_shard(identity, shard, plan.source, part)


def read(run: RunFolder) -> Any:
    return run.evidence.read(run.read_plan())


def shard_file(run: RunFolder, shard: int = 1, measurement: int = 0) -> Path:
    plan = CODE.plan
    return run.evidence.shard_path(plan.identity(plan.measurements[measurement]), shard)


def rewrite_index(run: RunFolder, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    path = run.root / "evidence" / "index.jsonl"
    lines = change([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def forge(run: RunFolder, change: Callable[[list[dict[str, Any]]], list[Any]], shard: int = 1) -> Path:
    """A shard with other records, whose digest and counts in the index are right: what a careful forger would leave."""
    path = shard_file(run, shard)
    records = change([json.loads(line) for line in path.read_text().splitlines()])
    data = "".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in records).encode()
    path.write_bytes(data)
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    outcomes = [r.get("outcome") if isinstance(r, dict) else "measured" for r in records]
    counts = {"measured": outcomes.count("measured"), "failed": outcomes.count("failed")}

    def right(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        folder = "sha256:" + path.parent.name
        return [
            {**line, "sha256": digest, **counts}
            if (line["event"], line["measurement"], line["shard"]) == ("done", folder, shard)
            else line
            for line in lines
        ]

    rewrite_index(run, right)
    return path


def refused(run: RunFolder) -> tuple[str, str]:
    """Where and what."""
    with pytest.raises(EvidenceUntrusted) as caught:
        read(run)
    (problem,) = caught.value.problems
    assert problem.fix
    return problem.where, problem.what


def test_what_was_stored_is_what_is_read(run: RunFolder) -> None:
    evidence = read(run)
    assert len(evidence.columns) == 2
    for columns in evidence.columns.values():
        assert (columns.state == 1).sum() == 99
        assert (columns.state == 2).sum() == 1
        assert columns.errors == ("ValueError: broken",)
        assert columns.model == CODE.plan.source


def test_the_digest_depends_on_neither_the_order_of_shards_nor_on_kills(tmp_path: Path, run: RunFolder) -> None:
    other = RunFolder(tmp_path / "other")
    plan = CODE.plan
    other.open(plan)
    for measurement in reversed(plan.measurements):
        identity = plan.identity(measurement)
        samples = list(samples_of(measurement, share(2, failed=1)))
        for shard in (2, 0, 3, 1):
            other.evidence.start_shard(plan, identity, shard)
            other.evidence.start_shard(plan, identity, shard)
            other.evidence.finish_shard(identity, shard, plan.source, samples[shard * 25 : (shard + 1) * 25][::-1])
    assert read(other).digest == read(run).digest
    assert shard_file(other).read_bytes() == shard_file(run).read_bytes()


def test_the_digest_is_over_the_sorted_done_lines(run: RunFolder) -> None:
    done = list(run.evidence.done().values())
    assert evidence_digest(done) == evidence_digest(reversed(done)) == read(run).digest
    assert evidence_digest(done[:-1]) != read(run).digest


# Without care: the index notices.


def test_a_changed_shard_is_named(run: RunFolder) -> None:
    path = shard_file(run)
    path.write_text(path.read_text().replace('"legible":0.0', '"legible":1.0', 1))
    assert refused(run) == (str(path), "is not what the index says it was")


@pytest.mark.parametrize("size", [0, 1, 100, -1])
def test_a_truncated_shard_is_named(run: RunFolder, size: int) -> None:
    path = shard_file(run)
    path.write_bytes(path.read_bytes()[:size])
    where, _ = refused(run)
    assert where.split(":")[0] == str(path)


def test_a_removed_shard_is_named(run: RunFolder) -> None:
    shard_file(run).unlink()
    assert refused(run) == (str(shard_file(run)), "is in the index and not on disk")


def test_a_shard_that_is_a_link_is_named(run: RunFolder, tmp_path: Path) -> None:
    path = shard_file(run)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert refused(run) == (str(path), "is in the index and not on disk")


@pytest.mark.parametrize("name", ["000009.jsonl", "note.txt", "../stray.jsonl"])
def test_a_file_that_the_index_does_not_list_is_named(run: RunFolder, name: str) -> None:
    path = (shard_file(run).parent / name).resolve()
    path.write_text("{}\n")
    assert refused(run) == (str(path), "is not in the index")


def test_two_shards_that_changed_places_are_named(run: RunFolder) -> None:
    one, other = shard_file(run, 1), shard_file(run, 2)
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)
    where, what = refused(run)
    assert where == f"{one}:1"
    assert what == "item 50 belongs to another shard"


# With care: records that the plan does not allow.


def without_a_key(records: list[dict[str, Any]]) -> list[Any]:
    return [{k: v for k, v in records[0].items() if k != "labels"}, *records[1:]]


def with_key(**keys: Any) -> Callable[[list[dict[str, Any]]], list[Any]]:
    return lambda records: [{**records[0], **keys}, *records[1:]]


def raw(before: str, after: str) -> Callable[[list[dict[str, Any]]], list[Any]]:
    def change(records: list[dict[str, Any]]) -> list[Any]:
        text = json.dumps(records[0])
        assert before in text
        return [text.replace(before, after, 1) + "\n", *records[1:]]

    return change


FORGERIES: dict[str, tuple[Callable[[list[dict[str, Any]]], list[Any]], int, str]] = {
    "a duplicated record": (lambda r: [r[0], r[0], *r[2:]], 2, "item 25 has two records"),
    "a record of another shard": (with_key(item=0), 1, "item 0 belongs to another shard"),
    "an item beyond the plan": (with_key(item=100), 1, "item 100 belongs to another shard"),
    "a negative item": (with_key(item=-1), 1, "not a record: measured.item: "),
    "an item that is no whole number": (with_key(item=25.5), 1, "not a record: measured.item: "),
    "an item as text": (with_key(item="25"), 1, "not a record: measured.item: "),
    "other labels": (with_key(labels={"digit": "7"}), 1, "item 25 is not in the plan"),
    "no labels": (without_a_key, 1, "item 25 is not in the plan"),
    "another metric": (with_key(values={"copied": 0.0}), 1, "item 25 is not in the plan"),
    "a metric too many": (with_key(values={"legible": 0.0, "copied": 0.0}), 1, "item 25 is not in the plan"),
    "no metric": (with_key(values={}), 1, "not a record: measured.values: "),
    "a value between 0 and 1": (
        with_key(values={"legible": 0.5}),
        1,
        "item 25 has 0.5 for legible, which must be 0 or 1",
    ),
    "a value below 0": (with_key(values={"legible": -5.0}), 1, "item 25 has -5 for legible, which must be 0 or 1"),
    "a value as text": (with_key(values={"legible": "0"}), 1, "not a record: measured.values.legible: "),
    "a value as truth": (with_key(values={"legible": False}), 1, "not a record: measured.values.legible: "),
    "no value": (with_key(values={"legible": None}), 1, "not a record: measured.values.legible: "),
    "NaN": (raw("0.0", "NaN"), 1, "not a record: NaN is not JSON"),
    "infinity": (raw("0.0", "-Infinity"), 1, "not a record: -Infinity is not JSON"),
    "a number beyond floats": (raw("0.0", "1e999"), 1, "not a record: measured.values.legible: "),
    "a duplicate key": (
        raw('{"outcome"', '{"item": 3, "outcome"'),
        1,
        "not a record: the key 'item' stands twice in one object",
    ),
    "a duplicate metric": (
        raw('"legible": 0.0', '"legible": 1.0, "legible": 0.0'),
        1,
        "not a record: the key 'legible' stands twice in one object",
    ),
    "an unknown key": (with_key(weight=2), 1, "not a record: measured.weight: "),
    "an unknown outcome": (with_key(outcome="excused"), 1, "not a record: "),
    "no outcome": (lambda r: [{k: v for k, v in r[0].items() if k != "outcome"}, *r[1:]], 1, "not a record: "),
    "an output that leads elsewhere": (with_key(outputs={"drawing": "../../plan.json"}), 1, "not a record: "),
    "a list": (lambda r: ["[]\n", *r], 1, "not a record: "),
    "an empty line": (lambda r: ["\n", *r], 1, "not a record: "),
    "no JSON": (lambda r: ["hello\n", *r], 1, "not a record: "),
    "deep nesting": (lambda r: ["[" * 100_000 + "\n", *r], 1, "not a record: "),
    "half of a surrogate pair": (with_key(detail={"answer": "\ud800"}), 1, "not a record: Invalid JSON"),
}


@pytest.mark.parametrize(("change", "line", "what"), FORGERIES.values(), ids=FORGERIES)
def test_a_record_that_the_plan_does_not_allow_is_named_by_its_line(
    run: RunFolder, change: Callable[[list[dict[str, Any]]], list[Any]], line: int, what: str
) -> None:
    path = forge(run, change)
    where, said = refused(run)
    assert said.startswith(what)
    assert where == f"{path}:{line}"


def test_an_item_that_changes_its_slice_is_found_where_the_slice_overflows(run: RunFolder) -> None:
    path = forge(run, with_key(labels={"digit": "1"}))
    where, what = refused(run)
    assert where == f"{path.with_name('000003.jsonl')}:25"
    assert what == "more items than planned are labelled {'digit': '1'}"


def test_a_file_that_is_not_utf_8_is_named(run: RunFolder) -> None:
    path = shard_file(run)
    path.write_bytes(b"\xff\xfe\n" + path.read_bytes())
    where, what = refused(run)
    assert where == f"{path}:1"
    assert what.startswith("not a record: ")


def test_records_that_are_left_out_are_gaps_and_count_against_the_release(run: RunFolder) -> None:
    """A forger who leaves out the hits gains nothing: what has no record is a hit."""
    before = read(run)
    forge(
        run, lambda records: [r for r in records if r["outcome"] == "failed" or r["values"]["legible"] == 0.0], shard=0
    )
    after = read(run)
    plan = CODE.plan
    verdicts = [decide(CODE.policy, plan, evidence, None, OPENED) for evidence in (before, after)]
    bounds = [d.capabilities[0].findings[0].slices[0].estimate for d in verdicts]
    assert [b.scored for b in bounds] == [99, 97]
    assert bounds[0].high == bounds[1].high


# The index.


def line_of(lines: list[dict[str, Any]], event: str) -> int:
    return next(i for i, line in enumerate(lines) if line["event"] == event)


def test_an_index_line_that_is_cut_off_is_named(run: RunFolder) -> None:
    path = run.root / "evidence" / "index.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    assert refused(run) == (str(path), "ends in the middle of a line")


def test_a_shard_that_was_finished_twice_is_named(run: RunFolder) -> None:
    rewrite_index(run, lambda lines: [*lines, lines[line_of(lines, "done")]])
    where, what = refused(run)
    assert where.endswith("index.jsonl:17")
    assert what == "shard 0 was finished twice"


def test_a_shard_that_was_never_started_is_named(run: RunFolder) -> None:
    rewrite_index(run, lambda lines: lines[1:])
    where, what = refused(run)
    assert where.endswith("index.jsonl:1")
    assert what == "shard 0 was finished without a start"


def test_a_measurement_that_the_plan_does_not_list_is_named(run: RunFolder) -> None:
    unknown = "sha256:" + "5" * 64

    def other(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        known = lines[0]["measurement"]
        return [{**line, "measurement": unknown} if line["measurement"] == known else line for line in lines]

    rewrite_index(run, other)
    shard_file(run).parent.rename(run.root / "evidence" / ("5" * 64))
    where, what = refused(run)
    assert where.endswith("index.jsonl")
    assert what == f"measurement {unknown[:19]}… is not in the plan"


def test_shards_of_two_checkpoints_are_not_one_measurement(run: RunFolder) -> None:
    def other(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        last = max(i for i, line in enumerate(lines) if line["event"] == "done")
        lines[last]["model"] = "sha256:" + "9" * 64
        return lines

    rewrite_index(run, other)
    assert refused(run) == (
        "evidence of marking on source",
        "two checkpoints were measured in one measurement",
    )


def test_evidence_of_another_model_decides_nothing(run: RunFolder) -> None:
    foreign = "sha256:" + "9" * 64
    rewrite_index(
        run, lambda lines: [{**line, "model": foreign} if line["event"] == "done" else line for line in lines]
    )
    with pytest.raises(EvidenceUntrusted, match=f"was measured on {foreign}, expected {CODE.plan.source}"):
        decide(CODE.policy, CODE.plan, read(run), None, OPENED)


@pytest.mark.parametrize("key", ["measured", "failed"])
def test_counts_that_are_not_those_of_the_shard_are_named(run: RunFolder, key: str) -> None:
    def other(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        lines[line_of(lines, "done")][key] += 1
        return lines

    rewrite_index(run, other)
    assert refused(run)[1] == "is not what the index says it was"


def test_an_index_line_that_is_no_entry_is_named(run: RunFolder) -> None:
    path = run.root / "evidence" / "index.jsonl"
    path.write_text(path.read_text() + '{"event":"done","event":"started"}\n')
    where, what = refused(run)
    assert where == f"{path}:17"
    assert what == "not a record: the key 'event' stands twice in one object"


# The plan.


def edit_plan(run: RunFolder, change: Callable[[dict[str, Any]], None]) -> None:
    plan = json.loads(run.plan_path.read_text())
    change(plan)
    run.plan_path.write_text(json.dumps(plan))


PLAN_EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "its limit": lambda p: p["policy"]["capabilities"][0]["misuse"][0].update(at_most=0.9),
    "its alpha": lambda p: p["policy"]["release"].update(alpha=0.1),
    "its age": lambda p: p["policy"]["release"].update(max_age_days=3650),
    "its lost share": lambda p: p["policy"]["release"].update(max_failed=0.5),
    "its day": lambda p: p.update(opened="2025-12-31"),
    "its attempt": lambda p: p.update(attempt=2),
    "its nonce": lambda p: p.update(nonce="cd" * 32),
    "its cells": lambda p: p["measurements"][0]["cells"][0].update(n=40),
    "its card": lambda p: p["cards"]["drawing"]["slices"]["digit"].update(gate=False),
    "its model": lambda p: p["model"]["manifest"]["files"][0].update(size=2),
    "its measurements": lambda p: p["measurements"].pop(),
}


@pytest.mark.parametrize("change", PLAN_EDITS.values(), ids=PLAN_EDITS)
def test_a_plan_that_was_edited_makes_its_evidence_untrusted(
    run: RunFolder, change: Callable[[dict[str, Any]], Any]
) -> None:
    edit_plan(run, change)
    where, _ = refused(run)
    assert where.startswith(str(run.root))


BROKEN_PLANS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no JSON": (lambda p: p.write_text("{"), "is not what releasegate wrote: "),
    "empty": (lambda p: p.write_text(""), "is not what releasegate wrote: "),
    "a list": (lambda p: p.write_text("[]"), "is not what releasegate wrote: "),
    "not UTF-8": (lambda p: p.write_bytes(b"\xff"), "is not what releasegate wrote: "),
    "of another version": (
        lambda p: p.write_text(p.read_text().replace("releasegate/plan/v1", "releasegate/plan/v9")),
        "is not what releasegate wrote: schema: ",
    ),
    "with a key twice": (
        lambda p: p.write_text(p.read_text().replace('"attempt": 1,', '"attempt": 1, "attempt": 1,')),
        "is not what releasegate wrote: the key 'attempt' stands twice in one object",
    ),
    "with a key that nobody knows": (
        lambda p: p.write_text(p.read_text().replace('"attempt": 1,', '"attempt": 1, "excuse": 1,')),
        "is not what releasegate wrote: excuse: ",
    ),
    "with NaN": (
        lambda p: p.write_text(p.read_text().replace('"alpha": 0.05', '"alpha": NaN')),
        "is not what releasegate wrote: NaN is not JSON",
    ),
    "never opened": (
        lambda p: p.write_text(json.dumps({k: v for k, v in json.loads(p.read_text()).items() if k != "nonce"})),
        "was never opened: it has no nonce",
    ),
}


@pytest.mark.parametrize(("change", "what"), BROKEN_PLANS.values(), ids=BROKEN_PLANS)
def test_a_plan_that_is_none_is_named(run: RunFolder, change: Callable[[Path], Any], what: str) -> None:
    change(run.plan_path)
    with pytest.raises(EvidenceUntrusted) as caught:
        run.read_plan()
    assert caught.value.problems[0].where == str(run.plan_path)
    assert caught.value.problems[0].what.startswith(what)


def test_a_folder_without_a_plan_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no run here"):
        RunFolder(tmp_path).read_plan()


# Resuming.


def test_a_torn_last_line_is_mended_by_whoever_resumes(run: RunFolder) -> None:
    path = run.root / "evidence" / "index.jsonl"
    whole = path.read_bytes()
    before = run.evidence.done()
    for cut in range(1, 60, 7):
        path.write_bytes(whole[:-cut])
        run.evidence.mend_index()
        assert path.read_bytes() == whole[: whole[:-cut].rfind(b"\n") + 1]
        assert len(run.evidence.done()) == len(before) - 1
    path.write_bytes(whole)
    run.evidence.mend_index()
    assert path.read_bytes() == whole


def test_an_index_of_nothing_but_a_torn_line_is_empty_again(tmp_path: Path) -> None:
    store_ = EvidenceStore(tmp_path / "evidence")
    store_.root.mkdir()
    (store_.root / "index.jsonl").write_bytes(b'{"event":"sta')
    store_.mend_index()
    assert store_.index() == []
    EvidenceStore(tmp_path / "none").mend_index()


def test_a_shard_of_a_killed_run_is_measured_again_and_not_believed(run: RunFolder) -> None:
    """The file is there, and the index does not say that it was finished: it counts as missing."""
    rewrite_index(run, lambda lines: lines[:-1])
    evidence = read(run)
    states = [(c.state == 0).sum() for c in evidence.columns.values()]
    assert sorted(states) == [0, 25]


def test_a_file_that_was_being_written_when_the_run_was_killed_is_passed_over(run: RunFolder) -> None:
    (shard_file(run).parent / ".000003.jsonl.abc.partial").write_text("half")
    assert read(run)


def test_no_second_process_works_in_a_run_folder(run: RunFolder) -> None:
    with run.locked(), pytest.raises(RunError, match="another releasegate works in this run folder"), run.locked():
        pytest.fail("two processes hold the lock")
    with run.locked():
        assert run.plan_path.exists()


def test_a_folder_that_holds_something_else_is_not_made_a_run(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(RunError, match="is not empty and not a run"):
        RunFolder(tmp_path).open(CODE.plan)
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_an_open_run_is_not_opened_again(run: RunFolder) -> None:
    with pytest.raises(RunError, match="holds a run already"):
        run.open(CODE.plan)


# Records survive their own text.


def test_samples_and_index_lines_survive_their_own_text() -> None:
    measured = Measured(item=3, labels={"digit": "é"}, values={"legible": 1.0}, detail={"answer": "ja"})
    failed = Failed(item=4, metrics=("legible",), error="x")
    for sample in (measured, failed):
        assert parse_sample(sample.model_dump_json().encode(), "here") == sample
    done = Done(
        measurement="sha256:" + "0" * 64,
        shard=0,
        model="sha256:" + "1" * 64,
        sha256="sha256:" + "2" * 64,
        measured=1,
        failed=0,
    )
    assert parse_index_line(done.model_dump_json().encode(), "here") == done
