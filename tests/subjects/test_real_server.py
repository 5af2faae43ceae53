"""A server that is not ours, `transformers serve`, with a real small model, behind a relay that fails as networks do."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from releasegate.checkpoint import open_checkpoint
from releasegate.subjects import Answer, Decoding, Message, NoAnswer
from releasegate.subjects.causal_lm import open_subject as open_causal
from releasegate.subjects.endpoint import Endpoint, open_subject
from releasegate.subjects.text_model import TextModel
from tests.fetched import fetched
from tests.served_language import Handler, Served, described, running

CPU = torch.device("cpu")
CHATS = tuple([Message("user", f"Say something about the number {number}.")] for number in range(14))
SEEDS = tuple(range(len(CHATS)))
DECODING = Decoding(8)
PATIENCE = {"seconds": 60, "total_seconds": 240, "concurrency": 3, "routes": ["chat"]}


class Relay(Handler):
    """Hands questions on to another server, and its answers back."""

    server: Upstream

    def body(self, question: dict[str, Any]) -> bytes:
        with self.server.lock:  # it answers one at a time
            found = httpx.post(f"{self.server.upstream}{self.path}", json=question, timeout=200)
        assert found.status_code == 200
        return found.content


class Upstream(Served):
    """Serves nothing itself."""

    def __init__(self, url: str) -> None:
        super().__init__(None, Relay)
        self.upstream = url


@pytest.fixture(scope="module")
def root() -> Path:
    return fetched("smollm2")


@pytest.fixture(scope="module")
def url(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server that transformers started."""
    if not all(map(find_spec, ("fastapi", "uvicorn", "openai"))):
        pytest.skip("needs what `transformers serve` asks for: pip install 'releasegate[peers]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "transformers.cli.transformers",
        "serve",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--device", "cpu", "--dtype", "float32", str(root)]
    log = tmp_path_factory.mktemp("served") / "log"
    with log.open("wb") as written, subprocess.Popen(command, stdout=written, stderr=written) as process:
        try:
            _wait(process, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(240):
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(1)
        assert process.poll() is None, log.read_text()[-2000:]
    raise AssertionError(log.read_text()[-2000:])


@pytest.fixture(scope="module")
def truth(root: Path) -> TextModel:
    return open_causal(open_checkpoint(root), None, CPU, torch.float32)


def opened(folder: Path, url: str, root: Path, **stated: Any) -> Endpoint:
    described(folder, url=url, **{"model": str(root), **PATIENCE, **stated})
    return open_subject(open_checkpoint(folder), None, CPU, torch.float32)


def reset(handler: Handler) -> None:
    """The connection ends as when a machine dies."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


def flaky(handler: Handler, attempt: int, question: dict[str, Any]) -> bool:
    """The first attempt at a question fails in one of seven ways, by the question's number; the last of them for good."""
    number = int(question["messages"][0]["content"].rstrip(".").split()[-1])
    kind = number % 7
    if kind == 6:
        handler.say(500, b"{}")
        return True
    if attempt > 1 or kind == 0:
        return False
    if kind == 1:
        reset(handler)
    elif kind == 2:
        handler.say(429, b"{}", retry_after="0")
    elif kind == 3:  # the server has answered, and half of it arrives
        body = handler.body(question)
        handler.send_response(200)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        reset(handler)
    elif kind == 4:  # the server has answered, and nothing of it arrives
        handler.body(question)
        reset(handler)
    else:  # whole, and half an object
        handler.say(200, handler.body(question)[:60])
    return True


@pytest.mark.slow
def test_of_a_real_server_no_answer_is_lost_and_none_counted_twice(
    url: str, root: Path, truth: TextModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("releasegate.subjects.endpoint_call.FIRST_WAIT", 0.05)
    wanted = truth.generate(CHATS, SEEDS, DECODING)
    with Upstream(url) as relay, running(relay):
        relay.trick = flaky
        found = opened(tmp_path / "endpoint", f"{relay.url}", root, attempts=3).generate(CHATS, SEEDS, DECODING)
        attempts, answered = dict(relay.attempts), dict(relay.answered)
    failed = NoAnswer("no answer after 3 attempts: status 500")
    assert found == [failed if number % 7 == 6 else answer for number, answer in enumerate(wanted)]
    assert set(answered.values()) == {1}
    assert len(answered) == len(CHATS) - 2
    of_kind = {number % 7: attempts[_asked(number)] for number in range(len(CHATS))}
    assert of_kind == {0: 1, 1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 3}


@pytest.mark.slow
def test_a_real_server_that_is_too_slow_is_asked_again_and_then_left(url: str, root: Path, tmp_path: Path) -> None:
    endpoint = opened(tmp_path / "endpoint", f"{url}/v1", root, seconds=0.05, attempts=2, total_seconds=30)
    assert endpoint.generate(CHATS[:1], SEEDS[:1], Decoding(60)) == [
        NoAnswer("no answer after 2 attempts: nothing within 0.05 s")
    ]


@pytest.mark.slow
def test_a_real_server_goes_on_with_texts_and_refuses_what_it_does_not_have(
    url: str, root: Path, tmp_path: Path
) -> None:
    routes = ["completions", "chat"]
    endpoint = opened(tmp_path / "endpoint", f"{url}/v1", root, routes=routes)
    (answer,) = endpoint.generate(["The capital of France is"], [1], Decoding(3))
    assert isinstance(answer, Answer)
    assert answer.text.startswith(" Paris")
    assert (answer.tokens, answer.finish) == (3, "length")
    nowhere = opened(tmp_path / "nowhere", f"{url}/v2", root, routes=routes)
    assert nowhere.generate(["The"], [1], DECODING) == [NoAnswer("the server refused: status 404")]


def _asked(number: int) -> str:
    return json.dumps([{"role": "user", "content": CHATS[number][0].text}])
