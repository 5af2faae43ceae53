"""What is outside the digest of a policy's rules: named, there, and without power over any decision."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from releasegate.decision import Decision, decide
from releasegate.errors import EvidenceUntrusted
from releasegate.evidence import Evidence
from releasegate.plan import Plan, differences
from releasegate.policy import Policy, parse_policy
from releasegate.records import digest_of
from releasegate.reporting.wording.discreet import told
from releasegate.repository import RunFolder
from releasegate.rules import OUTSIDE, PROSE, rules_of, with_rules_of
from tests.tiny_gates import GONE, KEPT, MARKED, OPENED, WEAK, Gate, capability, evidence_of, share, unconditional
from tests.tiny_gates import policy as policy_of

PathOf = tuple[str, ...]
KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
"""The first public key of RFC 8032, section 7.1."""
DATED = {"owner": "A", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}

FULL: dict[str, Any] = {
    "schema": "releasegate/policy/v1",
    "id": "full",
    "title": "Full",
    "model": {"layout": "tiny-hf", "also": ["tiny-gguf"], "subject": "tiny", "name": "Tiny"},
    "release": {"channel": "open_weights", "alpha": 0.04, "max_age_days": 80, "max_failed": 0.01},
    "capabilities": [
        {
            "id": "drawing",
            "title": "Draws",
            "rationale": "Why.",
            "artefacts": ["weights"],
            "tags": ["ailuminate/vcr"],
            "misuse": [{**WEAK, "slices": ["digit"], "values": {"digit": ["0"]}, "sequential": True, "n_max": 50}],
            "safeguards": {"marks": [{**MARKED, "excused": {"metric": "marking/kept", "at_most": 0.5}}]},
            "otherwise": "strip",
            "recipe": "tiny-hf/drawing",
            "removal": [{**GONE, "assume": 0.1}],
            "keep": [KEPT],
        },
        {"id": "b", "title": "B", "rationale": "Why.", "unconditional": True, "restrict": {"channel": "api"}},
    ],
    "trust": {
        "waivers": [{"id": "w", "key": KEY, **DATED}],
        "approvals": [{"id": "a", "key": "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=", "roles": ["lead"], **DATED}],
        "revocations": [{"id": "r", "key": "/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU=", **DATED}],
        "identities": [
            {"id": "i", "identity": "a@b.example", "issuer": "https://b.example"}
            | {k: DATED[k] for k in ("valid_from", "valid_to")}
        ],
    },
    "ledger": {"family": "full"},
    "approvals": [{"role": "lead", "count": 1}],
    "publication": {"license": "mit", "may_differ": ["README.md"], "max_age_days": 9},
    "samples": "kept",
}


def model_paths(model: type[BaseModel], at: PathOf = ()) -> Iterator[PathOf]:
    """Every path of the model's fields, mappings and records alike."""
    for name, field in model.model_fields.items():
        here = (*at, field.alias or name)
        yield here
        for inner, starred in records_in(field.annotation):
            yield from model_paths(inner, (*here, "*") if starred else here)


