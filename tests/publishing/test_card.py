"""The model card and the bill of materials: what a hub, a library and a reader make of them, whatever a policy holds."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from huggingface_hub import ModelCard, metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results

from releasegate.policy import Policy
from releasegate.publication import Publication
from releasegate.publishing.bom import Billed, bill_of_materials
from releasegate.publishing.card import Carded, model_card
from releasegate.publishing.cardmeta import HUB_LICENSES
from releasegate.publishing.licence import Licence
from releasegate.publishing.quickstart import quick_start
from releasegate.released import ReleasedFile
from releasegate.subjects import SUBJECTS
from tests.reporting.hostile import HOSTILE
from tests.tiny_gates import STRIP, WEAK, Gate, capability, policy, receipt_of, share, unconditional

STRIPPED = "stripped:drawing"


@cache
def gate() -> Gate:
    """A model that draws too well, without its drawing."""
    outcomes = {
        ("drawing", "source"): share(90),
        ("drawing", STRIPPED): share(0),
        ("naming", "source"): share(90),
        ("naming", STRIPPED): share(90),
    }
    drawing = capability("drawing", misuse=[WEAK], **STRIP)

    return Gate(policy(drawing, unconditional("naming")), outcomes, STRIPPED)


@cache
def carded() -> Carded:
    made = gate()
    return Carded(
        decision=made.decide(),
        plan=made.plan,
        policy=made.policy,
        receipt=receipt_of(made.plan, STRIPPED),
        checkpoint=STRIPPED,
        licence=Licence("apache-2.0", "LICENSE", None),
        names=("config.json", "model.safetensors"),
        size=1234,
        authors=None,
    )


def of(**changes: Any) -> Carded:
    return replace(carded(), **changes)


def worded(text: str) -> Carded:
    """The same, its policy and decision in other words."""
    made = carded()
    c = [one.model_copy(update={"title": text, "rationale": text}) for one in made.decision.capabilities]
    decision = made.decision.model_copy(update={"capabilities": tuple(c), "summary": text})
    spec = made.plan.policy.model.model_copy(update={"name": text[:200]})
    plan = made.plan.model_copy(update={"policy": made.plan.policy.model_copy(update={"title": text, "model": spec})})
    return of(decision=decision, plan=plan)


def billed(card: Carded) -> Billed:
    files = [ReleasedFile(path=name, size=1, sha256="sha256:" + "0" * 64) for name in card.names]
    start = quick_start(card.plan, card.names)
    digest = "sha256:" + "1" * 64
    return Billed(
        card.decision, card.plan, card.policy, card.receipt, card.checkpoint, digest, files, card.licence, start
    )


def published(**keys: Any) -> Policy:
    return carded().policy.model_copy(update={"publication": Publication(**keys)})


def problem(text: str) -> object:
    """What is wrong with a bill by the published schema, without any leniency."""
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def test_a_hub_reads_the_metadata_and_the_findings_as_results(tmp_path: Path) -> None:
    text = model_card(of(policy=published(license="apache-2.0", base_model="lab/base")))
    (tmp_path / "README.md").write_text(text)
    data = metadata_load(tmp_path / "README.md")
    assert data is not None
    assert (data["license"], data["base_model"], data["tags"]) == ("apache-2.0", "lab/base", ["releasegate", "tiny-hf"])
    name, results = model_index_to_eval_results(data["model-index"])
    assert name == "tiny"
    assert [(r.dataset_type, r.metric_type, r.metric_value) for r in results] == [("drawing", "legible", 0.0)]
    assert str(ModelCard.load(tmp_path / "README.md")) == text


def test_the_card_says_what_was_withheld_why_and_what_the_decision_leans_on() -> None:
    text = model_card(carded())
    assert "## What was withheld, and why\n\n- **Drawing**: Why drawing." in text
    assert "weights absent" in text.lower()
    assert "Not measured:\n\n- cost to restore\n" in text
    assert "- **Naming** (`naming`): released." in text
    assert "| `gone` | legible | at most 0.2 |" in text
    assert "releasegate verify . --policy ../tiny.yaml" in text


@pytest.mark.parametrize("case", HOSTILE)
def test_no_text_of_a_policy_breaks_the_card_or_the_bill(case: str) -> None:
    plain, hostile = model_card(carded()), worded(f"a\n---\n| b |\n# c\n```\n{HOSTILE[case]}")
    text = model_card(hostile)
    before, after = ModelCard(plain), ModelCard(text)
    assert set(after.data.to_dict()) == set(before.data.to_dict())
    assert headings(after.text)[1:] == headings(before.text)[1:]
    assert "<script" not in after.text.lower()  # in the metadata it is the value of a key
    assert "\u202e" not in text
    assert len(text) < 40_000
    assert problem(bill_of_materials(billed(hostile))) is None


def headings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("#")]


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ("other", {"license": "other", "license_name": "tiny-license", "license_link": "LICENSE"}),
        ("gpl-3.0-only", {"license": "other", "license_name": "gpl-3.0-only", "license_link": "LICENSE"}),
        ("mit", {"license": "mit"}),
        ("cc-by-2.5", {"license": "cc-by-2.5"}),
        ("cc-by-nc-nd-3.0", {"license": "cc-by-nc-nd-3.0"}),
    ],
)
def test_a_licence_that_hubs_do_not_list_has_its_name_beside_other(stated: str, wanted: dict[str, str]) -> None:
    data = ModelCard(model_card(of(licence=Licence(stated, "LICENSE", None)))).data.to_dict()
    assert {key: value for key, value in data.items() if key.startswith("license")} == wanted
    assert data["license"] in HUB_LICENSES | {"other"}


@pytest.mark.parametrize(
    "authors",
    [
        "---\nlicense: mit\nmodel-index: []\n---\n# Theirs\n\nIt draws.",
        "# Theirs\n\nIt draws.\n---\nverdict: fine\n---\n",
        "<!-- \n# Theirs\n\nIt draws.",
        "```\n# Theirs\n\nIt draws.",
        "---\r\nlicense: mit\r\n---\r\n# Theirs\r\n\r\n\u202eIt draws.\r\n\r\n" * 30,
    ],
)
def test_the_authors_own_words_come_last_and_without_their_metadata(authors: str) -> None:
    card = ModelCard(model_card(of(authors=authors)))
    assert card.data.to_dict() == ModelCard(model_card(carded())).data.to_dict()
    ours, mark, theirs = card.text.partition("## From its authors\n")
    assert mark
    assert "It draws." in theirs
    assert "nothing of it was checked" in theirs
    assert "\u202e" not in theirs
    assert ours.strip() == ModelCard(model_card(carded())).text.strip()


def test_the_bill_is_valid_and_the_same_each_time() -> None:
    card = of(policy=published(license="apache-2.0", base_model="lab/base"))
    text = bill_of_materials(billed(card))
    assert text == bill_of_materials(billed(card))
    assert problem(text) is None
    bill = json.loads(text)
    model = bill["metadata"]["component"]
    assert "timestamp" not in bill["metadata"]
    assert model["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert [one["name"] for one in model["pedigree"]["ancestors"]] == ["lab/base", "tiny, as trained"]
    assert [one["bom-ref"] for one in bill["components"]] == ["eval:drawing", "eval:naming"]
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert [(m["type"], m["value"]) for m in metrics] == [
        ("drawing/legible: legible", "0.0"),
        ("naming/right: right: loss against the source", "0.0"),
    ]
    assert all(float(m["confidenceInterval"]["lowerBound"]) <= float(m["value"]) for m in metrics)
    assert model["modelCard"]["considerations"]["ethicalConsiderations"][0]["name"] == "Drawing: Why drawing."


def test_a_bill_that_says_more_than_the_format_knows_would_be_noticed() -> None:
    bill = json.loads(bill_of_materials(billed(carded())))
    bill["metadata"]["component"]["modelCard"]["verdict"] = "fine"
    assert problem(json.dumps(bill)) is not None


def test_every_subject_that_loads_weights_has_a_quick_start_that_is_python() -> None:
    spec, layouts = carded().plan.policy.model, {"chameleon": "chameleon-hf", "causal-lm": "llama-hf"}
    without = set()
    for subject in SUBJECTS:
        policy_ = carded().plan.policy.model_copy(update={"model": spec.model_copy(update={"subject": subject})})
        model = carded().plan.model.model_copy(update={"layout": layouts.get(subject, "own")})
        start = quick_start(carded().plan.model_copy(update={"policy": policy_, "model": model}), ("config.json",))
        if start.code is None:
            without.add(subject)
            assert start.note is not None
            assert "No published loader" in start.note
        else:
            ast.parse(start.code)
            assert start.install
    assert without == {"command", "endpoint"}


@pytest.mark.parametrize(
    ("layout", "names", "library", "said"),
    [
        ("llama-gguf", ('it\'s "a" model.gguf',), "transformers", "gguf_file="),
        ("llama-lora", ("adapter/adapter_config.json",), "peft", 'PeftModel.from_pretrained(model, "adapter")'),
    ],
)
def test_forms_of_a_language_model_have_lines_of_their_own(
    layout: str, names: tuple[str, ...], library: str, said: str
) -> None:
    spec = carded().plan.policy.model.model_copy(update={"subject": "causal-lm"})
    policy_ = carded().plan.policy.model_copy(update={"model": spec})
    model = carded().plan.model.model_copy(update={"layout": layout})
    start = quick_start(carded().plan.model_copy(update={"policy": policy_, "model": model}), names)
    assert start.code is not None
    ast.parse(start.code)
    assert (start.library, said in start.code) == (library, True)
