"""The benchmark of strips runs, and its checkpoint has the names, shapes and size that it is said to have."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from releasegate.checkpoint import read_contents
from releasegate.repository import GateRepository
from releasegate.stripping import plan_strip

TOP = Path(__file__).parents[1]
BENCHMARKS = TOP / "benchmarks"
SIZES = """
import sys, math
sys.path.insert(0, sys.argv[1])
from chameleons import REAL, SYNTHETIC, shapes
for size in (SYNTHETIC, *REAL.values()):
    found = dict(shapes(size))
    print(len(found), 2 * sum(math.prod(shape) for shape in found.values()))
"""


def test_the_shipped_recipe_fits_the_synthetic_checkpoint(tmp_path: Path) -> None:
    subprocess.run([sys.executable, BENCHMARKS / "chameleons.py", tmp_path / "model", "tiny"], check=True)
    recipe = GateRepository.around(TOP).recipe("chameleon-hf/image_generation")
    plan = plan_strip(read_contents(tmp_path / "model"), [recipe])
    assert plan.tensors["lm_head.weight"].rows == ((4, 67),)
    assert plan.dropped == ("vqgan.safetensors",)


def test_the_checkpoints_are_as_large_as_they_are_said_to_be() -> None:
    done = subprocess.run([sys.executable, "-c", SIZES, BENCHMARKS], text=True, capture_output=True, check=True)
    synthetic, small, large = ([int(word) for word in line.split()] for line in done.stdout.splitlines())
    assert synthetic[0] == 262
    assert math.isclose(synthetic[1] / 2**30, 3.8, rel_tol=0.02)
    assert math.isclose(small[1] / 1e9, 14.1, rel_tol=0.02)
    assert math.isclose(large[1] / 1e9, 68.7, rel_tol=0.02)


@pytest.mark.slow
def test_the_benchmark_prints_costs_and_ratios(tmp_path: Path) -> None:
    command = [sys.executable, BENCHMARKS / "bench_strip.py", "--folder", tmp_path, "--rounds", "1", "--size", "tiny"]
    done = subprocess.run([*command, "--no-real"], text=True, capture_output=True, check=True)
    assert "ours: as users run it" in done.stdout
    assert done.stdout.count("CPU of `ours") == 4
    assert list(tmp_path.iterdir()) == []
