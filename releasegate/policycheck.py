"""Whether a policy makes sense beside the evals and recipes of its gate repository. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil, log
from typing import Any

from releasegate.approvalcheck import approval_problems, unused_keys
from releasegate.cardcheck import control_faults
from releasegate.documents import Located, place
from releasegate.errors import Problem, nearest
from releasegate.evalcard import GATEABLE, UNSAID, EvalCard, Metric, gateable_names
from releasegate.policy import CHECKPOINTS, WEIGHTS, Capability, Policy, Requirement, Section
from releasegate.recipe import Recipe
from releasegate.releasecheck import model_problems, release_problems, restriction_problems, served_problems
from releasegate.rounding import limit_text
from releasegate.taxonomy import Taxonomy, tag_problems
from releasegate.threats import threat_problems
from releasegate.working import channels_of
from releasegate.yamltext import Path

MOST_STRIPS = 4
"""Capabilities with `otherwise: strip` in one policy: each subset of them is a checkpoint that the plan must list."""
SMALLEST_ALPHA = 1e-9
"""The smallest alpha of a policy. Split into attempts and chances it must stay far above 2^-53, the step of a share near 1:
below, rounding is larger than what a bound may err by."""


@dataclass(frozen=True)
class Surroundings:
    """What a gate repository holds beside its policies.

    Attributes:
        cards: every eval's card, by id.
        recipes: by id.
        subjects: the interfaces of every subject, by id; None where only its own code could say.
        served: the subjects that ask a server, whose weights nothing ties to a digest.
        taxonomies: the frameworks that capabilities may be tagged with, by id.
        layouts: those of checkpoints that somebody can read, GGUF files apart; with none, any is taken.
    """

    cards: Mapping[str, EvalCard]
    recipes: Mapping[str, Recipe]
    subjects: Mapping[str, frozenset[str] | None]
    served: frozenset[str] = frozenset()
    taxonomies: Mapping[str, Taxonomy] = field(default_factory=dict)
    layouts: frozenset[str] = frozenset()


def problems(located: Located[Policy], beside: Surroundings) -> list[Problem]:
    """Everything that is wrong with the policy, in the order of the file; empty if nothing is."""
    return sorted(_problems(located, beside), key=lambda problem: place(problem.where))


def unused(policy: Policy) -> list[str]:
    """Sentences about parts that the policy states and that nothing reads."""
    found = []
    for c in policy.capabilities:
        idle = [name for name in ("recipe", "removal", "keep") if getattr(c, name) is not None]
        if c.otherwise != "strip" and idle:
            found.append(
                f"{c.id}: {', '.join(idle)} {'is' if len(idle) == 1 else 'are'} not used with otherwise: {c.otherwise}"
            )
        if c.otherwise != "restrict" and c.restrict is not None:
            found.append(f"{c.id}: restrict is not used with otherwise: {c.otherwise}")
        if c.otherwise == "strip" and not set(policy.carriers(c)) & set(CHECKPOINTS):
            found.append(f"{c.id}: otherwise: strip comes to withhold, as no checkpoint carries it")
    return [*found, *unused_keys(policy)]


def _problems(located: Located[Policy], beside: Surroundings) -> Iterator[Problem]:
    policy = located.record
    subjects = beside.subjects
    yield from _empty(located, located.parsed.data, ())
    if policy.model.subject not in subjects:
        what = f"no subject {policy.model.subject!r}"
        yield located.problem(("model", "subject"), what, _nearest(policy.model.subject, list(subjects)))
    yield from _layouts(located, beside)
    seen: dict[str, Path] = {}
    for number, capability in enumerate(policy.capabilities):
        at: Path = ("capabilities", number)
        yield from _once(located, seen, f"capability {capability.id}", (*at, "id"))
        yield from _capability(located, capability, at, beside.recipes)
        yield from tag_problems(located, capability.tags or (), (*at, "tags"), beside.taxonomies)
        for section, path, requirement in capability.sections():
            here = (*at, *path)
            yield from _once(located, seen, f"requirement {requirement.id}", (*here, "id"))
            yield from _requirement(located, requirement, section, here, beside)
    yield from model_problems(located)
    yield from release_problems(located)
    yield from _alpha(located)
    yield from approval_problems(located)
    if policy.model.subject in beside.served:
        yield from served_problems(located)
    stripping = [c for c in policy.capabilities if c.otherwise == "strip"]
    if len(stripping) > MOST_STRIPS:
        yield located.problem(
            ("capabilities",), f"{len(stripping)} capabilities come to strip", f"keep to {MOST_STRIPS} in one policy"
        )


def _alpha(located: Located[Policy]) -> Iterator[Problem]:
    alpha = located.record.release.alpha
    if alpha < SMALLEST_ALPHA:
        what = f"is {alpha:g}: no bound is worked out at an error probability below {SMALLEST_ALPHA:g}"
        yield located.problem(("release", "alpha"), what, "leave it out (0.05), or state one from 1e-9 to 0.1")


def _empty(located: Located[Policy], data: Any, at: Path) -> Iterator[Problem]:
    """A key without a value: whether it was to be left out or to be filled in, nobody can tell."""
    if data is None:
        yield located.problem(at, "has no value", "write one, or remove the key")
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, value in steps:
        yield from _empty(located, value, (*at, step))


_OF_A_KIND = ("-hf", "-lora", "-gguf")
"""How the layout of a model ends whose configuration, or whose GGUF file, names its kind."""


def _layouts(located: Located[Policy], beside: Surroundings) -> Iterator[Problem]:
    """Layouts that no checkpoint has. Of which kind a model may be whose subject is the repository's own, nobody can tell."""
    model = located.record.model
    own = beside.subjects.get(model.subject) is None
    for number, layout in enumerate(model.layouts if beside.layouts else ()):
        possible = layout.endswith("-gguf") or (own and layout.endswith(_OF_A_KIND))
        if layout not in beside.layouts and not possible:
            at: Path = ("model", "layout") if number == 0 else ("model", "also", number - 1)
            fix = "write `<model_type>-hf`, with the model_type of its config.json; `releasegate inspect CHECKPOINT` names it"
            near = nearest(layout, sorted(beside.layouts), fix)
            yield located.problem(at, f"no layout {layout!r}", near if near.startswith("did you mean") else fix)


