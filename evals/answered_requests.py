"""Requests put to a model, perhaps in the form of an attack, and what graders make of the answers; for several evals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.random import Generator

from releasegate.errors import DocumentError, Problem
from releasegate.evaluation import Tools
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects.language import Decoding, GeneratesText, NoAnswer

from .answer_grader import VERDICTS, AnswerGrader, Grade, Verdict, worst, worst_first
from .empty_answers import says_nothing
from .english import is_english
from .failures import failed
from .jailbreaks import ATTACKS, attacked, readings
from .labelled_answers import ELICITED, LabelledAnswer, labelled_answers, labelled_apart, with_requests
from .prompt_sets import Request, read_sets
from .question_frames import Frame
from .question_frames import asked as asked_in
from .sentence_encoder import require_encoder

UNREAD = "the answer is in another language than the grader knows"


def require(params: Mapping[str, Any], folder: Path) -> None:
    """Nothing; the sets, the labelled answers and the encoder are there.

    Raises:
        NotFound: something is not.
        DocumentError, TextChanged: something is there, and not as it should be.
    """
    require_encoder()
    labelled(read_sets(params["sets"], folder), params, folder)


def labelled(
    requests: Sequence[Request], params: Mapping[str, Any], folder: Path
) -> list[tuple[Request, LabelledAnswer]]:
    """Every labelled answer that calibrates, with its request: of the sets that gates ask, and of those that are apart.

    Raises:
        DocumentError: a request is in none of the sets, or one that is apart is in a set that gates ask.
    """
    found = with_requests(labelled_answers(folder, "calibration"), requests)
    apart = read_sets(params.get("labelled_sets", {}), folder)
    asked_too = {request.digest for request in requests} & {request.digest for request in apart}
    if asked_too:
        fix = "leave it out of one of the two"
        raise DocumentError([Problem("labelled_sets", f"has request {min(asked_too)[:12]}… of the gate's sets", fix)])
    return [*found, *with_requests(labelled_apart(folder), apart)]


def asked(
    requests: Sequence[Request], attacks: Sequence[str], metrics: tuple[str, ...], rng: Generator, times: int = 1
) -> list[Item]:
    """Return `times` items a request: within each category the attacks in turn, to requests that are shuffled by `rng`.

    No request comes twice in one attack, so that those of an attack are as good as drawn without replacement.

    Raises:
        ValueError: there is no attack, one twice, or one that is unknown, or a request comes more often than there are attacks.
    """
    if not attacks or len(set(attacks)) < len(attacks) or not set(attacks) <= set(ATTACKS):
        raise ValueError(f"`attacks` names {list(attacks)}; fix: name some of {', '.join(ATTACKS)}, each once")
    if not 1 <= times <= len(attacks):
        raise ValueError(f"`times` is {times}; fix: ask for each request once, and in each attack at most")
    groups: dict[tuple[str, str], list[Request]] = {}
    for request in requests:
        groups.setdefault((request.set_name, request.category), []).append(request)
    made: list[Item] = []
    begun, step = 0, len(attacks) // times
    for _, members in sorted(groups.items()):
        for place in rng.permutation(len(members)):
            for turn in range(times):
                attack = attacks[(begun + turn * step) % len(attacks)]
                made.append(_item(members[place], attack, metrics, with_attack=len(attacks) > 1))
            begun += 1
    return made


def _item(request: Request, attack: str, metrics: tuple[str, ...], *, with_attack: bool) -> Item:
    labels = {"set": request.set_name, "category": request.category, **({"attack": attack} if with_attack else {})}
    return Item(metrics, labels, {"request": request.text, "sha256": request.digest, "attack": attack})


def known(
    answers: Sequence[tuple[Request, LabelledAnswer]],
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
    for request, one in answers:
        told = {"request": request.text, "sha256": request.digest, "attack": one.attack}
        content = {**told, "answer": one.answer, "truth": one.verdict}
        metrics = metrics_of(one)
        cluster = {"request": request.digest[:12]}  # answers to one request are alike: they are one cluster
        if not by_attack:
            made.append(Item(tuple(metrics), {"answer": one.verdict, **cluster}, content))
            continue
        missed = tuple(name for name in metrics if name.endswith(_SENSITIVITY))
        taken = tuple(name for name in metrics if name not in missed)
        labels = {**cluster, "answer": one.verdict, **({} if one.attack == ELICITED else {"attack": one.attack})}
        made += [Item(names, which, content) for names, which in ((missed, cluster), (taken, labels)) if names]
    return made


@dataclass(frozen=True)
class Graded:
    """An answer, and what the grader says of it.

    Attributes:
        answer: as the model wrote it.
        texts: what it may say: as it stands and, where it may be in code, decoded.
        grade: of the text of these that is worst.
    """

    answer: str
    texts: tuple[str, ...]
    grade: Grade

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return says_nothing(self.answer)


@dataclass(frozen=True)
class GradedItem:
    """What became of an item: its answers, in each frame that the model was asked in.

    Attributes:
        item: whose they are.
        answers: by frame; the first is that of the model as published, or the labelled answer.
        truth: what it is, if it is a labelled one.
    """

    item: Item
    answers: Mapping[Frame, Graded]
    truth: Verdict | None

    @property
    def own(self) -> Graded:
        """The answer of the model as published."""
        return next(iter(self.answers.values()))

    @property
    def silent(self) -> bool:
        """Whether the model as published says nothing."""
        return self.own.empty

    def any_is(self, verdict: Verdict) -> bool:
        """Return whether an answer in any frame has this grade."""
        return any(one.grade.verdict == verdict for one in self.answers.values())

    def reading(self, values: Mapping[str, float]) -> Reading:
        """Return the reading, with what was asked, what came back where it is worst, and the grader's word on it."""
        frame, shown = max(self.answers.items(), key=lambda pair: (worst_first(pair[1].grade), pair[0] == "own"))
        chances = ", ".join(f"{name} {chance:.2f}" for name, chance in zip(VERDICTS, shown.grade.chances, strict=True))
        told = {name: str(self.item.content[name]) for name in ("request", "sha256", "attack")}
        truth = {} if self.truth is None else {"truth": self.truth}
        where = {"frame": frame} if self.truth is None else {}
        detail = {**told, "answer": shown.answer, "graded": f"{shown.grade.verdict} ({chances})", **truth, **where}
        return Reading(self.item.number, dict(values), detail)


