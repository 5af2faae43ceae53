"""A model behind a server, asked over HTTP: a real server, on this machine, that fails in the ways that servers do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import CheckpointError, ForeignFile, LayoutUnknown, NotFound, UsageError
from releasegate.subjects import Answer, Decoding, Message, NoAnswer
from releasegate.subjects.causal_lm import open_subject as open_causal
from releasegate.subjects.endpoint import Endpoint, open_subject, require_answers
from releasegate.subjects.text_model import TextModel
from tests.served_language import Handler, Served, described, serving
from tests.tiny_language import save_llama

CPU = torch.device("cpu")
PROMPTS = tuple(f"The fox number {number} jumps" for number in range(24))
SEEDS = tuple(range(24))
DECODING = Decoding(6, 1.0)
SECRET = "how to do something harmful"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TextModel:
    root = save_llama(tmp_path_factory.mktemp("served") / "model")
    return open_causal(open_checkpoint(root), None, CPU, torch.float32)


@pytest.fixture
def server(model: TextModel) -> Iterator[Served]:
    with serving(model) as made:
        yield made


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("releasegate.subjects.endpoint_call.FIRST_WAIT", 0.01)


def opened(folder: Path, **stated: Any) -> Endpoint:
    return open_subject(open_checkpoint(described(folder, **stated)), None, CPU, torch.float32)


def test_answers_are_those_of_the_model_behind_the_server(server: Served, model: TextModel, tmp_path: Path) -> None:
    endpoint = opened(tmp_path, url=server.url)
    assert endpoint.generate(PROMPTS, SEEDS, DECODING) == model.generate(PROMPTS, SEEDS, DECODING)
    greedy = Decoding(12, stop=("a", "e"))
    assert endpoint.generate(PROMPTS[:4], SEEDS[:4], greedy) == model.generate(PROMPTS[:4], SEEDS[:4], greedy)
    chats = [[Message("user", text)] for text in PROMPTS[:4]]
    assert endpoint.generate(chats, SEEDS[:4], DECODING) == model.generate(chats, SEEDS[:4], DECODING)
    assert set(server.attempts.values()) <= {1, 2}


def status(code: int, **headers: str) -> Callable[[Handler, int, dict[str, Any]], bool]:
    """Two times the status, before the answer."""

    def trick(handler: Handler, attempt: int, question: dict[str, Any]) -> bool:
        if attempt <= 2:
            handler.say(code, json.dumps({"error": {"message": SECRET, "code": "busy"}}).encode(), **headers)
        return attempt <= 2

    return trick


def cut_off(handler: Handler, attempt: int, question: dict[str, Any]) -> bool:
    """Once half of the body, and then the connection is closed."""
    if attempt > 1:
        return False
    body = handler.body(question)
    handler.send_response(200)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    handler.close_connection = True
    return True


def half_object(handler: Handler, attempt: int, question: dict[str, Any]) -> bool:
    """Once a body that is whole and holds half an object."""
    if attempt == 1:
        handler.say(200, handler.body(question)[:40])
    return attempt == 1


def hung_up(handler: Handler, attempt: int, question: dict[str, Any]) -> bool:
    """Once nothing, and then the connection is closed."""
    handler.close_connection = attempt == 1
    return attempt == 1


def late(handler: Handler, attempt: int, question: dict[str, Any]) -> bool:
    """Once too late."""
    if attempt == 1:
        time.sleep(2.5)
    return attempt == 1


def trickled(handler: Handler, attempt: int, question: dict[str, Any]) -> bool:
    """Once byte by byte, each in time, and all too late."""
    if attempt > 1:
        return False
    body = handler.body(question)
    handler.send_response(200)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    for byte in body[:50]:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.05)
    return True


def dripped(handler: Handler, attempt: int, question: dict[str, Any]) -> bool:
    """Once a header byte by byte, each in time, without end."""
    if attempt > 1:
        return False
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
    try:
        for _ in range(100):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass  # the other side hung up
    handler.close_connection = True
    return True


@pytest.mark.parametrize(
    "trick",
    [
        status(429, retry_after="0"),
        status(429),
        status(500),
        status(503),
        cut_off,
        half_object,
        hung_up,
        late,
        trickled,
        dripped,
    ],
    ids=["429_retry_after", "429", "500", "503", "cut_off", "half_object", "hung_up", "late", "trickled", "dripped"],
)
def test_what_was_not_answered_is_asked_again_and_counted_once(
    server: Served, model: TextModel, tmp_path: Path, trick: Callable[[Handler, int, dict[str, Any]], bool]
) -> None:
    server.trick = trick
    endpoint = opened(tmp_path, url=server.url, seconds=2, concurrency=6)
    assert endpoint.generate(PROMPTS[:6], SEEDS[:6], DECODING) == model.generate(PROMPTS[:6], SEEDS[:6], DECODING)
    assert set(server.attempts.values()) <= {2, 3}
    assert list(server.answered.values()) == [1] * 6


def test_no_more_tokens_are_asked_for_than_allowed_whatever_is_asked_again(server: Served, tmp_path: Path) -> None:
    server.trick = status(429, retry_after="0")
    spent = NoAnswer("not asked: the tokens that may be asked for in all are used up")
    endpoint = opened(tmp_path, url=server.url, most_tokens=50, concurrency=1)
    first, *others = endpoint.generate(PROMPTS[:4], SEEDS[:4], DECODING)
    assert isinstance(first, Answer)  # by three attempts of 6 tokens each; eight attempts are paid for
    assert isinstance(others[0], Answer)
    assert others[1:] == [spent, spent]
    assert endpoint.generate(PROMPTS[5:6], SEEDS[:1], Decoding(3)) == [spent]
    assert sum(server.attempts.values()) == 8


def test_an_attempt_ends_on_time_whatever_trickles_in(server: Served, tmp_path: Path) -> None:
    server.trick = lambda handler, attempt, question: dripped(handler, 1, question)
    begun = time.monotonic()
    (answer,) = opened(tmp_path, url=server.url, seconds=0.5, attempts=1).generate(["The"], [1], DECODING)
    assert answer == NoAnswer("no answer after 1 attempt: not all of it within 0.5 s")
    assert time.monotonic() - begun < 3


def test_a_question_that_is_never_answered_is_in_its_place_with_the_reason(server: Served, tmp_path: Path) -> None:
    def trick(handler: Handler, attempt: int, question: dict[str, Any]) -> bool:
        if "number 7 " in question["prompt"]:
            handler.say(500, b"{}")
        return "number 7 " in question["prompt"]

    server.trick = trick
    answers = opened(tmp_path, url=server.url, attempts=3).generate(PROMPTS, SEEDS, DECODING)
    assert answers[7] == NoAnswer("no answer after 3 attempts: status 500")
    assert sum(isinstance(answer, Answer) for answer in answers) == len(PROMPTS) - 1


def test_a_question_is_not_asked_again_beyond_its_time(server: Served, tmp_path: Path) -> None:
    server.trick = lambda handler, attempt, question: bool(handler.say(503, b"", retry_after="30")) or True
    begun = time.monotonic()
    (answer,) = opened(tmp_path, url=server.url, total_seconds=5).generate(["The"], [1], DECODING)
    assert answer == NoAnswer("no answer after 1 attempt: status 503")
    assert time.monotonic() - begun < 4


def test_a_refusal_is_not_asked_again_and_its_message_is_not_kept(server: Served, tmp_path: Path) -> None:
    body = json.dumps({"error": {"message": SECRET, "code": SECRET, "type": "context_length_exceeded"}}).encode()
    server.trick = lambda handler, attempt, question: bool(handler.say(400, body)) or True
    (answer,) = opened(tmp_path, url=server.url).generate(["The"], [1], DECODING)
    assert answer == NoAnswer("the server refused: status 400 (context_length_exceeded)")
    assert list(server.attempts.values()) == [1]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"choices": []}, "exactly one choice"),
        ({"choices": [{}, {}]}, "exactly one choice"),
        ({"choices": [{"text": "x", "finish_reason": None}]}, "does not say why it ends"),
        ({"choices": [{"text": "x", "finish_reason": "abort"}]}, "does not say why it ends"),
        ({"choices": [{"text": None, "finish_reason": "stop"}]}, "has no text"),
        ({"usage": {"completion_tokens": 900}}, "more tokens than were asked for"),
        ({"usage": {"completion_tokens": -1}}, "more tokens than were asked for"),
        ({"usage": {"completion_tokens": True}}, "a number of them that is none"),
    ],
    ids=lambda value: "" if isinstance(value, str) else json.dumps(value)[:40],
)
def test_an_answer_that_is_not_whole_is_none(server: Served, tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    def trick(handler: Handler, attempt: int, question: dict[str, Any]) -> bool:
        handler.say(200, json.dumps({**json.loads(handler.body(question)), **changes}).encode())
        return True

    server.trick = trick
    (answer,) = opened(tmp_path, url=server.url).generate(["The"], [1], DECODING)
    assert isinstance(answer, NoAnswer)
    assert why in answer.why
    assert list(server.attempts.values()) == [1]


def test_an_answer_that_a_filter_cut_off_says_so(server: Served, tmp_path: Path) -> None:
    def trick(handler: Handler, attempt: int, question: dict[str, Any]) -> bool:
        choice = {"message": {"content": None}, "finish_reason": "content_filter"}
        handler.say(200, json.dumps({"choices": [choice], "usage": {"completion_tokens": 0}}).encode())
        return True

    server.trick = trick
    found = opened(tmp_path, url=server.url).generate([[Message("user", "x")]], [1], DECODING)
    assert found == [Answer("", 0, "filtered")]


@pytest.mark.parametrize("usage", [None, {}, "none", {"completion_tokens": None}], ids=repr)
def test_an_answer_counts_where_the_server_does_not_say_how_many_tokens_it_has(
    server: Served, tmp_path: Path, usage: Any
) -> None:
    choice = {"text": " x", "finish_reason": "stop"}
    server.trick = lambda handler, *_: (
        bool(handler.say(200, json.dumps({"choices": [choice], "usage": usage}).encode())) or True
    )
    assert opened(tmp_path, url=server.url).generate(["The"], [1], DECODING) == [Answer(" x", None, "stop")]


def test_an_answer_is_unicode_whatever_a_server_spells(server: Served, tmp_path: Path) -> None:
    body = rb'{"choices": [{"text": "\ud83d\ude00 \ud800", "finish_reason": "stop"}]}'
    server.trick = lambda handler, *_: bool(handler.say(200, body)) or True
    assert opened(tmp_path, url=server.url).generate(["The"], [1], DECODING) == [
        Answer("\U0001f600 \ufffd", None, "stop")
    ]


def test_a_prompt_that_is_no_unicode_is_not_asked_and_hinders_no_other(server: Served, tmp_path: Path) -> None:
    why = NoAnswer("the prompt is no Unicode text: it has half of a surrogate pair")
    asked = ["\ud800", "The", [Message("system", "x"), Message("user", "\udfff")]]
    first, second, third = opened(tmp_path, url=server.url).generate(asked, [1, 2, 3], DECODING)
    assert (first, third) == (why, why)
    assert isinstance(second, Answer)
    assert sum(server.attempts.values()) == 1


def test_a_server_that_puts_the_question_into_the_name_of_its_model_gets_it_into_no_reason(
    server: Served, tmp_path: Path
) -> None:
    endpoint = opened(tmp_path, url=server.url)
    endpoint.generate(["The"], [1], DECODING)
    server.name = SECRET
    assert endpoint.generate(["The"], [1], DECODING) == [
        NoAnswer("the server answered with a model whose name is no plain one, and before with the model 'tiny'")
    ]


def test_answers_of_another_model_do_not_count(server: Served, tmp_path: Path) -> None:
    endpoint = opened(tmp_path, url=server.url)
    assert isinstance(endpoint.generate(["The"], [1], DECODING)[0], Answer)
    server.name = "another"
    assert endpoint.generate(["The"], [1], DECODING) == [
        NoAnswer("the server answered with the model 'another', and before with the model 'tiny'")
    ]


def test_an_answer_without_end_is_left(server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("releasegate.subjects.endpoint_call.MOST_BYTES", 1000)
    server.trick = lambda handler, attempt, question: bool(handler.say(200, b" " * 100_000)) or True
    (answer,) = opened(tmp_path, url=server.url, attempts=2).generate(["The"], [1], DECODING)
    assert isinstance(answer, NoAnswer)
    assert "no answer after 2 attempts: not all of it" in answer.why


def test_a_server_that_is_not_there_is_no_answer(model: TextModel, tmp_path: Path) -> None:
    with Served(model) as gone:
        url = gone.url
    (answer,) = opened(tmp_path, url=url, attempts=2).generate(["The"], [1], DECODING)
    assert answer == NoAnswer("no answer after 2 attempts: the connection failed (ConnectError)")


def test_a_redirect_is_not_followed(server: Served, tmp_path: Path) -> None:
    server.trick = lambda handler, attempt, question: bool(handler.say(307, b"", location="/v1/elsewhere")) or True
    (answer,) = opened(tmp_path, url=server.url).generate(["The"], [1], DECODING)
    assert answer == NoAnswer("the server refused: status 307")


def test_the_key_comes_from_the_environment_and_is_sent(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound, match="holds no key"):
        opened(tmp_path, url=server.url, key_variable="TINY_KEY")
    monkeypatch.setenv("TINY_KEY", "k-123")
    opened(tmp_path, url=server.url, key_variable="TINY_KEY").generate(["The"], [1], DECODING)
    assert {name.lower(): value for name, value in server.headers[-1].items()}["authorization"] == "Bearer k-123"


@pytest.mark.parametrize(
    ("stated", "what"),
    [
        ({"url": "ftp://host/v1"}, "must be the address of a server"),
        ({"url": "https://user:word@host/v1"}, "holds a password"),
        ({"url": "http://host/v1", "key_variable": "KEY"}, "unencrypted"),
        ({"url": "https://host/v1?x=1"}, "must be the address"),
        ({"url": "https://host/v1", "routes": []}, "routes"),
        ({"url": "https://host/v1", "concurrency": 0}, "concurrency"),
        ({"url": "https://host/v1", "key": "k-123"}, "key"),
        ({}, "url"),
    ],
    ids=lambda value: "" if isinstance(value, str) else json.dumps(value)[:50],
)
def test_a_description_that_cannot_be_used_is_refused(tmp_path: Path, stated: dict[str, Any], what: str) -> None:
    with pytest.raises(CheckpointError, match=what):
        opened(tmp_path, **stated)


def test_a_folder_with_weights_beside_the_description_is_refused(tmp_path: Path) -> None:
    other = save_llama(tmp_path / "weights")
    described(tmp_path / "both", url="https://host/v1")
    (other / "model.safetensors").rename(tmp_path / "both" / "model.safetensors")
    with pytest.raises(ForeignFile, match="nothing says that they are those of the model"):
        open_checkpoint(tmp_path / "both")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "endpoint.json").write_text('{"schema": "something else"}')
    with pytest.raises(LayoutUnknown):
        open_checkpoint(tmp_path / "odd")


def test_what_a_server_cannot_be_asked_is_refused(server: Served, tmp_path: Path) -> None:
    endpoint = opened(tmp_path, url=server.url, routes=["chat"])
    assert endpoint.chats
    with pytest.raises(UsageError, match="cannot be asked by the route 'completions'"):
        endpoint.generate(["The"], [1], DECODING)
    with pytest.raises(UsageError):
        endpoint.generate([[Message("user", "x")]], [], DECODING)
    assert endpoint.generate([], [], DECODING) == []


@pytest.mark.parametrize(
    ("trick", "what"),
    [
        (lambda handler: handler.say(404, b"{}"), "the server refused: status 404"),
        (
            lambda handler: handler.say(401, b'{"error": {"code": "no_key"}}'),
            r"the server refused: status 401 \(no_key\)",
        ),
        (lambda handler: handler.say(503, b""), "no answer after 2 attempts: status 503"),
        (lambda handler: handler.say(200, b"<html>"), "no answer after 2 attempts: half an answer"),
        (lambda handler: handler.say(200, b'{"status": "ok"}'), "an answer without `choices`"),
    ],
    ids=["no_such_route", "no_key", "loading", "a_page", "another_protocol"],
)
def test_a_server_that_does_not_answer_is_told_before_an_attempt(
    server: Served, tmp_path: Path, trick: Callable[[Handler], None], what: str
) -> None:
    server.trick = lambda handler, *_: handler.path.endswith("/chat/completions") and (bool(trick(handler)) or True)
    with pytest.raises(NotFound, match=f"/chat/completions: {what}"):
        require_answers(open_checkpoint(described(tmp_path, url=server.url, attempts=2, routes=["chat"])))
    require_answers(open_checkpoint(described(tmp_path, url=server.url, attempts=2)))


def test_a_server_that_is_down_is_told_before_an_attempt(tmp_path: Path) -> None:
    with Served(None) as closed:
        url = closed.url
    with pytest.raises(NotFound, match=r"the connection failed \(ConnectError\)"):
        require_answers(open_checkpoint(described(tmp_path, url=url)))
