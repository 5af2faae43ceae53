"""A strip that is killed leaves no target; one that got through leaves a target that verifies."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from releasegate.checkpoint import open_checkpoint, read_manifest
from releasegate.errors import StripError
from releasegate.repository import read_receipt, receipt_path
from releasegate.stripping import plan_strip, verify_strip, write_strip
from tests.tiny_checkpoints import bytes_of, chameleon_recipe, tiny

ROOT = Path(__file__).parent.parent.parent
STRIP = """
import sys
from pathlib import Path
from releasegate.checkpoint import open_checkpoint
from releasegate.stripping import plan_strip, write_strip
from tests.tiny_checkpoints import chameleon_recipe
checkpoint = open_checkpoint(Path(sys.argv[1]))
plan = plan_strip(checkpoint, [chameleon_recipe()])
print("ready", flush=True)
sys.stdin.readline()
write_strip(checkpoint, plan, Path(sys.argv[2]))
"""


def start(source: Path, target: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", STRIP, str(source), str(target)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    return process


def finish(process: subprocess.Popen[str]) -> int:
    with process:
        return process.wait(timeout=60)


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_a_strip_killed_at_any_moment_leaves_nothing_or_a_whole_strip(kills: int, tmp_path: Path) -> None:
    made = tiny()
    big = np.random.default_rng(1).standard_normal((2000, 4000)).astype("float32")
    made.shards["model-00002-of-00002.safetensors"]["model.layers.1.self_attn.q_proj.weight"] = big
    source = made.write(tmp_path / "model")
    digest = read_manifest(source).digest()
    began = time.monotonic()
    assert finish(start(source, tmp_path / "whole")) == 0
    whole = time.monotonic() - began
    absent: list[Path] = []
    generator = random.Random(0)
    for number in range(kills):
        target = tmp_path / f"stripped{number}"
        process = start(source, target)
        time.sleep(
            generator.uniform(0, whole * 0.6) if number else 0
        )  # one is killed before it can finish, however fast
        process.send_signal(signal.SIGKILL)
        finish(process)
        if target.exists():
            assert verify_strip(target, read_receipt(receipt_path(target)), source)
        else:
            absent.append(target)
        assert read_manifest(source).digest() == digest
    assert absent, "no kill came before the end: the sleeps are too long"
    assert finish(start(source, absent[0])) == 0
    assert not list(tmp_path.glob(f".{absent[0].name}.*")), "what the killed strip had written is still there"
    assert verify_strip(absent[0], read_receipt(receipt_path(absent[0])))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_leaves_nothing_and_says_so(number: int, code: int, tmp_path: Path) -> None:
    made = tiny()
    big = np.random.default_rng(1).standard_normal((6000, 8000)).astype("float32")
    made.shards["model-00002-of-00002.safetensors"]["model.layers.1.self_attn.q_proj.weight"] = big
    source = made.write(tmp_path / "model")
    digest = read_manifest(source).digest()
    options = ["--recipe", "chameleon-hf/image_generation", "--verify-written", "--quiet", "--out"]
    for _ in range(4):
        command = [sys.executable, "-m", "releasegate", "strip", str(source), *options, str(tmp_path / "stripped")]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and not list(tmp_path.glob(".stripped.*.partial/*")):
            time.sleep(0.002)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == code
        assert said.endswith("run the same command again to resume\n")
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert read_manifest(source).digest() == digest


def stripped_to(source: Path, target: Path) -> None:
    checkpoint = open_checkpoint(source)
    write_strip(checkpoint, plan_strip(checkpoint, [chameleon_recipe()]), target)


def test_a_receipt_whose_folder_did_not_get_its_name_does_not_stand_in_the_way(tmp_path: Path) -> None:
    source, target = tiny().write(tmp_path / "model"), tmp_path / "stripped"
    stripped_to(source, target)
    target.rename(tmp_path / f".stripped.{'0' * 12}.partial")  # as when the process was killed between the two renames
    stripped_to(source, target)
    assert verify_strip(target, read_receipt(receipt_path(target)), source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "stripped", "stripped.receipt.json"]


@pytest.mark.parametrize("kind", ["text", "receipt", "folder", "link", "dangling link", "beside another's remains"])
def test_what_stands_where_the_receipt_would_be_written_is_never_overwritten(kind: str, tmp_path: Path) -> None:
    source, target = tiny().write(tmp_path / "model"), tmp_path / "stripped"
    place = receipt_path(target)
    match kind:
        case "text":
            place.write_text("notes")
        case "folder":
            place.mkdir()
        case "link" | "dangling link":
            place.symlink_to(source / ("config.json" if kind == "link" else "nowhere"))
        case _:
            stripped_to(source, target)
            target.rename(tmp_path / "moved")  # its receipt may be the only one
    if kind == "beside another's remains":
        (tmp_path / f".stripped.{'0' * 12}.partial").mkdir()
    before = bytes_of(tmp_path)
    with pytest.raises(StripError) as caught:
        stripped_to(source, target)
    (problem,) = caught.value.problems
    assert (problem.where, problem.what, problem.fix) == (
        str(place),
        "exists already, where the receipt of stripped would be written",
        "choose another place, or remove it: a strip overwrites nothing",
    )
    assert bytes_of(tmp_path) == before
    assert not target.exists()
