"""Log-likelihoods are those of lm-evaluation-harness, on the same weights."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

from tests.fetched import fetched

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of another project's imports
@pytest.mark.parametrize("tiny", [True, False], ids=["tiny", "real"])
def test_log_likelihoods_are_those_of_lm_eval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, tiny: bool) -> None:
    pytest.importorskip("lm_eval")
    pytest.importorskip("accelerate")  # its backend asks for it
    if not tiny:
        fetched("smollm2")
    monkeypatch.syspath_prepend(BENCHMARKS)
    bench = import_module("bench_language")
    sides = bench.Sides(bench.checkpoint_root(tmp_path, tiny=tiny), torch.float32)
    items = bench.passages(50)
    mine, theirs = sides.scored(items), sides.scored_by_lm_eval(items)
    assert len(mine) >= 195
    assert mine == pytest.approx(theirs, abs=1e-3)
    sys.modules.pop("bench_language")
