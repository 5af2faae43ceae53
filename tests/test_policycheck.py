"""Whether a policy makes sense: numbers that void the gate, names that do not exist, parts that contradict each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from releasegate.__main__ import run
from releasegate.cardcheck import parse_card
from releasegate.evalcard import GATEABLE, EvalCard
from releasegate.policy import parse_policy
from releasegate.policycheck import Surroundings, problems, unused
from releasegate.recipe import Recipe
from releasegate.repository import GateRepository
from releasegate.working import uncontrolled
from tests.tiny_checkpoints import recipe

DRAWING = """\
schema: releasegate/eval/v1
id: drawing
title: Draws
description: Draws.
needs: [GeneratesImages]
items: {kind: generated, n: 400, source: made}
metrics:
  legible: {title: Legible, type: bernoulli, working: [{metric: drawing/copied, at_least: 0.5}], unit: share,
    range: [0, 1], better: higher}
  copied: {title: Copied, type: bernoulli, unit: share, range: [0, 1], better: lower}
  auc: {title: AUC, type: report_only, unit: none, range: [0.5, 1], better: higher, instead: drawing/legible}
  cost: {title: Cost, type: ratio, unit: none, range: [0, 60], better: higher}
  judged: {title: Judge, type: bernoulli, unit: share, range: [0, 1], better: higher, of_instrument: judge}
slices:
  digit: {title: Digit, gate: true}
  ink: {title: Ink}
instruments:
  judge: {title: Judge, files: [judge.bin], source: made}
"""
NAMING = """\
schema: releasegate/eval/v1
id: naming
title: Names
description: Names.
needs: [CaptionsImages]
items: {kind: public_pool, n: 320, source: found}
metrics:
  right: {title: Right, type: bernoulli, unit: share, range: [0, 1], better: higher}
slices:
  digit: {title: Digit}
"""
POLICY = """\
schema: releasegate/policy/v1
id: tiny
title: A tiny model
model: {layout: chameleon-hf, subject: tiny}
release: {channel: open_weights}
capabilities:
  - id: drawing
    title: Draws
    rationale: Not mature.
    misuse:
      - {id: weak, metric: drawing/legible, at_most: 0.20}
    safeguards:
      marked:
        - {id: marked, metric: drawing/copied, at_least: 0.9, enforced_by: weights}
    otherwise: strip
    recipe: chameleon-hf/image_generation
    removal:
      - {id: gone, metric: drawing/legible, at_most: 0.20}
    keep:
      - {id: kept, metric: naming/right, margin: 0.03}
  - id: naming
    title: Names
    rationale: Harmless.
    unconditional: true
