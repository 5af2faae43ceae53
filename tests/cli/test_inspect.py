"""`releasegate inspect` on a terminal, in a pipe, and as JSON."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from releasegate.__main__ import run
from tests.tiny_checkpoints import tiny

ROOT = Path(__file__).parents[2]


def called(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    code = run(["inspect", "-q", *map(str, arguments)])
    return code, capsys.readouterr().out


def test_a_sound_checkpoint_is_described_on_one_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    code, out = called(capsys, tiny().write(tmp_path / "model"))
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "layout chameleon-hf · config.json · model.safetensors.index.json"
    assert lines[2].startswith("model: 10 tensors, ")
    assert any(line.split()[:3] == ["model.layers.*.self_attn", "2", "2"] for line in lines)
    assert lines[-1] == "recipe chameleon-hf/image_generation: accounts for every tensor and file by name"
    assert "\x1b" not in out
    assert len(lines) < 40


def test_outside_of_a_gate_repository_the_recipes_that_ship_are_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out = called(capsys, tiny().write(tmp_path / "model"))
    assert code == 0
    assert out.splitlines()[-1] == "recipe chameleon-hf/image_generation: accounts for every tensor and file by name"


def test_a_malformed_recipe_is_no_reason_not_to_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("evals", "policies/recipes/x"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "policies" / "recipes" / "x" / "y.yaml").write_text("schema: 7")
    assert run(["inspect", "-q", "--repo", str(tmp_path), str(tiny().write(tmp_path / "model"))]) == 0
    out, err = capsys.readouterr()
    assert "model: 10 tensors" in out
    assert err.startswith("recipe x/y was not tried: policies/recipes/x/y.yaml:1:")


def test_what_is_malformed_is_printed_and_the_code_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tiny().write(tmp_path / "model")
    os.truncate(root / "vqgan.safetensors", 4000)
    code, out = called(capsys, root)
    assert code == 2
    assert "problem malformed: vqgan.safetensors: is cut off: its tensors need 4,672 bytes" in out
    assert "model.layers.*.self_attn" in out
    assert "vqgan.safetensors: decoder.conv_in" in out


def test_every_tensor_is_listed_if_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tiny().write(tmp_path / "model")
    _, out = called(capsys, root, "--tensors")
    assert "vqgan.safetensors: decoder.conv_in.weight  F32 [16, 8, 3, 3]  4,608 bytes" in out
    _, text = called(capsys, root, "--tensors", "--format", "json")
    assert len(json.loads(text)["tensors"]) == 12


def test_names_cannot_speak_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tiny().write(tmp_path / "model")
    hostile = [
        "\x1b]0;owned\x07.txt",
        "\u202egnp.txt",
        "a\rb",
        "\x9b31m",
        "[red]x",
        ":bomb:.txt",
        "\u05d0\u05d1",
        "z" + "\u0301" * 40,
    ]
    for name in hostile:
        (root / name).write_text("hf_" + "aB3" * 12)
    save_file(
        {"a" + "b" * 1000: np.ones(2, "f4")}, root / "long.safetensors", metadata={"k\x1b[2J": "/home/ada/\x1b[2J"}
    )
    for arguments in ((), ("--tensors",), ("--format", "json"), ("--tensors", "--format", "json")):
        code, out = called(capsys, root, *arguments)
        assert code == 2
        assert all(sign == "\n" or sign.isprintable() for sign in out)
        assert not {"\u202e", "\u05d0", "\u0301"} & set(out)
        assert "aB3aB3" not in out
    _, text = called(capsys, root)
    assert "[red]x" in text
    assert ":bomb:.txt" in text
    assert all(len(line) < 2000 for line in text.splitlines())
    _, out = called(capsys, root, "--format", "json")
    assert {file["path"] for file in json.loads(out)["files"]} > set(hostile)


def test_a_crowd_of_findings_is_cut_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tiny().write(tmp_path / "model")
    for number in range(300):
        (root / f"bad{number}.json").write_text(f'{{"k{number}": 1, "k{number}": 2}}')
    _, out = called(capsys, root)
    assert "more of the kind malformed (--format json lists all)" in out
    assert "… and 2" in out
    assert len(out.splitlines()) < 120


def test_on_a_terminal_there_are_colours(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    (root / "trainer_state.json").write_text("{}")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "releasegate", "inspect", "-q", str(root)]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment, cwd=ROOT) as process:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 65536):
                shown += block
        except OSError:  # the other side is closed
            pass
        assert process.wait() == 0
    os.close(ours)
    assert b"\x1b[33mconcern" in shown


def test_what_is_not_there_is_not_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(tmp_path / "nowhere")]) == 2
    assert "there is no such file or folder" in capsys.readouterr().err
