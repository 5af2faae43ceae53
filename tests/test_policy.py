"""The form of a policy: one spelling of each thing, and every departure named at its place."""

from __future__ import annotations

import pytest

from releasegate.errors import DocumentError
from releasegate.policy import counts_at, narrower, parse_policy

POLICY = """\
schema: releasegate/policy/v1
id: tiny
title: A tiny model
model: {layout: tiny-hf, subject: tiny}
release: {channel: open_weights, alpha: 0.05, max_age_days: 90, max_failed: 0.02}
capabilities:
  - id: drawing
    title: Draws
    rationale: Not mature.
    misuse:
      - {id: weak, metric: drawing/legible, at_most: 0.20}
    otherwise: strip
    recipe: tiny-hf/drawing
    removal:
      - {id: gone, metric: drawing/legible, at_most: 0.20}
    keep:
      - {id: kept, metric: naming/right, margin: 0.03}
  - id: naming
    title: Names
    rationale: Harmless.
    unconditional: true
"""
NAME = "^[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?$"
WEAK = "      - {id: weak, metric: drawing/legible, at_most: 0.20}"
ALL_CAPABILITIES = POLICY[POLICY.index("capabilities:") :]


def refusals(text: str) -> list[str]:
    """`where: what | fix` of every problem."""
    with pytest.raises(DocumentError) as caught:
        parse_policy(text, "p.yaml")
    return [f"{p.where}: {p.what} | {p.fix}" for p in caught.value.problems]


def test_the_example_itself_is_well_formed() -> None:
    policy = parse_policy(POLICY, "p.yaml").record
    assert [c.id for c in policy.capabilities] == ["drawing", "naming"]
    assert policy.strips