def records_in(annotation: Any, *, starred: bool = False) -> Iterator[tuple[type[BaseModel], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, starred
    many = get_origin(annotation) in (tuple, list, dict)
    for part in get_args(annotation):
        yield from records_in(part, starred=starred or many)


def leaves(data: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(data, dict | list) and data:
        steps = data.items() if isinstance(data, dict) else enumerate(data)
        for step, part in steps:
            yield from leaves(part, (*at, step))
    else:
        yield at


def changed(path: tuple[str | int, ...]) -> dict[str, Any]:
    data = deepcopy(FULL)
    part: Any = data
    for step in path[:-1]:
        part = part[step]
    value = part[path[-1]]
    part[path[-1]] = (
        not value if isinstance(value, bool) else value + 1 if isinstance(value, int | float) else f"{value}x"
    )
    return data


def is_outside(path: tuple[str | int, ...]) -> bool:
    plain = tuple("*" if isinstance(step, int) else step for step in path)
    return any(plain[: len(out)] == out for out in OUTSIDE)


def test_every_path_that_is_outside_is_one_of_a_policy_and_is_named_once() -> None:
    assert set(OUTSIDE) <= set(model_paths(Policy))
    assert len(set(OUTSIDE)) == len(OUTSIDE)


def test_every_field_of_a_policy_is_a_rule_unless_it_is_listed() -> None:
    """One that is added later is in none of the two sets here, and so a rule: it is never outside by accident."""
    tops = {path[0] for path in model_paths(Policy)}
    assert tops - {path[0] for path in OUTSIDE if len(path) == 1} == {
        "schema", "id", "model", "release", "capabilities", "trust", "ledger", "approvals", "samples",
    }  # fmt: skip
    assert rules_of({"added later": 1, "trust": {"added later": [1]}}) == {
        "added later": 1,
        "trust": {"added later": [1]},
    }


@pytest.mark.parametrize("path", list(leaves(FULL)), ids=lambda path: ".".join(map(str, path)))
def test_the_digest_changes_with_every_value_but_those_outside(path: tuple[str | int, ...]) -> None:
    assert (digest_of(rules_of(changed(path))) == digest_of(rules_of(FULL))) is is_outside(path)


def test_a_full_policy_is_one_and_its_digest_is_that_of_its_rules() -> None:
    policy = Policy.from_plain(FULL)
    assert set(map(tuple, map(str_path, leaves(FULL)))) <= set(map(tuple, map(str_path, leaves(policy.plain()))))
    assert policy.rules_digest() == digest_of(rules_of(policy.plain())) != policy.digest()


def test_the_digest_of_rules_never_changes() -> None:
    golden = parse_policy((Path(__file__).parent / "golden/v1/policy.yaml").read_bytes(), "policy.yaml").record
    assert golden.rules_digest() == "sha256:df1c0849d1eef240a6523ada6860a089791a42360d40023b8841975dccf20084"


def str_path(path: tuple[str | int, ...]) -> tuple[str, ...]:
    return tuple(map(str, path))


def test_lists_that_are_all_outside_leave_no_trace() -> None:
    without = {key: value for key, value in FULL.items() if key not in ("trust", "publication")}
    late = without | {"trust": {k: FULL["trust"][k] for k in ("approvals", "identities")}}
    digests = {Policy.from_plain(plain).rules_digest() for plain in (without, late, without | {"trust": {}})}
    assert len(digests) == 1
    assert Policy.from_plain(without | {"trust": {"waivers": FULL["trust"]["waivers"]}}).rules_digest() not in digests


def test_prose_in_the_place_of_a_rule_is_a_rule() -> None:
    """A slice or an eval that is named `title` is not prose."""
    plain = {"capabilities": [{"safeguards": {"title": [{"id": "a"}]}, "misuse": [{"values": {"tags": ["a"]}}]}]}
    assert rules_of(plain) == plain


def test_the_rules_of_one_policy_under_the_prose_of_another() -> None:
    other = deepcopy(FULL) | {"title": "Other", "publication": {"license": "other"}}
    other["capabilities"][0] = dict(reversed(other["capabilities"][0].items()))
    other["capabilities"][0] |= {"title": "Sketches", "tags": ["ailuminate/hte"]}
    del other["model"]["name"]
    made = with_rules_of(other, FULL)
    assert made == other
    assert list(made["capabilities"][0])[:2] == ["id", "artefacts"]
    assert "name" not in made["model"]


def reworded(plain: Mapping[str, Any]) -> Policy:
    """The same rules in other words, and for other receivers."""
    data = json.loads(json.dumps(plain))
    data |= {"title": "Other words", "publication": {"license": "mit"}}
    data["model"]["name"] = "A name"
    for number, c in enumerate(data["capabilities"]):
        c |= {"title": f"Capability {number}", "rationale": "Said otherwise.", "tags": ["ailuminate/vcr"]}
    return Policy.from_plain(data)


@dataclass(frozen=True)
class Desk:
    """A plan and what was measured under it."""

    plan: Plan
    evidence: Evidence

    def decide(self, policy: Policy, plan: Plan | None = None) -> Decision:
        return decide(policy, plan or self.plan, self.evidence, None, OPENED)


@pytest.fixture
def desk() -> Desk:
    policy = policy_of(capability("drawing", misuse=[WEAK]), unconditional("naming"))
    plan = Gate(policy).plan
    return Desk(plan, evidence_of(plan, {("drawing", "source"): share(2)}))


def test_other_words_decide_the_same(desk: Desk) -> None:
    plan = desk.plan
    other = reworded(plan.policy.plain())
    one, two = desk.decide(plan.policy), desk.decide(other)
    words = {"capabilities", "leans_on"}
    assert two.replay is False
    assert one.model_dump(exclude=words) == two.model_dump(exclude=words)
    assert [c.findings for c in one.capabilities] == [c.findings for c in two.capabilities]
    assert one.policy_digest == plan.policy_digest == other.rules_digest()
    assert other.effective_alpha(3) == plan.policy.effective_alpha(3)
    assert other.family == plan.policy.family


def test_a_plan_takes_other_words_and_keeps_its_digest_and_its_decision(desk: Desk) -> None:
    plan = desk.plan
    after = plan.reworded(reworded(plan.policy.plain()))
    assert after.fixed == plan.fixed
    assert after.policy.title == "Other words"
    assert after.decided_policy.capabilities[0].title == plan.policy.capabilities[0].title
    one, two = (desk.decide(p.decided_policy, p) for p in (plan, after))
    assert one == two
    shown = told(two, after.policy)
    assert [c.title for c in shown.capabilities] == ["Capability 0", "Capability 1"]
    assert "Capability 1: unconditional, because: Said otherwise." in shown.leans_on
    assert after.reworded(plan.policy) == plan
    assert plan.reworded(plan.policy) is plan


def test_a_plan_takes_no_other_rules(desk: Desk) -> None:
    looser = policy_of(capability("drawing", misuse=[{**WEAK, "at_most": 0.3}]), unconditional("naming"))
    with pytest.raises(ValueError, match="different rules"):
        desk.plan.reworded(looser)
    assert differences(
        desk.plan, desk.plan.model_copy(update={"policy": looser, "policy_digest": looser.rules_digest()})
    )
    assert not differences(desk.plan, desk.plan.reworded(reworded(desk.plan.policy.plain())))


def test_a_plan_of_an_earlier_release_fixes_the_prose_too(desk: Desk) -> None:
    old = desk.plan.model_copy(update={"policy_digest": None})
    other = reworded(old.policy.plain())
    now = desk.plan.model_copy(update={"policy": other})
    assert not differences(old, desk.plan)
    assert differences(old, now) == ["policy"]
    assert desk.decide(other, old).replay is True
    assert desk.decide(old.policy, old).policy_digest == old.policy.digest()
    with pytest.raises(ValueError, match="fixes the prose"):
        old.reworded(other)


def tampered(plan: Plan) -> Iterator[tuple[str, dict[str, Any], str]]:
    plain = plan.plain()
    looser = deepcopy(plain)
    looser["policy"]["capabilities"][0]["misuse"][0]["at_most"] = 0.9
    yield "rules", looser, "holds another policy than it was opened with"
    yield "digest", plain | {"policy_digest": digest_of("other")}, "holds another policy than it was opened with"
    words = {"title": "A", "rationale": "B"}
    yield "words of nothing", plain | {"wording": {"other": words}}, "words other capabilities than its policy has"
    old = {k: v for k, v in plain.items() if k != "policy_digest"}
    all_words = {c["id"]: words for c in plain["policy"]["capabilities"]}
    yield "words of an old plan", old | {"wording": all_words}, "words other capabilities than its policy has"


@pytest.mark.parametrize("number", range(4))
def test_a_stored_plan_is_its_own_policy(desk: Desk, number: int, tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.open(desk.plan)
    assert run.read_plan() == desk.plan
    _, plain, message = list(tampered(desk.plan))[number]
    run.plan_path.write_text(json.dumps(plain))
    with pytest.raises(EvidenceUntrusted, match=message):
        run.read_plan()


def test_prose_is_what_the_plan_takes_over() -> None:
    assert {path[-1] for path in PROSE} == {"title", "name", "rationale", "tags"}
