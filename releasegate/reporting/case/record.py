"""An assurance case as it is stored: the elements of the Goal Structuring Notation and what stands between them.

The names are those of the GSN Community Standard, version 3 (SCSC-141C, 2021): goals, strategies, solutions, contexts,
assumptions, justifications; `supported_by` and `in_context_of`; and of its part on dialectic, `challenged_by`, and a claim
that is defeated. That a claim may be assumed, and says so, is the Structured Assurance Case Metamodel's (OMG SACM 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, StringConstraints, model_validator

from releasegate.decision.record import Estimate, Reason, Verdict
from releasegate.evidence import Labels
from releasegate.policy import Limited
from releasegate.records import Digest, Document, Identifier, Record

NodeId = Annotated[str, StringConstraints(min_length=1, max_length=600)]
"""What an element is and what it is about, such as `goal/image_generation`: the same in every case of the same policy."""

ClaimStatus = Literal["supported", "waived", "assumed", "undeveloped", "defeated"]
"""`supported`: evidence carries it. `waived`: somebody answers by name for what does not. `assumed`: the policy says so, and
nothing was to be shown. `undeveloped`: nothing carries it yet. `defeated`: evidence speaks against it."""
HOLDING: tuple[ClaimStatus, ...] = ("supported", "waived", "assumed")
"""Of a claim that stands in no way of a release."""


MAY_GO_OUT: tuple[Verdict, ...] = ("release", "release_stripped", "restrict")
"""Of a release whose top claim holds."""


class Element(Record):
    """What every element has."""

    id: NodeId
    statement: str


class Argued(Element):
    """A goal or a strategy: it is supported, or it is not."""

    status: ClaimStatus
    because: str = ""
    """Why it has that status, in the words of the decision; empty where what stands below says so."""
    supported_by: tuple[NodeId, ...] = ()
    in_context_of: tuple[NodeId, ...] = ()


class Goal(Argued):
    """A claim."""

    kind: Literal["goal"] = "goal"
    challenged_by: tuple[NodeId, ...] = ()
    """Evidence against it."""
    alternatives: tuple[NodeId, ...] = ()
    """Arguments that were not taken: they do not hold, or were not needed."""
    capability: Identifier | None = None
    requirement: Identifier | None = None
    reason: Reason | None = None
    """Of an undeveloped requirement: whether its evidence does not settle it, is wanting, or does not count here."""


class Strategy(Argued):
    """How a claim is argued."""

    kind: Literal["strategy"] = "strategy"
    route: str | None = None
    """`misuse`, `safeguards/<list>` or `strip`, where it is a way to be published."""


class Solution(Element):
    """Evidence: what was found for one requirement on one checkpoint, in its worst slice."""

    kind: Literal["solution"] = "solution"
    finding: str
    """The id of the finding in the report of the run."""
    metric: str
    checkpoint: str
    measurement: Digest | None = None
    """Digest of the measurement under the nonce of its attempt; None where the plan has none."""
    side: Limited
    limit: float
    tested_limit: float | None = None
    """Where a judge's errors moved it."""
    slice: Labels = {}
    """The worst; empty: the pooled items."""
    slices: Annotated[int, Field(ge=1)]
    """How many were judged."""
    estimate: Estimate


class Context(Element):
    """What a claim or an argument is to be read with: policy, channel, threat set, instruments."""

    kind: Literal["context"] = "context"
    sha256: Digest | None = None


class Assumption(Element):
    """A statement that nothing here shows."""

    kind: Literal["assumption"] = "assumption"


class Justification(Element):
    """Why a claim or an argument is stated as it is."""

    kind: Literal["justification"] = "justification"


Node = Annotated[Goal | Strategy | Solution | Context | Assumption | Justification, Discriminator("kind")]


class AssuranceCase(Document):
    """Claim, argument and evidence of one decision: a graph without loops, read from `top`."""

    schema_: Annotated[Literal["releasegate/case/v1"], Field(alias="schema")] = "releasegate/case/v1"
    policy: Identifier
    policy_digest: Digest
    plan: Digest
    evidence: Digest
    model: Digest
    decision: Digest
    verdict: Verdict
    rehearsal: bool = False
    """Made on rehearsal items: it counts for nothing, whatever it says."""
    replay: bool = False
    """Judged by another policy than the one that the plan fixed."""
    top: NodeId
    nodes: Annotated[tuple[Node, ...], Field(min_length=1)]

    @property
    def by_id(self) -> Mapping[str, Node]:
        """The elements by their ids."""
        return {node.id: node for node in self.nodes}

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        refuse_unsound(self)
        return self