BAD = [
    ("schema: releasegate/policy/v1\n", "", "p.yaml:1:1: schema: missing | write `schema: releasegate/policy/v1`"),
    (
        "policy/v1",
        "policy/v9",
        'p.yaml:1:9: schema: unknown version "releasegate/policy/v9"; this releasegate reads "releasegate/policy/v1" '
        "| write `schema: releasegate/policy/v1`",
    ),
    (
        "releasegate/policy/v1",
        "1",
        'p.yaml:1:9: schema: unknown version 1; this releasegate reads "releasegate/policy/v1" '
        "| write `schema: releasegate/policy/v1`",
    ),
    ("id: tiny", "id: Tiny Model", f'p.yaml:2:5: id: "Tiny Model" is not a valid name | match the pattern {NAME}'),
    ("id: tiny", "id: tiny-", f'p.yaml:2:5: id: "tiny-" is not a valid name | match the pattern {NAME}'),
    ("id: tiny", "id: ../tiny", f'p.yaml:2:5: id: "../tiny" is not a valid name | match the pattern {NAME}'),
    ("id: tiny", 'id: "tiny\\n"', f'p.yaml:2:5: id: "tiny\\n" is not a valid name | match the pattern {NAME}'),
    ("id: tiny", "id: 12", "p.yaml:2:5: id: must be text; got 12 | correct the value"),
    ("title: A tiny model\n", "", "p.yaml:1:1: title: missing | add `title:`"),
    ("title: A tiny model", 'title: ""', "p.yaml:3:8: title: must not be empty | write some text"),
    ("title: A tiny model", 'title: "  "', "p.yaml:3:8: title: must not be empty | write some text"),
    ("title: A tiny model", "title: true", "p.yaml:3:8: title: must be text; got true | correct the value"),
    ("title: A tiny model", "title: [a]", "p.yaml:3:8: title: must be text; got a list | correct the value"),
    (", subject: tiny}", "}", "p.yaml:4:8: model.subject: missing | add `subject:`"),
    (", subject: tiny}", ", subject: tiny, kind: x}", "p.yaml:4:41: model.kind: unknown key | remove it"),
    (
        "channel: open_weights",
        "channel: web",
        'p.yaml:5:20: release.channel: must be one of open_weights, gated_weights, api, none; got "web" | use one of them',
    ),
    (
        "channel: open_weights",
        "channel: [api]",
        "p.yaml:5:20: release.channel: must be one of open_weights, gated_weights, api, none; got a list "
        "| use one of them",
    ),
    (
        "alpha: 0.05",
        "alpha: 0",
        "p.yaml:5:41: release.alpha: must be greater than 0; got 0 | choose a number in that range",
    ),
    (
        "alpha: 0.05",
        "alpha: -1",
        "p.yaml:5:41: release.alpha: must be greater than 0; got -1 | choose a number in that range",
    ),
    (
        "alpha: 0.05",
        "alpha: 0.11",
        "p.yaml:5:41: release.alpha: must be less than or equal to 0.1; got 0.11 | choose a number in that range",
    ),
    (
        "alpha: 0.05",
        "alpha: 1e-400",
        "p.yaml:5:41: release.alpha: must be greater than 0; got 0.0 | choose a number in that range",
    ),
    ("alpha: 0.05", "alpha: .nan", 'p.yaml:5:41: release.alpha: must be a number; got ".nan" | correct the value'),
    ("alpha: 0.05", "alpha: NaN", 'p.yaml:5:41: release.alpha: must be a number; got "NaN" | correct the value'),
    ("alpha: 0.05", "alpha: -.inf", 'p.yaml:5:41: release.alpha: must be a number; got "-.inf" | correct the value'),
    ("alpha: 0.05", 'alpha: "0.05"', 'p.yaml:5:41: release.alpha: must be a number; got "0.05" | correct the value'),
    ("alpha: 0.05", "alpha: true", "p.yaml:5:41: release.alpha: must be a number; got true | correct the value"),
    ("alpha: 0.05", "alpha: null", "p.yaml:5:41: release.alpha: must be a number; got null | correct the value"),
    ("alpha: 0.05", "Alpha: 0.05", "p.yaml:5:34: release.Alpha: unknown key | did you mean `alpha`?"),
    (
        "max_age_days: 90",
        "max_age_days: 0",
        "p.yaml:5:61: release.max_age_days: must be greater than or equal to 1; got 0 | choose a number in that range",
    ),
    (
        "max_age_days: 90",
        "max_age_days: 1.5",
        "p.yaml:5:61: release.max_age_days: must be a whole number; got 1.5 | correct the value",
    ),
    ("max_age_days: 90", "max_age: 90", "p.yaml:5:47: release.max_age: unknown key | did you mean `max_age_days`?"),
    (
        "max_failed: 0.02",
        "max_failed: 0.51",
        "p.yaml:5:77: release.max_failed: must be less than or equal to 0.5; got 0.51 | choose a number in that range",
    ),
    (
        "max_failed: 0.02",
        "max_failed: -0.1",
        "p.yaml:5:77: release.max_failed: must be greater than or equal to 0; got -0.1 | choose a number in that range",
    ),
    (
        ALL_CAPABILITIES,
        "capabilities: []\n",
        "p.yaml:6:15: capabilities: must not be empty | write at least one, or remove the key",
    ),
    (ALL_CAPABILITIES, "", "p.yaml:1:1: capabilities: missing | add `capabilities:`"),
    (
        ALL_CAPABILITIES,
        "capabilities: [drawing]",
        'p.yaml:6:16: capabilities.0: must be a mapping; got "drawing" | correct the value',
    ),
    (
        ALL_CAPABILITIES,
        "capabilities: {drawing: {}}",
        "p.yaml:6:15: capabilities: must be a list; got a mapping | correct the value",
    ),
    ("    rationale: Not mature.\n", "", "p.yaml:7:5: capabilities.0.rationale: missing | add `rationale:`"),
    (
        f"    misuse:\n{WEAK}",
        "    misuse: []",
        "p.yaml:10:13: capabilities.0.misuse: must not be empty | write at least one, or remove the key",
    ),
    (
        f"    misuse:\n{WEAK}",
        "    safeguards: {}",
        "p.yaml:10:17: capabilities.0.safeguards: must not be empty | write at least one, or remove the key",
    ),
    (
        f"    misuse:\n{WEAK}",
        "    safeguards: {marked: []}",
        "p.yaml:10:26: capabilities.0.safeguards.marked: must not be empty | write at least one, or remove the key",
    ),
    (
        f"    misuse:\n{WEAK}",
        "    safeguards:\n" + WEAK,
        "p.yaml:11:7: capabilities.0.safeguards: must be a mapping; got a list | correct the value",
    ),
    (
        f"    misuse:\n{WEAK}",
        "    safeguards: {A b: [{id: weak, metric: drawing/legible, at_most: 0.20}]}",
        f'p.yaml:10:23: capabilities.0.safeguards.A b: "A b" is not a valid name | match the pattern {NAME}',
    ),
    (
        "otherwise: strip",
        "otherwise: drop",
        'p.yaml:12:16: capabilities.0.otherwise: must be one of strip, restrict, withhold; got "drop" | use one of them',
    ),
    (
        "otherwise: strip",
        "otherwise: [strip]",
        "p.yaml:12:16: capabilities.0.otherwise: must be one of strip, restrict, withhold; got a list | use one of them",
    ),
    (
        "otherwise: strip",
        "otherwize: strip",
        "p.yaml:12:5: capabilities.0.otherwize: unknown key | did you mean `otherwise`?",
    ),
    (
        "otherwise: strip",
        "otherwise: strip\n    restrict: api",
        'p.yaml:13:15: capabilities.0.restrict: must be a mapping; got "api" | correct the value',
    ),
    (
        "tiny-hf/drawing",
        "drawing",
        'p.yaml:13:13: capabilities.0.recipe: "drawing" is not a valid name '
        "| match the pattern ^[a-z0-9][a-z0-9_.-]*/[a-z0-9][a-z0-9_.-]*$",
    ),
    (
        "unconditional: true",
        "unconditional: yes",
        'p.yaml:21:20: capabilities.1.unconditional: must be true or false; got "yes" | correct the value',
    ),
    (
        "unconditional: true",
        "unconditional: 1",
        "p.yaml:21:20: capabilities.1.unconditional: must be true or false; got 1 | correct the value",
    ),
    (
        WEAK,
        WEAK.replace("drawing/legible", "legible"),
        'p.yaml:11:28: capabilities.0.misuse.0.metric: "legible" is not a valid name '
        "| write `<eval>/<metric>`; `releasegate list evals` shows what can be gated",
    ),
    (
        WEAK,
        WEAK.replace("drawing/legible", "../x/y"),
        'p.yaml:11:28: capabilities.0.misuse.0.metric: "../x/y" is not a valid name '
        "| write `<eval>/<metric>`; `releasegate list evals` shows what can be gated",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "low"),
        'p.yaml:11:54: capabilities.0.misuse.0.at_most: must be a number; got "low" | correct the value',
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.20, hurried: true"),
        "p.yaml:11:60: capabilities.0.misuse.0.hurried: unknown key | remove it",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.20, n_max: 0"),
        "p.yaml:11:67: capabilities.0.misuse.0.n_max: must be greater than or equal to 1; got 0 "
        "| choose a number in that range",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.20, slices: some"),
        'p.yaml:11:68: capabilities.0.misuse.0.slices: must be a list; got "some" | correct the value',
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.20, slices: {digit: 3}"),
        "p.yaml:11:68: capabilities.0.misuse.0.slices: must be a list; got a mapping | correct the value",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.20, slices: [digit, 3]"),
        "p.yaml:11:76: capabilities.0.misuse.0.slices.1: must be text; got 3 | correct the value",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.20, slices: [[digit, 3]]"),
        "p.yaml:11:77: capabilities.0.misuse.0.slices.0.1: must be text; got 3 | correct the value",
    ),
    (
        WEAK,
        WEAK.replace("0.20", "0.20, enforced_by: hope"),
        'p.yaml:11:73: capabilities.0.misuse.0.enforced_by: must be one of weights, wrapper, server; got "hope" '
        "| use one of them",
    ),
    (POLICY, "[1, 2]", "p.yaml:1:1: must be a mapping | start with `schema:`"),
    (POLICY, "~", "p.yaml:1:1: must be a mapping | start with `schema:`"),
]


