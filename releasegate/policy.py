"""A policy: for one kind of model, capability by capability, the evidence without which it stays in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from releasegate.documents import Located, parse_document
from releasegate.manifest import RelativePath
from releasegate.publication import Publication
from releasegate.recipe import RecipeId
from releasegate.records import METRIC_PATTERN, Digest, Document, Identifier, MetricId, Record, digest_of
from releasegate.rules import rules_of, with_rules_of
from releasegate.spending import Attempts, Spending
from releasegate.taxonomy import Tag
from releasegate.trust import Trust

Channel = Literal["open_weights", "gated_weights", "api", "none"]
CHANNELS: tuple[Channel, ...] = ("open_weights", "gated_weights", "api", "none")
"""From the widest to the narrowest."""
WEIGHTS: tuple[Channel, ...] = ("open_weights", "gated_weights")
"""Those through which people get the weights, and may edit them."""

Artefact = Literal["weights", "code", "data", "training_recipe", "paper", "demo"]
ARTEFACTS: tuple[Artefact, ...] = ("weights", "code", "data", "training_recipe", "paper", "demo")
CHECKPOINTS: tuple[Artefact, ...] = ("weights", "demo")
"""Artefacts that are a checkpoint, or run one: what is stripped goes out in these."""

Limited = Literal["at_most", "at_least", "margin"]
Section = Literal["misuse", "working", "safeguards", "removal", "keep"]
Otherwise = Literal["strip", "restrict", "withhold"]
EnforcedBy = Literal["weights", "wrapper", "server"]
Samples = Literal["kept", "hashed", "unshown"]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A value of a dimension, as items are labelled."""
Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
ModelName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Requirements = Annotated[tuple["Requirement", ...], Field(min_length=1)]


class ModelSpec(Record):
    """What kind of model the policy is about."""

    layout: Identifier
    """How the checkpoint is laid out, such as `chameleon-hf`."""
    also: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=20)] | None = None
    """Other layouts of the same kind of model, such as `llama-gguf` beside `llama-hf`."""
    subject: Identifier
    """The subject that runs it."""
    name: ModelName | None = None
    """What people call the model; a claim of the policy, which the digest of the checkpoint stands beside."""
    runs: Annotated[dict[RelativePath, Digest], Field(min_length=1, max_length=10_000)] | None = None
    """Files of the checkpoint that may run code on this machine, with the digest of each; of layout `command` alone."""
    accepts: Annotated[dict[Identifier, Prose], Field(min_length=1, max_length=50)] | None = None
    """Parts of the checkpoint that the subject leaves unused, each with the reason why it may go out unmeasured."""

    @property
    def layouts(self) -> tuple[str, ...]:
        """Every layout that it is about."""
        return (self.layout, *(self.also or ()))


class ReleaseSpec(Record):
    """How it would be published, and how sure the gate must be."""

    channel: Channel | None = None
    """Of the weights, where they are all that would go out; else `artefacts`."""
    artefacts: Annotated[dict[Artefact, Channel], Field(min_length=1)] | None = None
    """What would go out, each through its own channel."""
    alpha: Annotated[float, Field(gt=0, le=0.1)] = 0.05
    """The probability, at most, of releasing a model that violates the policy."""
    attempts: Attempts | None = None
    """The number of attempts that alpha is split over evenly, as the family's ledger says too; absent: the open-ended series
    6 alpha / (pi^2 j^2)."""
    max_age_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """Evidence older than this shows nothing."""
    max_failed: Annotated[float, Field(ge=0, le=0.5)] = 0.02
    """The share of planned items that may fail or be missing, in any gated slice."""

    @property
    def channels(self) -> dict[Artefact, Channel]:
        """What would go out, and through which channel, always in the same order."""
        if self.artefacts is not None:
            return {name: self.artefacts[name] for name in ARTEFACTS if name in self.artefacts}
        return {} if self.channel is None else {"weights": self.channel}


class Excuse(Record):
    """What shows that an attack ruins the material, so that a safeguard need not survive it."""

    metric: MetricId
    """A share of calibration items, of the same eval, such as of those that keep their quality."""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def stated(self) -> tuple[Literal["at_most", "at_least"], float]:
        """Which of the two limits it states, and the number."""
        if self.at_most is not None:
            return "at_most", self.at_most
        assert self.at_least is not None, "check refuses an excuse without a limit"
        return "at_least", self.at_least

    @property
    def metric_name(self) -> str:
        """The metric's name within its eval."""
        return self.metric.split("/")[1]


