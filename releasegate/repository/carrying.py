"""What an extension takes over from the run that it goes on with: evidence, outputs and the stripped checkpoint, as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

from releasegate.errors import EvidenceUntrusted, RunError
from releasegate.plan import Plan
from releasegate.records import digest_of_bytes
from releasegate.repository.receipts import receipt_path
from releasegate.repository.run_folder import RunFolder
from releasegate.repository.writing import sync_folder, write_whole


def require_extension(run: RunFolder, before: RunFolder, items: int) -> None:
    """Nothing, if a run folder, where it holds a run, extends the run `before` by so many items.

    Raises:
        RunError: it holds something else.
    """
    if not run.plan_path.exists():
        return
    extends = run.read_plan(half_opened=True).extends
    if extends is None or extends.plan != before.read_plan().fixed or extends.items != items:
        held = "no extension" if extends is None else f"an extension by {extends.items} items"
        what = f"holds {held}, not one of {before.root} by {items}"
        raise RunError(str(run.root), what, "name the folder of that extension, or one that is not there yet")


def carry(before: RunFolder, run: RunFolder, plan: Plan) -> None:
    """Nothing; what was measured before the extension lies in its run, however often this was broken off.

    Raises:
        EvidenceUntrusted: a file of the run before is not what its index says.
    """
    _carry_stripped(before, run)
    for path in sorted(before.outputs.iterdir()) if before.outputs.exists() else ():
        if not (run.outputs / path.name).exists():
            run.outputs.mkdir(exist_ok=True)
            write_whole(run.outputs / path.name, path.read_bytes())
    done = run.evidence.done()
    for m in plan.measurements:
        for shard, line in plan.carried(m).items():
            if (plan.identity(m), shard) in done:
                continue
            path = before.evidence.shard_path(line.measurement, shard)
            data = path.read_bytes() if path.is_file() else b""
            if digest_of_bytes(data) != line.sha256:
                raise EvidenceUntrusted(str(path), "is not what the index says it was", "restore it")
            run.evidence.carry(plan, m, line, data)


def _carry_stripped(before: RunFolder, run: RunFolder) -> None:
    """The receipt first, and the folder in one step: half a copy is nothing that looks like a checkpoint."""
    if not before.stripped.exists() or run.stripped.exists():
        return
    partial = Path(f"{run.root}/.stripped.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(before.stripped, partial)
    write_whole(receipt_path(run.stripped), receipt_path(before.stripped).read_bytes())
    partial.rename(run.stripped)
    sync_folder(run.root)
