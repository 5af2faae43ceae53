"""One small page of each kind, for the tests in a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from releasegate.__main__ import run as call
from releasegate.reporting import write_report
from releasegate.repository import GateRepository, starter
from tests.reporting.audio_run import Shape, audio_run, tone
from tests.reporting.example_run import Example, Words, example
from tests.reporting.hostile import HOSTILE
from tests.reporting.sequential_run import sequential_run
from tests.reporting.test_sensitive_samples import page_of
from tests.reporting.voice_run import Cast, voice_run

_ALL = " ".join(text for text in HOSTILE.values() if len(text) < 1000)
TEXTS = Words(
    title=_ALL[:4000],
    rationale=_ALL[:4000],
    detail="",
    error=_ALL,
    label=HOSTILE["end of the stylesheet"] + HOSTILE["overridden direction"],
    source=_ALL[:300],
    details=tuple(HOSTILE.values()),
)
"""Every hostile text in every place that a text comes from."""

SOUNDS = Shape(limit=0.999, speaker="y" * 200, spliced=(tone(300, 0, seconds=4.0), "wav"))


def _report(made: Example) -> Path:
    return write_report(made.run, GateRepository(starter()), made.decision, made.plan, made.receipt)


def _sensitive(folder: Path) -> Path:
    path = folder / "page.html"
    path.write_text(page_of(example(folder / "run", Words(detail="draw a quetzal")), "harmful"))
    return path


def _index(folder: Path) -> Path:
    """Over a run, one with hostile texts in a folder with a hostile name, and one that is none."""
    names = ("plain", "</style><script>alert(1)<", "empty")
    for name, words in zip(names[:2], (Words(), TEXTS), strict=True):
        made = example(folder / name, words, drawn=3, opened=date(2025, 1, 2), strip=False)
        made.run.write_decision(made.decision)
    (folder / "empty").mkdir()
    call(["report", *(str(folder / name) for name in names)])
    return folder / "index.html"


def _diff(folder: Path) -> Path:
    """Of two runs, one of them with hostile texts."""
    for name, words, drawn in (("a", Words(), 3), ("b", TEXTS, 40)):
        made = example(folder / name, words, drawn=drawn, opened=date(2025, 1, 2), strip=False)
        made.run.write_decision(made.decision)
    call(["diff", str(folder / "a"), str(folder / "b"), "--html", str(folder / "diff.html")])
    return folder / "diff.html"


def _policies(folder: Path) -> Path:
    """Two shipped policies."""
    shipped = starter() / "policies"
    files = [str(shipped / f"{name}.yaml") for name in ("mini-chameleon", "voice-synthesis")]
    call(["diff", *files, "--html", str(folder / "policies.html")])
    return folder / "policies.html"


KINDS: Mapping[str, Callable[[Path], Path]] = {
    "report": lambda folder: _report(example(folder / "run")),
    "sensitive": _sensitive,
    "sounds": lambda folder: _report(audio_run(folder / "run", SOUNDS)),
    "sequential": lambda folder: _report(sequential_run(folder / "run", TEXTS.label[:200])),
    "figures": lambda folder: _report(voice_run(folder / "run", Cast(person="y" * 150))),
    "hostile": lambda folder: _report(example(folder / "run", TEXTS, more=2)),
    "index": _index,
    "diff": _diff,
    "policies": _policies,
}
"""Kinds of pages: each is read by everybody, at any width, and holds nothing that runs or loads."""