@pytest.mark.parametrize(("before", "after", "message"), BAD, ids=[case[1][:40] or "removed" for case in BAD])
def test_a_departure_is_named_at_its_place_with_its_remedy(before: str, after: str, message: str) -> None:
    assert POLICY.count(before) >= 1
    assert refusals(POLICY.replace(before, after, 1)) == [message]


def test_every_problem_is_listed_in_the_order_of_the_file() -> None:
    text = POLICY.replace("alpha: 0.05", "alpha: 2").replace("otherwise: strip", "otherwise: [strip]")
    text = text.replace("margin: 0.03", "margin: no").replace("id: tiny", "id: T")
    assert [line.split(": ")[0] for line in refusals(text)] == [
        "p.yaml:2:5",
        "p.yaml:5:41",
        "p.yaml:12:16",
        "p.yaml:17:50",
    ]


def test_a_shared_requirement_written_as_an_alias_reads_as_if_written_out() -> None:
    text = POLICY.replace("- {id: weak", "- &weak {id: weak").replace(
        "      - {id: gone, metric: drawing/legible, at_most: 0.20}", "      - *weak"
    )
    policy = parse_policy(text, "p.yaml").record
    assert policy.capabilities[0].removal == policy.capabilities[0].misuse


@pytest.mark.parametrize(
    ("otherwise", "lists", "shares"),
    [("withhold", 0, 1), ("withhold", 1, 2), ("withhold", 2, 3), ("strip", 0, 2), ("strip", 2, 6)],
)
def test_shares_are_checkpoints_times_the_most_alternatives(otherwise: str, lists: int, shares: int) -> None:
    safeguards = "".join(
        f"\n      s{i}: [{{id: s{i}, metric: drawing/legible, at_least: 0.9, enforced_by: weights}}]"
        for i in range(lists)
    )
    text = POLICY.replace("otherwise: strip", f"otherwise: {otherwise}")
    if lists:
        text = text.replace("    misuse:", f"    safeguards:{safeguards}\n    misuse:")
    assert parse_policy(text, "p.yaml").record.shares == shares