class Requirement(Record):
    """One testable statement about one metric."""

    id: Identifier
    metric: MetricId
    at_most: float | None = None
    at_least: float | None = None
    margin: float | None = None
    """How much worse than the source checkpoint the stripped one may be, in the metric's unit."""
    slices: tuple[str | tuple[str, ...], ...] | Literal["all"] | None = None
    """Dimensions whose every value must hold (`[attack]`), or whose cells must (`[[attack, strength]]`); `all`: every
    dimension that the card gates; absent: the pooled rate."""
    values: dict[Identifier, tuple[Label, ...]] | None = None
    """The threat set: the values of dimensions that are gated. What has other ones is measured and not gated."""
    excused: Excuse | None = None
    """When a slice need not hold: its material is shown to be ruined. Of a safeguard with `slices`; takes half of alpha."""
    enforced_by: EnforcedBy | None = None
    """What puts a safeguard in place."""
    sequential: bool = False
    """Look after every item, and stop as soon as it is decided: an e-process in place of a fixed number of items."""
    n_max: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Items to measure, at most where it is sequential; absent: the card's number."""
    assume: float | None = None
    """The truth that power is planned for."""

    @property
    def stated(self) -> tuple[Limited, float]:
        """Which of the three limits it states, and the number."""
        if self.at_most is not None:
            return "at_most", self.at_most
        if self.at_least is not None:
            return "at_least", self.at_least
        assert self.margin is not None, "check refuses a requirement without a limit"
        return "margin", self.margin

    @property
    def eval(self) -> str:
        """The id of the eval."""
        return self.metric.split("/")[0]

    @property
    def metric_name(self) -> str:
        """The metric's name within its eval."""
        return self.metric.split("/")[1]


class LedgerSpec(Record):
    """Where attempts under the policy are counted."""

    family: Identifier
    """Whose ledger it is; policies of one family share their attempts."""


class ApprovalSpec(Record):
    """A role without whose signatures nothing goes out."""

    role: Identifier
    """As `trust.approvals` gives it to keys."""
    count: Annotated[int, Field(ge=1, le=10)] = 1
    """Different people that must have signed in it."""


class Restriction(Record):
    """A narrower way to publish."""

    channel: Channel


class Capability(Record):
    """Something the model can do, and what decides whether it may go out."""

    id: Identifier
    title: Prose
    rationale: Prose
    artefacts: Annotated[tuple[Artefact, ...], Field(min_length=1)] | None = None
    """What carries it; absent: weights and demo, as far as they are listed."""
    tags: Annotated[tuple[Tag, ...], Field(min_length=1, max_length=40)] | None = None
    """What published frameworks call it: `<framework>/<id>`. Content: no verdict depends on it."""
    unconditional: bool = False
    """Released whatever is measured; the rationale says why."""
    misuse: Requirements | None = None
    """Released if all of these show it too weak to harm, and the model is shown to work (`working` of the metrics' cards)."""
    working: Requirements | None = None
    """Further controls, beside those of the cards, without which `misuse` is not believed. They tighten and never replace."""
    safeguards: Annotated[dict[Identifier, Requirements], Field(min_length=1)] | None = None
    """Named lists; released if all of one list show protection strong enough."""
    otherwise: Otherwise | None = None
    restrict: Restriction | None = None
    recipe: RecipeId | None = None
    removal: Requirements | None = None
    """What the stripped checkpoint must show."""
    keep: Requirements | None = None
    """What must survive the strip."""

    def sections(self) -> Iterator[tuple[Section, tuple[str | int, ...], Requirement]]:
        """Every requirement with its section and its path inside the capability."""
        for number, requirement in enumerate(self.misuse or ()):
            yield "misuse", ("misuse", number), requirement
        for number, requirement in enumerate(self.working or ()):
            yield "working", ("working", number), requirement
        for name, requirements in (self.safeguards or {}).items():
            for number, requirement in enumerate(requirements):
                yield "safeguards", ("safeguards", name, number), requirement
        for number, requirement in enumerate(self.removal or ()):
            yield "removal", ("removal", number), requirement
        for number, requirement in enumerate(self.keep or ()):
            yield "keep", ("keep", number), requirement

    @property
    def alternatives(self) -> int:
        """How many alternatives could release it: misuse, and each list of safeguards."""
        return (self.misuse is not None) + len(self.safeguards or {})


