"""The main job on the embedded model, end to end: every test here runs or reads a real gate of a real model."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from transformers import ChameleonForConditionalGeneration

from releasegate.__main__ import run as command
from releasegate.checkpoint import open_checkpoint
from releasegate.plan import Plan
from releasegate.receipt import Receipt, expand
from releasegate.records import digest_of_bytes
from releasegate.repository import RunFolder

TOP = Path(__file__).parents[2]
CHECKPOINT = TOP / "examples" / "mini_chameleon" / "checkpoint"
ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "passive"}


def releasegate(*arguments: str | Path, cwd: Path = TOP) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "releasegate", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)


def new_ledger(folder: Path) -> Path:
    """A ledger without an attempt."""
    ledger = folder / "ledger.jsonl"
    assert releasegate("ledger", "init", "mini-chameleon", "--ledger", ledger).returncode == 0
    return ledger


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of one gate of the shipped policy."""
    folder = tmp_path_factory.mktemp("gate") / "run"
    ledger = new_ledger(folder.parent)
    done = releasegate(
        "gate", "policies/mini-chameleon.yaml", "--model", CHECKPOINT, "--out", folder, "--ledger", ledger
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("release_stripped")
    return folder


@pytest.fixture(scope="module")
def receipt(run: Path) -> Receipt:
    return Receipt.from_text((run / "stripped.receipt.json").read_text())


@dataclass(frozen=True)
class Own:
    """A gate repository of one's own, with the shipped policies and evals, in which commands are called in this process."""

    root: Path
    printed: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        code = command([str(argument) for argument in arguments])
        out, err = self.printed.readouterr()
        return subprocess.CompletedProcess([], code, out, err)

    def gate(self, *more: str | Path) -> subprocess.CompletedProcess[str]:
        return self("gate", "policies/mini-chameleon.yaml", "--model", CHECKPOINT, "--out", "run", *more)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Own:
    made = Own(tmp_path / "gates", capsys)
    assert made("init", made.root).returncode == 0
    monkeypatch.chdir(made.root)
    assert made("ledger", "init", "mini-chameleon").returncode == 0
    return made


def test_the_verdict_is_release_stripped_and_says_what_was_not_measured(run: Path) -> None:
    decision = RunFolder(run).read_decision()
    assert decision.verdict == "release_stripped"
    assert decision.strip is not None
    assert decision.strip.tier == "weights_absent"
    assert "cost to restore: not measured" in decision.not_measured
    by_id = {f.requirement: f for f in [*decision.capabilities[0].findings, *decision.strip.findings]}
    assert by_id["ig-weak"].status == "violated"
    assert by_id["ig-gone"].status == "met"
    assert by_id["captions-kept"].status == "met"
    assert "cost to restore: not measured" in (run / "report.html").read_text()


def test_the_model_draws_with_the_mask_lifted_and_not_with_it_on(run: Path) -> None:
    folder = RunFolder(run)
    plan = folder.read_plan()
    measurement = plan.find("image_generation", "source")
    assert measurement is not None
    values: dict[str, list[float]] = {}
    for sample in folder.evidence.samples(plan, measurement):
        assert sample.outcome == "measured"
        for name, value in sample.values.items():
            values.setdefault(name, []).append(value)
    assert sum(values["legible_rate"]) / len(values["legible_rate"]) > 0.6
    assert sum(values["copied"]) / len(values["copied"]) < 0.03
    assert sum(values["masked_legible_rate"]) == 0
    assert 0 < len(values["masked_legible_rate"]) < 80  # the eval is settled after 100 or 200 of its 400 items


def test_the_judge_is_measured_in_the_run(run: Path) -> None:
    folder = RunFolder(run)
    plan = folder.read_plan()
    measurement = plan.find("image_generation", "source", "calibration")
    assert measurement is not None
    names = [f"{judge}_{shows}" for judge in ("judge", "sight") for shows in ("sensitivity", "specificity")]
    right = {name: [0.0, 0] for name in names}
    for sample in folder.evidence.samples(plan, measurement):
        assert sample.outcome == "measured"
        for name, value in sample.values.items():
            right[name][0] += value
            right[name][1] += 1
    assert right["judge_sensitivity"][1] == 180
    assert right["judge_specificity"][1] == 540
    assert (right["sight_sensitivity"][1], right["sight_specificity"][1]) == (180, 360)
    assert all(hits / n > 0.85 for hits, n in right.values()), right


def test_untouched_tensors_have_the_same_digest_in_source_and_output(run: Path, receipt: Receipt) -> None:
    source, stripped = open_checkpoint(CHECKPOINT), open_checkpoint(run / "stripped")
    untouched = [t for t in receipt.tensors if t.outcome == "untouched"]
    assert len(untouched) == len(source.tensors) - 3
    for tensor in untouched:
        for checkpoint in (source, stripped):
            assert stored_digest(checkpoint.root / checkpoint.tensors[tensor.name].file, tensor.name) == tensor.sha256


def stored_digest(file: Path, name: str) -> str:
    """sha256 of a tensor's bytes as they lie in the file, read without any of our own code."""
    raw = file.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    begin, end = json.loads(raw[8 : 8 + length])[name]["data_offsets"]
    return digest_of_bytes(raw[8 + length + begin : 8 + length + end])


def test_no_file_of_the_output_holds_removed_rows_or_the_decoder(run: Path, receipt: Receipt) -> None:
    source = open_checkpoint(CHECKPOINT)
    needles: list[bytes] = []
    with safe_open(CHECKPOINT / source.tensors["lm_head.weight"].file, framework="pt") as file:
        head = file.get_tensor("lm_head.weight")
    rows = next(t for t in receipt.tensors if t.outcome == "rows_zeroed")
    needles += [head[row].numpy().tobytes() for row in expand(rows.rows)]
    with safe_open(CHECKPOINT / "vqgan.safetensors", framework="pt") as file:
        needles += [file.get_tensor(name).numpy().tobytes() for name in file.keys()]  # noqa: SIM118
    needles += [(CHECKPOINT / "vqgan.safetensors").read_bytes()[-4096:]]
    contents = {path: path.read_bytes() for path in (run / "stripped").rglob("*") if path.is_file()}
    long_ones = [needle for needle in needles if len(needle) >= 64]
    assert len(long_ones) > 64 + 40
    assert not [(path.name, len(needle)) for path, data in contents.items() for needle in long_ones if needle in data]
    assert any(needle in (CHECKPOINT / source.tensors["lm_head.weight"].file).read_bytes() for needle in long_ones)
    assert not (run / "stripped" / "vqgan.safetensors").exists()


def test_the_stripped_checkpoint_loads_with_plain_transformers(run: Path) -> None:
    model, info = ChameleonForConditionalGeneration.from_pretrained(run / "stripped", output_loading_info=True)
    assert {name: list(found) for name, found in info.items() if found} == {}
    first = model.config.vocabulary_map["IMGIMGAZ"]
    assert torch.count_nonzero(model.lm_head.weight[first : first + 64]) == 0
    assert torch.count_nonzero(model.model.vqmodel.post_quant_conv.weight) == 0


def test_verify_agrees_with_and_without_the_source(run: Path) -> None:
    assert releasegate("verify", run / "stripped").returncode == 0
    assert releasegate("verify", run / "stripped", "--source", CHECKPOINT).returncode == 0


def test_a_finished_run_decides_the_same_bytes_again(run: Path) -> None:
    before = (run / "decision.json").read_bytes()
    assert releasegate("decide", run).returncode == 0
    assert (run / "decision.json").read_bytes() == before


def test_withhold_in_place_of_strip_exits_with_1(own: Own) -> None:
    policy = own.root / "policies" / "mini-chameleon.yaml"
    policy.write_text(policy.read_text().replace("otherwise: strip", "otherwise: withhold"))
    done = own.gate("--format", "json")
    assert done.returncode == 1, done.stderr
    decision = json.loads(done.stdout)
    assert decision["verdict"] == "withhold"
    assert not (own.root / "run" / "stripped").exists()
    notes = own("check", "policies/mini-chameleon.yaml").stderr
    assert "recipe, removal, keep are not used with otherwise: withhold" in notes


@pytest.mark.parametrize(
    "broken",
    ["raise RuntimeError('no such thing')\n", "def items(params, rng):\n    return [\n"],
    ids=["raises", "does not parse"],
)
def test_a_broken_harness_opens_no_attempt_and_exits_with_2(own: Own, broken: str) -> None:
    (own.root / "evals" / "image_captioning" / "harness.py").write_text(broken)
    done = own.gate()
    assert done.returncode == 2, done.stdout
    assert "evals/image_captioning/harness.py" in done.stderr
    assert not (own.root / "run").exists()


def test_a_typo_in_the_policy_exits_with_2_and_names_the_place(own: Own) -> None:
    policy = own.root / "policies" / "mini-chameleon.yaml"
    policy.write_text(policy.read_text().replace("otherwise: strip", "otherwise: drop"))
    done = own.gate()
    assert done.returncode == 2
    assert "policies/mini-chameleon.yaml:15:16: capabilities.0.otherwise: must be one of strip, restrict, withhold" in (
        done.stderr
    )
    assert not (own.root / "run").exists()


@pytest.mark.slow
def test_a_run_that_is_killed_at_random_and_resumed_decides_the_same_bytes(run: Path, tmp_path: Path) -> None:
    """Ten copies of an opened run, each killed once at a random moment, then resumed."""
    expected = (run / "decision.json").read_bytes()
    expected_report = (run / "report.html").read_bytes()
    seconds = random.Random(20260101)
    start = time.monotonic()
    ledger = run.parent / "ledger.jsonl"
    reference = opened_copy(run, tmp_path / "reference")
    assert gate_into(reference, ledger).wait() == 0
    longest = time.monotonic() - start
    assert (reference / "decision.json").read_bytes() == expected
    for number in range(10):
        folder = opened_copy(run, tmp_path / str(number))
        process = gate_into(folder)
        time.sleep(seconds.uniform(0.1, 0.95) * longest)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = {
            path: path.stat().st_mtime_ns for path in (folder / "evidence").rglob("*.jsonl") if path.stem.isdigit()
        }
        assert gate_into(folder).wait() == 0
        assert (folder / "decision.json").read_bytes() == expected
        assert (folder / "report.html").read_bytes() == expected_report
        assert {path: path.stat().st_mtime_ns for path in before} == before, "a finished shard was measured twice"
        left = [p.name for p in folder.iterdir() if "partial" in p.name]
        assert left == []


def opened_copy(run: Path, target: Path) -> Path:
    """A run folder with the same opened plan, and nothing measured."""
    target.mkdir()
    shutil.copy(run / "plan.json", target / "plan.json")
    assert Plan.from_text((target / "plan.json").read_text()).nonce is not None
    return target


def gate_into(folder: Path, ledger: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "releasegate", "gate", "policies/mini-chameleon.yaml"]
    command += ["--model", str(CHECKPOINT), "--out", str(folder), "--quiet", "--ledger", str(ledger)]
    return subprocess.Popen(command, cwd=TOP, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
