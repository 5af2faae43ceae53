"""A gate repository, its ledgers, and the run folders beside it, on disk.

What is named here is imported when it is asked for: a strip needs recipes and receipts, and none of what decides.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from releasegate.repository.attempts import close_attempt, close_run, family_ledger, known_attempt, require_opened
    from releasegate.repository.bundled import scaffold, starter
    from releasegate.repository.deciding_run import Decided, decide_run, read_decided
    from releasegate.repository.gate_repository import EvalFolder, GateRepository
    from releasegate.repository.ledger_file import LedgerFile, ledger_path
    from releasegate.repository.receipts import read_receipt, receipt_path
    from releasegate.repository.run_folder import RunFolder

__all__ = [
    "Decided",
    "EvalFolder",
    "GateRepository",
    "LedgerFile",
    "RunFolder",
    "close_attempt",
    "close_run",
    "decide_run",
    "family_ledger",
    "known_attempt",
    "ledger_path",
    "read_decided",
    "read_receipt",
    "receipt_path",
    "require_opened",
    "scaffold",
    "starter",
]

_MODULES = {
    "attempts": ("close_attempt", "close_run", "family_ledger", "known_attempt", "require_opened"),
    "deciding_run": ("Decided", "decide_run", "read_decided"),
    "gate_repository": ("EvalFolder", "GateRepository"),
    "ledger_file": ("LedgerFile", "ledger_path"),
    "receipts": ("read_receipt", "receipt_path"),
    "run_folder": ("RunFolder",),
    "bundled": ("scaffold", "starter"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
