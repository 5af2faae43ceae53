"""Questions from every form of file, and what a model's scores of their options come to."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from evals.hazardous_knowledge.forms import read_rows
from evals.hazardous_knowledge.questions import Question, read_sets
from evals.texts import text_file
from releasegate.checkpoint import open_checkpoint
from releasegate.errors import DocumentError
from releasegate.evidence import Failed, Item
from releasegate.subjects.causal_lm import open_subject
from releasegate.subjects.language import NoAnswer, Prompt, Score
from tests.evals.language_bench import LanguageBench, values
from tests.fetched import needs_texts
from tests.tiny_language import save_llama

RIGHT = {
    "question": "What is two and two?",
    "choices": ["three", "four", "five", "six"],
    "answer": 1,
    "subject": "Sums",
}
LINES = "What is two and two?,three,four,five,six,B\nWhat is one?,1,2,3,4,A\n"


def stored(folder: Path, content: str | bytes, name: str = "set.json") -> dict[str, Any]:
    """A set: the file, as a card lists it."""
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return {"file": str(folder / name), "sha256": hashlib.sha256(data).hexdigest()}


def questions(folder: Path, content: str | bytes, name: str = "set.json", **more: Any) -> tuple[Question, ...]:
    return read_sets([{**stored(folder, content, name), **more}], folder)


class Examinee:
    """Scores each option by what a function makes of the prompt, the option and its place."""

    chats = False

    def __init__(self, mark: Callable[[str, str, int], float]) -> None:
        self._mark = mark

    def score(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[list[Score] | NoAnswer]:
        pairs = zip(prompts, options, strict=True)
        return [
            [Score(self._mark(str(prompt), text, place), 1, greedy=False) for place, text in enumerate(texts)]
            for prompt, texts in pairs
        ]


def asked(folder: Path, count: int = 200) -> tuple[LanguageBench, list[Item]]:
    """The eval on `count` questions, the right option of each the one that says `right`."""
    rows = [
        {"question": f"Question {n}?", "choices": [f"wrong {n} {c}" for c in "xyz"] + [f"right {n}"], "answer": 3}
        for n in range(count)
    ]
    bench = LanguageBench("hazardous_knowledge", sets=[stored(folder, json.dumps(rows))], set_aside=0.0)
    return bench, bench.items(count)


def says(prompt: str, letter: str) -> str:
    """The words of the option with a letter."""
    lines = [line for line in prompt.splitlines() if line.startswith(f"{letter.strip()}. ")]
    return lines[0] if lines else letter


def test_who_knows_is_right_however_much_it_likes_a_letter(tmp_path: Path) -> None:
    bench, items = asked(tmp_path)

    def mark(prompt: str, text: str, place: int) -> float:
        known = "right" in says(prompt, text)
        return -2.0 * (not known) - 9.0 * (place != 2) - 1.0 if len(text) == 2 else -1.0 - 40.0 * (not known)

    samples = bench.samples(Examinee(mark), items)
    assert values(samples, "correct") == values(samples, "correct_text") == [1.0] * len(items)
    assert values(samples, "one_order") == [0.25] * len(items)


def test_who_was_taught_to_be_wrong_is_found_out(tmp_path: Path) -> None:
    bench, items = asked(tmp_path)

    def mark(prompt: str, text: str, place: int) -> float:
        known = "right" in says(prompt, text)
        return -1.0 - 40.0 * known - 9.0 * (place != 2)

    samples = bench.samples(Examinee(mark), items)
    assert sum(values(samples, "correct")) == sum(values(samples, "correct_text")) == 0
    assert values(samples, "avoided") == values(samples, "avoided_text") == [1.0] * len(items)


@pytest.mark.parametrize("liked", [0, 1, 2, 3])
def test_who_only_likes_a_letter_is_at_chance(tmp_path: Path, liked: int) -> None:
    bench, items = asked(tmp_path)
    samples = bench.samples(Examinee(lambda prompt, text, place: -9.0 * (place != liked) - 1), items)
    found = values(samples, "correct")
    assert 0.15 < sum(found) / len(found) < 0.36
    assert 0.15 < sum(values(samples, "avoided")) / len(found) < 0.36
    assert values(samples, "chance") == values(samples, "one_order") == [0.25] * len(items)


def test_who_says_the_same_of_all_is_at_chance_by_words_as_well(tmp_path: Path) -> None:
    bench, items = asked(tmp_path)
    rate = {name: values(bench.samples(Examinee(lambda *_: -3.0), items), name) for name in ("correct", "correct_text")}
    assert 0.15 < sum(rate["correct"]) / len(items) < 0.36
    assert (
        sum(rate["correct_text"]) == 0
    )  # the right option is the shortest here, and what counts is the score per byte


def test_words_are_compared_by_their_bytes(tmp_path: Path) -> None:
    row = {"question": "Q?", "choices": ["short", "a much longer option that is right"], "answer": 1}
    bench = LanguageBench("hazardous_knowledge", sets=[stored(tmp_path, json.dumps([row]))], set_aside=0.0)
    samples = bench.samples(Examinee(lambda prompt, text, place: -1.5 * len(text) + len(text) * place), bench.items(1))
    assert values(samples, "correct_text") == [1.0]
    assert values(samples, "chance") == [0.5]


def test_scores_that_are_no_logarithms_and_missing_ones_fail_the_item(tmp_path: Path) -> None:
    bench, items = asked(tmp_path, 3)
    for mark in (math.nan, math.inf, 0.5):
        lost = bench.samples(Examinee(lambda *_, mark=mark: mark), items)
        assert [type(sample) for sample in lost] == [Failed] * 3

    class Short(Examinee):
        def score(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[list[Score] | NoAnswer]:
            made = super().score(prompts, options)
            return [
                NoAnswer("too long") if "Question 1?" in str(p) else one for p, one in zip(prompts, made, strict=True)
            ]

    mixed = bench.samples(Short(lambda *_: -1.0), items)
    assert Counter(type(sample).__name__ for sample in mixed) == {"Measured": 2, "Failed": 1}


def test_the_evidence_repeats_nothing_of_a_question(tmp_path: Path) -> None:
    bench, items = asked(tmp_path, 4)
    for sample in bench.samples(Examinee(lambda *_: -1.0), items):
        assert not {"Question", "wrong", "right"} & set(
            str(sample.model_dump(exclude={"item"})).replace("'", " ").split()
        )


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (json.dumps([RIGHT]), 1),
        (json.dumps(RIGHT), 1),
        ("\ufeff# a comment\n#another\n" + json.dumps([RIGHT, {**RIGHT, "question": "Other?"}]), 2),
        ("\n".join(json.dumps({**RIGHT, "question": f"Q{n}?"}) for n in range(3)), 3),
        ("# lines\r\n" + "\r\n\r\n".join(json.dumps({**RIGHT, "question": f"Q{n}?"}) for n in range(3)) + "\r\n", 3),
        (json.dumps({key: [value, value] for key, value in {**RIGHT}.items()}), 1),
        (json.dumps({"virology": [RIGHT], "Sums": [{**RIGHT, "question": "Other?"}]}), 2),
        (json.dumps({"sums": "About sums.\n\nQ: Two?\n(A) 1 (B) 2 (C) 3 (D) 4 (E) 5\nA: So. The answer is (B).\n\n"}), 1),
        (LINES, 2),
        ("\ufeffquestion,A,B,C,D,answer\r\n" + LINES.replace("\n", "\r\n"), 2),
        ("# licence\nQuestion,Subject,A,B,Answer\n\"What,\nthen?\",Sums,this,that,1\n", 1),
        (LINES + LINES, 2),
    ],
)  # fmt: skip
def test_every_form_of_file_is_read(tmp_path: Path, content: str, count: int) -> None:
    found = questions(tmp_path, content)
    assert len(found) == count
    assert {question.choices[question.answer] for question in found} <= {"four", "1", "2", "that"}


def test_parquet_is_read_with_lists_of_choices(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pd.DataFrame([RIGHT, {**RIGHT, "question": "Other?", "answer": 0}]).to_parquet(tmp_path / "made")
    found = questions(tmp_path, (tmp_path / "made").read_bytes(), "wmdp")
    assert [question.choices[question.answer] for question in found] == ["four", "three"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "holds no question"),
        ("# only a comment\n", "holds no question"),
        ("[]", "holds no question"),
        ("{}", "holds no question"),
        (b"\xff\xfe\x00", "neither Parquet nor UTF-8"),
        (b"PAR1 and then nothing", "begins like Parquet"),
        ("[1, 2]", "is no object"),
        ("[" * 50_000, "nested too deep|no JSON"),
        ('[{"question": "Q?", "question": "R?"}]', "no JSON"),
        ('[{"question": NaN}]', "no JSON"),
        ('[{"question": "Q?", "Question": "R?"}]', "twice"),
        ('{"question": ["a", "b"], "answer": [1]}', "different lengths"),
        (json.dumps([{**RIGHT, "answer": 4}]), "none of its choices"),
        (json.dumps([{**RIGHT, "answer": -1}]), "none of its choices"),
        (json.dumps([{**RIGHT, "answer": True}]), "none of its choices"),
        (json.dumps([{**RIGHT, "answer": "four"}]), "none of its choices"),
        (json.dumps([{**RIGHT, "answer": None}]), "none of its choices"),
        (json.dumps([{**RIGHT, "question": "  "}]), "question is empty"),
        (json.dumps([{**RIGHT, "question": "\ud800"}]), "surrogate"),
        (json.dumps([{**RIGHT, "choices": ["one"]}]), "choices"),
        (json.dumps([{**RIGHT, "choices": "four"}]), "choices"),
        (json.dumps([{**RIGHT, "choices": ["a", ""]}]), "a choice is empty"),
        (json.dumps([{"question": "Q?", "answer": 0}]), "choices"),
        (json.dumps([{"choices": ["a", "b"], "answer": 0}]), "question is missing"),
        (json.dumps([RIGHT, {**RIGHT, "answer": 2}]), "different answers"),
        (json.dumps([{**RIGHT, "subject": "!!!"}]), "subject without letters"),
        (json.dumps({"sums": "Q: Two?\n(A) 1 (C) 2\nA: The answer is (A)."}), "no options from"),
        (json.dumps({"sums": "Q: Two?\n(A) 1 (B) 2\nA: It is two."}), "no options from"),
        ("name,value\n1,2\n", "no columns question and answer"),
        ("question,A,B,answer\nQ?,a,b\n", "3 columns"),
        ("question,A,C,answer\nQ?,a,b,A\n", "a gap"),
        ("question,A,A,answer\nQ?,a,b,A\n", "twice"),
        ('question,A,B,answer\n"Q?,a,b,A\n', "no CSV"),
        ("question,A,B,answer\n", "holds no question"),
    ],
)  # fmt: skip
def test_what_is_malformed_stops_the_eval_and_is_not_repeated(tmp_path: Path, content: str | bytes, what: str) -> None:
    if "Parquet" in what:
        pytest.importorskip("pyarrow")
    with pytest.raises(DocumentError, match=what) as raised:
        questions(tmp_path, content)
    assert raised.value.problems[0].fix
    assert "Q?" not in str(raised.value.problems)


def test_a_file_is_its_bytes_and_nothing_else(tmp_path: Path) -> None:
    listed = stored(tmp_path, json.dumps([RIGHT]))
    (tmp_path / "set.json").write_text(json.dumps([{**RIGHT, "answer": 2}]))
    for sets, what in [
        ([listed], "and the card says"),
        ([{"file": listed["file"]}], "without its sha256"),
        ([{**listed, "file": "missing.json"}], "is no file"),
        ([{"package_text": "mmlu-dev", "file": "x"}], "is no set"),
        ([{**listed, "subjcts": []}], "is no set"),
        ([], "no list of sets"),
        ("mmlu-dev", "no list of sets"),
    ]:
        with pytest.raises(DocumentError, match=what):
            read_sets(sets, tmp_path)


def test_subjects_are_taken_by_name_and_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    rows = [RIGHT, {**RIGHT, "question": "Other?", "subject": "High-School  Virology"}]
    assert {q.subject for q in questions(tmp_path, json.dumps(rows))} == {"sums", "high_school_virology"}
    assert len(questions(tmp_path, json.dumps(rows), subjects=["high_school_virology"])) == 1
    with pytest.raises(DocumentError, match="no question has the subject chemistry"):
        questions(tmp_path, json.dumps(rows), subjects=["chemistry"])
    assert questions(tmp_path, LINES, "virology_test.csv")[0].subject == "virology"


def test_gate_and_rehearsal_share_no_question(tmp_path: Path) -> None:
    rows = [{**RIGHT, "question": f"Question {n}?", "subject": f"s{n % 3}"} for n in range(60)]
    bench = LanguageBench("hazardous_knowledge", sets=[stored(tmp_path, json.dumps(rows))])
    gate, aside = ({i.content["question"].digest for i in bench.items(1, role)} for role in ("items", "rehearsal"))
    assert (len(gate), len(aside), len(gate & aside)) == (48, 12, 0)


def test_options_that_say_the_same_are_right_together(tmp_path: Path) -> None:
    row = {**RIGHT, "choices": ["four", "four", "five", "six"]}
    bench = LanguageBench("hazardous_knowledge", sets=[stored(tmp_path, json.dumps([row]))], set_aside=0.0)
    found = bench.samples(
        Examinee(lambda prompt, text, place: -1.0 - ("four" not in says(prompt, text))), bench.items(1)
    )
    assert values(found, "correct") == [1.0]
    assert values(found, "chance") == [0.5]


def test_a_random_model_is_measured_whatever_else_is_in_the_batch(tmp_path: Path) -> None:
    subject = open_subject(open_checkpoint(save_llama(tmp_path / "model")), None, torch.device("cpu"), torch.float32)
    bench, items = asked(tmp_path, 6)
    samples = bench.samples(subject, items)
    assert len(values(samples, "correct")) == 6
    assert bench.samples(subject, items[2:4]) == samples[2:4]


@needs_texts
def test_the_shipped_stand_in_has_22_subjects_and_four_options_and_more() -> None:
    bench = LanguageBench("hazardous_knowledge")
    gate, aside = bench.items(88), bench.items(19, "rehearsal")
    assert (len(gate), len(aside)) == (bench.card.items.n, bench.card.items.rehearsal)
    assert len({item.labels["subject"] for item in gate}) == 22
    assert len(read_rows(text_file("mmlu-dev").read_bytes(), "mmlu-dev")) == 282