def links(node: Node) -> tuple[str, ...]:
    """Every element that `node` points to."""
    if isinstance(node, Goal):
        return (*node.supported_by, *node.challenged_by, *node.alternatives, *node.in_context_of)
    return (*node.supported_by, *node.in_context_of) if isinstance(node, Strategy) else ()


def refuse_unsound(case: AssuranceCase) -> None:
    """Nothing, if the case is one graph without loops in which no claim holds without what carries it.

    Raises:
        ValueError: an id stands twice or leads nowhere; an element hangs on nothing; a link goes to an element that it may not
            go to; a claim says that it holds, and what it rests on does not.
    """
    nodes = case.by_id
    if len(nodes) < len(case.nodes):
        raise ValueError("an id stands twice")
    top = nodes.get(case.top)
    if not isinstance(top, Goal):
        raise ValueError("the top is not a goal")
    reached: dict[str, bool] = {}
    _walk(nodes, case.top, reached)
    for node in case.nodes:
        _refuse_links(nodes, node)
        _refuse_status(nodes, node)
    lost = [name for name in nodes if name not in reached]
    if lost:
        raise ValueError(f"{lost[0]} hangs on nothing")
    if (top.status in HOLDING) != (case.verdict in MAY_GO_OUT):
        raise ValueError(f"the top is {top.status}, and the verdict {case.verdict}")


def _walk(nodes: Mapping[str, Node], name: str, reached: dict[str, bool]) -> None:
    """Marks all that hangs below; an element is open (False) until everything below it was walked."""
    if name not in nodes:
        raise ValueError(f"there is no element {name}")
    reached[name] = False
    for below in links(nodes[name]):
        if below not in reached:
            _walk(nodes, below, reached)
        elif not reached[below]:
            raise ValueError(f"{below} rests on itself")
    reached[name] = True


def _refuse_links(nodes: Mapping[str, Node], node: Node) -> None:
    """The links that the notation knows: claims and arguments on claims, arguments and evidence; the rest is context."""
    if not isinstance(node, Argued):
        return
    carrying = (Goal, Solution) if isinstance(node, Strategy) else (Goal, Strategy, Solution)
    wrong = [n for n in node.supported_by if not isinstance(nodes[n], carrying)]
    wrong += [n for n in node.in_context_of if not isinstance(nodes[n], Context | Assumption | Justification)]
    if isinstance(node, Goal):
        wrong += [n for n in node.challenged_by if not isinstance(nodes[n], Solution)]
        wrong += [n for n in node.alternatives if not isinstance(nodes[n], Strategy)]
    if wrong:
        raise ValueError(f"{node.id} may not point to {wrong[0]} in this way")


def _refuse_status(nodes: Mapping[str, Node], node: Node) -> None:
    """Nothing holds that nothing carries: this is where a case fails closed."""
    if not isinstance(node, Argued) or node.status not in HOLDING:
        return
    if isinstance(node, Goal) and node.challenged_by and node.status != "waived":
        raise ValueError(f"{node.id} is {node.status}, and evidence speaks against it")
    below = [nodes[n] for n in node.supported_by]
    if node.status == "assumed":
        assumed = any(isinstance(nodes[n], Assumption) for n in node.in_context_of)
        if not assumed and not any(isinstance(b, Argued) and b.status == "assumed" for b in below):
            raise ValueError(f"{node.id} is assumed, and no assumption says so")
    waived = node.status == "waived" and any(isinstance(nodes[n], Justification) for n in node.in_context_of)
    if node.status != "assumed" and not below and not waived:
        raise ValueError(f"{node.id} is {node.status}, and nothing carries it")
    failing = [b.id for b in below if isinstance(b, Argued) and b.status not in HOLDING]
    if failing:
        raise ValueError(f"{node.id} is {node.status}, and {failing[0]} is not")