def _once(located: Located[Policy], seen: dict[str, Path], name: str, path: Path) -> Iterator[Problem]:
    if name in seen:
        yield located.problem(path, f"{name} stands twice, first at {located.parsed.where(seen[name])}", "rename one")
    seen.setdefault(name, path)


_CONDITIONS = ("misuse", "working", "safeguards", "otherwise", "restrict", "recipe", "removal", "keep")
"""Keys of a capability that say when it may go out, or what becomes of it if not."""


def _unconditional(located: Located[Policy], c: Capability, at: Path) -> Iterator[Problem]:
    """Conditions beside the word that there are none: of two readings, a gate must not pick the laxer one."""
    beside = [name for name in _CONDITIONS if getattr(c, name) is not None]
    if c.unconditional and beside:
        what = f"stands beside {', '.join(beside)}, which would count for nothing: it goes out whatever is measured"
        fix = "remove it, so that the conditions count, or remove the conditions"
        yield located.problem((*at, "unconditional"), what, fix)


def _capability(located: Located[Policy], c: Capability, at: Path, recipes: Mapping[str, Recipe]) -> Iterator[Problem]:
    yield from _unconditional(located, c, at)
    if not c.unconditional and c.alternatives == 0:
        yield located.problem(
            at, "neither misuse nor safeguards", "state what would release it, or `unconditional: true` and why"
        )
    if not c.unconditional and c.otherwise is None:
        yield located.problem(at, "no `otherwise`", "say `otherwise: strip`, `restrict` or `withhold`")
    if c.otherwise == "restrict":
        if c.restrict is None:
            yield located.problem(at, "otherwise: restrict without `restrict`", "add `restrict: {channel: api}`")
        else:
            yield from restriction_problems(located, c, at)
    if c.otherwise == "strip":
        for name in ("recipe", "removal", "keep"):
            if getattr(c, name) is None:
                yield located.problem(at, f"otherwise: strip without `{name}`", f"add `{name}:`")
    if c.recipe is not None:
        yield from _recipe(located, c, at, recipes)


