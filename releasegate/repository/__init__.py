"""A gate repository and the run folders beside it, on disk."""

from releasegate.repository.gate_repository import EvalFolder, GateRepository
from releasegate.repository.receipts import read_receipt, receipt_path
from releasegate.repository.run_folder import RunFolder
from releasegate.repository.starter import scaffold, starter

__all__ = ["EvalFolder", "GateRepository", "RunFolder", "read_receipt", "receipt_path", "scaffold", "starter"]
