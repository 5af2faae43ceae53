"""Somebody writes to a checkpoint or an instrument while it is measured: only bytes that were hashed are measured."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from releasegate.__main__ import run
from releasegate.checkpoint import Checkpoint, open_checkpoint
from releasegate.checkpoint.privatefolder import PREFIX
from releasegate.errors import RunError
from releasegate.evaluation import open_subject
from releasegate.evaluation.sealing import Seals
from releasegate.repository import GateRepository
from releasegate.subjects import Lending
from tests.programs import consent, said, tone, write_program
from tests.tiny_audioseal import save_audioseal
from tests.tiny_language import save_adapter, save_gguf, save_gpt2, save_llama, save_multi_token
from tests.tiny_mini_voice import save_mini_voice
from tests.tiny_perth import save_perth
from tests.tiny_repository import make_repository
from tests.tiny_xtts import save_xtts

CHAMELEON = Path(__file__).parents[2] / "examples" / "mini_chameleon" / "checkpoint"
DEVICE = torch.device("cpu")


def _chameleon(folder: Path) -> Path:
    return Path(shutil.copytree(CHAMELEON, folder, dirs_exist_ok=True))


def _lora(folder: Path) -> Path:
    save_adapter(save_llama(folder))
    return folder


def _gguf(folder: Path) -> Path:
    return save_gguf(folder, save_llama(folder.with_name("base")))


KINDS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "chameleon": ("chameleon", _chameleon),
    "mtp-lm": ("mtp-lm", save_multi_token),
    "causal-lm": ("causal-lm", save_llama),
    "causal-lm, tied": ("causal-lm", save_gpt2),
    "causal-lm, in shards": ("causal-lm", partial(save_llama, shard="100KB")),
    "causal-lm, LoRA": ("causal-lm", _lora),
    "causal-lm, GGUF": ("causal-lm", _gguf),
    "audioseal": ("audioseal", save_audioseal),
    "perth": ("perth", save_perth),
    "mini_voice": ("mini_voice", save_mini_voice),
    "xtts": ("xtts", save_xtts),
    "command": ("command", write_program),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(kind: str, tmp_path: Path) -> Path:
    return KINDS[kind][1](tmp_path / "model").resolve()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies are made."""
    (tmp_path / "copies").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "copies"))
    return tmp_path / "copies"


def opened(folder: Path, kind: str) -> Checkpoint:
    return open_checkpoint(folder, runs=consent(folder) if kind == "command" else None)


def opener(kind: str, meanwhile: Callable[[], object] = lambda: None) -> Callable[[Checkpoint, Lending | None], object]:
    """What makes the subject; once it did, `meanwhile` happens."""

    def opens(checkpoint: Checkpoint, lending: Lending | None) -> object:
        subject = open_subject(
            KINDS[kind][0], GateRepository(Path("/nowhere")), checkpoint, lending, DEVICE, torch.float32
        )
        meanwhile()
        return subject

    return opens


