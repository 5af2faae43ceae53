"""Decided runs of the tiny model whose weights may go out, made once and copied: what is composed, attested and exported."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import releasegate.gate
from releasegate.gate import gate
from releasegate.policy import Policy
from releasegate.publishing.composing import Composition, compose
from releasegate.repository import RunFolder, read_decided
from releasegate.repository.deciding_run import Decided
from tests.tiny_repository import HARNESS, OPENED, Silent, Tiny, make_repository

PUBLICATION = """\
publication:
  license: apache-2.0
  license_file: policies/licenses/tiny.txt
  base_model: lab/base
  may_differ: [README.md, .gitattributes]
"""
LICENCE = "Do what you want.\n"
PROMPT, SPOKEN = "draw the canary 417-992", "/home/ada/lab7/canary.wav"
FAILURE = f"no such file: {SPOKEN}, token hf_" + "q" * 34
"""What only the lab may see: a text of a sample, and the reason of a failure."""


def talkative(eval_id: str, metric: str) -> str:
    """A harness whose samples hold a text, and which fails one item with a reason."""
    text = HARNESS.format(eval=eval_id, metric=metric, pool=200)
    said = f'float(subject.can("{eval_id}", item.seed))}}, {{"prompt": {PROMPT!r}}})'
    text = text.replace(f'float(subject.can("{eval_id}", item.seed))}})', said)
    text = text.replace("import Item, Reading", "import Failed, Item, Reading")
    lost = f"Failed(item=7, labels=dict(item.labels), metrics=({metric!r},), error={FAILURE!r})"
    return text.replace(
        "        yield", f"        if item.number == 7:\n            yield {lost}\n            continue\n        yield"
    )


def publishable(root: Path, change: Callable[[Tiny], object] = lambda made: None) -> Tiny:
    """A gate repository in `root` whose policy says how the model is published."""
    made = make_repository(root)
    made.write_harness(talkative("naming", "right"), "naming")
    made.policy.write_text(made.policy.read_text() + PUBLICATION)
    (root / "policies" / "licenses").mkdir()
    (root / "policies" / "licenses" / "tiny.txt").write_text(LICENCE)
    change(made)
    return made


def decided_run(root: Path, change: Callable[[Tiny], object] = lambda made: None) -> Tiny:
    """The same, with a decided run of its model."""
    made = publishable(root, change)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(releasegate.gate, "write_report", lambda run, *more: run.report_path.write_text("lab's own"))
        gate(made.call(), Silent())
    return made


def copy_of(made: Tiny, root: Path) -> Tiny:
    """A copy of the repository with its run, that can be changed."""
    shutil.copytree(made.root, root)
    return Tiny(root)


def decided(made: Tiny) -> Decided:
    """The run as it is read."""
    return read_decided(RunFolder(made.run.root), made.repository, OPENED)


def policy_of(made: Tiny) -> Policy:
    """The policy as it is today."""
    return made.repository.read_policy(made.policy).record


def composed(made: Tiny, *, model: bool = False) -> Composition:
    """What goes out of the run."""
    return compose(decided(made), made.repository, policy_of(made), made.checkpoint if model else None)


def whole(made: Tiny) -> None:
    """A model that draws too badly to harm: it goes out as it is."""
    made.able(drawing=0.0)