def test_a_policy_of_unconditional_capabilities_has_one_share() -> None:
    text = POLICY.replace(POLICY[POLICY.index("  - id: drawing") : POLICY.index("  - id: naming")], "")
    assert parse_policy(text, "p.yaml").record.shares == 1


@pytest.mark.parametrize(
    ("enforced_by", "channels"),
    [("weights", {"open_weights", "gated_weights", "api", "none"}), ("server", {"api", "none"}), ("wrapper", set())],
)
def test_a_safeguard_counts_where_a_user_cannot_remove_it(enforced_by: str, channels: set[str]) -> None:
    every = ("open_weights", "gated_weights", "api", "none")
    assert {c for c in every if counts_at(enforced_by, c)} == channels  # type: ignore[arg-type]
    assert not any(counts_at(None, c) for c in every)  # type: ignore[arg-type]


def test_channels_are_totally_ordered() -> None:
    order = ("open_weights", "gated_weights", "api", "none")
    for i, one in enumerate(order):
        for j, other in enumerate(order):
            assert narrower(one, other) == (i > j)  # type: ignore[arg-type]


def test_a_record_survives_its_own_text() -> None:
    policy = parse_policy(POLICY, "p.yaml").record
    assert type(policy).from_text(policy.text()) == policy
    assert type(policy).from_text(policy.text()).digest() == policy.digest()
