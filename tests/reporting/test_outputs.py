"""The kinds of output: what each holds, of small runs and of large and hostile ones."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pandas
import pytest
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from releasegate.decision import Decision
from releasegate.reporting import templates_of
from releasegate.reporting.formats import KINDS, Rendered
from releasegate.reporting.formats.markdown import MOST
from releasegate.reporting.formats.markdown_text import plain
from releasegate.reporting.formats.report import Report
from releasegate.reporting.formats.table import FORMULA, inert
from releasegate.repository import GateRepository, starter
from tests.reporting.example_run import Example, Words, example

ROOT = Path(__file__).parents[2]
HOSTILE = (
    "<script>alert(1)</script>",
    "</details></style><b>bold</b>",
    "<!-- hidden -->",
    "![x](http://evil.example/x.png)",
    "[click](javascript:alert(1)) <https://evil.example> www.evil.example evil.example http://evil.example",
    "@someone @org/team #1 GH-1 org/repo#2 !3 :shipit: deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    "a | b || c \\| d `code` ```fence``` **bold** __bold__ ~~gone~~ $x^2$ [^1]",
    "# head\n\n- item\n1. one\n---\n> quote\n| a | b |\n|---|---|",
    "\u202eabc\u2066 \u200b \x00 \x1b[31m",
    "- x",
    "1. x",
    "=cmd|' /C calc'!A0",
)


def rendered(made: Example) -> Rendered:
    return Rendered(made.run, made.decision, made.plan, made.receipt, templates_of(GateRepository(starter())))


def _all(made: Example) -> Iterator[tuple[str, bytes]]:
    material = rendered(made)
    return ((kind, render(material)) for kind, render in KINDS.items() if kind != "html")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("outputs") / "run")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Example:
    text = " ".join(HOSTILE)
    words = Words(title=text, rationale=text, detail=text, error=text, label=HOSTILE[0][:199], source=text)
    return example(tmp_path_factory.mktemp("hostile") / "run", words)


class Tags(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.comments = 0
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_comment(self, data: str) -> None:
        self.comments += 1

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(markdown: str) -> Tags:
    return Tags(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown))


OWN = {
    "h2",
    "p",
    "strong",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "ul",
    "li",
    "details",
    "summary",
    "code",
    "span",
}


def many(made: Example, text: str, slices: int = 20) -> Decision:
    """The decision, with 50 capabilities of so many slices each, and this text wherever one can stand."""
    first = made.decision.capabilities[0]
    finding = first.findings[0]
    part = finding.slices[0]
    parts = tuple(part.model_copy(update={"labels": {"attack": f"{i} {text}"[:200]}}) for i in range(slices))
    open_ = {"status": "not_shown", "settle": text, "slices": parts, "sentence": text}
    capabilities = tuple(
        first.model_copy(
            update={
                "id": f"c{i}",
                "title": text,
                "findings": (finding.model_copy(update={**open_, "requirement": f"r{i}"}),),
                "route": None,
            }
        )
        for i in range(50)
    )
    lines = tuple(f"{i}: {text}" for i in range(300))
    update = {"capabilities": capabilities, "strip": None, "not_measured": lines, "leans_on": lines, "summary": text}
    return made.decision.model_copy(update={**update, "outside": lines, "idle_waivers": lines})


def test_every_kind_gives_the_same_bytes_again_and_no_path_of_the_machine(made: Example) -> None:
    first, second = (dict(_all(made)) for _ in range(2))
    assert first == second
    assert set(first) | {"html"} == set(KINDS)  # a page has a test of its own
    assert [kind for kind, data in first.items() if str(made.run.root).encode() in data] == []


def test_the_comment_says_the_verdict_each_capability_and_what_is_not_known(made: Example) -> None:
    text = KINDS["md"](rendered(made)).decode()
    assert text.startswith("## Release the stripped checkpoint: Draws things\n")
    assert "| **Stripped** | Draws things | " in text
    assert "0.667 as trained, 0.000 after the strip; limit at most 0.2" in text.replace(", limit", "; limit")
    assert "- cost to restore: not measured\n" in text
    assert f"decision <code>{made.decision.digest()}</code>" in text


@pytest.mark.parametrize(
    ("text", "slices"), [("\n".join(HOSTILE), 1000), ("ä" * 10_000, 20), ("&" * 10_000, 20), ("$" * 4_000, 20)]
)
def test_the_comment_fits_whatever_was_found(tmp_path: Path, text: str, slices: int) -> None:
    made = example(tmp_path / "run", Words(title=text[:4_000]))
    large = Example(made.run, made.plan, many(made, text, slices), None)
    markdown = KINDS["md"](rendered(large))
    assert len(markdown) <= MOST < 65_536
    assert b"and" in markdown
    assert shown(markdown.decode()).found <= OWN


def test_hostile_texts_are_nothing_but_text_in_the_comment(hostile: Example) -> None:
    page = shown(KINDS["md"](rendered(hostile)).decode())
    assert page.found <= OWN
    assert page.attributes == set()
    assert page.comments == 0
    assert "<script>alert(1)</script>" in page.text
    assert "![x](http:/" in page.text.replace("\u200b", "")


@pytest.mark.parametrize(
    "text",
    ["@someone", "x #1", "see GH-12", "org/repo#2", "http://a.example", "www.a.example", "a.example", ":shipit:"],
)
def test_what_a_site_would_link_is_broken_up(text: str) -> None:
    assert "\u200b" in shown(f"- {plain(text)}").text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_stands_in_a_cell_a_list_and_a_heading_as_itself(text: str) -> None:
    for frame in ("- {}", "| a | b |\n|---|---|\n| {} | x |", "## Verdict: {}", "> {}"):
        page = shown(frame.format(plain(text)))
        assert page.found <= OWN | {"blockquote"}
        assert page.attributes == set()
    line = plain(text)
    assert "\n" not in line
    assert (
        shown(f"- {line}").text.replace("\u200b", "").split()
        == " ".join(re.sub(r"[\u202e\u2066\u200b\x00\x1b]", lambda m: f"⟨U+{ord(m[0]):04X}⟩", text).split()).split()
    )


def test_numbers_and_names_stay_readable_in_the_source_of_the_comment() -> None:
    text = "image_generation on source: 0.988 of 400 (mp3_64k), at most -0.2; 1,000 items"
    assert plain(text) == text.replace("-0.2", "-&#8203;0.2")


def test_the_report_as_data_is_valid_by_its_published_schema(made: Example, hostile: Example) -> None:
    schema = Draft202012Validator(json.loads((ROOT / "reports" / "report.schema.json").read_text()))
    for one in (made, hostile):
        data = json.loads(KINDS["json"](rendered(one)))
        assert [error.message for error in schema.iter_errors(data)] == []
        assert Report.from_text(KINDS["json"](rendered(one))).plain() == data


def test_the_report_as_data_has_the_numbers_of_the_decision_to_the_last_digit(made: Example) -> None:
    data = Report.from_text(KINDS["json"](rendered(made)))
    assert made.decision.strip is not None
    findings = [f for c in data.capabilities for f in c.findings]
    stored = [f for c in made.decision.capabilities for f in c.findings] + list(made.decision.strip.findings)
    assert sorted(findings, key=str) == sorted(stored, key=str)
    assert (data.verdict, data.exit_code, data.decision) == ("release_stripped", 0, made.decision.digest())
    judged = {(m.metric, m.checkpoint, m.n) for m in data.measures}
    assert ("drawing/sensitivity", "source", 50) in judged
    assert ("drawing/masked", "source", 20) in judged
    assert [(m.planned, m.failed) for m in data.measurements if m.eval == "captions"] == [(30, 1), (30, 1)]


def test_the_table_has_a_row_for_each_estimate_in_full_precision(made: Example) -> None:
    data = KINDS["csv"](rendered(made))
    table = pandas.read_csv(io.BytesIO(data))
    assert list(zip(table.requirement, table.checkpoint, strict=True)) == [
        ("weak", "source"),
        ("gone", "stripped:drawing"),
        ("kept", "stripped:drawing"),
    ]
    assert made.decision.strip is not None
    assert table.high[1] == made.decision.strip.findings[0].slices[0].estimate.high
    assert data.count(b"\r\n") == len(table) + 1


def test_the_table_of_slices_has_a_column_for_each_dimension(made: Example) -> None:
    large = many(made, 'x, "y"\nz')
    table = pandas.read_csv(io.BytesIO(KINDS["csv"](rendered(Example(made.run, made.plan, large, None)))))
    assert len(table) == 1000
    assert table["slice.attack"][1] == '1 x, "y"\nz'


@pytest.mark.parametrize("text", [f"{sign}1+1" for sign in FORMULA])
def test_no_cell_begins_like_a_formula(made: Example, text: str) -> None:
    first = made.decision.capabilities[0]
    part = first.findings[0].slices[0].model_copy(update={"labels": {"attack": text}})
    finding = first.findings[0].model_copy(update={"slices": (part,)})
    decision = made.decision.model_copy(
        update={"capabilities": (first.model_copy(update={"findings": (finding,)}),), "strip": None}
    )
    made = Example(made.run, made.plan, decision, None)
    [header, row] = csv.reader(io.StringIO(KINDS["csv"](rendered(made)).decode(), newline=""))
    assert row[header.index("slice.attack")] == inert(text)
    assert not any(cell.startswith(FORMULA) for cell in row if not re.fullmatch(r"-?[\d.e-]+", cell))


def test_a_decision_without_any_finding_gives_every_kind(made: Example) -> None:
    artefact = made.decision.artefacts[0].model_copy(update={"capabilities": ()})
    update = {"capabilities": (), "strip": None, "verdict": "incomplete", "artefacts": (artefact,)}
    bare = Example(made.run, made.plan, made.decision.model_copy(update=update), None)
    assert b"## Incomplete" in KINDS["md"](rendered(bare))
    assert json.loads(KINDS["json"](rendered(bare)))["exit_code"] == 3
    assert KINDS["csv"](rendered(bare)) == b"\r\n"


def test_what_was_not_scored_says_none_and_leaves_cells_empty(made: Example) -> None:
    first = made.decision.capabilities[0]
    part = first.findings[0].slices[0]
    lost = {"value": None, "low": None, "high": None, "scored": 0, "failed": 60, "hits": 0}
    part = part.model_copy(update={"estimate": part.estimate.model_copy(update=lost), "status": "not_shown"})
    update = {"slices": (part,), "status": "not_shown", "reason": "want_of_evidence"}
    finding = first.findings[0].model_copy(update=update)
    artefact = made.decision.artefacts[0]
    incomplete = {
        "capabilities": (first.model_copy(update={"findings": (finding,), "verdict": "incomplete"}),),
        "strip": None,
        "verdict": "incomplete",
        "rehearsal": True,
        "artefacts": (artefact, artefact.model_copy(update={"name": "paper"})),
    }
    lacking = Example(made.run, made.plan, made.decision.model_copy(update=incomplete), None)
    text = KINDS["md"](rendered(lacking)).decode()
    assert "> Rehearsal: " in text
    assert "| Paper |" in text
    row = next(line for line in text.splitlines() if line.startswith("| ? not shown, want of evidence | weak: "))
    assert row.endswith(
        "| none | none | at&nbsp;most&nbsp;0.2 | 0&nbsp;of&nbsp;60, 60&nbsp;failed&nbsp;or&nbsp;missing |"
    )
    table = pandas.read_csv(io.BytesIO(KINDS["csv"](rendered(lacking))))
    assert table[["value", "low", "high", "inside"]].isna().all(axis=None)
    assert json.loads(KINDS["json"](rendered(lacking)))["exit_code"] == 3