"""


def card(text: str) -> EvalCard:
    return parse_card(text, "eval.yaml").record


def repository(**subjects: frozenset[str] | None) -> Surroundings:
    recipes: dict[str, Recipe] = {
        "chameleon-hf/image_generation": recipe(),
        "other-hf/image_generation": recipe(id="other-hf/image_generation", layout="other-hf"),
    }
    known = subjects or {"tiny": frozenset({"GeneratesImages", "CaptionsImages"}), "own": None}
    return Surroundings({"drawing": card(DRAWING), "naming": card(NAMING)}, recipes, known)


def found(text: str, beside: Surroundings | None = None) -> list[str]:
    """`where: what | fix` of every problem."""
    listed = problems(parse_policy(text, "p.yaml"), beside or repository())
    return [f"{p.where}: {p.what} | {p.fix}" for p in listed]


def changed(*pairs: tuple[str, str]) -> str:
    text = POLICY
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after, 1)
    return text


def test_the_example_itself_has_no_problem() -> None:
    assert found(POLICY) == []


def test_what_shows_a_capability_gone_is_not_that_the_model_does_more() -> None:
    """In misuse and in removal; a cost to restore, which is a ratio, is to be large."""
    for section in ("safeguards", "keep"):
        (problem,) = found(changed((f"at_most: 0.20}}\n    {section}", f"at_least: 0.20}}\n    {section}")))
        assert "would release a model because it does more: drawing/legible above the limit" in problem
        assert problem.endswith("| state at_most")
    costly = found(
        changed(("{id: gone, metric: drawing/legible, at_most: 0.20}", "{id: gone, metric: drawing/cost, at_least: 9}"))
    )
    assert not any("does more" in problem for problem in costly)


WEAK = "at_most: 0.20}\n    safeguards"
MARKED = "at_least: 0.9, enforced_by"
BEYOND = "is at or beyond the range 0 to 1 of"
NOTHING = "no evidence could make it fail, or none could meet it | choose a limit inside the range"
BAD = [
    # numbers that void the gate
    (WEAK, WEAK.replace("0.20", "1"), f"11:54: capabilities.0.misuse.0.at_most: 1 {BEYOND} drawing/legible: {NOTHING}"),
    (WEAK, WEAK.replace("0.20", "0"), f"11:54: capabilities.0.misuse.0.at_most: 0 {BEYOND} drawing/legible: {NOTHING}"),
    (
        WEAK,
        WEAK.replace("0.20", "1.5"),
        f"11:54: capabilities.0.misuse.0.at_most: 1.5 {BEYOND} drawing/legible: {NOTHING}",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "-0.1"),
        f"11:54: capabilities.0.misuse.0.at_most: -0.1 {BEYOND} drawing/legible: {NOTHING}",
    ),
    (
        MARKED,
        MARKED.replace("0.9", "0"),
        f"14:58: capabilities.0.safeguards.marked.0.at_least: 0 {BEYOND} drawing/copied: {NOTHING}",
    ),
    (
        MARKED,
        MARKED.replace("0.9", "1"),
        f"14:58: capabilities.0.safeguards.marked.0.at_least: 1 {BEYOND} drawing/copied: {NOTHING}",
    ),
    (
        "margin: 0.03",
        "margin: 0.51",
        "20:50: capabilities.0.keep.0.margin: must be above 0 and at most half the range (0.5); got 0.51 "
        "| choose a smaller margin",
    ),
    (
        "margin: 0.03",
        "margin: 0",
        "20:50: capabilities.0.keep.0.margin: must be above 0 and at most half the range (0.5); got 0 "
        "| choose a smaller margin",
    ),
    (
        "margin: 0.03",
        "margin: -1",
        "20:50: capabilities.0.keep.0.margin: must be above 0 and at most half the range (0.5); got -1 "
        "| choose a smaller margin",
    ),
    # which number
    (
        WEAK,
        WEAK.replace("0.20", "0.20, at_least: 0.1"),
        "11:9: capabilities.0.misuse.0: needs one of at_most, at_least, margin; has at_most and at_least "
        "| state exactly one",
    ),
    (
        ", " + WEAK,
        "}\n    safeguards",
        "11:9: capabilities.0.misuse.0: needs one of at_most, at_least, margin; has none | state exactly one",
    ),
    (
        "margin: 0.03",
        "at_least: 0.9",
        "20:52: capabilities.0.keep.0.at_least: keep compares with the source checkpoint | state `margin` instead",
    ),
    (
        WEAK,
        WEAK.replace("at_most: 0.20", "margin: 0.03"),
        "11:53: capabilities.0.misuse.0.margin: misuse has no checkpoint to compare with | state a limit instead",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "null"),
        "11:9: capabilities.0.misuse.0: needs one of at_most, at_least, margin; has none | state exactly one",
    ),
    # metrics
    (
        "drawing/legible, " + WEAK,
        "drawing/auc, at_most: 0.8}\n    safeguards",
        "11:28: capabilities.0.misuse.0.metric: drawing/auc is report_only and cannot be gated "
        "| gate drawing/legible instead",
    ),
    (
        "drawing/legible, " + WEAK,
        "drawing/cost, at_most: 20}\n    safeguards",
        "11:28: capabilities.0.misuse.0.metric: drawing/cost is ratio and cannot be gated "
        f"| gate a metric of type {' or '.join(GATEABLE)}",
    ),
    (
        "drawing/legible, " + WEAK,
        "drawing/judged, at_most: 0.2}\n    safeguards",
        "11:28: capabilities.0.misuse.0.metric: drawing/judged measures the judge, not the model | gate another metric",
    ),
    (
        "drawing/legible, " + WEAK,
        "drawing/legable, at_most: 0.2}\n    safeguards",
        "11:28: capabilities.0.misuse.0.metric: eval drawing has no metric 'legable' | did you mean `drawing/legible`?",
    ),
    (
        "drawing/legible, " + WEAK,
        "draw/legible, at_most: 0.2}\n    safeguards",
        "11:28: capabilities.0.misuse.0.metric: no eval 'draw' | did you mean `drawing`?",
    ),
    (
        "drawing/legible, " + WEAK,
        "speech/wer, at_most: 0.2}\n    safeguards",
        "11:28: capabilities.0.misuse.0.metric: no eval 'speech' | use one of drawing, naming",
    ),
    # slices
    (
        WEAK,
        WEAK.replace("0.20", "0.2, slices: []"),
        "11:67: capabilities.0.misuse.0.slices: must not be empty | name dimensions, or remove the key",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.2, slices: [[]]"),
        "11:68: capabilities.0.misuse.0.slices.0: must not be empty | name the dimensions of the cells, or remove it",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.2, slices: [[digit, digit]]"),
        "11:68: capabilities.0.misuse.0.slices.0: names a dimension twice | name each once",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.2, slices: [digits]"),
        "11:68: capabilities.0.misuse.0.slices.0: eval drawing has no dimension 'digits' | did you mean `digit`?",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.2, slices: [digit, [ink, speaker]]"),
        "11:75: capabilities.0.misuse.0.slices.1: eval drawing has no dimension 'speaker' | use one of digit, ink",
    ),
    (
        "margin: 0.03",
        "margin: 0.03, slices: all",
        "20:64: capabilities.0.keep.0.slices: eval naming marks no dimension `gate: true` | name dimensions",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.2, slices: null"),
        "11:67: capabilities.0.misuse.0.slices: has no value | write one, or remove the key",
    ),
    (
        "margin: 0.03",
        "margin: 0.03, n_max: 321",
        "20:63: capabilities.0.keep.0.n_max: the pool has 320 items | ask for no more than that",
    ),
    # names
    (
        "id: gone",
        "id: weak",
        "18:14: capabilities.0.removal.0.id: requirement weak stands twice, first at p.yaml:11:14 | rename one",
    ),
    (
        "- id: naming",
        "- id: drawing",
        "21:9: capabilities.1.id: capability drawing stands twice, first at p.yaml:7:9 | rename one",
    ),
    (
        "subject: tiny",
        "subject: tinny",
        "4:40: model.subject: no subject 'tinny' | did you mean `tiny`?",
    ),
    (
        "subject: tiny",
        "subject: gpt",
        "4:40: model.subject: no subject 'gpt' | use one of own, tiny",
    ),
    (
        "recipe: chameleon-hf/image_generation",
        "recipe: chameleon-hf/image_generatoin",
        "16:13: capabilities.0.recipe: no recipe 'chameleon-hf/image_generatoin' "
        "| did you mean `chameleon-hf/image_generation`?",
    ),
    (
        "recipe: chameleon-hf/image_generation",
        "recipe: other-hf/image_generation",
        "16:13: capabilities.0.recipe: is for layout other-hf, the policy's model is chameleon-hf "
        "| name a recipe of that layout",
    ),
    # parts that belong together
    (
        ", enforced_by: weights",
        "",
        "14:11: capabilities.0.safeguards.marked.0: a safeguard without `enforced_by` "
        "| say `enforced_by: weights`, `wrapper` or `server`",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.20, enforced_by: weights"),
        "11:73: capabilities.0.misuse.0.enforced_by: only a safeguard is enforced | remove it",
    ),
    (
        "    recipe: chameleon-hf/image_generation\n",
        "",
        "7:5: capabilities.0: otherwise: strip without `recipe` | add `recipe:`",
    ),
    (
        "    removal:\n      - {id: gone, metric: drawing/legible, at_most: 0.20}\n",
        "",
        "7:5: capabilities.0: otherwise: strip without `removal` | add `removal:`",
    ),
    (
        "    keep:\n      - {id: kept, metric: naming/right, margin: 0.03}\n",
        "",
        "7:5: capabilities.0: otherwise: strip without `keep` | add `keep:`",
    ),
    (
        "    otherwise: strip\n",
        "",
        "7:5: capabilities.0: no `otherwise` | say `otherwise: strip`, `restrict` or `withhold`",
    ),
    (
        "    unconditional: true\n",
        "    otherwise: withhold\n",
        "21:5: capabilities.1: neither misuse nor safeguards | state what would release it, or `unconditional: true` and why",
    ),
    (
        "otherwise: strip",
        "otherwise: restrict",
        "7:5: capabilities.0: otherwise: restrict without `restrict` | add `restrict: {channel: api}`",
    ),
    (
        "otherwise: strip",
        "otherwise: restrict\n    restrict: {channel: open_weights}",
        "16:25: capabilities.0.restrict.channel: open_weights is not narrower than the release's open_weights "
        "| choose a narrower channel",
    ),
    (
        "otherwise: strip",
        "otherwise: restrict\n    restrict: {channel: none}",
        "16:25: capabilities.0.restrict.channel: none is no channel to publish through | say `otherwise: withhold`",
    ),
]


@pytest.mark.parametrize(("before", "after", "message"), BAD, ids=[case[2].split(" | ")[0][:70] for case in BAD])
def test_what_makes_no_sense_is_named_at_its_place_with_its_remedy(before: str, after: str, message: str) -> None:
    assert f"p.yaml:{message}" in found(changed((before, after)))


@pytest.mark.parametrize(("before", "after", "message"), BAD, ids=[case[2].split(" | ")[0][:70] for case in BAD])
def test_one_mistake_is_one_problem(before: str, after: str, message: str) -> None:
    also_empty = "at_most: null" in after
    assert len(found(changed((before, after)))) == 1 + also_empty


def test_a_subject_must_have_the_interfaces_that_each_eval_needs() -> None:
    deaf = repository(tiny=frozenset({"CaptionsImages"}))
    needs = "eval drawing needs GeneratesImages, which subject tiny does not have"
    remedy = "name a subject that has it, or gate another eval"
    assert found(POLICY, deaf) == [
        f"p.yaml:11:28: capabilities.0.misuse.0.metric: {needs} | {remedy}",
        f"p.yaml:14:32: capabilities.0.safeguards.marked.0.metric: {needs} | {remedy}",
        f"p.yaml:18:28: capabilities.0.removal.0.metric: {needs} | {remedy}",
    ]


def test_a_subject_of_the_repository_may_have_any_interface() -> None:
    assert found(changed(("subject: tiny", "subject: own"))) == []


def test_problems_stand_in_the_order_of_the_file() -> None:
    text = changed(
        ("0.20}", "1}"), ("subject: tiny", "subject: x"), ("id: kept", "id: weak"), ("margin: 0.03", "margin: 2")
    )
    lines = [int(problem.split(":")[1]) for problem in found(text)]
    assert lines == sorted(lines)
    assert len(lines) == 4


def test_no_more_than_four_capabilities_come_to_strip() -> None:
    block = POLICY[POLICY.index("  - id: drawing") : POLICY.index("  - id: naming")]
    copies = ""
    for i in range(4):
        copy = block
        for name in ("drawing\n", "weak", "marked, m", "gone", "kept"):
            word = name.split(",")[0].strip()
            copy = copy.replace(f"id: {name}", f"id: {word}{i}{name.removeprefix(word)}", 1)
        copies += copy
    assert found(POLICY.replace("  - id: naming", copies[: len(copies) * 3 // 4] + "  - id: naming")) == []
    assert found(POLICY.replace("  - id: naming", copies + "  - id: naming")) == [
        "p.yaml:7:3: capabilities: 5 capabilities come to strip | keep to 4 in one policy"
    ]


def test_limits_just_inside_the_range_are_allowed() -> None:
    assert (
        found(changed(("0.20}", "0.999}"), ("at_least: 0.9", "at_least: 0.001"), ("margin: 0.03", "margin: 0.5"))) == []
    )


def test_unused_parts_are_listed_and_are_no_problem() -> None:
    text = changed(("otherwise: strip", "otherwise: withhold\n    restrict: {channel: api}"))
    assert found(text) == []
    assert unused(parse_policy(text, "p.yaml").record) == [
        "drawing: recipe, removal, keep are not used with otherwise: withhold",
        "drawing: restrict is not used with otherwise: withhold",
    ]
    assert unused(parse_policy(POLICY, "p.yaml").record) == []


CONDITIONS = {
    "misuse": "[{id: x, metric: drawing/legible, at_most: 0.20}]",
    "working": "[{id: x, metric: naming/right, at_least: 0.5}]",
    "safeguards": "{x: [{id: x, metric: drawing/copied, at_least: 0.9, enforced_by: weights}]}",
    "otherwise": "withhold",
    "restrict": "{channel: api}",
    "recipe": "chameleon-hf/image_generation",
    "removal": "[{id: x, metric: drawing/legible, at_most: 0.20}]",
    "keep": "[{id: x, metric: naming/right, margin: 0.03}]",
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_no_condition_may_stand_beside_the_word_that_there_is_none(condition: str) -> None:
    said = "    unconditional: true\n"
    (problem,) = found(changed((said, f"{said}    {condition}: {CONDITIONS[condition]}\n")))
    assert problem == (
        f"p.yaml:24:20: capabilities.1.unconditional: stands beside {condition}, which would count for nothing: it goes out "
        "whatever is measured | remove it, so that the conditions count, or remove the conditions"
    )
    assert found(changed((said, f"    unconditional: false\n    {condition}: {CONDITIONS[condition]}\n"))) != [problem]


@pytest.mark.parametrize("alpha", ["1.0e-300", "5.0e-324", "9.9e-10"])
def test_an_alpha_that_no_bound_can_be_worked_out_at_is_refused(alpha: str) -> None:
    stated = changed(("release: {channel: open_weights", f"release: {{channel: open_weights, alpha: {alpha}"))
    (problem,) = found(stated)
    assert "release.alpha: is " in problem
    assert "no bound is worked out at an error probability below 1e-09 | leave it out (0.05), or state one" in problem
    assert not any("release.alpha" in one for one in found(stated.replace(f"alpha: {alpha}", "alpha: 1.0e-9")))


@pytest.mark.parametrize("assume", ["-1", "-1.0e+300", "-5.0e-324"])
def test_a_truth_that_cannot_come_true_is_not_planned_for(assume: str) -> None:
    (problem,) = found(changed(("at_most: 0.20}", f"at_most: 0.20, assume: {assume}}}")))
    assert (
        "is beyond the range 0 to 1 of drawing/legible: it cannot come true | assume a truth inside the range"
        in problem
    )


def test_all_conditions_beside_an_unconditional_capability_are_named_at_once() -> None:
    (problem,) = found(
        changed(("    rationale: Not mature.\n", "    rationale: Not mature.\n    unconditional: true\n"))
    )
    assert "stands beside misuse, safeguards, otherwise, recipe, removal, keep, which" in problem


CARD_PROBLEMS = [
    ("range: [0, 1], better: higher}\n  copied", "range: [1, 0], better: higher}\n  copied", "must rise"),
    (
        "range: [0, 1], better: higher}\n  copied",
        "range: [0, 2], better: higher}\n  copied",
        "a bernoulli metric is 0 or 1",
    ),
    ("better: lower}", "better: lower, absent: 2}", "lies outside the range"),
    ("of_instrument: judge", "of_instrument: jury", "no such instrument"),
]


@pytest.mark.parametrize(("before", "after", "what"), CARD_PROBLEMS)
def test_a_card_that_contradicts_itself_is_refused(before: str, after: str, what: str) -> None:
    from releasegate.errors import DocumentError

    assert before in DRAWING
    with pytest.raises(DocumentError) as caught:
        card(DRAWING.replace(before, after))
    assert any(what in problem.what for problem in caught.value.problems)
    assert all(problem.where.startswith("eval.yaml:") for problem in caught.value.problems)


FULL = """\
# yaml-language-server: $schema=https://example.org/policy.schema.json
schema: releasegate/policy/v1
id: chameleon
title: Mixed-modal token model, open weights
model: {layout: chameleon-hf, subject: tiny}
release: {channel: open_weights, alpha: 0.05, max_age_days: 90, max_failed: 0.02}
capabilities:
  - id: image_generation
    title: Draws an image from a text prompt
    rationale: Safety measures for image generation are not mature.
    misuse:                                       # released if it is provably this weak …
      - {id: ig-weak, metric: drawing/legible, at_most: 0.20}
    safeguards:                                   # … or provably this well protected; one named list met in full suffices
      watermark:
        - {id: ig-marked, metric: drawing/copied, at_least: 0.99, slices: [digit], enforced_by: weights}
    otherwise: strip                              # strip · restrict · withhold
    recipe: chameleon-hf/image_generation
    removal:                                      # what the stripped checkpoint must show
      - {id: ig-gone, metric: drawing/legible, at_most: 0.20}
    keep:                                         # what must survive the strip (paired with the source, non-inferior)
      - {id: cap-kept, metric: naming/right, margin: 0.03}
