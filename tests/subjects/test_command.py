"""A model that is a program: what it is given, what is taken from it, and what becomes of one that fails."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import CheckpointError, CodeRequested
from releasegate.inspection import inspect_checkpoint
from releasegate.subjects import NoClone
from releasegate.subjects.command import open_subject
from tests.programs import RATE, consent, opened, said, started, tone, write_program

TEXTS = "seen = repr((job['text'], job['language'], job['seed'])); made = b'\\0\\0' * len(seen)\n"
WAVE = "f = wave.open(job['out'], 'wb'); f.setparams(({channels}, 2, {rate}, 0, 'NONE', '')); f.writeframes({data}); f.close()"


def wave_of(data: str = "b'\\0\\1' * 800", *, channels: int = 1, rate: int = RATE) -> str:
    return WAVE.format(data=data, channels=channels, rate=rate)


def one(root: Path) -> Any:
    (made,) = started(root).clone([said()], [tone()], [7])
    return made


def test_a_program_gets_sounds_and_words_and_its_files_are_the_clones(tmp_path: Path) -> None:
    program = started(write_program(tmp_path / "model"))
    words = [said("one", 0.2, 150), said("two", 0.3, 250)]
    clones = program.clone(words, [tone(), tone()], [1, 2])
    for asked, clone in zip(words, clones, strict=True):
        assert isinstance(clone, torch.Tensor)
        assert clone.dtype == torch.float32
        torch.testing.assert_close(clone, asked.audio, rtol=0, atol=2**-15)


def test_a_list_of_clones_starts_the_program_once_and_says_all_of_each(tmp_path: Path) -> None:
    told = tmp_path / "told"
    before = f"open({str(told)!r}, 'a').write(open(sys.argv[1]).read() + 'end\\n')"
    program = started(write_program(tmp_path / "model", before=before))
    program.clone([said('"quoted" {out}\n'), said("b")], [tone(), tone()], [1, 2**63])
    *lines, end = told.read_text().splitlines()
    assert end == "end"
    jobs = [json.loads(line) for line in lines]
    assert [job["text"] for job in jobs] == ['"quoted" {out}\n', "b"]
    assert [job["seed"] for job in jobs] == [1, 2**63]
    assert [job["language"] for job in jobs] == ["en", "en"]
    assert jobs[0]["prompt"] == jobs[1]["prompt"]
    assert len({job["out"] for job in jobs}) == 2


def test_without_a_list_it_is_started_once_a_clone_with_each_value_in_its_place(tmp_path: Path) -> None:
    root = write_program(
        tmp_path / "model",
        argv=[
            "{python}",
            "-I",
            "{model}/one.py",
            "--text={text}",
            "{language}",
            "{seed}",
            "{source}",
            "{prompt}",
            "{out}",
        ],
    )
    check = "assert sys.argv[1:4] == ['--text=$(id); {seed}', 'en', '5'], sys.argv"
    (root / "one.py").write_text(f"import shutil, sys\n{check}\nshutil.copy(sys.argv[5], sys.argv[6])\n")
    clones = started(root).clone([said("$(id); {seed}")] * 2, [tone(0.2, 100), tone(0.3, 100)], [5, 5])
    assert [len(clone) for clone in clones if isinstance(clone, torch.Tensor)] == [1600, 2400]


def test_a_text_that_no_argument_can_hold_fails_its_own_clone_alone(tmp_path: Path) -> None:
    argv = ["{python}", "-I", "{model}/one.py", "{text}", "{prompt}", "{out}"]
    root = write_program(tmp_path / "model", argv=argv)
    (root / "one.py").write_text("import shutil, sys\nshutil.copy(sys.argv[2], sys.argv[3])\n")
    nul, long, plain = started(root).clone([said("a\0b"), said("a" * 200_000), said("c")], [tone()] * 3, [0, 0, 0])
    assert isinstance(nul, NoClone)
    assert nul.why == "the program could not be started: embedded null byte"
    assert isinstance(long, NoClone)
    assert long.why == "the program could not be started: Argument list too long"
    assert isinstance(plain, torch.Tensor)


@pytest.mark.parametrize(
    ("each", "why"),
    [
        ("pass", "the program wrote no file for it"),
        ("open(job['out'], 'w').write('no sound')", "what the program wrote is no WAV file"),
        ("open(job['out'], 'w')", "what the program wrote is no WAV file"),
        ("os.mkdir(job['out'])", "what the program wrote is not a plain file of its own"),
        ("os.mkfifo(job['out'])", "what the program wrote is not a plain file of its own"),
        ("os.link(job['source'], job['out'])", "what the program wrote is not a plain file of its own"),
        (
            "os.symlink(job['source'], job['out'])",
            "what the program wrote cannot be opened, or is a symlink: Too many levels of symbolic links",
        ),
        (wave_of("b''"), "the program wrote no samples"),
        (wave_of(channels=2), "the program wrote 2 channels, and one is asked for"),
        (wave_of(rate=22050), "the program wrote 22050 samples a second, and config.json says 8000"),
        (wave_of("b'\\0\\1' * 9000"), "the program wrote 1.1 s of sound, and config.json allows 1"),
        (
            wave_of("b'\\0\\1' * 99000"),
            "the program wrote 198,044 bytes, more than 1 s of sound have",
        ),
        (
            "shutil.copy(job['source'], job['out']); os.truncate(job['out'], 1001)",
            "what the program wrote is a WAV file that is cut off",
        ),
    ],
)
def test_a_clone_that_is_none_says_why_and_the_others_stay(tmp_path: Path, each: str, why: str) -> None:
    lines = f"if job['seed'] == 1:\n    {each}\nelse:\n    shutil.copy(job['source'], job['out'])"
    program = started(write_program(tmp_path / "model", lines, longest_clone_seconds=1))
    first, second = program.clone([said(), said()], [tone(), tone()], [1, 2])
    assert first == NoClone(why)
    assert isinstance(second, torch.Tensor)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("float('nan')", "the program wrote samples that are no finite numbers"),
        ("float('inf')", "the program wrote samples that are no finite numbers"),
        ("1.5", "the program wrote samples up to 1.5, where full scale is 1"),
    ],
)
def test_floats_that_are_no_sound_are_no_clone(tmp_path: Path, value: str, why: str) -> None:
    data = f"data = struct.pack('<3f', 0, {value}, 0)\n"
    head = f"head = struct.pack('<4sI4s4sIHHIIHH4sI', b'RIFF', 48, b'WAVE', b'fmt ', 16, 3, 1, {RATE}, {RATE} * 4, 4, 32, b'data', 12)\n"  # noqa: E501
    assert one(write_program(tmp_path / "model", data + head + "open(job['out'], 'wb').write(head + data)")) == NoClone(
        why
    )


def test_a_folder_put_in_the_place_of_the_output_is_not_looked_at(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    each = f"out = os.path.dirname(job['out']); os.rename(out, out + '2'); os.symlink({str(elsewhere)!r}, out)\n"
    each += "shutil.copy(job['source'], job['out'])"
    assert one(write_program(tmp_path / "model", each)) == NoClone("the program wrote no file for it")


def test_a_start_that_fails_fails_every_clone_that_it_was_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    after = "print('out of \\x1b[31mluck'); sys.exit(3)"
    program = started(write_program(tmp_path / "model", after=after))
    with caplog.at_level(logging.WARNING):
        made = program.clone([said(), said()], [tone(), tone()], [1, 2])
    assert made == [NoClone("the program ended with exit code 3")] * 2
    assert "out of \\x1b[31mluck" in caplog.text


def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    child = "import os; pid = os.fork(); time.sleep(60)"
    program = started(write_program(tmp_path / "model", before=child, seconds_to_start=0.5, seconds_per_clone=0.5))
    begin = time.monotonic()
    assert program.clone([said()], [tone()], [1]) == [NoClone("the program did not end within 1 s")]
    assert time.monotonic() - begin < 10


def test_a_program_that_says_without_end_neither_blocks_nor_fills_memory(tmp_path: Path) -> None:
    before = "for _ in range(200): os.write(1, b'x' * 65536), os.write(2, b'y' * 65536)"
    assert isinstance(one(write_program(tmp_path / "model", before=before)), torch.Tensor)


def test_a_file_without_end_ends_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("releasegate.subjects.command_process.LARGEST_FILE", 1 << 20)
    each = "f = open('big', 'wb')\nfor _ in range(99): f.write(b'x' * 65536)\nf.close()"
    assert one(write_program(tmp_path / "model", each)) == NoClone("the program ended with exit code 1")


def test_a_program_that_dies_says_by_which_signal(tmp_path: Path) -> None:
    assert one(write_program(tmp_path / "model", "os.kill(os.getpid(), 11)")) == NoClone(
        "the program was ended by signal SIGSEGV"
    )


def test_nothing_of_this_environment_reaches_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "told"
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    one(
        write_program(
            tmp_path / "model", before=f"json.dump([dict(os.environ), os.getcwd()], open({str(told)!r}, 'w'))"
        )
    )
    environment, folder = json.loads(told.read_text())
    assert "HF_TOKEN" not in environment
    assert "PYTHONPATH" not in environment
    assert environment["HOME"] == folder
    assert not Path(folder).exists()


def test_a_program_that_writes_into_its_checkpoint_has_made_no_clone_and_makes_none(tmp_path: Path) -> None:
    root = write_program(tmp_path / "model", after="open(__file__, 'a').write('#')")
    program = started(root)
    assert program.clone([said()], [tone()], [1]) == [NoClone("the program changed the folder of its checkpoint")]
    with pytest.raises(CheckpointError, match="changed since it was opened"):
        program.clone([said()], [tone()], [1])


def test_the_program_is_not_started_once_it_was_exchanged(tmp_path: Path) -> None:
    root = write_program(tmp_path / "model")
    program = started(root)
    (root / "clone.py").write_text((root / "clone.py").read_text() + "open('/nowhere/at/all')\n")
    with pytest.raises(CheckpointError, match="changed since it was opened"):
        program.clone([said()], [tone()], [1])


def test_importing_leaves_no_compiled_code_behind(tmp_path: Path) -> None:
    argv = ["{python}", "{model}/clone.py", "{jobs}"]
    root = write_program(tmp_path / "model", before="import other", argv=argv)
    (root / "other.py").write_text("pass\n")
    assert isinstance(one(root), torch.Tensor)
    assert sorted(path.name for path in root.iterdir()) == ["clone.py", "config.json", "other.py"]


def test_no_clones_start_no_program(tmp_path: Path) -> None:
    assert started(write_program(tmp_path / "model", before="sys.exit(1)")).clone([], [], []) == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (
            {"argv": ["python3", "{model}/clone.py", "{jobs}"]},
            "argv must begin with {python}, {model}/NAME or an absolute path",
        ),
        ({"argv": ["{model}/{text}", "{jobs}"]}, "argv must begin with {python}, {model}/NAME or an absolute path"),
        ({"argv": ["{python}", "{jobs}", "{voice}"]}, "argv has the placeholder {voice}, which stands for nothing"),
        (
            {"argv": ["{python}", "{jobs}", "{text}"]},
            "argv has {jobs}, which lists all of a clone, beside placeholders of one clone",
        ),
        ({"argv": ["{python}", "{text}", "{out}"]}, "argv needs {jobs}, or {prompt} and {out} with {text} or {source}"),
        (
            {"argv": ["{python}", "{prompt}", "{out}"]},
            "argv needs {jobs}, or {prompt} and {out} with {text} or {source}",
        ),
        ({"argv": "{python} {jobs}"}, "input should be a valid array"),
        ({"seconds_per_clone": 0}, "input should be greater than 0"),
        ({"sample_rate": 1}, "input should be greater than or equal to 4000"),
        ({"shell": True}, "extra inputs are not permitted"),
        ({"argv": ["{model}/clone.py", "{jobs}"]}, "which is no file that may be executed"),
        ({"argv": ["/no/such/program", "{jobs}"]}, "which is no file that may be executed"),
    ],
)
def test_a_configuration_that_starts_nothing_is_refused(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    root = write_program(tmp_path / "model", **changes)
    with pytest.raises(CheckpointError) as raised:
        started(root)
    assert what in raised.value.problems[0].what


def test_without_consent_nothing_is_run(tmp_path: Path) -> None:
    root = write_program(tmp_path / "model")
    with pytest.raises(CodeRequested) as raised:
        open_checkpoint(root)
    assert str(raised.value) == f"{root}/clone.py: may not run: the policy does not list it"
    assert f'"config.json": {consent(root)["config.json"]}' in raised.value.problems[0].fix


@pytest.mark.parametrize("name", ["clone.py", "config.json"])
def test_consent_is_to_the_very_bytes(tmp_path: Path, name: str) -> None:
    root = write_program(tmp_path / "model")
    given = consent(root)
    (root / name).write_text((root / name).read_text() + "\n")
    with pytest.raises(CodeRequested, match=f"{name}: is not the file that the policy lets run"):
        open_checkpoint(root, runs=given)


@pytest.mark.parametrize("name", ["voice", "clone.pl", "weights.pth", "vocab.json", "notes.txt"])
def test_every_file_needs_consent_but_tensors(tmp_path: Path, name: str) -> None:
    root = write_program(tmp_path / "model")
    given = consent(root)
    (root / name).write_text("x")
    with pytest.raises(CodeRequested, match=f"{name}: may not run"):
        open_checkpoint(root, runs=given)
    assert open_checkpoint(root, runs=consent(root)).runs == consent(root)


def test_consent_to_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    root = write_program(tmp_path / "model")
    with pytest.raises(CodeRequested, match=r"has no 'gone.py', which the policy lets run"):
        open_checkpoint(root, runs=consent(root) | {"gone.py": f"sha256:{0:064}"})


def test_a_subject_that_nobody_consented_to_does_not_open(tmp_path: Path) -> None:
    checkpoint = opened(write_program(tmp_path / "model"))
    object.__setattr__(checkpoint, "runs", {})
    with pytest.raises(CodeRequested, match="no policy consented"):
        open_subject(checkpoint, None, torch.device("cpu"), torch.float32)


def test_an_executable_of_the_folder_is_started_by_itself(tmp_path: Path) -> None:
    root = write_program(tmp_path / "model", argv=["{model}/clone", "{prompt}", "{source}", "{out}"])
    (root / "clone").write_text(f"#!{sys.executable}\nimport shutil, sys\nshutil.copy(sys.argv[2], sys.argv[3])\n")
    (root / "clone").chmod(0o755)
    assert isinstance(one(root), torch.Tensor)


def test_a_program_is_inspected_as_one_with_its_tensors_beside(tmp_path: Path) -> None:
    root = write_program(tmp_path / "model")
    save_file({"voice": torch.ones(3)}, root / "model.safetensors")
    found = inspect_checkpoint(root)
    assert (found.layout, found.sound) == ("command", True)
    assert any(finding.kind == "code" and finding.where == "clone.py" for finding in found.findings)
    checkpoint = opened(root)
    assert checkpoint.layout == "command"
    assert set(checkpoint.siblings) == {"model.safetensors"}
    assert isinstance(one(root), torch.Tensor)


def test_bytes_that_only_look_like_tensors_are_refused(tmp_path: Path) -> None:
    root = write_program(tmp_path / "model")
    (root / "voice.safetensors").write_text("print('hello')")
    with pytest.raises(CheckpointError, match=r"voice\.safetensors"):
        open_checkpoint(root, runs=consent(root))
