"""Private pools: what one attempt draws, no other does, and what is used up is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from releasegate.__main__ import run
from releasegate.evaluation.harness import load_harness
from releasegate.evaluation.items import planned_items
from releasegate.plan import Plan
from releasegate.repository import RunFolder
from tests.tiny_repository import NONCE, Tiny

pytestmark = pytest.mark.usefixtures("quick_report")


def open_attempt(made: Tiny, name: str) -> Plan:
    """The plan of one more attempt."""
    folder = made.root / name
    assert run(["plan", str(made.policy), "--model", str(made.checkpoint), "--open", str(folder), "-q"]) == 0
    return RunFolder(folder).read_plan()


def shown(made: Tiny, folder: Path, checkpoint: str) -> dict[int, str]:
    """Which item of the pool each sample is of, as the harness said."""
    made_run = RunFolder(folder)
    plan = made_run.read_plan()
    m = plan.find("naming", checkpoint)
    assert m is not None
    return {s.item: str(s.detail["scan"]) for s in made_run.evidence.samples(plan, m) if s.outcome == "measured"}


def telling(made: Tiny) -> Tiny:
    """This one; each sample of `naming` says which item it is of."""
    made.change(made.harness("naming"), "item.seed))})", 'item.seed))}, {"scan": item.name})')
    return made


def test_attempts_draw_items_that_no_other_drew_until_the_pool_is_used_up(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    made.pooled(340)
    drawn = [open_attempt(made, f"attempt{j}").drawn["naming"] for j in range(3)]
    assert [len(set(items)) for items in drawn] == [100, 100, 100]
    assert len(set().union(*drawn)) == 300
    assert [a.used["naming"] for a in made.ledger.read("tiny").attempts] == drawn
    capsys.readouterr()
    assert run(made.gate()) == 2
    assert "naming: has 40 items left, and 100 are planned" in capsys.readouterr().err
    assert not made.run.root.exists()
    assert len(made.ledger.read("tiny").attempts) == 3, "no attempt is spent on a pool that is used up"


def test_what_is_measured_is_what_was_drawn_on_the_source_and_on_the_stripped_checkpoint(made: Tiny) -> None:
    telling(made.pooled(150))
    assert run(made.gate()) == 0
    source, stripped = (shown(made, made.run.root, name) for name in ("source", "stripped:drawing"))
    assert source == stripped
    assert tuple(sorted(source.values())) == made.run.read_plan().drawn["naming"]


def test_resuming_after_later_attempts_measures_what_this_one_drew(made: Tiny) -> None:
    telling(made.pooled(300))
    first = open_attempt(made, "run")
    open_attempt(made, "second")
    assert run(made.gate()) == 0
    assert made.run.read_plan() == first
    assert tuple(sorted(shown(made, made.run.root, "source").values())) == first.drawn["naming"]


def test_a_rehearsal_takes_nothing_out_of_a_pool(made: Tiny) -> None:
    made.pooled(100).rehearsable()
    assert run(made.gate("--rehearse")) == 0
    assert len(open_attempt(made, "attempt").drawn["naming"]) == 100


def test_the_items_of_a_pool_depend_on_the_nonce_and_on_what_is_left_alone(made: Tiny) -> None:
    made.pooled(300)
    folder = made.repository.read_eval("naming")

    def drawn(nonce: str, used: frozenset[str] = frozenset()) -> list[str]:
        harness = load_harness(folder.folder)
        return [
            i.name for i in planned_items(harness, folder.card, "gate", 100, nonce, free=lambda name: name not in used)
        ]

    first = drawn(NONCE)
    assert first == drawn(NONCE)
    assert set(first) != set(drawn("cd" * 32))
    assert set(first).isdisjoint(drawn(NONCE, frozenset(first)))


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("", "naming: an item of its private pool is named ''"),
        ("scan\\n", "naming: an item of its private pool is named 'scan\\n'"),
        ("é{i}", "naming: an item of its private pool is named 'é0'"),
        ("x" * 201, f"naming: an item of its private pool is named '{'x' * 201}'"),
        ("scan-{i // 2}", "naming: two items of its private pool are named 'scan-0'"),
    ],
    ids=["missing", "with a newline", "not ASCII", "too long", "doubled"],
)
def test_items_of_a_pool_without_names_of_their_own_open_no_attempt(
    made: Tiny, name: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made.pooled(150).change(made.harness("naming"), 'name=f"scan-{i}"', f'name=f"{name}"')
    assert run(made.gate()) == 2
    assert what in capsys.readouterr().err
    assert not made.run.root.exists()
    assert not made.ledger.path.exists() or made.ledger.read("tiny").attempts == ()