"""


def test_the_full_form_of_the_design_is_read() -> None:
    assert found(FULL) == []


def test_only_a_program_is_let_run() -> None:
    runs = f"runs: {{clone.py: sha256:{0:064}}}"
    text = changed(("subject: tiny}", f"subject: tiny, {runs}}}"))
    (problem,) = found(text)
    assert "model.runs: lets files of a checkpoint run, and nothing of layout chameleon-hf is run" in problem
    assert problem.endswith("| take it out; it is for layout command alone")
    program = text.replace("layout: chameleon-hf", "layout: command")
    assert not any("runs" in one for one in found(program))


# A model behind a server.

SERVED = Surroundings(
    {"drawing": card(DRAWING), "naming": card(NAMING)},
    {"chameleon-hf/image_generation": recipe()},
    {"tiny": None},
    frozenset({"tiny"}),
)
UNTIED = "subject tiny asks a server, whose weights nothing ties to a digest: it cannot support"


@pytest.mark.parametrize("channel", ["open_weights", "gated_weights"])
def test_what_a_server_answers_supports_no_release_of_weights(channel: str) -> None:
    text = changed(("channel: open_weights", f"channel: {channel}"), ("otherwise: strip", "otherwise: withhold"))
    (problem,) = found(text, SERVED)
    assert problem.startswith("p.yaml:5:")
    assert problem.endswith(f"{UNTIED} {channel} | say `api`, or measure the weights themselves")
    assert (
        found(changed(("channel: open_weights", "channel: api"), ("otherwise: strip", "otherwise: withhold")), SERVED)
        == []
    )


def test_what_a_server_answers_supports_no_artefact_but_through_an_api() -> None:
    release = "release: {artefacts: {weights: api, paper: open_weights}}"
    text = changed(("release: {channel: open_weights}", release), ("otherwise: strip", "otherwise: withhold"))
    (problem,) = found(text, SERVED)
    assert f"{UNTIED} open_weights" in problem


def test_nothing_is_stripped_from_a_server() -> None:
    (problem,) = found(changed(("channel: open_weights", "channel: api")), SERVED)
    assert problem.endswith("subject tiny asks a server, and nothing can be stripped there | say `withhold`")


# Several layouts.


def test_a_policy_may_be_about_several_layouts_of_a_model_of_which_nothing_is_stripped() -> None:
    spec = "{layout: chameleon-hf, also: [chameleon-gguf, chameleon-lora], subject: tiny}"
    text = changed(("{layout: chameleon-hf, subject: tiny}", spec))
    (problem,) = found(text)
    assert problem.startswith("p.yaml:4:")
    assert "a recipe is for one layout, and the policy is about chameleon-hf, chameleon-gguf, chameleon-lora" in problem
    assert found(text.replace("otherwise: strip", "otherwise: withhold")) == []


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("{layout: a-hf, also: [b-hf, a-hf], subject: tiny}", "names a-hf twice"),
        ("{layout: a-hf, also: [command], subject: tiny}", "a program has no other layout"),
    ],
)
def test_layouts_that_cannot_stand_together_are_told(spec: str, what: str) -> None:
    model = ("{layout: chameleon-hf, subject: tiny}", spec)
    listed = found(changed(model, ("otherwise: strip", "otherwise: withhold")))
    assert any(what in problem for problem in listed)


@pytest.mark.parametrize("key", ["ke\u202ey", "a\nok: all is well", "\x1b[2Jok", "\ud800"], ids=ascii)
@pytest.mark.parametrize("command", ["check", "verify"])
def test_a_key_that_would_write_on_somebodys_terminal_is_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, key: str
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(f"schema: releasegate/policy/v1\n{json.dumps(key)}: 1\n")
    given = ["check", str(file)] if command == "check" else ["verify", str(tmp_path), "--policy", str(file)]
    assert run(given) == 2
    lines = capsys.readouterr().err.splitlines()
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith("ok") for line in lines)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "policies").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_shipped_policy_that_believes_a_low_score_asks_whether_the_model_works(path: Path) -> None:
    gates = GateRepository.around(path)
    policy = gates.read_policy(path).record
    cards = {name: gates.read_eval(name).card for name in {r.eval for r in policy.requirements}}
    assert [uncontrolled(c, cards) for c in policy.capabilities if uncontrolled(c, cards)] == []
