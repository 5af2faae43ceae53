"""`check` finds a harness that does not load, and a card that its harness contradicts, before anybody opens an attempt."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from releasegate.__main__ import run
from releasegate.evaluation import fitted
from releasegate.evaluation.fitting import fit
from tests.tiny_repository import Tiny

ITEM = '[Item(("legible",), {"digit": str(i % 2)}, {"i": i})'


def checked(made: Tiny, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    code = run(["check", "--repo", str(made.root), *more])
    lines = capsys.readouterr().err.splitlines(keepends=True)
    return code, "".join(line for line in lines if "is wide wherever" not in line)  # of the recipe of the tiny model


BROKEN = {
    "that does not load": (
        "raise RuntimeError('ink')\n",
        "evals/drawing/harness.py:1: does not load: RuntimeError: ink",
    ),
    "that ends the process": ("import os\nos._exit(0)\n", "evals: the process that loads harnesses ended"),
    "without items": ("def measure(s, i, t):\n    return []\n", "evals/drawing/harness.py: has no function items"),
    "without measure": ("def items(p, r):\n    return []\n", "evals/drawing/harness.py: has no function measure"),
    "with too few items": (
        "def items(p, r):\n    return []\n\n\ndef measure(s, i, t):\n    return []\n",
        "drawing: has 0 items, and 100 are planned",
    ),
}


@pytest.mark.parametrize(("text", "says"), BROKEN.values(), ids=BROKEN)
def test_check_names_a_harness(made: Tiny, capsys: pytest.CaptureFixture[str], text: str, says: str) -> None:
    assert checked(made, capsys) == (0, "")
    made.write_harness(text)
    for more in ((), (str(made.policy),)):
        code, err = checked(made, capsys, *more)
        assert code == 2
        assert says in err
    assert str(made.root) not in err


@pytest.mark.parametrize(
    ("file", "before", "after", "says"),
    [
        ("harness.py", '{"digit"', '{"colour"', "an item names 'colour', which the card does not"),
        ("harness.py", '("legible",)', '("inked",)', "an item names 'inked', which the card does not"),
        ("eval.yaml", "  legible:", "  other: {title: x, type: bernoulli, unit: share, range: [0, 1], better: higher}\n"
         "  legible:", "evals/drawing/eval.yaml:8:10: metrics.other: no item of the harness carries other"),
        ("eval.yaml", "  digit:", "  hue: {title: Hue}\n  digit:", "no item of the harness is labelled by hue"),
        ("eval.yaml", "source: made", "calibration: 3, source: made", "has calibration items on its card and no function"),
        ("eval.yaml", "source: made", "rehearsal: 3, source: made", "has rehearsal items on its card and no function"),
    ],
)  # fmt: skip
def test_a_card_that_contradicts_its_harness_is_an_error(
    made: Tiny, capsys: pytest.CaptureFixture[str], file: str, before: str, after: str, says: str
) -> None:
    made.change(made.root / "evals" / "drawing" / file, before, after)
    code, err = checked(made, capsys)
    assert code == 2
    assert says in err
    assert "install" not in err


def test_a_package_that_is_missing_is_a_note_with_its_command(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    made.write_harness("import nobody_has_this\n" + made.harness().read_text())
    code, err = checked(made, capsys)
    assert code == 0
    assert "note: evals/drawing/harness.py:1: package nobody_has_this is not installed" in err
    assert "install the package that has the module nobody_has_this" in err


def test_material_that_is_missing_is_a_note(made: Tiny) -> None:
    made.change(
        made.harness(),
        "    return [Item",
        "    from releasegate.errors import NotFound\n\n"
        "    raise NotFound('a.txt', 'is not here', 'releasegate fetch texts')\n    return [Item",
    )
    found = fit(made.repository, "drawing")
    assert found.problems == ()
    assert found.lacking[0].fix == "releasegate fetch texts"


def test_an_eval_that_no_named_policy_gates_is_not_loaded(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(made.root / "evals" / "naming", made.root / "evals" / "other")
    made.change(made.root / "evals" / "other" / "eval.yaml", "id: naming", "id: other")
    made.write_harness("1 / 0\n", "other")
    assert checked(made, capsys, str(made.policy)) == (0, "")
    assert checked(made, capsys)[0] == 2


def test_the_eval_of_a_control_is_loaded_with_the_policy(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    made.change(made.policy, "    keep:\n      - {id: kept, metric: naming/right, margin: 0.20}\n", "")
    made.change(made.policy, "    otherwise: strip\n", "    otherwise: withhold\n")
    made.write_harness("1 / 0\n", "naming")
    code, err = checked(made, capsys, str(made.policy))
    assert code == 2
    assert "evals/naming/harness.py:1: does not load" in err


def test_what_fitted_is_asked_again_once_a_file_changed(made: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    before = subprocess.run

    def counted(command: list[str], **how: object) -> object:
        asked.append(command[4:])
        return before(command, **how)  # type: ignore[call-overload]

    monkeypatch.setattr(fitted.subprocess, "run", counted)
    names = ["drawing", "naming"]
    assert fitted.unfit(made.repository, names) == ([], [])
    assert fitted.unfit(made.repository, names) == ([], [])
    assert asked == [names]
    made.write_harness(made.harness("naming").read_text() + "\n", "naming")
    assert fitted.unfit(made.repository, names) == ([], [])
    assert asked[1:] == [["naming"]]
    (made.root / "evals" / "shared.py").write_text("")
    assert fitted.unfit(made.repository, names) == ([], [])
    assert asked[2:] == [names]
    made.write_harness("1 / 0\n", "naming")
    for _ in range(2):
        assert len(fitted.unfit(made.repository, names)[0]) == 1, "what does not fit is never remembered"


def test_what_is_lacking_is_remembered_until_material_comes(
    made: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made.change(
        made.harness(),
        "    return [Item",
        "    import os\n    from pathlib import Path\n    from releasegate.errors import NotFound\n\n"
        "    if not Path(os.environ['RELEASEGATE_TEXTS'], 'a.txt').is_file():\n"
        "        raise NotFound('a.txt', 'is not here', 'releasegate fetch texts')\n    return [Item",
    )
    (tmp_path / "texts").mkdir()
    monkeypatch.setenv("RELEASEGATE_TEXTS", str(tmp_path / "texts"))
    first = fitted.unfit(made.repository, ["drawing"])
    assert first[1][0].fix == "releasegate fetch texts"
    with monkeypatch.context() as patch:
        patch.setattr(fitted.subprocess, "run", None)
        assert fitted.unfit(made.repository, ["drawing"]) == first
    (tmp_path / "texts" / "a.txt").write_text("here")
    assert fitted.unfit(made.repository, ["drawing"]) == ([], [])


@pytest.mark.parametrize("text", ["[]", "{", '{"drawing": 1}', '{"drawing": {"key": 1}}'])
def test_a_memory_that_is_none_of_ours_is_asked_again(
    made: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert fitted.unfit(made.repository, ["drawing"]) == ([], [])
    (memory,) = (tmp_path / "releasegate" / "fitted").iterdir()
    memory.write_text(text)
    assert fitted.unfit(made.repository, ["drawing"]) == ([], [])


def test_what_is_remembered_makes_check_quick(made: Tiny) -> None:
    fitted.unfit(made.repository, ["drawing"])
    start = time.process_time()
    fitted.unfit(made.repository, ["drawing"])
    assert time.process_time() - start < 0.2


def test_a_cache_that_cannot_be_written_stops_nothing(
    made: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert fitted.unfit(made.repository, ["drawing"]) == ([], [])