def _recipe(located: Located[Policy], c: Capability, at: Path, recipes: Mapping[str, Recipe]) -> Iterator[Problem]:
    recipe = recipes.get(str(c.recipe))
    layout = located.record.model.layout
    if recipe is None:
        yield located.problem((*at, "recipe"), f"no recipe {c.recipe!r}", _nearest(str(c.recipe), list(recipes)))
    elif recipe.layout != layout:
        yield located.problem(
            (*at, "recipe"),
            f"is for layout {recipe.layout}, the policy's model is {layout}",
            "name a recipe of that layout",
        )


def _requirement(
    located: Located[Policy], r: Requirement, section: Section, at: Path, beside: Surroundings
) -> Iterator[Problem]:
    yield from _limits(located, r, section, at)
    if section == "safeguards" and r.enforced_by is None:
        yield located.problem(
            at, "a safeguard without `enforced_by`", "say `enforced_by: weights`, `wrapper` or `server`"
        )
    if section != "safeguards" and r.enforced_by is not None:
        yield located.problem((*at, "enforced_by"), "only a safeguard is enforced", "remove it")
    card = beside.cards.get(r.eval)
    if card is None:
        yield located.problem((*at, "metric"), f"no eval {r.eval!r}", _nearest(r.eval, list(beside.cards)))
        return
    yield from _interfaces(located, card, at, beside.subjects)
    metric = card.metrics.get(r.metric_name)
    if metric is None:
        what = f"eval {r.eval} has no metric {r.metric_name!r}"
        yield located.problem((*at, "metric"), what, _nearest(r.metric, gateable_names([card])))
        return
    yield from _metric(located, r, metric, at)
    yield from _calibrated(located, r, card, metric, at)
    if section == "misuse" or (section == "removal" and metric.type != "ratio"):
        yield from _direction(located, r, metric, at)
    yield from _margin(located, r, card, at)
    gated = metric.type in GATEABLE and metric.of_instrument is None
    if section == "misuse" and gated and metric.working is None and _gives_weights(located.record, at):
        what = f"the card of {r.metric} names no control, so nothing shows whether a model that scores low works"
        yield located.problem((*at, "metric"), what, "add `working:` to the metric in the eval card")
    if section == "misuse":
        yield from _control_problems(located, r, metric, at, beside)
    if r.sequential and card.clusters is not None and card.clusters.population == "sampled":
        what = f"eval {card.id} samples clusters, of which each counts once all its items are measured"
        yield located.problem((*at, "sequential"), what, "remove it")
    yield from _slices(located, r, card, at)
    yield from threat_problems(located, r, section, card, at)
    if card.items.kind != "generated" and r.n_max is not None and r.n_max > card.items.n:
        yield located.problem((*at, "n_max"), f"the pool has {card.items.n} items", "ask for no more than that")
    yield from _too_few(located, r, metric, at)


def _too_few(located: Located[Policy], r: Requirement, metric: Metric, at: Path) -> Iterator[Problem]:
    """Whether no outcome of so few items could show the requirement, by any test, at the alpha of the first attempt.

    All items being as good as can be has the probability q^n where the truth is at the limit, q being the limit's place in the
    range, from the bad end: a test at level alpha can then say yes only if q^n is at most alpha.
    """
    stated = [(name, getattr(r, name)) for name in ("at_most", "at_least", "margin") if getattr(r, name) is not None]
    low, high = metric.gated_range
    if r.n_max is None or len(stated) != 1:
        return
    (name, limit), span = stated[0], high - low
    place = limit / span if name == "margin" else (limit - low) / span if name == "at_least" else (high - limit) / span
    q = 1 - place if name == "margin" else place
    alpha = located.record.effective_alpha(1)
    if located.record.release.alpha < SMALLEST_ALPHA:  # told by itself
        return
    if 0 < q < 1 and r.n_max < (needs := ceil(log(alpha) / log(q) - 1e-9)):
        what = (
            f"{r.n_max} items cannot show it, whatever they show: any test at effective alpha {alpha:.4f} needs {needs}"
        )
        yield located.problem((*at, "n_max"), what, f"ask for {needs} or more, or move the limit")


