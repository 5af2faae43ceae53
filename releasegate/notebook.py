"""A run in a notebook: its samples, estimates and findings as pandas frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from releasegate.decision import Decision
from releasegate.decision.owners import after_by_capability
from releasegate.errors import EvidenceUntrusted, ReleaseGateError
from releasegate.evidence import FAILED, MISSING, Columns, Failed, parse_sample
from releasegate.plan import Measurement, Plan
from releasegate.records import digest_of_bytes
from releasegate.reporting.findings.distances import worst_first
from releasegate.reporting.findings.finding import metric_title
from releasegate.reporting.findings.reasons import reason
from releasegate.reporting.findings.standing import standing
from releasegate.reporting.first.notices import notices
from releasegate.reporting.formats.estimates import SLICE, estimate_rows, finding_rows
from releasegate.reporting.wording.discreet import told
from releasegate.reporting.wording.numbers import MOST_PROSE, MOST_TITLE, shortened
from releasegate.reporting.wording.visible import visible
from releasegate.reporting.wording.words import CAPABILITY, STATUS, VERDICT, checkpoint
from releasegate.repository import GateRepository, RunFolder, read_decided
from releasegate.repository.deciding_run import Decided

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_ROWS = 40
"""Requirements in the summary of a run."""
_MEASURED = b'{"outcome":"measured",'


@dataclass(frozen=True)
class Run:
    """A decided run, checked as `releasegate report` checks it. It is read, never written.

    ::

        run = releasegate.Run.open("runs/mini-chameleon")
        run.samples.groupby(["eval", "checkpoint", "metric"]).value.mean()
    """

    _decided: Decided

    @classmethod
    def open(cls, path: str | Path, repository: str | Path = ".") -> Run:
        """The run in the folder `path`.

        Args:
            repository: a folder of the gate repository whose waivers count; outside of one, none do.

        Raises:
            NotFound: there is no run there, or no decision yet.
            EvidenceUntrusted: what is stored was changed, or decides otherwise.
        """
        try:
            around = GateRepository.here(Path(repository))
            return cls(read_decided(RunFolder(Path(path)), around, datetime.now(UTC).date()))
        except ReleaseGateError as error:
            for problem in error.problems:
                error.add_note(f"fix: {problem.fix}")
            raise

    @property
    def plan(self) -> Plan:
        """What was fixed before anything ran."""
        return self._decided.plan

    @property
    def decision(self) -> Decision:
        """The stored decision; without reasons of failures, where the policy lets no samples be shown."""
        return told(self._decided.decision, self.plan.policy)

    @cached_property
    def samples(self) -> DataFrame:
        """One row a sample and metric, in the planned order.

        Columns: `eval`, `role`, `checkpoint`, `item`, `slice.<dimension>` for each label, `metric`, `value` (float64; NaN
        of an item that failed; a score where the metric is tested at a threshold), `outcome` (`measured` or `failed`), and
        `error`, why it failed. Texts and outputs stay in the run folder.

        Raises:
            EvidenceUntrusted: a shard is not what it was when the run was opened.
        """
        import pandas

        found = [part for m in self.plan.measurements if (part := self._samples(m)) is not None]
        names = ["eval", "role", "checkpoint", "item", "metric", "value", "outcome", "error"]
        if not found:
            return pandas.DataFrame(columns=names)
        frame = pandas.concat(found, ignore_index=True)
        slices = sorted(name for name in frame.columns if name.startswith(SLICE))
        return frame[[*names[:4], *slices, *names[4:]]]

    @cached_property
    def estimates(self) -> DataFrame:
        """One row an estimate: requirement, checkpoint and slice, as in `report --output csv=PATH`."""
        import pandas

        return pandas.DataFrame(estimate_rows(self.decision, self.plan))

    @cached_property
    def findings(self) -> DataFrame:
        """One row a finding, with the numbers of its worst slice."""
        import pandas

        return pandas.DataFrame(finding_rows(self.decision, self.plan))

    def _samples(self, m: Measurement) -> DataFrame | None:
        """The samples of one measurement; None before there are some."""
        import pandas

        identity = self.plan.identity(m)
        columns = self._decided.evidence.columns.get(identity)
        if columns is None:
            return None
        items = np.flatnonzero(columns.state != MISSING)
        parts = [_of_metric(columns, items, metric) for metric in sorted(columns.values)]
        frame = pandas.concat([pandas.DataFrame(part) for part in parts], ignore_index=True)
        frame = frame.sort_values(["item", "metric"], kind="stable", ignore_index=True)
        errors = dict(self._errors(identity)) if (columns.state == FAILED).any() else {}
        frame["error"] = frame["item"].map(errors).astype(object) if errors else None
        for name, value in (("checkpoint", m.checkpoint), ("role", m.role), ("eval", m.eval)):
            frame.insert(0, name, value)
        return frame

    def _errors(self, identity: str) -> Iterator[tuple[int, str]]:
        """Why each item failed that did, by number."""
        if not self.plan.policy.shows_samples:
            return
        store = self._decided.run.evidence
        for (owner, shard), line in sorted(store.done().items()):
            if owner != identity or not line.failed:
                continue
            path = store.shard_path(owner, shard)
            data = path.read_bytes()
            if digest_of_bytes(data) != line.sha256:
                raise EvidenceUntrusted(str(path), "is not what the index says it was", "restore it")
            for number, text in enumerate(data.splitlines(), 1):
                if not text.startswith(_MEASURED):
                    sample = parse_sample(text, f"{path}:{number}")
                    if isinstance(sample, Failed):
                        yield sample.item, sample.error

    def __repr__(self) -> str:
        return f"<Run {self._decided.run.root}: {self.decision.verdict}>"

    def _repr_html_(self) -> str:
        """A summary for a notebook, without colours of its own: it reads on a light and on a dark page."""
        decision, plan = self.decision, self.plan
        after = after_by_capability(decision, plan.policy)
        head = Markup("<p><strong>{}</strong>: {}</p><p>{}</p>").format(
            VERDICT[decision.verdict].word, _text(plan.policy.title), _text(decision.summary, MOST_PROSE)
        )
        head += Markup("").join(Markup("<p>{}</p>").format(notice) for notice in notices(decision))
        why = [
            (CAPABILITY[c.verdict].word, _text(c.title), _text(reason(c, after[c.id], plan), MOST_PROSE))
            for c in decision.worst_first[:MOST_ROWS]
        ]
        rows = []
        for f in sorted(decision.findings, key=lambda f: f.holds)[:MOST_ROWS]:
            s = standing(f, worst_first(f, f.slices)[0])
            title = _text(metric_title(f, plan.card_of(f.metric)))
            rows.append(
                (STATUS[f.status].word, f.requirement, title, checkpoint(f.checkpoint), s.estimate, s.bounds, s.limit)
            )
        more = len(decision.capabilities) - len(why) + len(decision.findings) - len(rows)
        rest = Markup("<p>… and {} more rows</p>").format(more) if more else Markup("")
        names = ("found", "requirement", "metric", "on", "estimate", "bounds", "limit")
        return str(head + _table(("verdict", "capability", "why"), why) + _table(names, rows) + rest)


def _of_metric(columns: Columns, items: Any, metric: str) -> dict[str, Any]:
    """The samples that carry a metric, as columns.

    Args:
        items: int64 [k], the items with a record.
    """
    carries = np.array([metric in cell.metrics for cell in columns.cells], dtype=bool)
    own = items[carries[columns.cell[items]]]
    cell, failed = columns.cell[own], columns.state[own] == FAILED
    names = sorted({name for c in columns.cells for name in c.labels})
    labels = {SLICE + n: np.array([c.labels.get(n) for c in columns.cells], dtype=object)[cell] for n in names}
    return {
        "item": own,
        **labels,
        "metric": metric,
        "value": np.where(failed, np.nan, columns.values[metric][own]),
        "outcome": np.where(failed, "failed", "measured"),
    }


def _text(text: str, most: int = MOST_TITLE) -> str:
    return visible(shortened(text, most))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Markup:
    def line(tag: str, row: tuple[str, ...]) -> Markup:
        cell = Markup('<{0} style="text-align: left">{1}</{0}>')
        return Markup("").join(cell.format(tag, text) for text in row)

    cells = line("th", head)
    lines = Markup("").join(Markup("<tr>{}</tr>").format(line("td", row)) for row in rows)
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(cells, lines)
