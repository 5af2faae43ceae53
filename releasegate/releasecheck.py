"""Whether what a policy would publish makes sense: artefacts, their channels, and what carries what. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from releasegate.documents import Located
from releasegate.errors import Problem
from releasegate.policy import CHECKPOINTS, Capability, Policy, narrower
from releasegate.yamltext import Path

PROGRAM = "command"
"""The layout of a model that is a program."""


def model_problems(located: Located[Policy]) -> Iterator[Problem]:
    """What is wrong with what `model` lets run."""
    model = located.record.model
    if model.runs is not None and model.layout != PROGRAM:
        what = f"lets files of a checkpoint run, and nothing of layout {model.layout} is run"
        yield located.problem(("model", "runs"), what, f"take it out; it is for layout {PROGRAM} alone")
    for number, layout in enumerate(model.also or ()):
        if layout in model.layouts[: number + 1]:
            yield located.problem(("model", "also", number), f"names {layout} twice", "name each once")
        if PROGRAM in (layout, model.layout):
            yield located.problem(("model", "also", number), "a program has no other layout", "take it out")
    if model.also and located.record.strips:
        what = f"a recipe is for one layout, and the policy is about {', '.join(model.layouts)}"
        yield located.problem(("model", "also"), what, "take it out, or say `withhold` in place of `strip`")


def release_problems(located: Located[Policy]) -> Iterator[Problem]:
    """What is wrong with `release`, and with the artefacts that capabilities name."""
    release = located.record.release
    if release.channel is None and release.artefacts is None:
        what = "states neither channel nor artefacts"
        yield located.problem(("release",), what, "add `channel: open_weights`, or `artefacts:` with a channel each")
        return
    if release.channel is not None and release.artefacts is not None:
        what = "stands beside artefacts, which have a channel each"
        yield located.problem(("release", "channel"), what, "remove one of the two")
    if release.channel == "none":
        yield located.problem(("release", "channel"), "publishes to nobody", "name the channel of the release")
    for name, channel in (release.artefacts or {}).items():
        if channel == "none":
            what = "publishes to nobody"
            yield located.problem(("release", "artefacts", name), what, "name its channel, or leave the artefact out")
    for number, capability in enumerate(located.record.capabilities):
        yield from _carriers(located, capability, ("capabilities", number))


def _carriers(located: Located[Policy], c: Capability, at: Path) -> Iterator[Problem]:
    listed = located.record.release.channels
    names = ", ".join(listed)
    if c.artefacts is None:
        if not set(CHECKPOINTS) & set(listed):
            what = "no artefact that the release lists carries it, so it would never be judged"
            yield located.problem(at, what, f"say which do with `artefacts:`; the release lists {names}")
        return
    for number, name in enumerate(c.artefacts):
        where = (*at, "artefacts", number)
        if name not in listed:
            what = f"the release does not list {name}"
            yield located.problem(where, what, f"use what it lists ({names}), or list it under `release: artefacts:`")
        elif name in c.artefacts[:number]:
            yield located.problem(where, f"names {name} twice", "name each once")


def restriction_problems(located: Located[Policy], c: Capability, at: Path) -> Iterator[Problem]:
    """What is wrong with the channel that a capability is restricted to."""
    if c.restrict is None:
        return
    release, where, to = located.record.release, (*at, "restrict", "channel"), c.restrict.channel
    asked = {name: release.channels[name] for name in located.record.carriers(c)}
    if asked and not any(narrower(to, channel) for channel in asked.values()):
        than = (
            f"the release's {release.channel}"
            if release.artefacts is None
            else "that of any artefact that carries it: "
            + ", ".join(f"{name} ({channel})" for name, channel in asked.items())
        )
        yield located.problem(where, f"{to} is not narrower than {than}", "choose a narrower channel")
    elif to == "none":
        yield located.problem(where, "none is no channel to publish through", "say `otherwise: withhold`")


def served_problems(located: Located[Policy]) -> Iterator[Problem]:
    """What is wrong with a policy whose model answers through a server: such evidence says nothing of any weights."""
    release = located.record.release
    subject = located.record.model.subject
    for name, channel in release.channels.items():
        if channel in ("open_weights", "gated_weights"):
            at: Path = ("release", "channel") if release.artefacts is None else ("release", "artefacts", name)
            what = (
                f"subject {subject} asks a server, whose weights nothing ties to a digest: it cannot support {channel}"
            )
            yield located.problem(at, what, "say `api`, or measure the weights themselves")
    for number, capability in enumerate(located.record.capabilities):
        if capability.otherwise == "strip":
            what = f"subject {subject} asks a server, and nothing can be stripped there"
            yield located.problem(("capabilities", number, "otherwise"), what, "say `withhold`")
