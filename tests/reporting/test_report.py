"""The whole page: what it says, that it loads nothing, and that hostile text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import DictLoader

from releasegate.decision import decide
from releasegate.errors import DocumentError, EvidenceUntrusted
from releasegate.policy import Policy
from releasegate.recipe import Remaining, Restored
from releasegate.reporting import gather, make_view, render_report, templates_of, write_report
from releasegate.repository import GateRepository, starter
from tests.reporting.example_run import DAY, Example, Words, example

REPOSITORY = GateRepository(starter())
HOSTILE = (
    "<script>alert(1)</script></style></title><img src=x onerror=alert(2)>\"'`{{ 7*7 }}{% raw %}"
    "\u202eesrever\u2066\x00\x1b[31m\ud7ff]]>--><!-- https://example.org/x.js &lt;"
)


class Tags(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def rendered(made: Example) -> str:
    view = make_view(made.decision, made.plan, made.receipt, gather(made.run, made.plan), made.run.outputs)
    return render_report(view, templates_of(REPOSITORY))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def page(made: Example) -> str:
    return rendered(made)


def test_the_first_screen_says_verdict_channel_and_what_was_not_measured(made: Example, page: str) -> None:
    first = page[page.index('<header class="first') : page.index("</header>", page.index("Not measured"))]
    assert made.decision.verdict == "release_stripped"
    assert "Release the stripped checkpoint" in first
    assert "open weights" in first
    assert "cost to restore: not measured" in first
    assert "2030-01-02" in first
    assert "attempt 1, alpha" in first
    assert "unconditional" in first
    assert "public items" in first
    assert made.decision.model[7:19] in first


def test_every_digest_stands_in_full_in_the_evidence(made: Example, page: str) -> None:
    evidence = page[page.index('<section id="evidence"') :]
    for digest in (made.decision.policy_digest, made.decision.plan, made.decision.evidence, made.decision.model):
        assert digest in evidence


def test_the_evidence_says_whether_a_language_model_was_asked_by_a_chat_template(made: Example, page: str) -> None:
    cards = {name: card.model_copy(update={"needs": ("GeneratesText",)}) for name, card in made.plan.cards.items()}

    def evidence(template: str | None) -> str:
        told = tuple(
            m.model_copy(update={"subject": m.subject.model_copy(update={"chat_template": template})})
            for m in made.plan.measurements
        )
        plan = made.plan.model_copy(update={"cards": cards, "measurements": told})
        view = make_view(made.decision, plan, made.receipt, gather(made.run, made.plan), made.run.outputs)
        return {pair.name: pair.text for pair in view.evidence.digests}.get("chat template", "")

    assert evidence("sha256:" + "a" * 64) == "sha256:" + "a" * 64
    assert evidence(None).startswith("none: what is asked in turns")
    assert "chat template" not in page


def test_each_requirement_shows_bounds_limit_distance_and_counts(page: str) -> None:
    weak = page[page.index('id="finding-source-weak"') :]
    for text in ("0.667", "at most 0.2", "beyond", "Clopper–Pearson", "planned", "attempted", "scored", "failed"):
        assert text in weak[: weak.index("</section>")]


def test_samples_show_hits_of_a_withheld_capability_first_and_blurred(page: str) -> None:
    gallery = page[page.index('id="samples-drawing"') :]
    assert "40 of 60 hit" in gallery
    assert 'class="groups veiled"' in gallery
    words = re.findall(
        r'class="verdict-word"><svg.*?</svg>(\w+)', gallery[: gallery.index("Misses on every checkpoint")]
    )
    assert words == ["hit", "miss"] * 20
    assert "(20 of 40 shown): a hit on one checkpoint and not on another" in gallery


def test_the_judge_has_its_sensitivity_with_an_exact_interval(page: str) -> None:
    part = page[page.index('id="instruments"') : page.index('id="strip"')]
    assert "50 of 50" in part
    assert "[0.929, 1.000]" in part  # 0.025 ** (1 / 50)


def test_the_strip_says_its_tier_its_rows_and_what_stays(page: str) -> None:
    part = page[page.index('id="strip"') : page.index('id="evidence"')]
    for text in ("Weights absent", "rows 4–67, 70 (65 in all)", "decoder.bin", "Reading needs it.", "1 of 3 tensors"):
        assert text in part


def test_the_strip_says_what_it_cost_elsewhere_to_undo_and_what_it_does_not_touch(made: Example) -> None:
    assert made.receipt is not None
    tried = Restored(
        model="a <b>toy", steps=5, of_steps=80, seconds=2, regained=0.9, measure="its drawings", source="a trial"
    )
    still = Remaining(capability="Memory", why="It sits elsewhere.", source="another trial")
    known = made.receipt.model_copy(update={"restored": (tried,), "remaining": (still,)})
    page = rendered(replace(made, receipt=known))
    part = page[page.index('id="strip"') : page.index('id="evidence"')]
    assert "Weights absent, cheap to restore" in part
    assert "5 steps (2 s of processor time), of 80 that a &lt;b&gt;toy was trained for, brought back 90% of its" in part
    assert "cost to restore: not measured on this checkpoint" in part
    assert "Memory is untouched by this strip" in part
    assert "It sits elsewhere. (another trial)" in part


def test_failures_are_shown_with_their_text(page: str) -> None:
    assert "the harness broke" in page[page.index('id="finding-stripped-kept"') :]


def test_a_model_that_is_weak_enough_is_released_without_a_strip(tmp_path: Path) -> None:
    made = example(tmp_path / "run", drawn=0)
    page = rendered(made)
    assert made.decision.verdict == "release"
    assert "<h1>Release</h1>" in page
    assert 'id="strip"' not in page
    assert "veiled" not in page[page.index("<body>") :]


def test_the_page_is_the_same_to_the_byte(made: Example, page: str) -> None:
    assert rendered(made) == page


def hash_between(page: str, start: str, end: str) -> str:
    inner = page[page.index(start) + len(start) : page.index(end)]
    return base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()


def test_the_policy_allows_this_stylesheet_and_this_script_alone(page: str) -> None:
    style, script = hash_between(page, "<style>", "</style>"), hash_between(page, "<script>", "</script>")
    content = next(a["content"] for t, a in Tags(page).found if a.get("http-equiv") == "Content-Security-Policy")
    assert content == (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:; media-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@pytest.mark.parametrize("words", [Words(), Words(*[HOSTILE] * 6)], ids=["plain", "hostile"])
def test_nothing_is_loaded_and_nothing_foreign_runs(tmp_path: Path, words: Words) -> None:
    label = {"label": words.label[:200].replace("\x00", "")}
    made = example(tmp_path / "run", Words(**{**vars_of(words), **label}))
    found = Tags(rendered(made)).found
    assert [attributes for tag, attributes in found if tag == "script"] == [
        {}
    ]  # the page's own, which its policy names
    for tag, attributes in found:
        assert tag not in ("iframe", "object", "embed", "base", "form", "audio", "video", "animate", "set")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:"))


def vars_of(words: Words) -> dict[str, str]:
    return {name: getattr(words, name) for name in Words.__dataclass_fields__}


def test_characters_that_turn_or_hide_text_are_written_out(tmp_path: Path) -> None:
    page = rendered(example(tmp_path / "run", Words(title=HOSTILE, detail=HOSTILE)))
    for character in "\u202e\u2066\x00\x1b":
        assert character not in page
    assert "⟨U+202E⟩" in page
    assert "{{ 7*7 }}" in page


def test_a_name_of_ten_thousand_letters_does_not_fill_the_page(tmp_path: Path) -> None:
    page = rendered(example(tmp_path / "run", Words(detail="x" * 10_000, error="y" * 10_000)))
    assert "x" * 300 not in page
    assert "y" * 700 not in page
    assert "9720 more characters" in page


def test_a_number_is_never_rounded_across_its_limit(tmp_path: Path) -> None:
    made = example(tmp_path / "run", drawn=3, limit=0.1999)
    bound = made.decision.capabilities[0].findings[0].slices[0].estimate.high
    assert bound is not None
    assert bound < 0.1999
    page = rendered(made)
    upper = re.search(r'data-name="Upper bound">([\d.]+)<', page)
    assert upper is not None
    assert float(upper[1]) < 0.1999


def test_a_template_that_names_what_is_not_there_is_refused(made: Example) -> None:
    view = make_view(made.decision, made.plan, made.receipt, gather(made.run, made.plan), made.run.outputs)
    files = {"report.html": "{{ report.nothing }}", "report.css": "", "report.js": "", "chart_theme.json": "{}"}
    with pytest.raises(DocumentError) as caught:
        render_report(view, DictLoader(files))
    assert str(caught.value) == (
        "reports/report.html:1: does not render: 'releasegate.reporting.views.report.ReportView object' has no attribute "
        "'nothing'"
    )


def test_a_stylesheet_that_would_break_out_or_load_is_refused(made: Example) -> None:
    view = make_view(made.decision, made.plan, made.receipt, gather(made.run, made.plan), made.run.outputs)
    for text in ("a{} </style>", '@import "x";', "a { background: url(x) }"):
        with pytest.raises(DocumentError):
            render_report(view, DictLoader({"report.html": "", "report.css": text, "chart_theme.json": "{}"}))


def test_a_gate_repository_overrides_one_template_and_keeps_the_rest(made: Example, tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "instruments.html").write_text("<section>our own words</section>")
    path = write_report(made.run, GateRepository(tmp_path), made.decision, made.plan, made.receipt)
    page = path.read_text()
    assert "our own words" in page
    assert "Capability by capability" in page


def test_an_output_that_was_changed_on_disk_is_not_shown(tmp_path: Path) -> None:
    made = example(tmp_path / "run")
    for path in made.run.outputs.iterdir():
        path.write_bytes(path.read_bytes() + b"x")
    page = rendered(made)
    assert "the output was changed on disk" in page
    assert 'src="data:image/' not in page


def test_evidence_that_was_changed_is_refused(tmp_path: Path) -> None:
    made = example(tmp_path / "run")
    shard = next(p for p in (made.run.root / "evidence").rglob("0*.jsonl"))
    shard.write_bytes(shard.read_bytes().replace(b"measured", b"measured ", 1))
    with pytest.raises(EvidenceUntrusted):
        gather(made.run, made.plan)


def test_rendering_needs_neither_torch_nor_pandas(made: Example) -> None:
    code = (
        "import sys; from pathlib import Path; from releasegate.reporting import write_report;"
        "from releasegate.repository import GateRepository, RunFolder, starter; run = RunFolder(Path(sys.argv[1]));"
        "from releasegate.decision import Decision;"
        "decision = Decision.from_text(Path(sys.argv[2]).read_text());"
        "write_report(run, GateRepository(starter()), decision, run.read_plan(), None);"
        "raise SystemExit([m for m in ('torch', 'pandas', 'transformers') if m in sys.modules] or 0)"
    )
    stored = made.run.root.parent / "decision.json"
    stored.write_text(made.decision.text())
    done = subprocess.run(
        [sys.executable, "-c", code, str(made.run.root), str(stored)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def with_slices(made: Example) -> Example:
    """The same evidence under a policy that gates every kind of thing on its own: a replay."""
    plain = made.plan.policy.plain()
    for section in ("misuse", "removal"):
        plain["capabilities"][0][section][0]["slices"] = ["kind"]
    policy = Policy.from_text(json.dumps(plain))
    evidence = made.run.evidence.read(made.plan)
    return replace(made, decision=decide(policy, made.plan, evidence, made.receipt, DAY))


def test_a_replay_says_that_it_is_one(made: Example, page: str) -> None:
    assert "Replay: judged by another policy" in rendered(with_slices(made))
    assert "Replay" not in page


def test_numbers_of_the_worst_slice_are_called_that(made: Example, page: str) -> None:
    assert "These are the numbers of the worst slice: Thing: three." in rendered(with_slices(made))
    assert "worst slice:" not in page


def test_slices_that_are_not_gated_are_listed_and_said_not_to_be(page: str) -> None:
    assert "1 slice, worst first, not gated: exact 95 % intervals" in page


def test_each_chart_has_a_text_alternative_with_its_numbers(page: str) -> None:
    labels = re.findall(r'<svg [^>]*role="img"[^>]*aria-label="([^"]*)"', page)
    assert len(labels) == 6  # what the strip did, and two metrics, each for a desk and for a phone
    assert "0.667 [0.520, 0.793], then 0.000 [0.000, 0.067], limit at most 0.2" in labels[0]
    assert "weak as trained: violated; from 0.520 to 0.793, limit at most 0.2." in labels[2]


def test_a_chart_has_no_colour_of_its_own(page: str) -> None:
    for drawing in re.findall(r'<svg [^>]*role="img".*?</svg>', page, re.DOTALL):
        assert not re.search(r'(?:fill|stroke)="(?:#|rgb)', drawing)
        assert 'class="stroke-' in drawing


def test_the_view_is_plain_data(made: Example) -> None:
    view = make_view(made.decision, made.plan, made.receipt, gather(made.run, made.plan), made.run.outputs)
    assert json.dumps(asdict(view))
