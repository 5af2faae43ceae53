"""A model behind a server that speaks OpenAI's protocol, such as vLLM, llama.cpp or TGI.

A folder has `endpoint.json`, which says where the server is and how it is asked. Nothing ties what answers there to a digest
of weights, today or tomorrow: what is measured so supports a release through the channel `api`, and no other.
"""

from __future__ import annotations

import os
import random
import re
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx
import torch
from pydantic import Field, StringConstraints, model_validator

from releasegate.checkpoint import Checkpoint
from releasegate.errors import NotFound, UsageError
from releasegate.records import Record
from releasegate.subjects import Answer, Decoding, Lending, Message, NoAnswer, Prompt
from releasegate.subjects.configuration import contradiction, read_configuration
from releasegate.subjects.endpoint_call import Allowance, Patience, Replied, asked
from releasegate.subjects.language import NO_TEXT, Finish, encodable
from releasegate.subjects.text_model import refuse_request

FIX = "compare with docs/adding-a-subject.md"
_FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "content_filter": "filtered",
}
"""What servers call the reasons for which a text ends."""

_NAME = re.compile(r"[\w./:@+-]{1,120}", re.ASCII)

Route = Literal["completions", "chat"]
PATHS: Mapping[Route, str] = {"completions": "/completions", "chat": "/chat/completions"}
"""Of each route, below the server's address."""
GREETING = "Hello"
"""What a server is asked before an attempt opens: nothing that a model is measured by."""


class EndpointConfig(Record):
    """What stands in `endpoint.json`."""

    schema_: Annotated[Literal["releasegate/endpoint/v1"], Field(alias="schema")]
    url: Annotated[str, StringConstraints(max_length=500)]
    """Of the server, up to `/v1`."""
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    """What the server calls the model."""
    routes: Annotated[tuple[Route, ...], Field(min_length=1, max_length=2, strict=False)] = ("completions", "chat")
    """What it can be asked for: to go on with texts, to answer chats."""
    key_variable: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")] | None = None
    """The environment variable that holds the key; the key itself is stored nowhere."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    """Questions that are asked at once."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 6
    """How often one question is asked, at most."""
    seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0
    """For one attempt."""
    total_seconds: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    """For one question, after which it is not asked again."""
    most_tokens: Annotated[int, Field(ge=1)] | None = None
    """That may be asked for in all, by all attempts at all questions; absent: as many as are needed."""

    @model_validator(mode="after")
    def _reachable(self) -> EndpointConfig:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise contradiction("url: must be the address of a server, such as https://host/v1")
        if parts.username or parts.password:
            raise contradiction("url: holds a password, which would be stored; name it in key_variable")
        if self.key_variable and parts.scheme == "http" and not _here(parts.hostname):
            raise contradiction("url: would send the key over the network unencrypted; use https")
        return self


