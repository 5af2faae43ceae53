"""A plan: everything that is fixed before anything runs. Pure.

It holds the policy, the cards, what is measured on which checkpoint with which code, how many items of which label, and
the effective alpha. Opening it adds a nonce, drawn once; items and seeds derive from the nonce, so that whoever made the
weights could not have known them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from releasegate.evalcard import EvalCard
from releasegate.evidence import Cell, Done
from releasegate.ledger import Anchor, ItemId, Nonce
from releasegate.manifest import Manifest, stripped_digest
from releasegate.policy import Capability, Policy, Prose, Requirement, Section
from releasegate.recipe import RecipeId
from releasegate.records import Digest, Document, Identifier, Record, digest_of
from releasegate.spending import SERIES, Spending
from releasegate.working import channels_of, controls

Role = Literal["gate", "calibration"]
SOURCE = "source"
ROUTES: tuple[Section, ...] = ("misuse", "working", "safeguards")
"""The sections that a capability's routes to publication are judged by, stripping apart."""


class SubjectRef(Record):
    """The code that runs the model."""

    id: Identifier
    code: str
    """The releasegate release or the digest of the repository's file that it comes from."""
    dtype: str
    deterministic: bool
    """Whether the same items give the same samples on one machine."""
    served: Literal[True] | None = None
    """Whether a server answers for the model: nothing ties its weights to the digest, and it may change at any time."""
    chat_template: Digest | None = None
    """sha256 of the template that makes texts of chats, where the checkpoint has one."""