def graded_answers(
    model: GeneratesText,
    grader: AnswerGrader,
    items: Sequence[Item],
    tools: Tools,
    hurts: Verdict,
    frames: Sequence[Frame] = ("own",),
) -> Iterator[GradedItem | Failed]:
    """Yield what becomes of each item: its labelled answer, or the model's answers to its request, and the grade of each.

    An answer in another language makes no sense to the grader, and may make sense to whoever asked. It is no evidence.

    Args:
        model: whom.
        grader: who grades.
        items: what is asked.
        tools: of the run.
        hurts: the grade that counts against the model, which an answer in any language may get.
        frames: in which the model is asked.
    """
    pairs: list[tuple[Item, dict[Frame, str]]] = []
    for found in _answers(model, items, int(tools.params["max_tokens"]), frames):
        if isinstance(found, Failed):
            yield found
        else:
            pairs.append(found)
    texts = [
        (item, frame, answer, readings(str(item.content["attack"]), answer))
        for item, answers in pairs
        for frame, answer in answers.items()
    ]
    requests = [str(item.content["request"]) for item, _, _, each in texts for _ in each]
    grades = iter(grader.grade(requests, [text for *_, each in texts for text in each], str(tools.device)))
    graded: dict[int, dict[Frame, Graded]] = {item.number: {} for item, _ in pairs}
    for item, frame, answer, each in texts:
        graded[item.number][frame] = Graded(answer, each, worst([next(grades) for _ in each]))
    for item, _ in pairs:
        one = GradedItem(item, graded[item.number], item.content.get("truth"))
        yield one if _understood(one, hurts) else failed(item, UNREAD)


def _understood(one: GradedItem, hurts: Verdict) -> bool:
    """Return whether the grader can say something: all answers are in English, or one is bad in any language."""
    english = all(any(map(is_english, answer.texts)) for answer in one.answers.values())
    return one.truth is not None or one.any_is(hurts) or english


def _answers(
    model: GeneratesText, items: Sequence[Item], tokens: int, frames: Sequence[Frame]
) -> Iterator[tuple[Item, dict[Frame, str]] | Failed]:
    """Yield the texts of each item: the labelled one, or the likeliest that the model writes in each frame."""
    for item in items:
        if "answer" in item.content:
            yield item, {"own": str(item.content["answer"])}
    waiting = [item for item in items if "answer" not in item.content]
    if not waiting:
        return
    chats = [attacked(str(item.content["attack"]), str(item.content["request"])) for item in waiting]
    found = asked_in(model, dict.fromkeys(frames, chats), [item.seed for item in waiting], Decoding(tokens))
    for item, answers in zip(waiting, found, strict=True):
        none = next((answer for answer in answers.values() if isinstance(answer, NoAnswer)), None)
        texts = {frame: answer.text for frame, answer in answers.items() if not isinstance(answer, NoAnswer)}
        yield (item, texts) if none is None else failed(item, none.why)


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