def _here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Endpoint:
    """Asks a server. A question that gets no answer is a `NoAnswer`; none is left out, and none is asked twice once answered."""

    def __init__(self, config: EndpointConfig, key: str | None = None) -> None:
        self._config = config
        self._patience = Patience(config.attempts, config.seconds, config.total_seconds)
        self._allowance = Allowance(config.most_tokens)
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._lock = threading.Lock()
        self._names: str | None = None

    @property
    def chats(self) -> bool:
        """Whether it can be asked to answer chats."""
        return "chat" in self._config.routes

    @property
    def continues(self) -> bool:
        """Whether it can be asked to go on with texts as they stand."""
        return "completions" in self._config.routes

    def generate(self, prompts: Sequence[Prompt], seeds: Sequence[int], decoding: Decoding) -> list[Answer | NoAnswer]:
        """One answer a prompt; see `GeneratesText`. Whether a seed draws the same again is up to the server.

        Raises:
            UsageError: there is not one seed a prompt, the decoding is none, or the server cannot be asked so.
        """
        refuse_request(prompts, seeds, decoding)
        questions = [self._question(*pair, decoding) for pair in zip(prompts, seeds, strict=True)]
        with self._client() as client, ThreadPoolExecutor(self._config.concurrency) as pool:
            return list(pool.map(partial(self._answer, client), questions, seeds))

    def require_answers(self) -> None:
        """Nothing; by one of its routes the server has just answered a question that measures nothing.

        Raises:
            NotFound: by none of them does it answer as this protocol says.
        """
        patience = Patience(min(self._config.attempts, 3), self._config.seconds, self._config.total_seconds)
        with self._client() as client:
            failed = [self._unanswered(client, route, patience) for route in self._config.routes]
        if None not in failed:
            fix = "start the server, or correct url, model, key_variable or routes in endpoint.json"
            raise NotFound(self._config.url, "; ".join(filter(None, failed)), fix)

    def _unanswered(self, client: httpx.Client, route: Route, patience: Patience) -> str | None:
        """Why a greeting has no answer by this route; None if it has one."""
        _, question = self._question(
            GREETING if route == "completions" else [Message("user", GREETING)], 1, Decoding(16)
        )
        found = asked(client, PATHS[route], question, patience, random.Random(1), Allowance(None))
        if isinstance(found, NoAnswer):
            return f"{PATHS[route]}: {found.why}"
        return None if isinstance(found.body.get("choices"), list) else f"{PATHS[route]}: an answer without `choices`"

    def _client(self) -> httpx.Client:
        """What asks the server, and it alone: no proxy and no redirect is followed, and each attempt has its own connection."""
        limits = httpx.Limits(max_connections=self._config.concurrency, max_keepalive_connections=0)
        base = self._config.url.rstrip("/")
        return httpx.Client(base_url=base, headers=self._headers, limits=limits, trust_env=False)

    def _question(self, prompt: Prompt, seed: int, decoding: Decoding) -> tuple[Route, dict[str, Any]]:
        """What is sent for a prompt, and by which route."""
        route: Route = "completions" if isinstance(prompt, str) else "chat"
        if route not in self._config.routes:
            what = f"cannot be asked by the route {route!r}"
            raise UsageError(
                self._config.url, what, "list it under `routes` if the server has it, or use other prompts"
            )
        question: dict[str, Any] = {
            "model": self._config.model,
            "max_tokens": decoding.max_tokens,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "seed": seed & 0x7FFFFFFF,  # as many bits as every server takes
            "stream": False,
            **({"stop": list(decoding.stop)} if decoding.stop else {}),
        }
        if isinstance(prompt, str):
            return route, {**question, "prompt": prompt}
        return route, {**question, "messages": [{"role": one.role, "content": one.text} for one in prompt]}

    def _answer(self, client: httpx.Client, question: tuple[Route, dict[str, Any]], seed: int) -> Answer | NoAnswer:
        route, sent = question
        if not encodable([sent["prompt"]] if route == "completions" else [one["content"] for one in sent["messages"]]):
            return NoAnswer(NO_TEXT)
        found = asked(client, PATHS[route], sent, self._patience, random.Random(seed), self._allowance)
        if isinstance(found, NoAnswer):
            return found
        changed = self._changed(found.body.get("model"))
        return changed or _answer_of(found, sent["max_tokens"])

    def _changed(self, name: object) -> NoAnswer | None:
        """Why an answer does not count: another model gave it than the first one."""
        if not isinstance(name, str):
            return None
        with self._lock:
            self._names = self._names or name
            if name == self._names:
                return None
        return NoAnswer(f"the server answered with {_called(name)}, and before with {_called(self._names)}")


def _called(name: str) -> str:
    """A model by what a server calls it, unless that could be some of a question."""
    return f"the model {name!r}" if _NAME.fullmatch(name) else "a model whose name is no plain one"


def _answer_of(found: Replied, most: int) -> Answer | NoAnswer:
    """The answer that a server's object holds; one that is not whole is none."""
    choices = found.body.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        return NoAnswer("the server's answer has not exactly one choice")
    choice = choices[0]
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    finish = _FINISHES.get(str(choice.get("finish_reason")))
    if finish is None:
        return NoAnswer("the server's answer does not say why it ends")
    if text is None and finish == "filtered":
        text = ""
    if not isinstance(text, str):
        return NoAnswer("the server's answer has no text")
    usage = found.body.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    if tokens is not None and (type(tokens) is not int or not 0 <= tokens <= most):
        return NoAnswer("the server's answer has more tokens than were asked for, or a number of them that is none")
    return Answer(_unicode(text), tokens, finish)


def _unicode(text: str) -> str:
    """The text, with U+FFFD for each half of a surrogate pair, which JSON can spell and no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def open_subject(checkpoint: Checkpoint, lending: Lending | None, device: torch.device, dtype: torch.dtype) -> Endpoint:
    """The subject. Device and dtype are the server's own; nothing can be lent to it.

    Raises:
        CheckpointError: `endpoint.json` is not what it must be.
        NotFound: the variable that should hold the key is not set.
    """
    config = read_configuration(checkpoint, EndpointConfig, FIX)
    key = os.environ.get(config.key_variable) if config.key_variable else None
    if config.key_variable and not key:
        raise NotFound(config.key_variable, "holds no key for the endpoint", "set the environment variable")
    return Endpoint(config, key)


def require_answers(checkpoint: Checkpoint) -> None:
    """Nothing; the server that the checkpoint describes answers.

    Raises:
        CheckpointError: `endpoint.json` is not what it must be.
        NotFound: the server does not answer so, or the variable that should hold the key is not set.
    """
    open_subject(checkpoint, None, torch.device("cpu"), torch.float32).require_answers()
