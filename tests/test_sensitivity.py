"""What a policy leaves open about sensitive samples."""

from __future__ import annotations

from releasegate.figures import TimelineFigure
from releasegate.policy import Policy, parse_policy
from releasegate.sensitivity import is_discreet, unsettled
from tests.test_releasecheck import listing
from tests.tiny_gates import CARDS, card


def policy(samples: str = "") -> Policy:
    return parse_policy(listing().replace("model:", f"{samples}model:"), "p.yaml").record


def test_a_policy_says_what_becomes_of_sensitive_samples() -> None:
    eval_id = next(r.eval for c in policy().capabilities for _, _, r in c.sections())
    cards = CARDS | {eval_id: card(eval_id, "legible", sensitive="personal")}
    (note,) = unsettled(policy(), cards)
    assert note == (
        f"samples: prompts and answers of {eval_id} (personal) stay in the run folder, which is often stored or published "
        "whole; say `samples: hashed`, or `samples: kept` if that is meant"
    )
    assert unsettled(policy("samples: kept\n"), cards) == []
    assert unsettled(policy("samples: hashed\n"), cards) == []
    assert unsettled(policy(), CARDS | {eval_id: card(eval_id, "legible")}) == []


def test_timelines_need_outputs_that_are_kept() -> None:
    eval_id = next(r.eval for c in policy().capabilities for _, _, r in c.sections())
    drawn = card(eval_id, "legible").model_copy(update={"figures": (TimelineFigure(kind="timeline", output="track"),)})
    assert unsettled(policy("samples: hashed\n"), {eval_id: drawn}) == [
        f"samples: hashed leaves nothing for the timelines of {eval_id} to show"
    ]
    assert unsettled(policy(), {eval_id: drawn}) == []


def test_nothing_is_said_of_sensitive_texts_nor_of_texts_that_may_not_be_kept() -> None:
    plain, sensitive = card("drawing", "legible"), card("drawing", "legible", sensitive="harmful")
    assert not is_discreet(plain, policy())
    assert is_discreet(sensitive, policy())
    assert is_discreet(plain, policy("samples: hashed\n"))