class Measurement(Record):
    """One eval on one checkpoint: what is bound into every sample."""

    eval: Identifier
    role: Role
    checkpoint: str
    """`source`, or the name of a strip."""
    model: Digest
    card: Digest
    harness: Digest
    instruments: dict[Identifier, Digest]
    params: dict[str, JsonValue]
    subject: SubjectRef
    shard: Annotated[int, Field(ge=1)]
    cells: tuple[Cell, ...]
    problem: str | None = None
    """Why it cannot be measured, if its code does not load: nothing it was to show is shown."""
    parts: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=2)] | None = None
    """Of one that went on in an extension: its items at the attempt's opening, and at each extension."""
    own: Literal[True] | None = None
    """Whether its items are the strips' own, derived apart from those of the source."""
    before: Digest | None = None
    """The measurement that it goes on with, as the plan before named it."""

    @property
    def items(self) -> int:
        """Planned items."""
        return sum(cell.n for cell in self.cells)

    @property
    def shards(self) -> int:
        """Shards that the items fill; no shard holds items of two parts."""
        return sum(-(-n // self.shard) for n in self.parts or (self.items,))

    def shard_items(self, shard: int) -> range:
        """The numbers of the items of a shard.

        Raises:
            ValueError: it has no such shard.
        """
        start = 0
        for n in self.parts or (self.items,):
            if shard < -(-n // self.shard):
                return range(start + shard * self.shard, start + min((shard + 1) * self.shard, n))
            start, shard = start + n, shard - -(-n // self.shard)
        raise ValueError(f"a measurement of {self.shards} shards has no shard {shard}")

    def shard_of(self, item: int) -> int:
        """The shard that holds an item, by its number."""
        before = 0
        for n in self.parts or (self.items,):
            if item < n:
                return before + item // self.shard
            before, item = before + -(-n // self.shard), item - n
        raise ValueError("the measurement has no such item")

    @model_validator(mode="after")
    def _parts_are_its_items(self) -> Self:
        if self.parts is not None and sum(self.parts) != self.items:
            raise ValueError(f"has {self.items} items, and parts of {sum(self.parts)}")
        return self


class RecipeRef(Record):
    """A recipe by id and digest."""

    id: RecipeId
    sha256: Digest


class PlannedStrip(Record):
    """One checkpoint that could come out of stripping."""

    name: str
    capabilities: tuple[Identifier, ...]
    recipes: tuple[RecipeRef, ...]
    model: Digest
    """strip(source digest, recipe digests): its identity before it exists."""


class Doubt(Record):
    """Something about the checkpoint, seen before anything is measured, that keeps `misuse` from being believed.

    It closes the route and refuses nothing.
    """

    kind: Literal["odd_number", "unmeasured_part", "chat_template"]
    """`odd_number`: it costs nothing to undo. `unmeasured_part`: the subject leaves it unused, so it wants evidence, at
    weights channels and unless the policy accepts it. `chat_template`: it answers by what it is asked."""
    place: Annotated[str, StringConstraints(min_length=1, max_length=400)]
    """File and key or tensor, such as `config.json: rms_norm_eps`."""
    what: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    """What is odd there, with the number found and what is usual."""
    remedy: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    part: Identifier | None = None
    """Of an unmeasured part: the name by which `model.accepts` accepts it."""
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Of an unmeasured part: its share of the checkpoint's parameters."""


class PlannedModel(Record):
    """The source checkpoint."""

    layout: Identifier
    manifest: Manifest
    base: Digest | None = None
    """Of a checkpoint with an adapter: the digest that the base alone would have."""
    adapter: Digest | None = None
    """The digest that the adapter's folder would have by itself."""


class LedgerPosition(Anchor):
    """Where the ledger stood when the attempt was opened: at the line of its nonce."""

    anchored: bool
    """Whether it was compared with a place that somebody else remembers."""


class Extension(Record):
    """The attempt that a run goes on with, as it was decided."""

    number: Annotated[int, Field(ge=1)]
    """1 for the first extension of the attempt."""
    plan: Digest
    """The plan before, without its nonce."""
    evidence: Digest
    """What was measured under it."""
    items: Annotated[int, Field(ge=1)]
    """Fresh items of each measurement that goes on."""
    carried: tuple[Done, ...]
    """The shards that were measured under it, which are the beginning of this run's evidence."""


class Wording(Record):
    """What a policy called a capability, and why it is judged."""

    title: Prose
    rationale: Prose


class Plan(Document):
    """What is fixed before anything runs."""

    schema_: Annotated[Literal["releasegate/plan/v1"], Field(alias="schema")] = "releasegate/plan/v1"
    opened: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    attempt: Annotated[int, Field(ge=1)]
    alpha: float
    """Effective alpha of every requirement."""
    chances: Annotated[int, Field(ge=1)] | None = None
    """Into how many chances to be published alpha is split, where strips are measured on items of their own; absent: as the
    policy alone says, every strip being a chance."""
    spending: Spending | None = None
    """The schedule of the family's ledger that gives the attempt its part of alpha; absent: the open-ended series."""
    policy: Policy
    """Its rules are fixed; its prose may be corrected while the run stands."""
    policy_digest: Digest | None = None
    """Of the policy's rules. None in plans of earlier releases, which fixed the prose too."""
    wording: dict[Identifier, Wording] | None = None
    """The words that decisions of this run are made in, where those of the policy's capabilities are others by now."""
    model: PlannedModel
    strips: tuple[PlannedStrip, ...]
    cards: dict[Identifier, EvalCard]
    measurements: tuple[Measurement, ...]
    rehearsal: bool = False
    """Whether it measures rehearsal items, and counts for nothing."""
    extends: Extension | None = None
    """The attempt that this run goes on with, if it is an extension."""
    nonce: Nonce | None = None
    further: tuple[Nonce, ...] | None = None
    """The nonces of the extensions, in order: what their items derive from."""
    ledger: LedgerPosition | None = None
    """Where the ledger holds the nonce; a rehearsal has no place in it."""
    drawn: dict[Identifier, tuple[ItemId, ...]] = {}
    """The items of private pools that this attempt drew, by eval: no other attempt draws them."""
    controlled: Literal[True] | None = None
    """Whether `misuse` wants the working controls of the cards. None in plans of earlier releases, which decide as they did."""
    doubts: tuple[Doubt, ...] | None = None
    """What the inspection of the source found before the attempt; None: nothing, or nobody looked."""
    by_cluster: Literal[True] | None = None
    """Whether calibration items count by the clusters that their cards declare. None in plans of earlier releases, which decide
    as they did."""
    for_power: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The chance for which numbers of generated items were worked out; None: they are those of cards and policy."""

    @model_validator(mode="after")
    def _spends_as_its_policy_says(self) -> Self:
        spent = self.spends
        if spent.attempts != self.policy.release.attempts:
            raise ValueError(f"spends {spent.words}, and its policy says otherwise")
        if spent.first > self.attempt or not spent.part(self.attempt):
            raise ValueError(f"is of attempt {self.attempt}, which its schedule gives no alpha")
        return self

    @model_validator(mode="after")
    def _has_the_chances_that_its_items_leave(self) -> Self:
        if self.chances is None:
            return self
        own = own_evals(
            [(c, list(self.stated(self.policy, c))) for c in self.policy.capabilities], self.strips, self.cards
        )
        if own is None or self.chances != self.policy.shares_among(2):
            raise ValueError(f"splits alpha into {self.chances} chances, and its strips are more")
        names = {strip.name for strip in self.strips}
        if any(
            (m.own is None) == (m.eval in own) for m in self.measurements if m.checkpoint in names and m.role == "gate"
        ):
            raise ValueError("measures a strip on items of the source, and splits alpha as if it did not")
        return self

    @property
    def spends(self) -> Spending:
        """The schedule that gives the attempt its part of alpha."""
        return self.spending or SERIES

    def effective_alpha(self, policy: Policy, attempt: int | None = None) -> float:
        """The alpha of every requirement of a policy, the plan's own or that of a replay, at this attempt or a later one."""
        mine = self.chances is not None and policy.rules_digest() == self.policy.rules_digest()
        chances = self.chances if mine and self.chances is not None else policy.shares
        return self.spends.effective_alpha(policy.release.alpha, attempt or self.attempt, chances)

    @property
    def source(self) -> str:
        """Digest of the source checkpoint: `sha256:…`."""
        return self.model.manifest.digest()

    @property
    def fixed(self) -> str:
        """Digest of the plan as it was before it was opened, without nonce, ledger and drawn items: `sha256:…`.

        The policy is in it by the digest of its rules.
        """
        return self._digest_without("nonce", "further", "ledger", "drawn")

    @property
    def is_open(self) -> bool:
        """Whether the nonce of its opening, or of its extension, was drawn."""
        extensions = 0 if self.extends is None else self.extends.number
        return self.nonce is not None and len(self.further or ()) == extensions

    @property
    def nonces(self) -> tuple[str, ...]:
        """The nonce of the opening and those of the extensions, as far as they were drawn."""
        return (*([] if self.nonce is None else [self.nonce]), *(self.further or ()))

    @property
    def measured_under(self) -> str:
        """Digest by which shards name the plan: as `fixed`, and with nonce, ledger and drawn items: `sha256:…`."""
        return self._digest_without()

    def _digest_without(self, *apart: str) -> str:
        worded = ("policy", "wording") if self.policy_digest is not None else ("wording",)
        return digest_of({k: v for k, v in self.plain().items() if k not in (*apart, *worded)})

    def policy_digest_of(self, policy: Policy) -> str:
        """The digest by which a decision of this plan names a policy: of its rules, or of all of it in plans that fix all."""
        return policy.digest() if self.policy_digest is None else policy.rules_digest()

    @property
    def decided_policy(self) -> Policy:
        """The policy in the words in which this run is decided: the same evidence gives the same decision, digest and all."""
        words = self.wording or {}
        capabilities = (
            c.model_copy(update={"title": words[c.id].title, "rationale": words[c.id].rationale})
            if c.id in words
            else c
            for c in self.policy.capabilities
        )
        return self.policy.model_copy(update={"capabilities": tuple(capabilities)})

    def reworded(self, policy: Policy) -> Plan:
        """This plan with the prose of `policy`, which has the same rules; what it decides stays word for word the same.

        Raises:
            ValueError: it has other rules, or this plan fixes the prose too.
        """
        if policy == self.policy:
            return self
        if self.policy_digest is None:
            raise ValueError("this plan fixes the prose of its policy")
        decided = {c.id: Wording(title=c.title, rationale=c.rationale) for c in self.decided_policy.capabilities}
        now = {c.id: Wording(title=c.title, rationale=c.rationale) for c in policy.capabilities}
        wording = decided if decided != now else None
        return self.model_copy(update={"policy": policy.ruled_as(self.policy), "wording": wording})

    def identity(self, measurement: Measurement) -> str:
        """Digest of a measurement under this plan's nonce: `sha256:…`.

        Raises:
            ValueError: the plan was not opened.
        """
        if self.nonce is None:
            raise ValueError("a plan that was not opened has no measurements to name")
        named = {"measurement": measurement.plain(), "nonce": self.nonce}
        if measurement.parts is None:
            return digest_of(named)
        further = self.nonces[1 : len(measurement.parts)]
        if len(further) + 1 < len(measurement.parts):
            raise ValueError("an extension that was not opened has no measurements to name")
        return digest_of(named | {"further": list(further)})

    def carried(self, measurement: Measurement) -> dict[int, Done]:
        """The shards of a measurement that come from the attempt before, by number, as the plan before knew them."""
        if self.extends is None:
            return {}
        before = measurement.before if self._goes_on(measurement) else self.identity(measurement)
        return {line.shard: line for line in self.extends.carried if line.measurement == before}

    def _goes_on(self, measurement: Measurement) -> bool:
        """Whether it has fresh items in the last extension."""
        return self.extends is not None and len(measurement.parts or ()) == self.extends.number + 1

    def seed_of(self, measurement: Measurement, item: int) -> int:
        """The seed of an item by its number.

        Raises:
            ValueError: the plan was not opened.
        """
        if self.nonce is None:
            raise ValueError("a plan that was not opened has no items")
        own = measurement.own is not None
        family = item_family(measurement.eval, measurement.role, rehearsal=self.rehearsal, own=own)
        for nonce, n in zip(self.nonces, measurement.parts or (measurement.items,), strict=False):
            if item < n:
                return item_seed(nonce, family, item)
            item -= n
        raise ValueError("the measurement has no such item")

    def extended_as(self, stored: Plan) -> Plan:
        """This plan, gone on with as `stored`, which has its measurements."""
        if stored.extends is None:
            return self
        known = {(m.eval, m.checkpoint, m.role): m for m in stored.measurements if m.parts is not None}
        keys = ("cells", "parts", "before")
        measurements = (
            m.model_copy(update={key: getattr(twin, key) for key in keys})
            if (twin := known.get((m.eval, m.checkpoint, m.role))) is not None
            else m
            for m in self.measurements
        )
        return self.model_copy(update={"extends": stored.extends, "measurements": tuple(measurements)})

    def card_of(self, metric: str) -> EvalCard | None:
        """The card of the eval of `<eval>/<metric>`; None where it is not planned, as in a replay."""
        return self.cards.get(metric.split("/")[0])

    def find(self, eval_id: str, checkpoint: str, role: Role = "gate") -> Measurement | None:
        """The planned measurement, if there is one."""
        return next(
            (m for m in self.measurements if (m.eval, m.checkpoint, m.role) == (eval_id, checkpoint, role)), None
        )

    def find_gate(self, eval_id: str) -> Measurement | None:
        """A measurement of an eval's gate items, on whatever checkpoint: they are the same on all of them."""
        return next((m for m in self.measurements if (m.eval, m.role) == (eval_id, "gate")), None)

    def stated(self, policy: Policy, c: Capability) -> Iterator[tuple[Section, Requirement]]:
        """Return what is judged of a capability: the requirements of a policy, and the controls that its cards add."""
        return _stated(policy, c, self.cards, controlled=self.controlled is not None)

    def find_calibration(self, eval_id: str, checkpoint: str) -> Measurement | None:
        """The calibration that findings on a checkpoint rest on: its own where one is planned, else the source's."""
        return self.find(eval_id, checkpoint, "calibration") or self.find(eval_id, SOURCE, "calibration")

    def strip_of(self, capabilities: Iterable[str]) -> PlannedStrip | None:
        """The planned strip that takes exactly these capabilities away."""
        wanted = set(capabilities)
        return next((s for s in self.strips if set(s.capabilities) == wanted), None)


@dataclass(frozen=True)
class EvalCode:
    """What the gate repository holds for one eval.

    Attributes:
        cells: planned items by role, or none where the code does not load.
        problem: why it does not load.
    """

    card: EvalCard
    harness: str
    instruments: Mapping[str, str]
    subject: SubjectRef
    cells: Mapping[Role, tuple[Cell, ...]]
    problem: str | None = None


def make_plan(
    policy: Policy,
    evals: Mapping[str, EvalCode],
    recipes: Mapping[str, str],
    model: PlannedModel,
    opened: str,
    attempt: int = 1,
    *,
    spending: Spending | None = None,
    rehearsal: bool = False,
    controlled: bool = False,
    doubts: Iterable[Doubt] = (),
    own_items: bool = False,
    for_power: float | None = None,
) -> Plan:
    """The plan of one attempt, without its nonce.

    Args:
        evals: the code of every eval that the policy names.
        recipes: digest of every recipe that it names.
        model: the source checkpoint.
        opened: the day, `YYYY-MM-DD`.
        attempt: 1 for the first.
        spending: the schedule of the family's ledger; by default the policy's own, from attempt 1 on.
        rehearsal: it is none, but what the attempt of that number would be, on other items.
        controlled: `misuse` wants the working controls of the cards. Every attempt of today does.
        doubts: what the inspection of the source found.
        own_items: strips are measured on items of their own, where that saves shares of alpha. Every attempt of today does.
        for_power: the chance for which the cells were worked out, if they were.
    """
    source = model.manifest.digest()
    strips = tuple(_strips(policy, recipes, source))
    cards = {eval_id: code.card for eval_id, code in sorted(evals.items())}
    stated = [(c, list(_stated(policy, c, cards, controlled=controlled))) for c in policy.capabilities]
    places = [(SOURCE, source, _on_source(stated))]
    places += [(strip.name, strip.model, _on_stripped(stated, strip)) for strip in strips]
    own = own_evals(stated, strips, cards) if own_items else None
    measurements = [
        _measurement(evals[eval_id], role, name, digest, own=name != SOURCE and eval_id in (own or ()))
        for name, digest, names in places
        for eval_id in names
        for role in _roles(evals[eval_id], name, own=own)
    ]
    spends = spending or policy.spending
    chances = None if own is None else policy.shares_among(2)
    return Plan(
        opened=opened,
        attempt=attempt,
        alpha=spends.effective_alpha(policy.release.alpha, attempt, chances or policy.shares),
        chances=chances,
        spending=None if spends == SERIES else spends,
        policy=policy,
        policy_digest=policy.rules_digest(),
        model=model,
        strips=strips,
        cards=cards,
        measurements=tuple(measurements),
        rehearsal=rehearsal,
        controlled=True if controlled else None,
        doubts=tuple(doubts) or None,
        by_cluster=True,
        for_power=for_power,
    )


def differences(one: Plan, other: Plan) -> list[str]:
    """What two plans do not have in common, in words; their nonces do not matter, nor does prose, unless the first fixes it."""
    if one.policy_digest is None:
        other = other.model_copy(update={"policy_digest": None})
    if one.fixed == other.fixed:
        return []
    if one.rehearsal != other.rehearsal:
        return [f"purpose: {'a rehearsal' if one.rehearsal else 'an attempt that counts'}"]
    found = [] if one.policy_digest_of(one.policy) == one.policy_digest_of(other.policy) else ["policy"]
    named = (
        "model",
        "strips",
        "attempt",
        "alpha",
        "chances",
        "spending",
        "extends",
        "controlled",
        "doubts",
        "by_cluster",
        "for_power",
    )
    found += [name for name in named if getattr(one, name) != getattr(other, name)]
    if "model" in found and "strips" in found:
        found.remove("strips")
    measured = {(m.eval, m.checkpoint, m.role): m for m in one.measurements}
    for m in other.measurements:
        before = measured.get((m.eval, m.checkpoint, m.role))
        parts = ("card", "harness", "instruments", "params", "subject", "problem", "cells")
        changed = [part for part in parts if before is None or getattr(before, part) != getattr(m, part)]
        found += [f"{changed[0]} of eval {m.eval}"] if changed else []
    return list(dict.fromkeys(found)) or ["list of measurements"]


def items_of(policy: Policy, eval_id: str, card: EvalCard, *, rehearsal: bool = False) -> int:
    """How many items the requirements of a policy ask of one eval; in a rehearsal, no more than are set aside for it."""
    if rehearsal and card.items.rehearsal is not None:
        return card.items.rehearsal
    asked = [r.n_max or card.items.n for r in policy.requirements if r.eval == eval_id]
    return max(asked, default=card.items.n)


def item_seed(nonce: str, eval_id: str, item: int) -> int:
    """63 bits that nobody could know before the attempt was opened: HMAC-SHA256(nonce, "eval/item").

    >>> item_seed("00" * 32, "image_generation", 0) != item_seed("00" * 32, "image_generation", 1)
    True
    """
    mac = hmac.new(bytes.fromhex(nonce), f"{eval_id}/{item}".encode(), hashlib.sha256)
    return int.from_bytes(mac.digest()[:8], "big") >> 1


def item_family(eval_id: str, role: Role, *, rehearsal: bool, own: bool = False) -> str:
    """What `item_seed` knows the items of a measurement by.

    Args:
        own: of a strip, apart from those of the source.

    >>> item_family("drawing", "gate", rehearsal=True), item_family("drawing", "calibration", rehearsal=False)
    ('drawing:rehearsal', 'drawing:calibration')
    """
    parts = [eval_id, *(["rehearsal"] if rehearsal else []), *(["stripped"] if own else [])]
    return ":".join([*parts, *([role] if role != "gate" else [])])


def own_evals(stated: _Stated, strips: Sequence[PlannedStrip], cards: Mapping[str, EvalCard]) -> frozenset[str] | None:
    """The evals that are measured on the strips' own items, if then one chance is enough for all strips; None: it is not.

    What picks the strip is the source's evidence on the routes. Given that, nothing that the strip is judged by may depend on
    it: every item must be generated, of a claim about items and not about sampled clusters, and calibration too. What a strip
    must keep is compared with the source item by item, and shares its items; so no route may be judged on that eval.
    """
    if len(strips) < 2:
        return None
    routes = {r.eval for _, judged in stated for section, r in judged if section in ROUTES}
    on_strips = [
        (section, r)
        for strip in strips
        for c, judged in stated
        for section, r in judged
        if section in sections_on(strip, c)
    ]
    kept = {r.eval for section, r in on_strips if section == "keep"}
    if kept & routes or not all(_made_anew(section, r, cards[r.eval]) for section, r in on_strips):
        return None
    return frozenset(r.eval for _, r in on_strips) - kept


def _made_anew(section: Section, r: Requirement, card: EvalCard) -> bool:
    """Whether another draw of what a requirement is judged on would be independent of the first."""
    metric = card.metrics.get(r.metric_name)
    if card.items.kind != "generated" or metric is None:
        return False
    if card.clusters is not None and card.clusters.population != "named":
        return False
    calibrated = metric.judged_by is not None or metric.threshold is not None or r.excused is not None
    return section == "keep" or not calibrated or card.items.calibration_kind == "generated"


def _roles(code: EvalCode, checkpoint: str, *, own: frozenset[str] | None) -> Iterator[Role]:
    yield "gate"
    items, stated = code.card.items, code.card.calibration
    anew = own is not None and code.card.id in own and items.calibration_kind == "generated"
    through_model = stated is not None and stated.of == "model"
    if items.calibration and (checkpoint == SOURCE or anew or through_model):
        yield "calibration"


def _measurement(code: EvalCode, role: Role, checkpoint: str, model: str, *, own: bool) -> Measurement:
    return Measurement(
        eval=code.card.id,
        role=role,
        checkpoint=checkpoint,
        model=model,
        card=code.card.digest(),
        harness=code.harness,
        instruments=dict(code.instruments),
        params=code.card.params,
        subject=code.subject,
        shard=code.card.shard,
        cells=code.cells.get(role, ()),
        problem=code.problem,
        own=True if own else None,
    )


def _strips(policy: Policy, recipes: Mapping[str, str], source: str) -> Iterator[PlannedStrip]:
    """Every set of capabilities that could come to `strip` together: which one it is, the source's evidence says."""
    able = [c for c in policy.capabilities if c.otherwise == "strip" and c.recipe is not None]
    for size in range(1, len(able) + 1):
        for chosen in combinations(able, size):
            refs = {str(c.recipe): RecipeRef(id=str(c.recipe), sha256=recipes[str(c.recipe)]) for c in chosen}
            yield PlannedStrip(
                name="stripped:" + "+".join(c.id for c in chosen),
                capabilities=tuple(c.id for c in chosen),
                recipes=tuple(refs[key] for key in sorted(refs)),
                model=stripped_digest(source, [ref.sha256 for ref in refs.values()]),
            )


_Stated = list[tuple[Capability, list[tuple[Section, Requirement]]]]
"""What is judged of each capability."""


def _stated(
    policy: Policy, c: Capability, cards: Mapping[str, EvalCard], *, controlled: bool
) -> Iterator[tuple[Section, Requirement]]:
    yield from ((section, r) for section, _, r in c.sections() if section != "working")
    listed = controls(c, cards, channels_of(policy, c)) if controlled else c.working or ()
    yield from (("working", r) for r in listed)


def _on_source(stated: _Stated) -> list[str]:
    """Evals of every route on the source, and of the baselines of `keep` where a strip may come."""
    return _evals(
        r
        for c, judged in stated
        for section, r in judged
        if section in ROUTES or (section == "keep" and c.otherwise == "strip")
    )


def _on_stripped(stated: _Stated, strip: PlannedStrip) -> list[str]:
    """Evals of `removal` and `keep` of what is stripped, and of every other capability again."""
    return _evals(r for c, judged in stated for section, r in judged if section in sections_on(strip, c))


def sections_on(strip: PlannedStrip | None, c: Capability) -> tuple[Section, ...]:
    """Return the sections of a capability that are judged on a checkpoint: None is the source."""
    return ("removal", "keep") if strip is not None and c.id in strip.capabilities else ROUTES


def _evals(requirements: Iterable[Requirement]) -> list[str]:
    return sorted({r.eval for r in requirements})
