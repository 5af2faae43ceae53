"""A server on this machine that answers for a small language model as OpenAI's protocol says, and fails when told to."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from releasegate.subjects import Answer, Decoding, Message
from releasegate.subjects.text_model import TextModel


class Served(ThreadingHTTPServer):
    """Serves a small model, and plays a trick on the first attempts at each question."""

    daemon_threads = True

    def __init__(self, model: TextModel | None, handler: type[Handler] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler or Handler)
        self.model = model
        self.trick: Callable[[Handler, int, dict[str, Any]], bool] = lambda *_: False
        self.lock = threading.Lock()
        self.attempts: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.name = "tiny"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing; a peer that gave up is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    """Answers as OpenAI's protocol says."""

    server: Served
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["content-length"])))
        asked = json.dumps(question.get("prompt") or question.get("messages"))
        with self.server.lock:
            self.server.attempts[asked] += 1
            attempt = self.server.attempts[asked]
            self.server.headers.append(dict(self.headers))
        if self.server.trick(self, attempt, question):
            return
        self.say(200, self.body(question))
        with self.server.lock:
            self.server.answered[asked] += 1

    def body(self, question: dict[str, Any]) -> bytes:
        chat = self.path == "/v1/chat/completions"
        prompt = [Message(m["role"], m["content"]) for m in question["messages"]] if chat else question["prompt"]
        decoding = Decoding(
            question["max_tokens"], question["temperature"], question["top_p"], tuple(question.get("stop", ()))
        )
        assert self.server.model is not None
        with self.server.lock:
            (answer,) = self.server.model.generate([prompt], [question["seed"]], decoding)
        assert isinstance(answer, Answer)
        said = {"message": {"role": "assistant", "content": answer.text}} if chat else {"text": answer.text}
        choice = {"index": 0, "finish_reason": answer.finish, **said}
        return json.dumps(
            {"model": self.server.name, "choices": [choice], "usage": {"completion_tokens": answer.tokens}}
        ).encode()

    def say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(model: TextModel) -> Iterator[Served]:
    """A server that runs as long as it is needed."""
    with Served(model) as made, running(made):
        yield made


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    """The server answers meanwhile."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def described(folder: Path, **stated: Any) -> Path:
    """The folder, with an `endpoint.json` in it."""
    folder.mkdir(exist_ok=True)
    (folder / "endpoint.json").write_text(json.dumps({"schema": "releasegate/endpoint/v1", "model": "tiny", **stated}))
    return folder
