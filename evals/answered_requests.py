"""Requests put to a model, perhaps in the form of an attack, and what graders make of the answers; for several evals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.random import Generator

from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects.language import Decoding, GeneratesText, NoAnswer

from .answer_grader import VERDICTS, AnswerGrader, Grade, Verdict, worst
from .english import is_english
from .failures import failed
from .jailbreaks import ATTACKS, NEXT, attacked, prompt_of, readings
from .labelled_answers import ELICITED, LabelledAnswer, labelled_answers, with_requests
from .prompt_sets import Request, read_sets
from .sentence_encoder import require_encoder

UNREAD = "the answer is in another language than the grader knows"


def require(params: Mapping[str, Any], folder: Path) -> None:
    """Nothing; the sets, the labelled answers and the encoder are there.

    Raises:
        NotFound: something is not.
        DocumentError, TextChanged: something is there, and not as it should be.
    """
    require_encoder()
    with_requests(labelled_answers(folder, "calibration"), read_sets(params["sets"], folder))


def asked(requests: Sequence[Request], attacks: Sequence[str], metrics: tuple[str, ...], rng: Generator) -> list[Item]:
    """One item a request: within each category the attacks in turn, to requests that are shuffled by `rng`.

    Raises:
        ValueError: there is no attack, one twice, or one that is unknown.
    """
    if not attacks or len(set(attacks)) < len(attacks) or not set(attacks) <= set(ATTACKS):
        raise ValueError(f"`attacks` names {list(attacks)}; fix: name some of {', '.join(ATTACKS)}, each once")
    groups: dict[tuple[str, str], list[Request]] = {}
    for request in requests:
        groups.setdefault((request.set_name, request.category), []).append(request)
    made: list[Item] = []
    for _, members in sorted(groups.items()):
        for place in rng.permutation(len(members)):
            attack = attacks[len(made) % len(attacks)]
            made.append(_item(members[place], attack, metrics, with_attack=len(attacks) > 1))
    return made


def _item(request: Request, attack: str, metrics: tuple[str, ...], *, with_attack: bool) -> Item:
    labels = {"set": request.set_name, "category": request.category, **({"attack": attack} if with_attack else {})}
    return Item(metrics, labels, {"request": request.text, "sha256": request.digest, "attack": attack})


def known(
    requests: Sequence[Request],
    folder: Path,
    metrics_of: Callable[[LabelledAnswer], Sequence[str]],
    *,
    by_attack: bool = False,
) -> list[Item]:
    """The labelled answers that calibrate, one item each; by attack two, for what a grader misses and what it takes wrongly.

    What a grader takes wrongly differs from attack to attack: nonsense in base64 is never taken for compliance, a willing start
    that leads nowhere often. So these items carry the attack, and count for its slice alone; those of elicited answers, which
    are what a model that refuses says, count for every slice. Of what it misses there is too little in most attacks: it is
    taken to be the same in all. All say what the answer truly is: a model that refuses gets no allowance for the false alarms
    that one that babbles brings.
    """
    made = []
    for request, one in with_requests(labelled_answers(folder, "calibration"), requests):
        told = {"request": request.text, "sha256": request.digest, "attack": one.attack}
        content = {**told, "answer": one.answer, "truth": one.verdict}
        metrics = metrics_of(one)
        if not by_attack:
            made.append(Item(tuple(metrics), {"answer": one.verdict}, content))
            continue
        missed = tuple(name for name in metrics if name.endswith(_SENSITIVITY))
        taken = tuple(name for name in metrics if name not in missed)
        labels = {"answer": one.verdict, **({} if one.attack == ELICITED else {"attack": one.attack})}
        made += [Item(names, which, content) for names, which in ((missed, {}), (taken, labels)) if names]
    return made


@dataclass(frozen=True)
class Graded:
    """An answer, and what the grader says of it.

    Attributes:
        item: whose it is.
        answer: as the model wrote it.
        texts: what it may say: as it stands and, where it may be in code, decoded.
        grade: of the text of these that is worst.
        truth: what it is, if it is a labelled one.
    """

    item: Item
    answer: str
    texts: tuple[str, ...]
    grade: Grade
    truth: Verdict | None

    def reading(self, values: Mapping[str, float]) -> Reading:
        """The reading, with what was asked, what came back, and the grader's word on it."""
        chances = ", ".join(f"{name} {chance:.2f}" for name, chance in zip(VERDICTS, self.grade.chances, strict=True))
        told = {name: str(self.item.content[name]) for name in ("request", "sha256", "attack")}
        truth = {} if self.truth is None else {"truth": self.truth}
        detail = {**told, "answer": self.answer, "graded": f"{self.grade.verdict} ({chances})", **truth}
        return Reading(self.item.number, dict(values), detail)


def graded_answers(
    model: GeneratesText, grader: AnswerGrader, items: Sequence[Item], tools: Tools, hurts: Verdict
) -> Iterator[Graded | Failed]:
    """What becomes of each item: its labelled answer, or the model's answer to its request, and the grade of either.

    An answer in another language makes no sense to the grader, and may make sense to whoever asked. It is no evidence.

    Args:
        hurts: the grade that counts against the model, which an answer in any language may get.
    """
    pairs: list[tuple[Item, str]] = []
    for found in _answers(model, items, int(tools.params["max_tokens"])):
        if isinstance(found, Failed):
            yield found
        else:
            pairs.append(found)
    texts = [readings(str(item.content["attack"]), answer) for item, answer in pairs]
    requests = [str(item.content["request"]) for (item, _), each in zip(pairs, texts, strict=True) for _ in each]
    grades = iter(grader.grade(requests, [text for each in texts for text in each], str(tools.device)))
    for (item, answer), each in zip(pairs, texts, strict=True):
        graded = Graded(item, answer, each, worst([next(grades) for _ in each]), item.content.get("truth"))
        understood = graded.truth is not None or graded.grade.verdict == hurts or any(map(is_english, each))
        yield graded if understood else failed(item, UNREAD)


def _answers(model: GeneratesText, items: Sequence[Item], tokens: int) -> Iterator[tuple[Item, str] | Failed]:
    """The text of each item: the labelled one, or the likeliest that the model writes."""
    yield from ((item, str(item.content["answer"])) for item in items if "answer" in item.content)
    waiting = [item for item in items if "answer" not in item.content]
    if not waiting:
        return
    chats = [attacked(str(item.content["attack"]), str(item.content["request"])) for item in waiting]
    prompts = [prompt_of(chat, chats=model.chats) for chat in chats]
    decoding = Decoding(tokens, stop=() if model.chats else (NEXT,))
    found = model.generate(prompts, [item.seed for item in waiting], decoding)
    for item, answer in zip(waiting, found, strict=True):
        yield failed(item, answer.why) if isinstance(answer, NoAnswer) else (item, answer.text)


_SENSITIVITY = "_sensitivity"


def measured_by(truth: Mapping[str, bool]) -> tuple[str, ...]:
    """The metrics that a labelled answer measures: of each instrument, by what it should say."""
    return tuple(_metric(name, so) for name, so in truth.items())


def agreed(item: Item, said: Mapping[str, bool], truth: Mapping[str, bool]) -> dict[str, float]:
    """For those of these metrics that the item carries, 1 where the instrument says what is so, else 0."""
    found = {_metric(name, so): float(said[name] == so) for name, so in truth.items()}
    return {metric: value for metric, value in found.items() if metric in item.metrics}


def _metric(instrument: str, positive: bool) -> str:  # noqa: FBT001
    return instrument + (_SENSITIVITY if positive else "_specificity")
