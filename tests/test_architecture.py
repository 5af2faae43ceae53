"""What holds for the package as a whole: layers, what is imported when, broad catches, help, errors, doctests."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import releasegate
from releasegate import errors
from releasegate.cli import COMMANDS, cli

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "releasegate"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if "_starter" not in path.parts)


def test_imports_point_down_only() -> None:
    found = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


# Broad catches.


def broad_catches(path: Path) -> Iterator[tuple[str, int]]:
    """Handlers that catch everything and do not raise it again as it was."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ExceptHandler):
            continue
        named = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        broad = any(n is None or (isinstance(n, ast.Name) and n.id in ("Exception", "BaseException")) for n in named)
        last = node.body[-1]
        if broad and not (isinstance(last, ast.Raise) and last.exc is None):
            yield str(path.relative_to(PACKAGE)), node.lineno


def test_everything_is_caught_in_exactly_three_places() -> None:
    found = [place for path in SOURCES for place, _ in broad_catches(path)]
    assert sorted(found) == ["__main__.py", "evaluation/harness.py", "evaluation/runner.py"]


# What is imported when.

HEAVY = {"torch", "transformers", "safetensors", "pandas", "altair", "sklearn", "vl_convert"}
LIGHT = HEAVY | {
    "pydantic",
    "numpy",
    "scipy",
    "rich",
    "yaml",
    "jinja2",
    "rfc8785",
    "cryptography",
    "importlib.metadata",
}


def imported_by(*arguments: str, cwd: Path = ROOT) -> tuple[int, set[str]]:
    """Exit code, and every module that one call imported."""
    script = (
        "import sys, json\n"
        "from releasegate.__main__ import run\n"
        "code = run(sys.argv[1:])\n"
        "print('\\n' + json.dumps([code, sorted(sys.modules)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=cwd, text=True, capture_output=True, check=True
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    return code, set(modules)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a run that is finished, under whatever day it is."""
    from datetime import UTC, datetime

    from releasegate.gate import gate
    from tests.tiny_repository import Silent, make_repository

    made = make_repository(tmp_path_factory.mktemp("finished") / "repo")
    gate(made.call(today=datetime.now(UTC).date()), Silent())
    return made.root


def test_help_imports_click_and_nothing_else() -> None:
    code, modules = imported_by("--help")
    assert code == 0
    assert not LIGHT & modules
    mine = {name for name in modules if name.startswith("releasegate.")}
    assert mine == {"releasegate.__main__", "releasegate.cli", "releasegate.errors"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "policies/tiny.yaml"),
        ("list",),
        ("decide", "run"),
        ("gate", "policies/tiny.yaml", "--model", "checkpoint", "--out", "run", "--quiet"),
        ("report", "run"),
        ("verify", "run/stripped", "--source", "checkpoint", "-q"),
        ("inspect", "checkpoint", "--duplicates", "-q"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_steps_that_run_no_model_import_no_torch(finished: Path, arguments: tuple[str, ...]) -> None:
    code, modules = imported_by(*arguments, cwd=finished)
    assert code == 0
    assert not {"torch", "transformers", "sklearn", "scipy.stats"} & modules
    if arguments[0] in ("check", "list", "decide", "gate"):
        assert not {"pandas", "altair", "jinja2"} & modules


def test_a_call_that_fails_imports_no_torch_either(tmp_path: Path) -> None:
    for arguments in (("gates",), ("check", "nothing.yaml"), ("decide", "nothing")):
        code, modules = imported_by(*arguments, cwd=tmp_path)
        assert code == 2
        assert "torch" not in modules


# Help.


def called(name: str) -> list[tuple[str, click.Command]]:
    """A command with its full name; the commands of a group, if it is one."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    if isinstance(command, click.Group):
        return [(f"{name} {inner}", made) for inner, made in command.commands.items()]
    return [(name, command)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_names_it(name: str) -> None:
    for full, command in called(name):
        text = command.get_help(click.Context(command, info_name=full))
        assert f"releasegate {full}" in text[text.index("Example:") :]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_json_if_asked(name: str) -> None:
    for full, command in called(name):
        (option,) = [p for p in command.params if "--format" in p.opts]
        assert isinstance(option.type, click.Choice), full
        assert tuple(option.type.choices[:1]) == ("text",)
        assert "json" in option.type.choices
        assert option.default == "text"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    for full, command in called(name):
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{full} {parameter.opts}"
                assert all(re.fullmatch(r"--?[a-z][a-z-]*", opt) for opt in parameter.opts)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "policies/tiny.yaml"),
        ("list",),
        ("decide", "run"),
        ("gate", "policies/tiny.yaml", "--model", "checkpoint", "--out", "run", "--quiet"),
        ("report", "run"),
        ("verify", "run/stripped", "-q"),
        ("inspect", "checkpoint", "--tensors", "-q"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_is_printed_as_json_is_json_and_nothing_else(
    finished: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from releasegate.__main__ import run

    monkeypatch.chdir(finished)
    assert run([*arguments, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_every_command_has_a_module_and_every_module_a_command() -> None:
    modules = {path.stem.removesuffix("_command") for path in (PACKAGE / "cli").glob("*_command.py")}
    assert modules == set(COMMANDS)


# Errors.


def drawn_tree(text: str) -> dict[str, str]:
    """Parent of each class, as the docstring draws the tree."""
    parents: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    for line in text.splitlines():
        found = re.match(r"    ([│├└─ ]*)([A-Z]\w+)  ", line)
        if found:
            depth = len(found[1])
            stack = [(d, name) for d, name in stack if d < depth]
            parents[found[2]] = stack[-1][1] if stack else "Exception"
            stack.append((depth, found[2]))
    return parents


def test_the_error_tree_is_drawn_as_it_is() -> None:
    real = {
        name: kind.__base__.__name__
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, Exception) and kind.__base__ is not None
    }
    assert drawn_tree(str(errors.__doc__)) == real


def test_an_error_carries_its_place_and_its_remedy() -> None:
    error = errors.RunError("runs/x", "holds a run already", "choose another folder")
    assert error.problems == (errors.Problem("runs/x", "holds a run already", "choose another folder"),)
    assert str(error) == "runs/x: holds a run already"
    several = errors.DocumentError([errors.Problem("a:1:1", "x", "y"), errors.Problem("a:2:1", "z", "y")])
    assert str(several) == "a:1:1: x; a:2:1: z"


def test_every_error_that_is_raised_says_what_to_do() -> None:
    """Place, what and remedy are three arguments of every raise of ours; none is empty."""
    kinds = {name for name in vars(errors) if inspect.isclass(vars(errors)[name])}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            called = node.exc.func
            if isinstance(called, ast.Name) and called.id in kinds - {"DocumentError"}:
                given = node.exc.args
                assert len(given) == 3 or any(isinstance(a, ast.Starred) for a in given), f"{path}:{node.lineno}"
                assert all(not (isinstance(a, ast.Constant) and not a.value) for a in given), f"{path}:{node.lineno}"


# Doctests.


def modules() -> Iterator[str]:
    for found in pkgutil.walk_packages(releasegate.__path__, "releasegate."):
        if not found.name.startswith("releasegate._starter") and not found.name.endswith("__main__"):
            yield found.name


@pytest.mark.parametrize("name", sorted(modules()))
def test_doctests_run(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
    assert module.__doc__ or name == "releasegate", "every module says what it is"
