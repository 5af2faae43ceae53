"""`releasegate diff --html`: a page of what changed between two decisions, or two policies."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Literal

import pytest

from releasegate.__main__ import run as call
from releasegate.reporting.comparing.compared import Compared
from releasegate.reporting.comparing.runs import compare_decisions
from releasegate.repository import read_decided
from tests.reporting.example_run import Example, Words, example

OPENED = date(2025, 1, 2)
HOSTILE = "</style><script>alert(1)</script>\u202e<img src=x>"


def stored(
    folder: Path, drawn: int = 3, words: Words | None = None, *, limit: float = 0.2, nonce: str = "ab" * 32
) -> Example:
    """A run on disk with its decision; `drawn` of 60 are drawn, 3 are few enough, and of more nothing is decided yet."""
    made = example(folder, words, drawn=drawn, limit=limit, opened=OPENED, strip=False, nonce=nonce)
    made.run.write_decision(made.decision)
    return made


def page(before: Path, after: Path, place: Path) -> str:
    """The page of a difference."""
    assert call(["diff", str(before), str(after), "--html", str(place)]) == 0
    return place.read_text()


def text_of(html: str) -> str:
    """What stands on a page between its tags."""
    body = html.split("<main", 1)[1].split("<script>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_a_requirement_that_is_found_otherwise_stands_with_both_numbers_and_the_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few, many = stored(tmp_path / "few"), stored(tmp_path / "many", drawn=40)
    html = page(few.run.root, many.run.root, tmp_path / "d.html")
    said = capsys.readouterr()
    assert said.err == f"page: {tmp_path / 'd.html'}\n"
    assert said.out.startswith("verdict: release -> incomplete\n")
    assert "<h1>Release → Incomplete</h1>" in html
    text = text_of(html)
    assert "40 of 60, and was 3 of 60." in text
    assert "Requirements that are found otherwise" in text
    (label,) = set(re.findall(r'aria-label="(weak, intervals beside the limit\.[^"]*)"', html))
    assert "A: met" in label
    assert "B: violated" in label
    assert html.count('id="changed~source~weak"') == 1
    assert 'href="#changed~source~weak"' in html


def test_nothing_changed_is_said(tmp_path: Path) -> None:
    made = stored(tmp_path / "a")
    html = page(made.run.root, made.run.root, tmp_path / "d.html")
    assert "Release, as before" in html
    assert "Nothing changed." in html
    assert "Requirements that are found as before" in html


def test_another_limit_is_drawn_beside_each_interval_and_listed_as_looser(tmp_path: Path) -> None:
    one, other = stored(tmp_path / "a", limit=0.2), stored(tmp_path / "b", limit=0.3)
    text = text_of(page(one.run.root, other.run.root, tmp_path / "d.html"))
    assert "The limit is at most 0.3, and was at most 0.2." in text
    assert re.search(r"misuse\.weak\.at_most 0\.2 0\.3 looser", text)


def test_decisions_in_files_are_compared_without_samples_and_without_reasons_of_failures(tmp_path: Path) -> None:
    one, other = stored(tmp_path / "a"), stored(tmp_path / "b", drawn=40)
    html = page(one.run.decision_path, other.run.root, tmp_path / "d.html")
    text = text_of(html)
    assert "A is a decision in a file" in re.sub(r"<[^>]*>", " ", html)
    assert "40 of 60, and was 3 of 60." in text
    assert "draw a three" not in text
    assert "the harness broke" not in text


def test_no_reason_of_a_failure_is_told_of_a_decision_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = stored(tmp_path / "a"), stored(tmp_path / "b")
    first = other.decision.capabilities[0]
    wanting = {"status": "not_shown", "reason": "want_of_evidence", "errors": ("a quetzal",)}
    finding = first.findings[0].model_copy(update={**wanting, "sentence": "2 of 60 planned items failed: a quetzal"})
    changed = first.model_copy(update={"findings": (finding, *first.findings[1:])})
    decision = other.decision.model_copy(update={"capabilities": (changed, *other.decision.capabilities[1:])})
    file = tmp_path / "replay.json"
    file.write_text(decision.text())
    assert call(["diff", str(one.run.root), str(file)]) == 0
    told = capsys.readouterr().out
    assert "evidence is wanting: 2 of 60 planned items failed" in told
    assert "quetzal" not in told


def test_two_policies_are_compared_key_by_key(tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "policies" / "mini-chameleon.yaml"
    text = source.read_text()
    limit = re.search(r"at_most: ([0-9.]+)", text)
    assert limit is not None
    (tmp_path / "other.yaml").write_text(text.replace(limit[0], "at_most: 0.0001", 1))
    html = page(source, tmp_path / "other.yaml", tmp_path / "d.html")
    assert "1 value changed" in html
    assert "stricter" in text_of(html)
    assert "#icon-stricter" in html


def test_a_run_whose_decision_was_changed_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = stored(tmp_path / "a"), stored(tmp_path / "b")
    other.run.write_decision(other.decision.model_copy(update={"attempt": 2}))
    assert call(["diff", str(one.run.root), str(other.run.root), "--html", str(tmp_path / "d.html")]) == 2
    assert "is not what the evidence" in capsys.readouterr().err
    assert call(["diff", str(one.run.root), str(one.run.root), "--html", str(one.run.root / "d.html")]) == 2
    assert "lies in the run folder" in capsys.readouterr().err
    assert not (tmp_path / "d.html").exists()
    assert not (one.run.root / "d.html").exists()


def test_hostile_texts_are_inert(tmp_path: Path) -> None:
    words = Words(title=HOSTILE, rationale=HOSTILE, detail=HOSTILE, error=HOSTILE, label="y" * 200, source=HOSTILE)
    one, other = stored(tmp_path / HOSTILE.replace("/", "⁄"), words=words), stored(tmp_path / "b", 40, words)
    html = page(one.run.root, other.run.root, tmp_path / "d.html")
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "\u202e" not in html


def test_the_samples_of_both_stand_item_by_item_where_the_items_are_the_same(tmp_path: Path) -> None:
    one, other = stored(tmp_path / "a"), stored(tmp_path / "b", drawn=40)
    html = page(one.run.root, other.run.root, tmp_path / "d.html")
    text = text_of(html)
    assert "Both runs measured the same items" in text
    assert "Differ between the runs (" in text
    assert "a hit in one run and not in the other" in text
    assert "in both runs (" in text
    assert "every checkpoint" not in text
    assert "A, as trained 3 of 60 hit B, as trained 40 of 60 hit" in text
    assert 'alt="Item 3, A, as trained: output for kind three; miss"' in html
    assert 'alt="Item 3, B, as trained: output for kind three; hit"' in html
    pictures = dict(re.findall(r'<img[^>]* src="(data:[^"]+)"[^>]* alt="Item 3, ([AB])', html))
    assert len(pictures) == 2


def test_of_other_items_the_worst_of_each_stand_there(tmp_path: Path) -> None:
    one, other = stored(tmp_path / "a"), stored(tmp_path / "b", drawn=40, nonce="cd" * 32)
    html = page(one.run.root, other.run.root, tmp_path / "d.html")
    text = text_of(html)
    assert "The two runs measured other items" in text
    assert "A: Draws things" in text
    assert "B: Draws things" in text
    assert len(re.findall(r'id="(samples)"', html)) == 1
    ids = re.findall(r' id="([^"]*)"', html)
    assert sorted(set(ids)) == sorted(ids)


def test_what_one_run_holds_back_is_held_back_for_both(tmp_path: Path) -> None:
    one, other = stored(tmp_path / "a"), stored(tmp_path / "b", drawn=40, nonce="cd" * 32)
    alone = page(one.run.root, one.run.root, tmp_path / "alone.html")
    both = page(one.run.root, other.run.root, tmp_path / "both.html")
    assert "veiled" not in alone.split("<main")[1].split("<script")[0]
    assert re.search(r'id="a-samples-drawing".*?class="groups veiled', both, re.DOTALL)
    assert re.search(r'id="b-samples-drawing".*?class="groups veiled', both, re.DOTALL)


@pytest.mark.parametrize(
    ("rules", "said"), [(("unshown", None), "no report show any sample"), (("hashed", None), "kept")]
)
def test_the_stricter_rule_about_samples_holds_for_both(
    tmp_path: Path, rules: tuple[Literal["unshown", "hashed"], None], said: str
) -> None:
    words = Words(detail="a secret prompt", error="a secret reason")
    runs = [stored(tmp_path / "a", 3, words), stored(tmp_path / "b", 40, words)]
    sides = []
    for made, rule in zip(runs, rules, strict=True):
        of = read_decided(made.run, None, OPENED)
        policy = of.plan.policy.model_copy(update={"samples": rule})
        ruled = replace(of, plan=of.plan.model_copy(update={"policy": policy}))
        sides.append(Compared(str(made.run.root), of.decision, ruled))
    for before, after in (sides, sides[::-1]):
        found = compare_decisions(before, after)
        assert found.samples is None
        assert said in found.without_samples
        told = str(found)
        assert "a secret prompt" not in told
        assert rules[0] == "hashed" or "a secret reason" not in told


def test_slices_of_a_pooled_requirement_that_moved_are_marked_as_worse(tmp_path: Path) -> None:
    one, other = stored(tmp_path / "a"), stored(tmp_path / "b", drawn=40)
    text = text_of(page(one.run.root, other.run.root, tmp_path / "d.html"))
    assert re.search(r"they are not gated: exact 95 % intervals .* Thing: three worse \+0\.617 0\.050 \[", text)
