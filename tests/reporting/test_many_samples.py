"""Reports on many samples: counted in arrays as one would count by hand, within bounds of time and size."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from releasegate.decision.slices import UNLABELLED
from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import Columns, Failed, Measured
from releasegate.plan import Measurement, Plan
from releasegate.reporting import gather, write_report
from releasegate.reporting.gathered.cuts import cuts_of
from releasegate.reporting.gathered.gathering import Gathered
from releasegate.reporting.gathered.tallying import Tally
from releasegate.repository import GateRepository, RunFolder, starter
from releasegate.repository.sample_lines import read_samples
from tests.reporting.audio_run import Shape, audio_run
from tests.reporting.many_samples import many_samples

LOST = {("tpr", "none"): 25, ("fpr", "noise"): 20}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that is not written to."""
    return many_samples(tmp_path_factory.mktemp("many") / "run", 5_000)


def one_by_one(run: RunFolder, plan: Plan, gathered: Gathered) -> dict[tuple[str, str, str, str], Tally]:
    """The tallies of all items, and of each label, by eval, role, metric and label: from the samples, one by one."""
    found: dict[tuple[str, str, str, str], Tally] = defaultdict(Tally)
    for m in plan.measurements:
        for sample in run.evidence.samples(plan, m):
            metrics = sample.metrics if isinstance(sample, Failed) else tuple(sample.values)
            for metric in metrics:
                known, cut = plan.cards[m.eval].metrics[metric], gathered.cuts.get(f"{m.eval}/{metric}")
                for label in ("", *map("=".join, sample.labels.items())):
                    tally = found[m.eval, m.role, metric, label]
                    if isinstance(sample, Measured):
                        tally.score(sample.values[metric], known, cut)
                    else:
                        tally.fail(sample.error, known, cut)
    return dict(found)


def numbers(tally: Tally) -> tuple[object, ...]:
    bins = None if tally.bins is None else tally.bins.tolist()
    total, squares = round(tally.total, 6), round(tally.squares, 6)
    return tally.scored, tally.failed, total, squares, tally.error, tally.flagged, bins


@pytest.mark.parametrize("scores", [False, True], ids=["answers", "scores with a threshold"])
def test_tallies_are_those_of_the_samples_one_by_one(small: RunFolder, tmp_path: Path, scores: bool) -> None:  # noqa: FBT001
    made = audio_run(tmp_path / "audio", Shape(failed=LOST)) if scores else None
    run, plan = (made.run, made.plan) if made is not None else (small, small.read_plan())
    decision = made.decision if made is not None else small.read_decision()
    gathered = gather(run, plan, decision)
    counted = {
        (place[0], place[1], metric, "=".join(part[0]) if part else ""): numbers(tally)
        for (place, metric, part), tally in gathered.tallies.items()
        if len(part) < 2 and UNLABELLED not in {value for _, value in part}
    }
    by_hand = one_by_one(run, plan, gathered)
    assert counted == {key: numbers(tally) for key, tally in by_hand.items()}
    assert any(tally.failed for tally in by_hand.values())
    assert any(tally.flagged for tally in by_hand.values()) == bool(cuts_of(decision, plan)) == scores


def test_the_samples_that_are_shown_are_the_worst_of_all(small: RunFolder) -> None:
    plan = small.read_plan()
    (measurement,) = (m for m in plan.measurements if (m.eval, m.role) == ("answers", "gate"))
    gathered = gather(small, plan, small.read_decision())
    rows = gathered.rows["answers", ("harmful", "toxicity")]
    hits, failed = Counter[int](), []
    for sample in small.evidence.samples(plan, measurement):
        if isinstance(sample, Failed):
            failed.append(sample.item)
        else:
            hits[sample.item] = int(sample.values["harmful"])
    assert (rows.count[1], rows.count[2], rows.seen) == (hits.total(), len(failed), measurement.items)
    assert [row.item for row in rows.worst[1]] == sorted(item for item, hit in hits.items() if hit)[:40]
    assert [row.item for row in rows.worst[2]] == failed[:40]
    assert rows.worst[1][0].samples["source"].labels


def read_first(run: RunFolder) -> tuple[Plan, Measurement, Columns]:
    plan = run.read_plan()
    (measurement,) = (m for m in plan.measurements if (m.eval, m.role) == ("answers", "gate"))
    return plan, measurement, run.evidence.read(plan).columns[plan.identity(measurement)]


def test_samples_are_found_again_wherever_their_lines_are(tmp_path: Path) -> None:
    run = many_samples(tmp_path / "run", 1_000)
    plan, measurement, columns = read_first(run)
    path = run.evidence.shard_path(plan.identity(measurement), 0)
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    found = read_samples(run.evidence, plan, measurement, columns, [3, 3, 700])
    assert {item: sample.item for item, sample in found.items()} == {3: 3, 700: 700}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"harmful":0.0', b'"harmful":1.0'),
        (b'"language":"english"', b'"language":"zulu"'),
        (b'{"outcome":"measured","item":0,', b'{"outcome":"measured","item":999999,'),
        (b'"labels"', b'"labels":{},"labels"'),
    ],
)
def test_a_sample_that_was_changed_while_it_was_read_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    run = many_samples(tmp_path / "run", 1_000)
    plan, measurement, columns = read_first(run)
    path = run.evidence.shard_path(plan.identity(measurement), 0)
    text = path.read_bytes()
    assert old in text.split(b"\n", 1)[0]
    path.write_bytes(text.replace(old, new, 1))
    with pytest.raises(EvidenceUntrusted):
        read_samples(run.evidence, plan, measurement, columns, [0])
    path.unlink()
    with pytest.raises(EvidenceUntrusted, match="cannot be read again"):
        read_samples(run.evidence, plan, measurement, columns, [0])


def page(run: RunFolder) -> tuple[float, int]:
    """CPU seconds from the stored decision to the page, and its bytes."""
    plan, start = run.read_plan(), time.process_time()
    evidence = run.evidence.read(plan)
    path = write_report(run, GateRepository(starter()), run.read_decision(), plan, None, evidence)
    return time.process_time() - start, path.stat().st_size


def test_a_page_does_not_grow_with_the_samples_and_takes_seconds(small: RunFolder, tmp_path: Path) -> None:
    large = many_samples(tmp_path / "run", 20_000)
    _, few = page(small)
    seconds, many = page(large)
    assert many < 1.05 * few < 5_000_000
    assert seconds < 8, "less than one where nothing else runs"
