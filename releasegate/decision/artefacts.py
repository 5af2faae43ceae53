"""One artefact: what becomes of the capabilities that it carries, on the source and on the stripped checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from releasegate.decision.record import CarriedDecision, Finding, Verdict, worst
from releasegate.decision.routes import Desk, Routes, all_met, sentences, wants, why_not
from releasegate.plan import SOURCE, PlannedStrip
from releasegate.policy import CHANNELS, CHECKPOINTS, Artefact, Capability, Channel

NAMES: Mapping[Artefact, str] = {
    "weights": "the weights",
    "code": "the code",
    "data": "the data",
    "training_recipe": "the training recipe",
    "paper": "the paper",
    "demo": "the demo",
}


@dataclass(frozen=True)
class Carried:
    """What becomes of one capability in one artefact.

    Attributes:
        decided: the verdict `release_stripped` stands for "comes to strip" until it is stripped.
        routes: on the source.
    """

    capability: Capability
    decided: CarriedDecision
    routes: Routes

    @property
    def verdict(self) -> Verdict:
        """Of the capability in this artefact."""
        return self.decided.verdict

    def but(self, **changes: object) -> Carried:
        """This one, decided otherwise."""
        return replace(self, decided=self.decided.model_copy(update=changes))


@dataclass(frozen=True)
class Standing:
    """One artefact as far as it is judged.

    Attributes:
        checkpoint: what it was judged on.
        shown: findings on the stripped checkpoint.
        came_to: what the stripped checkpoint showed for it.
    """

    artefact: Artefact
    asked: Channel
    carried: tuple[Carried, ...]
    checkpoint: str = SOURCE
    shown: tuple[tuple[Channel, Finding], ...] = ()
    came_to: Verdict | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst of what it carries; what carries nothing may go out."""
        return worst(["release", *(c.verdict for c in self.carried)])

    @property
    def granted(self) -> Channel:
        """Through which it may be published."""
        if self.verdict in ("release", "release_stripped"):
            return self.asked
        if self.verdict != "restrict":
            return "none"
        narrow = [c.capability.restrict for c in self.carried if c.verdict == "restrict"]
        return max([self.asked, *(r.channel for r in narrow if r is not None)], key=CHANNELS.index)

    @property
    def stripping(self) -> tuple[str, ...]:
        """The capabilities that must go before it can be published; none if it cannot be, whatever goes."""
        if self.verdict in ("withhold", "incomplete") or self.checkpoint != SOURCE:
            return ()
        return tuple(c.capability.id for c in self.carried if c.verdict == "release_stripped")

    def each(self, change: Callable[[Carried], Carried]) -> Standing:
        """This one, with what comes to strip decided otherwise."""
        changed = (change(c) if c.verdict == "release_stripped" else c for c in self.carried)
        return replace(self, carried=tuple(changed))


def on_source(desk: Desk, artefact: Artefact, channel: Channel) -> Standing:
    """What the source shows for an artefact at the channel that is asked for it."""
    carried = desk.bench.policy.carried(artefact)
    return Standing(artefact, channel, tuple(_on_source(desk, c, artefact, channel) for c in carried))


def _on_source(desk: Desk, c: Capability, artefact: Artefact, channel: Channel) -> Carried:
    judged = desk.judged(c, SOURCE, channel)
    verdict, sentence = judged.verdict, judged.sentence
    if verdict == "withhold" and c.otherwise == "strip":
        if artefact in CHECKPOINTS:
            verdict, sentence = "release_stripped", why_not(judged.routes, "it comes to strip")
        else:
            sentence = why_not(judged.routes, f"withheld, as {NAMES[artefact]} cannot be stripped")
    decided = CarriedDecision(id=c.id, verdict=verdict, route=judged.routes.route, sentence=sentence)
    return Carried(c, decided, judged.routes)


def without_strip(standing: Standing) -> Standing:
    """The artefact where no stripped checkpoint is to be had for it: none can help, or none was measured."""
    return standing.each(_in_vain if any(c.verdict == "withhold" for c in standing.carried) else _not_stripped)


def _not_stripped(c: Carried) -> Carried:
    return c.but(verdict="incomplete", sentence=f"no stripped checkpoint was measured; {c.decided.sentence}")


def _in_vain(c: Carried) -> Carried:
    """Another capability is withheld: there is no checkpoint to publish, so none is stripped."""
    sentence = f"not stripped, as another capability keeps the model in; {c.decided.sentence}"
    return c.but(verdict="withhold", sentence=sentence)


def on_stripped(desk: Desk, standing: Standing, planned: PlannedStrip) -> Standing:
    """What the stripped checkpoint shows for an artefact. Nothing measured on the source counts, but as the baseline of
    `keep`."""
    shown: list[tuple[Channel, Finding]] = []
    judged: list[Carried] = []
    verdicts: list[Verdict] = []
    for before in standing.carried:
        c = before.capability
        if c.id in planned.capabilities:
            own = desk.removed_and_kept(c, planned.name, standing.asked)
            shown += [(standing.asked, f) for f in own]
            verdicts.append("release_stripped" if all_met(own) else "incomplete" if wants(own) else "withhold")
            judged.append(before)
            continue
        again = desk.judged(c, planned.name, standing.asked, narrow=before.verdict == "restrict")
        shown += [(again.routes.channel, f) for f in again.routes.findings]
        verdicts.append(again.verdict)
        if again.verdict == "restrict" and before.verdict == "release":
            narrowed = f"stripped: {again.sentence}"
            before = before.but(verdict="restrict", route=again.routes.route, sentence=narrowed)
        judged.append(before)
    came_to = worst(verdicts)
    assert came_to != "release", "a strip takes something away"
    taken = [_after_strip(c, planned, came_to, [f for _, f in shown]) for c in judged]
    return replace(standing, carried=tuple(taken), checkpoint=planned.name, shown=tuple(shown), came_to=came_to)


def _after_strip(c: Carried, planned: PlannedStrip, came_to: Verdict, shown: list[Finding]) -> Carried:
    """A stripped capability with what its strip came to. One that fails elsewhere on the checkpoint fails it too."""
    if c.capability.id not in planned.capabilities:
        return c
    if came_to in ("release_stripped", "restrict"):
        sentence = f"taken out of the checkpoint that is published; {c.decided.sentence}"
        return c.but(verdict="release_stripped", route="strip", sentence=sentence)
    why = sentences(f for f in shown if not f.holds) or "nothing shows that the strip worked"
    return c.but(verdict=came_to, route=None, sentence=f"the strip is not shown to be enough: {why}")