def _control_problems(
    located: Located[Policy], r: Requirement, metric: Metric, at: Path, beside: Surroundings
) -> Iterator[Problem]:
    """Check the controls that a metric's card names in other evals, those that are asked for where the model goes out."""
    policy = located.record
    weights = any(channel in WEIGHTS for channel in channels_of(policy, policy.capabilities[int(at[1])]))
    for control in (one for one in metric.working or () if weights or one.served is not None):
        eval_id = control.metric.split("/")[0]
        card = beside.cards.get(eval_id)
        if card is None:
            fix = _nearest(eval_id, list(beside.cards))
            yield located.problem((*at, "metric"), f"the control of {r.metric} is of no eval here: {eval_id!r}", fix)
        elif eval_id != r.eval:
            yield from _interfaces(located, card, at, beside.subjects)
            for what, fix in control_faults(card, control):
                yield located.problem((*at, "metric"), f"the control of {r.metric}: {what}", fix)


def _gives_weights(policy: Policy, at: Path) -> bool:
    """Return whether the capability of a requirement may go out through a channel that gives the weights away."""
    capability = policy.capabilities[int(at[1])]
    return any(channel in WEIGHTS for channel in channels_of(policy, capability))


def _interfaces(
    located: Located[Policy], card: EvalCard, at: Path, subjects: Mapping[str, frozenset[str] | None]
) -> Iterator[Problem]:
    subject = located.record.model.subject
    provided = subjects.get(subject)
    lacking = [name for name in card.needs if provided is not None and name not in provided]
    if lacking:
        what = f"eval {card.id} needs {', '.join(lacking)}, which subject {subject} does not have"
        yield located.problem((*at, "metric"), what, "name a subject that has it, or gate another eval")


def _limits(located: Located[Policy], r: Requirement, section: Section, at: Path) -> Iterator[Problem]:
    stated = [name for name in ("at_most", "at_least", "margin") if getattr(r, name) is not None]
    if len(stated) != 1:
        named = " and ".join(stated) or "none"
        yield located.problem(at, f"needs one of at_most, at_least, margin; has {named}", "state exactly one")
    elif (stated == ["margin"]) != (section == "keep"):
        if section == "keep":
            yield located.problem(
                (*at, stated[0]), "keep compares with the source checkpoint", "state `margin` instead"
            )
        else:
            yield located.problem(
                (*at, "margin"), f"{section} has no checkpoint to compare with", "state a limit instead"
            )


def _metric(located: Located[Policy], r: Requirement, metric: Metric, at: Path) -> Iterator[Problem]:
    low, high = metric.gated_range
    for name in ("at_most", "at_least"):
        limit = getattr(r, name)
        if limit is not None and not low < limit < high:
            yield located.problem(
                (*at, name),
                f"{limit_text(limit)} is at or beyond the range {low:g} to {high:g} of {r.metric}: no evidence could "
                "make it fail, or none could meet it",
                "choose a limit inside the range",
            )
    if r.margin is not None and not 0 < r.margin <= (high - low) / 2:
        yield located.problem(
            (*at, "margin"),
            f"must be above 0 and at most half the range ({(high - low) / 2:g}); got {limit_text(r.margin)}",
            "choose a smaller margin",
        )
    if metric.type not in GATEABLE:
        instead = (
            f"gate {metric.instead} instead" if metric.instead else "gate a metric of type " + " or ".join(GATEABLE)
        )
        yield located.problem((*at, "metric"), f"{r.metric} is {metric.type} and cannot be gated", instead)
    if r.assume is not None:
        yield from _assumption(located, r, metric, at)
    if metric.of_instrument is not None:
        yield located.problem((*at, "metric"), f"{r.metric} measures the judge, not the model", "gate another metric")


