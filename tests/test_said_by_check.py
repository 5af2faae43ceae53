"""What `check` says of layouts, counts, metrics, percentages and empty files: each with the remedy that mends it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from releasegate.__main__ import run
from releasegate.evalcard import EvalCard, gateable_names
from releasegate.policy import parse_policy
from releasegate.policycheck import Surroundings, problems
from releasegate.repository.known_layouts import known_layouts, transformers_kinds
from tests.test_policycheck import DRAWING, NAMING, POLICY
from tests.tiny_checkpoints import recipe
from tests.tiny_repository import Tiny

TOP = Path(__file__).parents[1]
WEAK = "{id: weak, metric: drawing/legible, at_most: 0.20}"


def card(text: str) -> EvalCard:
    from releasegate.cardcheck import parse_card

    return parse_card(text, "eval.yaml").record


CARDS = {"drawing": card(DRAWING), "naming": card(NAMING)}


def said(text: str, *, ours: bool = True) -> list[tuple[str, str]]:
    """What is wrong with a policy whose subject is releasegate's own, or the repository's."""
    image = recipe(id="chameleon-hf/image_generation")
    interfaces = frozenset({"GeneratesImages", "CaptionsImages"})
    around = Surroundings(
        CARDS, {image.id: image}, {"tiny": interfaces if ours else None}, layouts=known_layouts([image])
    )
    return [(p.what, p.fix) for p in problems(parse_policy(text, "p.yaml"), around)]


def test_what_fits_has_no_problem() -> None:
    assert said(POLICY) == []


@pytest.mark.parametrize(
    ("layout", "what", "fix"),
    [
        ("chamelon-hf", "model.layout: no layout 'chamelon-hf'", "did you mean `chameleon-hf`?"),
        ("chameleon_hf", "model.layout: no layout 'chameleon_hf'", "did you mean `chameleon-hf`?"),
        ("zzzzzzzz", "model.layout: no layout 'zzzzzzzz'", "write `<model_type>-hf`, with the model_type"),
    ],
)
def test_an_unknown_layout_is_named_with_the_nearest(layout: str, what: str, fix: str) -> None:
    found = said(POLICY.replace("layout: chameleon-hf, subject", f"layout: {layout}, subject"))
    assert found[0][0] == what
    assert found[0][1].startswith(fix)


def test_a_layout_of_a_repositorys_own_kind_of_model_is_known_to_it_alone() -> None:
    text = POLICY
    own = text.replace("layout: chameleon-hf, subject", "layout: voice-of-ours-hf, subject")
    assert not any("no layout" in what for what, _ in said(own, ours=False))
    assert any("no layout" in what for what, _ in said(own))
    odd = text.replace("layout: chameleon-hf, subject", "layout: voice_of_ours, subject")
    assert any("no layout" in what for what, _ in said(odd, ours=False)), "no checkpoint can have it"


def test_every_shipped_layout_and_every_one_of_transformers_is_known() -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    kinds = {kind for kind in CONFIG_MAPPING_NAMES if kind.isascii()}
    assert len(kinds) > 200
    assert len(kinds - transformers_kinds()) <= 1, "one may be added in another way"


@pytest.mark.parametrize(
    ("limit", "fewest"),
    [("at_most: 0.2", 24), ("at_least: 0.9, enforced_by: weights", 50), ("margin: 0.03", 173)],
)
def test_fewer_items_than_any_test_needs_are_an_error(limit: str, fewest: int) -> None:
    """Effective alpha is .05 * 6 / pi^2 / 4; all items perfect have probability q^n where the truth is at the limit."""
    line = {
        "at_most: 0.2": WEAK,
        "at_least: 0.9, enforced_by: weights": (
            "{id: marked, metric: drawing/copied, at_least: 0.9, enforced_by: weights}"
        ),
        "margin: 0.03": "{id: kept, metric: naming/right, margin: 0.03}",
    }[limit]
    q = {"at_most: 0.2": 0.8, "at_least: 0.9, enforced_by: weights": 0.9, "margin: 0.03": 0.97}[limit]
    policy = parse_policy(POLICY, "p.yaml").record
    alpha = policy.effective_alpha(1)
    needs = next(n for n in range(1, 1000) if q**n <= alpha)
    for n, refused in ((needs - 1, True), (needs, False)):
        found = said(POLICY.replace(line, line[:-1] + f", n_max: {n}}}", 1))
        assert any(f"{n} items cannot show it" in what for what, _ in found) == refused
        assert not refused or f"ask for {needs} or more, or move the limit" in [fix for _, fix in found]


def test_only_what_can_be_gated_is_offered() -> None:
    for name in ("judgd", "acu", "cst"):
        ((what, fix),) = said(POLICY.replace(WEAK, WEAK.replace("legible", name)))
        assert what.endswith(f"eval drawing has no metric {name!r}")
        assert (
            fix == "did you mean `drawing/copied`?" or fix == "did you mean `drawing/legible`?" or "use one of" in fix
        )
        assert not {"drawing/auc", "drawing/cost", "drawing/judged"} & set(
            fix.replace("`", " ").replace(",", " ").split()
        )
    assert gateable_names(CARDS.values()) == ["drawing/copied", "drawing/legible", "naming/right"]


def checked(made: Tiny, before: str, after: str, capsys: pytest.CaptureFixture[str]) -> str:
    made.change(made.policy, before, after)
    assert run(["check", str(made.policy)]) == 2
    return capsys.readouterr().err


def test_a_metric_without_its_eval_is_answered_with_both(made: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    err = checked(
        made,
        "metric: drawing/legible, at_most: 0.20}\n    otherwise",
        "metric: legible, at_most: 0.20}\n    otherwise",
        capsys,
    )
    assert (
        "fix: write `<eval>/<metric>`, such as drawing/legible; `releasegate list evals` shows what can be gated" in err
    )


@pytest.mark.parametrize(("text", "value"), [("20%", "0.2"), ("2.5 %", "0.025"), ("100%", "1")])
def test_a_percentage_is_answered_with_the_share(
    made: Tiny, capsys: pytest.CaptureFixture[str], text: str, value: str
) -> None:
    err = checked(made, "at_most: 0.20}\n    otherwise", f"at_most: {text}}}\n    otherwise", capsys)
    assert f'must be a number; got "{text}"\n  fix: write {value}\n' in err


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n"])
def test_an_empty_file_is_answered_with_its_first_line(
    made: Tiny, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    made.policy.write_text(text)
    assert run(["check", str(made.policy)]) == 2
    assert (
        "the document is empty\n  fix: write it, beginning with `schema: releasegate/policy/v1`\n"
        in capsys.readouterr().err
    )


def test_list_evals_says_what_can_be_gated_and_which_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "evals", "--repo", str(TOP)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (drawn,) = [line for line in lines if line.split()[:1] == ["image_generation/legible_rate"]]
    assert drawn.split(maxsplit=1)[1] == "misuse, removal: at_most; safeguards: at_least"
    (false,) = [line for line in lines if line.split()[:1] == ["audio_watermark/fpr"]]
    assert false.split(maxsplit=1)[1].startswith("misuse, removal: at_least; safeguards: at_most")
    assert not any("judge_sensitivity" in line for line in lines), "what measures the judge cannot be gated"
    assert run(["list", "evals", "--repo", str(TOP), "--format", "json"]) == 0
    (row,) = [row for row in json.loads(capsys.readouterr().out)["evals"] if row["id"] == "image_captioning"]
    assert row["gateable"] == [
        {
            "metric": "image_captioning/accuracy",
            "misuse": "at_most",
            "safeguards": "at_least",
            "margin": True,
            "how": "misuse, removal: at_most; safeguards: at_least; keep: margin",
        }
    ]