class Policy(Document):
    """The evidence without which one kind of model stays in."""

    schema_: Annotated[Literal["releasegate/policy/v1"], Field(alias="schema")]
    id: Identifier
    title: Prose
    model: ModelSpec
    release: ReleaseSpec
    capabilities: Annotated[tuple[Capability, ...], Field(min_length=1)]
    trust: Trust | None = None
    """Whose signatures count for what."""
    ledger: LedgerSpec | None = None
    """Absent: the family is named as the policy."""
    approvals: Annotated[tuple[ApprovalSpec, ...], Field(min_length=1, max_length=20)] | None = None
    """Whose signatures a release waits for, once it is decided."""
    publication: Publication | None = None
    samples: Samples | None = None
    """What stays of the texts and outputs of samples: they themselves (`kept`, and so if absent), they themselves in the run
    folder and in no report (`unshown`), or their sha256 and length (`hashed`)."""

    @model_validator(mode="after")
    def _asks_for_each_role_once(self) -> Self:
        roles = [asked.role for asked in self.approvals or ()]
        if len(set(roles)) < len(roles):
            raise ValueError(f"approvals ask for {next(r for r in roles if roles.count(r) > 1)} twice: give a count")
        return self

    @property
    def published(self) -> Publication:
        """What it says of the publication; with nothing in it where it says nothing."""
        return self.publication or Publication()

    def rules_digest(self) -> str:
        """`sha256:…` of what a decision depends on: all but prose, and what only those who receive a release read (`rules`)."""
        return digest_of(rules_of(self.plain()))

    def ruled_as(self, other: Policy) -> Policy:
        """This policy, its rules written as in `other`, which has the same: in that order they are told and found.

        Raises:
            ValueError: `other` has other rules.
        """
        if self.rules_digest() != other.rules_digest():
            raise ValueError("the two policies have different rules")
        return Policy.from_plain(with_rules_of(self.plain(), other.plain()))

    @property
    def family(self) -> str:
        """The family whose ledger counts the attempts under it."""
        return self.id if self.ledger is None else self.ledger.family

    @property
    def hashes_samples(self) -> bool:
        """Whether no text and no output of a sample may be kept."""
        return self.samples == "hashed"

    @property
    def shows_samples(self) -> bool:
        """Whether a report may show what samples hold."""
        return self.samples != "unshown"

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The requirements of every capability."""
        return tuple(r for c in self.capabilities for _, _, r in c.sections())

    @property
    def strips(self) -> bool:
        """Whether a stripped checkpoint may be published under it."""
        return any(c.otherwise == "strip" for c in self.capabilities)

    def carriers(self, capability: Capability) -> tuple[Artefact, ...]:
        """The listed artefacts that carry it: a capability that none of them does would never be judged, so all do."""
        listed = tuple(self.release.channels)
        stated = CHECKPOINTS if capability.artefacts is None else capability.artefacts
        return tuple(name for name in listed if name in stated) or listed

    def carried(self, artefact: Artefact) -> tuple[Capability, ...]:
        """The capabilities that go out with an artefact."""
        return tuple(c for c in self.capabilities if artefact in self.carriers(c))

    @property
    def shares(self) -> int:
        """Into how many chances to be published the alpha of an attempt is split.

        Sets of capabilities that artefacts carry x checkpoints that may be published x the most alternatives of one
        capability. The source's evidence picks which set of capabilities is stripped, on the items that the stripped
        checkpoint is measured on, so each of the 2^k sets of the k capabilities with `otherwise: strip` is a chance of its
        own. Artefacts that carry the same capabilities are one chance, whatever their channels: who may not go out through
        the narrowest may not through the others.
        """
        return self.shares_among(int(2 ** sum(c.otherwise == "strip" for c in self.capabilities)))

    def shares_among(self, checkpoints: int) -> int:
        """The same where so many checkpoints are a chance each.

        Two are, the source and the one that is stripped, where the latter is measured on items of its own: which one it is, is
        fixed once the source's evidence is there.
        """
        sets = {tuple(c.id for c in self.carried(name)) for name in self.release.channels} - {()}
        return max(1, len(sets)) * checkpoints * max(1, *(c.alternatives for c in self.capabilities))

    @property
    def spending(self) -> Spending:
        """How it spends its alpha, unless the family's ledger has divided what was left of it anew."""
        return Spending(attempts=self.release.attempts)

    def effective_alpha(self, attempt: int) -> float:
        """The alpha of every requirement at an attempt: its part of the policy's, split into the shares; 0 after the last."""
        return self.spending.effective_alpha(self.release.alpha, attempt, self.shares)


def parse_policy(text: str | bytes, source: str, gateable: Callable[[], list[str]] = list) -> Located[Policy]:
    """The policy that YAML `text` holds, with its places.

    Args:
        gateable: names the metrics of the evals beside it, `<eval>/<metric>`; asked where a name is none.

    Raises:
        DocumentError: every problem of form. What it says about evals and recipes is checked by `policycheck`.
    """

    def remedy(given: object) -> str:
        names = [name for name in gateable() if str(given) in name.split("/")]
        named = f", such as {', '.join(names[:5])}" if names else ""
        return f"write `<eval>/<metric>`{named}; `releasegate list evals` shows what can be gated"

    return parse_document(Policy, text, source, {METRIC_PATTERN: remedy})


def narrower(channel: Channel, than: Channel) -> bool:
    """Whether fewer people reach a model through `channel` than through `than`.

    >>> narrower("api", "open_weights"), narrower("open_weights", "open_weights")
    (True, False)
    """
    return CHANNELS.index(channel) > CHANNELS.index(than)


def counts_at(enforced_by: EnforcedBy | None, channel: Channel) -> bool:
    """Whether a safeguard enforced this way protects a model published through `channel`.

    Who has the weights can remove a wrapper and does not use the lab's server.

    >>> counts_at("server", "api"), counts_at("server", "open_weights"), counts_at("wrapper", "api")
    (True, False, False)
    """
    protecting: Mapping[str, tuple[Channel, ...]] = {"weights": CHANNELS, "server": ("api", "none"), "wrapper": ()}
    return enforced_by is not None and channel in protecting[enforced_by]