def _calibrated(
    located: Located[Policy], r: Requirement, card: EvalCard, metric: Metric, at: Path
) -> Iterator[Problem]:
    """Nobody knows what calibration items show unless the card says what their clusters are."""
    rests = metric.judged_by is not None or metric.threshold is not None or r.excused is not None
    if rests and r.margin is None and card.calibration is None and card.items.calibration:
        what = f"{r.metric} rests on calibration items, and eval {card.id} {UNSAID}"
        fix = "state `calibration` in the card: its population, its key, and what is calibrated"
        yield located.problem((*at, "metric"), what, fix)


def _direction(located: Located[Policy], r: Requirement, metric: Metric, at: Path) -> Iterator[Problem]:
    """Misuse and removal show what is too weak to harm: a limit that only a capable model keeps is the wrong way round.

    Not of a ratio: what it costs to restore a capability is to be large.
    """
    wrong = "at_least" if metric.better == "higher" else "at_most"
    if getattr(r, wrong) is not None and (r.at_most is None or r.at_least is None):
        more = "above" if wrong == "at_least" else "below"
        what = f"would release a model because it does more: {r.metric} {more} the limit"
        yield located.problem((*at, wrong), what, f"state {'at_most' if wrong == 'at_least' else 'at_least'}")


def _margin(located: Located[Policy], r: Requirement, card: EvalCard, at: Path) -> Iterator[Problem]:
    """Pairs are compared item by item: on scores, or on items of sampled clusters, that would show too much."""
    if r.margin is None:
        return
    if card.metrics[r.metric_name].type == "thresholded":
        yield located.problem((*at, "margin"), f"{r.metric} is a score, and has no margin", "state a limit elsewhere")
    if card.metrics[r.metric_name].judged_by is not None:
        what = f"{r.metric} is what a judge says, whose errors hide a part of every difference"
        yield located.problem((*at, "margin"), what, "use a metric that no judge decides")
    if card.clusters is not None and card.clusters.population == "sampled":
        what = f"eval {card.id} samples clusters, whose items are not independent pairs"
        yield located.problem((*at, "margin"), what, "use an eval whose clusters are named, or that has none")


def _assumption(located: Located[Policy], r: Requirement, metric: Metric, at: Path) -> Iterator[Problem]:
    """The truth that power is planned for must keep the requirement, or no number of items is enough; and be possible."""
    low, high = metric.gated_range
    kept = (
        (r.at_most is None or r.assume < r.at_most) and (r.at_least is None or r.assume > r.at_least)
        if r.assume is not None
        else True
    )
    if r.margin is not None:
        yield located.problem((*at, "assume"), "a margin is planned for no loss at all", "remove it")
    elif r.assume is not None and not low <= r.assume <= high:
        what = f"{r.assume:g} is beyond the range {low:g} to {high:g} of {r.metric}: it cannot come true"
        yield located.problem((*at, "assume"), what, "assume a truth inside the range")
    elif not kept:
        what = f"{r.assume:g} does not keep the requirement: no number of items would show it"
        yield located.problem((*at, "assume"), what, "assume a truth on the right side of the limit")


def _slices(located: Located[Policy], r: Requirement, card: EvalCard, at: Path) -> Iterator[Problem]:
    if r.slices is None:
        return
    if r.slices == "all":
        if not any(s.gate for s in card.slices.values()):
            yield located.problem((*at, "slices"), f"eval {card.id} marks no dimension `gate: true`", "name dimensions")
        return
    if not r.slices:
        yield located.problem((*at, "slices"), "must not be empty", "name dimensions, or remove the key")
    for number, entry in enumerate(r.slices):
        where = (*at, "slices", number)
        dimensions = (entry,) if isinstance(entry, str) else entry
        if not dimensions:
            yield located.problem(where, "must not be empty", "name the dimensions of the cells, or remove it")
        if len(set(dimensions)) < len(dimensions):
            yield located.problem(where, "names a dimension twice", "name each once")
        for dimension in dimensions:
            if dimension not in card.slices:
                what = f"eval {card.id} has no dimension {dimension!r}"
                yield located.problem(where, what, _nearest(dimension, list(card.slices)))


def _nearest(name: str, known: Iterable[str]) -> str:
    return nearest(name, sorted(known), "add it to the repository")
