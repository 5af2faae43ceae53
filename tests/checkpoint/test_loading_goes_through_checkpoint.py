"""No model or tokenizer is loaded anywhere but in `load.py`, no pickle anywhere but in the child process for pickles.

Another child process, which is given no file, lays models out without weights.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ALLOWED = ROOT / "releasegate" / "checkpoint" / "load.py"
WEIGHTLESS = ROOT / "releasegate" / "checkpoint" / "dryload.py"
CHILD = ROOT / "releasegate" / "checkpoint" / "unpickler.py"
SOURCES = sorted(
    path
    for folder in ("releasegate", "evals")
    for path in (ROOT / folder).rglob("*.py")
    if path not in (ALLOWED, WEIGHTLESS, CHILD)
)
FORBIDDEN = {"from_pretrained"}


def loads(source: str) -> list[str]:
    """The calls in `source` that load a model, as `line: name`."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            torch_load = node.attr == "load" and isinstance(node.value, ast.Name) and node.value.id == "torch"
            if torch_load or node.attr in FORBIDDEN:
                found.append(f"{node.lineno}: {node.attr}")
        elif isinstance(node, ast.Name) and node.id in FORBIDDEN:
            found.append(f"{node.lineno}: {node.id}")
        elif isinstance(node, ast.ImportFrom):
            bad = FORBIDDEN | ({"load"} if node.module == "torch" else set())
            found += [f"{node.lineno}: {alias.name}" for alias in node.names if alias.name in bad]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_else_loads_a_model(path: Path) -> None:
    assert loads(path.read_text()) == []


def test_the_search_finds_what_it_is_to_find() -> None:
    source = "import torch\nfrom torch import load\ntorch.load(x)\nModel.from_pretrained(y)\njson.load(z)\n"
    assert loads(source) == ["2: load", "3: load", "4: from_pretrained"]


@pytest.mark.parametrize("path", [ALLOWED, WEIGHTLESS], ids=lambda path: path.stem)
def test_every_load_refuses_code_and_networks(path: Path) -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "from_pretrained"
    ]
    assert calls
    for call in calls:
        given = {
            word.arg: ast.literal_eval(word.value) for word in call.keywords if isinstance(word.value, ast.Constant)
        }
        assert given["trust_remote_code"] is False
        assert given["local_files_only"] is True


def foreign(tree: ast.Module) -> set[str]:
    """The packages that a module imports, those of Python left out."""
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)])
    }
    return imported - set(sys.stdlib_module_names)


def test_the_child_that_loads_without_weights_is_given_no_path() -> None:
    tree = ast.parse(WEIGHTLESS.read_text())
    (call,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "from_pretrained"
    ]
    assert [ast.literal_eval(word) for word in call.args] == [None]
    assert foreign(tree) == {"torch", "transformers"}
    for path in SOURCES:
        assert "checkpoint.dryload" not in path.read_text()


def test_the_child_alone_reads_a_pickle_and_runs_no_code() -> None:
    tree = ast.parse(CHILD.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"]
    (call,) = calls
    given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    assert given == {"map_location": "meta", "weights_only": True}
    assert foreign(tree) == {"torch"}
    for path in SOURCES:
        assert "checkpoint.unpickler" not in path.read_text()
