"""A gate repository, its ledgers, and the run folders beside it, on disk."""

from releasegate.repository.attempts import close_attempt, family_ledger, known_attempt
from releasegate.repository.deciding_run import decide_run
from releasegate.repository.gate_repository import EvalFolder, GateRepository
from releasegate.repository.ledger_file import LedgerFile, ledger_path
from releasegate.repository.receipts import read_receipt, receipt_path
from releasegate.repository.run_folder import RunFolder
from releasegate.repository.starter import scaffold, starter

__all__ = [
    "EvalFolder",
    "GateRepository",
    "LedgerFile",
    "RunFolder",
    "close_attempt",
    "decide_run",
    "family_ledger",
    "known_attempt",
    "ledger_path",
    "read_receipt",
    "receipt_path",
    "scaffold",
    "starter",
]
