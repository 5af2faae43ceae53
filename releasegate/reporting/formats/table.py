"""The estimates of a run as CSV: RFC 4180, UTF-8, full precision, and no cell that a spreadsheet would run."""

from __future__ import annotations

from releasegate.decision import Decision
from releasegate.plan import Plan
from releasegate.reporting.formats.estimates import Cell, estimate_rows
from releasegate.reporting.wording.visible import visible

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a text begins with that spreadsheets take for a formula."""


def csv_table(decision: Decision, plan: Plan) -> bytes:
    """One row an estimate, with a header; see `estimate_rows`."""
    import pandas

    table = pandas.DataFrame(estimate_rows(decision, plan), dtype=object)
    known: dict[str, str] = {}

    def shown(cell: Cell) -> Cell:
        if not isinstance(cell, str):
            return cell
        if cell not in known:
            known[cell] = inert(cell)
        return known[cell]

    for name in table.columns:
        table[name] = [shown(cell) for cell in table[name]]
    table.columns = [inert(name) for name in table.columns]
    text: str = table.to_csv(index=False, lineterminator="\r\n", na_rep="")
    return text.encode()


def inert(text: str) -> str:
    """A text that a spreadsheet shows and does not run: an apostrophe before what looks like a formula.

    >>> inert("=1+1"), inert("mp3_64k")
    ("'=1+1", 'mp3_64k')
    """
    shown = visible(text)
    return f"'{shown}" if text.startswith(FORMULA) else shown
