"""Loading the code of a gate repository: from source, from where its digest reaches, and every failure with its line."""

from __future__ import annotations

import importlib.util
import py_compile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from releasegate.errors import HarnessError
from releasegate.evaluation.harness import load_harness, load_subject

GOOD = "def items(params, rng):\n    return []\n\n\ndef measure(subject, items, tools):\n    return []\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an eval with a good harness."""
    made = tmp_path / "evals" / "drawing"
    made.mkdir(parents=True)
    (made / "harness.py").write_text(GOOD)
    return made


def refused(folder: Path) -> tuple[str, str]:
    with pytest.raises(HarnessError) as caught:
        load_harness(folder)
    (problem,) = caught.value.problems
    assert problem.fix
    return problem.where.removeprefix(str(folder) + "/"), problem.what


def test_a_good_harness_loads(folder: Path) -> None:
    assert callable(load_harness(folder).items)


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("def items(:\n", "harness.py:1", "does not load: SyntaxError: invalid syntax (harness.py, line 1)"),
        ("\n\nraise ValueError('no')\n", "harness.py:3", "does not load: ValueError: no"),
        (
            "import nothing_like_it\n",
            "harness.py:1",
            "does not load: ModuleNotFoundError: No module named 'nothing_like_it'",
        ),
        ("import sys\nsys.exit(0)\n", "harness.py:2", "does not load: SystemExit: 0"),
        ("1 / 0\n", "harness.py:1", "does not load: ZeroDivisionError: division by zero"),
        ("x = 1\n", "harness.py", "has no function items"),
        ("def items(params, rng): ...\n", "harness.py", "has no function measure"),
        ("items = 3\nmeasure = print\n", "harness.py", "has no function items"),
    ],
)
def test_a_harness_that_does_not_load_is_named_with_its_line(folder: Path, text: str, where: str, what: str) -> None:
    (folder / "harness.py").write_text(text)
    assert refused(folder) == (where, what)


def test_a_file_that_is_no_python_is_named(folder: Path) -> None:
    for data in (b"\x00\x01", b"\xff\xfe", "é = 'ü'".encode("latin-1")):
        (folder / "harness.py").write_bytes(data)
        assert refused(folder)[1].startswith("does not load: ")


def test_a_missing_harness_is_named(folder: Path) -> None:
    (folder / "harness.py").unlink()
    assert refused(folder) == ("harness.py", "is missing")


def test_the_users_interrupt_while_loading_is_no_error_of_the_harness(folder: Path) -> None:
    (folder / "harness.py").write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_harness(folder)


def test_an_error_in_a_module_beside_the_harness_is_placed_there(folder: Path) -> None:
    (folder / "judge.py").write_text("\nraise LookupError('weights')\n")
    (folder / "harness.py").write_text("from . import judge\n" + GOOD)
    assert refused(folder) == ("judge.py:2", "does not load: LookupError: weights")


def test_a_harness_imports_its_own_folder_and_the_modules_of_evals(folder: Path) -> None:
    (folder / "judge.py").write_text("NAME = 'judge'\n")
    (folder / "parts").mkdir()
    (folder / "parts" / "ink.py").write_text("from ...shared import NAME\n")
    (folder.parent / "shared.py").write_text("NAME = 'shared'\n")
    (folder / "harness.py").write_text(
        "from ..shared import NAME\nfrom .judge import NAME as JUDGE\nfrom .parts.ink import NAME as INK\n" + GOOD
    )
    loaded: Any = load_harness(folder)
    assert (loaded.NAME, loaded.JUDGE, loaded.INK) == ("shared", "judge", "shared")


def test_two_repositories_do_not_share_modules(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "evals" / "drawing"
    other.mkdir(parents=True)
    for place, name in ((folder, "one"), (other, "other")):
        (place.parent / "shared.py").write_text(f"NAME = {name!r}\n")
        (place / "harness.py").write_text("from ..shared import NAME\n" + GOOD)
    loaded: list[Any] = [load_harness(folder), load_harness(other)]
    assert [module.NAME for module in loaded] == ["one", "other"]


@pytest.mark.parametrize("statement", ["from ..naming import judge", "from ..naming.judge import NAME"])
def test_a_harness_does_not_import_what_its_digest_does_not_cover(folder: Path, statement: str) -> None:
    (folder.parent / "naming").mkdir()
    (folder.parent / "naming" / "judge.py").write_text("NAME = 1\n")
    (folder / "harness.py").write_text(f"{statement}\n{GOOD}")
    where, what = refused(folder)
    assert where == "harness.py:1"
    assert what == (
        "does not load: ModuleNotFoundError: naming: an eval imports modules of its own folder (drawing) and those that "
        "lie directly in evals/"
    )


def test_a_folder_that_is_a_link_to_elsewhere_is_not_imported(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "judge.py").write_text("NAME = 1\n")
    (folder / "parts").symlink_to(tmp_path / "elsewhere")
    (folder / "harness.py").write_text("from .parts import judge\n" + GOOD)
    assert refused(folder)[1].startswith("does not load: ModuleNotFoundError: ")


def test_compiled_files_are_never_read(folder: Path, tmp_path: Path) -> None:
    """A compiled file can say anything of its source; the digest is over the source."""
    evil = tmp_path / "evil.py"
    evil.write_text("NAME = 'evil'\n" + GOOD)
    source = folder / "harness.py"
    source.write_text("NAME = 'good'\n" + GOOD)
    compiled = Path(importlib.util.cache_from_source(str(source)))
    compiled.parent.mkdir()
    py_compile.compile(str(evil), str(compiled), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    loaded: Any = load_harness(folder)
    assert loaded.NAME == "good"


def test_a_module_of_which_only_a_compiled_file_is_left_is_not_found(folder: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil.py"
    evil.write_text("NAME = 'evil'\n")
    py_compile.compile(str(evil), str(folder.parent / "shared.pyc"))
    (folder / "harness.py").write_text("from ..shared import NAME\n" + GOOD)
    assert refused(folder)[1].startswith("does not load: ModuleNotFoundError: ")


def test_nothing_is_written_beside_the_source(folder: Path) -> None:
    load_harness(folder)
    assert [path.name for path in folder.iterdir()] == ["harness.py"]


SUBJECT = "def open_subject(checkpoint, lending, device, dtype):\n    return object()\n"


@pytest.mark.parametrize(
    ("more", "deterministic"),
    [("", False), ("DETERMINISTIC = True\n", True), ("DETERMINISTIC = 1\n", False), ("DETERMINISTIC = 'yes'\n", False)],
)
def test_a_subject_is_deterministic_only_if_it_says_so(folder: Path, *, more: str, deterministic: bool) -> None:
    (folder / "subject.py").write_text(more + SUBJECT)
    opener, says = load_subject(folder / "subject.py")
    assert callable(opener)
    assert says is deterministic


def test_a_subject_that_does_not_load_is_named_with_its_line(folder: Path) -> None:
    cases: Mapping[str, str] = {
        "x = 1\n": "has no function open_subject",
        "\n1 / 0\n": "does not load: ZeroDivisionError",
    }
    for number, (text, what) in enumerate(cases.items()):
        file = folder / f"subject{number}.py"
        file.write_text(text)
        with pytest.raises(HarnessError) as caught:
            load_subject(file)
        assert caught.value.problems[0].what.startswith(what)
