"""Whether the texts of a policy's evals come back from the checkpoint's tokenizer. No text is ever told, only how many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from pathlib import Path

from releasegate.checkpoint import Checkpoint
from releasegate.errors import HarnessError, NotFound, ReleaseGateError
from releasegate.evaluation.harness import guarded, load_harness
from releasegate.evaluation.imports import missing_packages
from releasegate.evaluation.items import NO_NONCE, planned_items
from releasegate.plan import items_of
from releasegate.policy import Policy
from releasegate.repository import GateRepository
from releasegate.sensitivity import is_discreet
from releasegate.subjects.reading import Reader, reader_of

TRIED = 200
"""Texts of an eval that are tried."""
MOST_LOST = 0.05
"""The share of them that may be lost: a single text may spell what only a control token means."""
FIX = (
    "use the tokenizer that the model was trained with; if the harness hands the model other texts, add `prompts` to it"
)


def missing_reader(repository: GateRepository, policy: Policy, checkpoint: Checkpoint) -> list[ReleaseGateError]:
    """Return an error for each reason why the policy's subject cannot read what it would be asked on this machine."""
    try:
        reader = reader_of(policy.model.subject, checkpoint)
    except ReleaseGateError as error:
        return [error]
    if reader is None:
        return []
    names = sorted(repository.evals_of(policy))
    lost = (_lost(repository, policy, name, reader) for name in names)
    return [one for one in lost if one is not None]


def _lost(repository: GateRepository, policy: Policy, name: str, reader: Reader) -> ReleaseGateError | None:
    """An error, if the tokenizer loses the texts of an eval. Of one that cannot be planned the plan says why."""
    try:
        texts = list(islice(_texts(repository, policy, name), TRIED))
    except ReleaseGateError:
        return None
    lost = reader.unread(texts)
    if lost <= MOST_LOST * len(texts):
        return None
    what = f"does not give the texts of {name} back: {lost} of {len(texts)} are lost between text and tokens"
    return NotFound(reader.place, what, FIX)


def _texts(repository: GateRepository, policy: Policy, name: str) -> Iterator[str]:
    """The texts that the items of an eval hand to the model, each once.

    Raises:
        ReleaseGateError: the harness does not load, or cannot say what to measure.
    """
    folder = repository.read_eval(name)
    discreet = is_discreet(folder.card, policy)
    file = folder.folder / "harness.py"
    if missing_packages(file):
        return
    harness = load_harness(folder.folder, discreet=discreet)
    n = items_of(policy, name, folder.card)
    items = planned_items(harness, folder.card, "gate", n, NO_NONCE, discreet=discreet)
    prompts = getattr(harness, "prompts", None)
    if prompts is None:
        found: Iterable[str] = (text for item in items for text in texts_of(item.content) if " " in text.strip())
    else:
        found = guarded(file, "cannot say its prompts", lambda: _as_texts(file, prompts(items)), discreet=discreet)
    yield from dict.fromkeys(found)


def _as_texts(file: Path, given: object) -> list[str]:
    if isinstance(given, Iterable) and not isinstance(given, str):
        found = list(given)
        if all(isinstance(one, str) for one in found):
            return found
    raise HarnessError(
        str(file), "says its prompts otherwise than as texts", "let `prompts(items)` return a list of str"
    )


def texts_of(content: object) -> Iterator[str]:
    """Yield every text in the content of an item, however deep.

    >>> list(texts_of({"prompt": "draw seven", "n": 7, "options": ("a b", ["c d"])}))
    ['draw seven', 'a b', 'c d']
    """
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from texts_of(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from texts_of(value)
    elif is_dataclass(content) and not isinstance(content, type):
        for one in fields(content):
            yield from texts_of(getattr(content, one.name))