def fingerprint(subject: object) -> str:
    """The digest of every number that a subject computes with; of a program, of what it says."""
    if type(subject).__name__ == "Command":
        made: Any = subject
        return hashlib.sha256(made.clone([said()], [tone()], [1])[0].numpy().tobytes()).hexdigest()
    hasher = hashlib.sha256()
    for module in _modules(subject, set()):
        for name, tensor in sorted(module.state_dict().items()):
            hasher.update(name.encode() + tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()


def _modules(found: object, seen: set[int]) -> Iterator[nn.Module]:
    if id(found) in seen:
        return
    seen.add(id(found))
    if isinstance(found, nn.Module):
        yield found
    elif type(found).__module__.startswith("releasegate."):
        for one in vars(found).values():
            yield from _modules(one, seen)


@contextmanager
def spoilt(folder: Path) -> Iterator[None]:
    """While it lasts, the end of every file of weights or code is overwritten in place; it is put back afterwards."""
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.suffix in (".safetensors", ".gguf", ".py")}
    assert kept
    for path, content in kept.items():
        with open(path, "r+b") as file:
            file.seek(len(content) // 2)
            file.write(bytes(len(content) - len(content) // 2))
    yield
    for path, content in kept.items():
        with open(path, "r+b") as file:
            file.write(content)


def test_overwriting_in_place_changes_nothing_in_memory_and_is_found_at_the_end(kind: str, model: Path) -> None:
    checkpoint, shards = opened(model, kind), []

    def measured() -> None:
        with Seals(KINDS[kind][0], checkpoint, None) as seals:
            subject = seals.open(opener(kind))
            shards.append(fingerprint(subject))
            with spoilt(model):
                shards.append(fingerprint(subject))
                with pytest.raises(RunError, match="changed while it was measured"):
                    seals.require_untouched()
            shards.append(fingerprint(subject))

    with pytest.raises(RunError) as caught:
        measured()
    (problem,) = caught.value.problems
    assert problem.where.startswith(str(model))
    assert problem.what == "changed while it was measured"
    assert problem.fix == "let nobody write to it, and open a new attempt"
    assert len(set(shards)) == 1


def test_other_files_for_the_time_of_the_load_alone_are_not_loaded(kind: str, model: Path) -> None:
    checkpoint = opened(model, kind)
    swap = spoilt(model)
    swap.__enter__()
    with pytest.raises(RunError) as caught, Seals(KINDS[kind][0], checkpoint, None) as seals:
        seals.open(opener(kind, lambda: swap.__exit__(None, None, None)))
    assert caught.value.problems[0].where.startswith(str(model))
    assert caught.value.problems[0].what == "changed while it was being read"


def test_a_swap_during_the_load_reaches_no_tensor(kind: str, model: Path) -> None:
    """The files are others from the moment at which they were copied until the subject is there."""
    checkpoint, honest = opened(model, kind), fingerprint(opener(kind)(opened(model, kind), None))
    got = []

    def opens(copy: Checkpoint, lending: Lending | None) -> object:
        with spoilt(model):
            return opener(kind)(copy, lending)

    with (
        pytest.raises(RunError, match="changed while it was measured"),
        Seals(KINDS[kind][0], checkpoint, None) as seals,
    ):
        got.append(fingerprint(seals.open(opens)))
    assert got == [honest]


def test_an_untouched_checkpoint_is_measured_and_no_copy_is_left(kind: str, model: Path, place: Path) -> None:
    checkpoint, honest = opened(model, kind), fingerprint(opener(kind)(opened(model, kind), None))
    with Seals(KINDS[kind][0], checkpoint, None) as seals:
        subject = seals.open(opener(kind))
        left = list(place.iterdir())
        assert (kind == "command") == bool(left)  # a program is read each time that it is started
        assert all(path.stat().st_mode & 0o077 == 0 for path in left)
        assert fingerprint(subject) == honest
    assert not list(place.iterdir())


def test_a_configuration_that_was_another_only_while_it_was_read_is_not_used(tmp_path: Path) -> None:
    model = save_multi_token(tmp_path / "model")
    honest = (model / "params.json").read_text()
    checkpoint = open_checkpoint(model)
    read = {**checkpoint.config, "norm_eps": 1e4}  # as if it had been swapped between being read and being hashed
    with (
        pytest.raises(RunError, match="changed while it was being read"),
        Seals("mtp-lm", replace(checkpoint, config=read), None) as seals,
    ):
        seals.open(opener("mtp-lm"))
    assert (model / "params.json").read_text() == honest


def test_lent_parts_are_those_that_were_hashed(tmp_path: Path) -> None:
    source, stripped = _chameleon(tmp_path / "source"), _chameleon(tmp_path / "stripped")
    (stripped / "vqgan.safetensors").unlink()
    lending = Lending(open_checkpoint(source), (), ("vqgan.safetensors",))
    target = open_checkpoint(stripped)
    with spoilt(source), pytest.raises(RunError) as caught, Seals("chameleon", target, lending) as seals:
        seals.open(opener("chameleon"))
    assert caught.value.problems[0].where == str(source)


@pytest.mark.parametrize("how", ["touched", "replaced", "added", "removed"])
def test_whatever_happens_to_the_folder_meanwhile_is_found(tmp_path: Path, how: str) -> None:
    model = save_llama(tmp_path / "model")
    file = model / "model.safetensors"

    def happen() -> None:
        if how == "touched":
            before = file.stat()
            file.write_bytes(file.read_bytes())
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        elif how == "replaced":
            shutil.copy2(file, model / "other")
            os.replace(model / "other", file)
        elif how == "added":
            (model / "notes.txt").write_text("x")
        else:
            file.unlink()

    with (
        pytest.raises(RunError, match="changed while it was measured"),
        Seals("causal-lm", open_checkpoint(model), None) as seals,
    ):
        seals.open(opener("causal-lm", happen))


def test_a_folder_that_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, place: Path) -> None:
    left, foreign = place / f"{PREFIX}abc", place / "other"
    (left / "deep").mkdir(parents=True, mode=0o700)
    (left / "deep" / "model.safetensors").write_bytes(b"x")
    foreign.mkdir()
    with Seals("command", opened(write_program(tmp_path / "model"), "command"), None) as first:
        first.open(opener("command"))
        assert not left.exists()
        held = [path for path in place.iterdir() if path.name.startswith(PREFIX)]
        with Seals("perth", open_checkpoint(save_perth(tmp_path / "perth")), None) as second:
            second.open(opener("perth"))
        assert [path for path in place.iterdir() if path.name.startswith(PREFIX)] == held  # somebody holds it still
    assert [path.name for path in place.iterdir()] == ["other"]


def test_a_disk_without_room_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    usage = shutil.disk_usage(place)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(RunError) as caught, Seals("perth", open_checkpoint(save_perth(tmp_path / "m")), None) as seals:
        seals.open(opener("perth"))
    (problem,) = caught.value.problems
    assert problem.where == str(place)
    assert "has 1,000 bytes free, and a copy of" in problem.what
    assert problem.fix == "free some, or set TMPDIR to a folder on a disk with more"


SWAPPING = """
FILE = {file!r}


def measure(subject, items, tools):
    import pathlib

    path = pathlib.Path(FILE)
    for item in items:
        if item.number in {turns}:
            with open(path, "r+b") as file:
                content = file.read()
                file.seek(0)
                file.write(bytes(reversed(content)))  # the second time, what was there is put back
        yield Reading(item.number, {{"legible": float(subject.can("drawing", item.seed))}})
"""


@pytest.mark.parametrize(
    "turns", [(30,), (30, 35), (30, 60)], ids=["within a shard", "and back", "between shards and back"]
)
def test_a_gate_during_which_weights_are_overwritten_ends_with_exit_code_2(
    tmp_path: Path, turns: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_repository(tmp_path.resolve() / "gates").able(drawing=0.0)
    file = next(made.checkpoint.glob("*.safetensors"))
    made.write_harness(made.harness().read_text() + SWAPPING.format(file=str(file), turns=turns))
    assert run(made.gate()) == 2
    assert "changed while it was measured" in " ".join(capsys.readouterr().err.split())
    assert not (made.run.root / "decision.json").exists()


def test_a_gate_during_which_an_instrument_is_overwritten_ends_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make_repository(tmp_path.resolve() / "gates").able(drawing=0.0)
    judge = made.harness().parent / "judge.txt"
    judge.write_text("sound")
    card = made.harness().parent / "eval.yaml"
    card.write_text(card.read_text() + "instruments:\n  judge: {title: Judge, files: [judge.txt], source: made}\n")
    made.write_harness(
        made.harness().read_text()
        + f"""

def measure(subject, items, tools):
    import pathlib

    (given,) = tools.instruments["judge"]
    for item in items:
        pathlib.Path({str(judge)!r}).write_text("blind" if 20 < item.number < 40 else "sound")
        assert given.read_text() == "sound" and str(given) != {str(judge)!r}
        yield Reading(item.number, {{"legible": float(subject.can("drawing", item.seed))}})
"""
    )
    assert run(made.gate()) == 2
    said_ = " ".join(capsys.readouterr().err.split())
    assert "judge.txt" in said_
    assert "changed while it was used to measure" in said_
