"""A small hub that speaks what huggingface_hub really calls: repositories in memory with their history, over real HTTP.

Contents are checked by their digests, tokens by their scopes. `Fault`s are put in at any step; `on(step, what)` runs
something of a test's own when a step is reached.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

WRITER = "hf_writer_0123456789abcdef"
READER = "hf_reader_0123456789abcdef"
TOKENS = {WRITER: {"read", "write"}, READER: {"read"}}
GITATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
LFS_FROM = 1_000
"""Bytes from which the hub wants a file beside git, and every .safetensors: the real one says 10 MB."""


@dataclass(frozen=True)
class Stored:
    """A file at a commit: its content, or that it lies beside git under a digest."""

    data: bytes
    lfs: str | None = None
    size: int | None = None

    @property
    def blob(self) -> str:
        text = self.data if self.lfs is None else f"oid sha256:{self.lfs}\n".encode()
        return hashlib.sha1(b"blob %d\0" % len(text) + text, usedforsecurity=False).hexdigest()

    def listed(self, path: str) -> dict[str, Any]:
        size = len(self.data) if self.size is None else self.size
        entry: dict[str, Any] = {"type": "file", "path": path, "size": size, "oid": self.blob}
        if self.lfs is not None:
            entry["lfs"] = {"oid": self.lfs, "size": size, "pointerSize": 134}
        return entry


@dataclass
class Repository:
    """A repository: what it says of itself, commits by name with parent and files, and refs."""

    id: str
    private: bool
    gated: str | bool = False
    commits: dict[str, tuple[str | None, dict[str, Stored]]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    published: int = 0
    """How often it was made public."""

    def add(self, ref: str, files: dict[str, Stored], parent: str | None) -> str:
        name = hashlib.sha1(f"{len(self.commits)} {ref} {sorted(files)}".encode(), usedforsecurity=False).hexdigest()
        self.commits[name] = (parent, dict(files))
        self.refs[ref] = name
        return name

    @property
    def head(self) -> str:
        return self.refs["refs/heads/main"]

    @property
    def files(self) -> dict[str, Stored]:
        return self.commits[self.head][1]

    def put(self, path: str, data: bytes, ref: str = "refs/heads/main", *, lfs: bool = False) -> str:
        """A commit that adds one file, as somebody else would make it."""
        parent = self.refs.get(ref, self.head)
        stored = Stored(data, hashlib.sha256(data).hexdigest() if lfs else None)
        return self.add(ref, {**self.commits[parent][1], path: stored}, parent)

    def remove(self, path: str) -> str:
        files = {name: stored for name, stored in self.files.items() if name != path}
        return self.add("refs/heads/main", files, self.head)

    def resolved(self, revision: str) -> str | None:
        if revision in self.commits:
            return revision
        return (
            self.refs.get(revision) or self.refs.get(f"refs/heads/{revision}") or self.refs.get(f"refs/tags/{revision}")
        )

    def history(self, commit: str) -> Iterator[str]:
        at: str | None = commit
        while at is not None:
            yield at
            at = self.commits[at][0]


@dataclass
class Fault:
    """What goes wrong at a step, and how often: a status, `cut` (the connection), `lost` (done, no answer), `slow`."""

    how: int | str
    times: int = 10**6
    headers: dict[str, str] = field(default_factory=dict)
    after: int = 0
    """Calls of the step that go well before."""


class FakeHub:
    """A hub at `endpoint`. `calls` counts steps; `log` holds (method, path)."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.faults: dict[str, Fault] = {}
        self.acts: dict[str, Callable[[], None]] = {}
        self.calls: Counter[str] = Counter()
        self.log: list[tuple[str, str]] = []
        self.bodies: list[tuple[str, Any]] = []
        """(path, JSON) of the calls that send some."""
        self.waited: list[float] = []
        """Seconds that a client with nobody's patience waited between attempts."""
        self.says: dict[str, Any] = {}
        """What is answered at a step in place of the truth."""
        self.public_by_default = False
        self.settings_lie = False
        self.circles = False
        """Whether the second page of a history leads to itself."""
        self.never_private = False
        """Whether what is public stays so, whatever the settings say."""
        self.echoes = False
        """Whether its errors repeat the token."""

    def fail(self, step: str, how: int | str, **more: Any) -> None:
        self.faults[step] = Fault(how, **more)

    def on(self, step: str, act: Callable[[], None]) -> None:
        """Runs `act` once, before the next call of the step is answered."""
        self.acts[step] = act

    def make(self, name: str, *, private: bool = True) -> Repository:
        made = self.repositories[name] = Repository(name, private)
        made.add("refs/heads/main", {".gitattributes": Stored(GITATTRIBUTES)}, None)
        return made


class Server(ThreadingHTTPServer):
    """Serves `hub`; a request goes on with the hub that it came to when a test puts another in its place."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = self.emptied()

    def emptied(self) -> FakeHub:
        """A hub without repositories, served from now on."""
        self.hub = FakeHub(f"http://127.0.0.1:{self.server_address[1]}")
        return self.hub


@contextmanager
def fake_hub() -> Iterator[Server]:
    """A hub on a port of its own, as long as the context lasts."""
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Answered(Exception):
    """The request has its answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    """Head and body leave together: apart, the second waits 40 ms for the first's acknowledgement."""
    disable_nagle_algorithm = True

    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests read `log`."""

    def _serve(self) -> None:
        self.lost, self.hub = False, self.server.hub
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        self.hub.log.append((self.command, url.path))
        length = int(self.headers.get("Content-Length") or 0)
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
        self.body = self._chunks() if chunked else self.rfile.read(length)
        if self.headers.get("Content-Type") == "application/json":
            self.hub.bodies.append((url.path, json.loads(self.body)))
        with suppress(_Answered):
            self._route(parts)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815

    def _chunks(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _route(self, parts: list[str]) -> None:
        match [self.command, *parts]:
            case ["POST", "api", "repos", "create"]:
                self._create()
            case ["POST", "api", "validate-yaml"]:
                self._step("yaml")
                self._answer({"errors": [], "warnings": []})
            case ["GET", "api", "models", org, name]:
                self._info(self._repository("info", org, name))
            case ["PUT", "api", "models", org, name, "settings"]:
                self._settings(self._repository("settings", org, name, "write"))
            case ["GET", "api", "models", org, name, "refs"]:
                self._refs(self._repository("refs", org, name))
            case ["GET", "api", "models", org, name, "commits", revision]:
                self._commits(self._repository("commits", org, name), revision)
            case ["GET", "api", "models", org, name, "tree", revision]:
                self._tree(self._repository("tree", org, name), revision)
            case ["POST", "api", "models", org, name, "preupload", "main"]:
                self._preupload(self._repository("preupload", org, name, "write"))
            case ["POST", "api", "models", org, name, "commit", "main"]:
                self._commit(self._repository("commit", org, name, "write"))
            case ["POST", org, name, "info", "lfs", "objects", "batch"] if name.endswith(".git"):
                self._repository("batch", org, name.removesuffix(".git"), "write")
                self._batch()
            case ["PUT", "lfs", oid]:
                self._put(oid)
            case ["POST", "lfs", "verify"]:
                self._verify()
            case ["GET", org, name, "resolve", revision, *path]:
                step = "download" if path == [".gitattributes"] else "resolve"
                self._resolve(self._repository(step, org, name), revision, "/".join(path))
            case _:
                self._answer({"error": f"no such call: {self.command} {self.path}"}, 404)

    # what goes wrong, and who may

    def _step(self, step: str) -> None:
        """Counts the step, lets the test act, and puts in the fault that waits there."""
        hub = self.hub
        hub.calls[step] += 1
        if act := hub.acts.pop(step, None):
            act()
        if step in hub.says:
            self._answer(hub.says[step])
        fault = hub.faults.get(step)
        if fault is None or hub.calls[step] <= fault.after or fault.times < 1:
            return
        fault.times -= 1
        if fault.how == "cut":
            self._cut()
        if fault.how == "slow":
            time.sleep(0.3)
        elif fault.how == "lost":
            self.lost = True
        elif isinstance(fault.how, int):
            said = f"not now, {self.headers.get('Authorization', '')}" if hub.echoes else "not now"
            self._answer({"error": said}, fault.how, fault.headers)

    def _cut(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
        raise _Answered

    def _scopes(self) -> set[str]:
        return TOKENS.get(self.headers.get("Authorization", "").removeprefix("Bearer "), set())

    def _repository(self, step: str, org: str, name: str, scope: str = "read") -> Repository:
        self._step(step)
        found = self.hub.repositories.get(f"{org}/{name}")
        if found is None or (found.private and "read" not in self._scopes()):
            self._answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            raise AssertionError
        if scope == "write" and "write" not in self._scopes():
            self._answer({"error": "You need write access"}, 403)
        return found

    def _answer(self, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        if self.lost:
            self._cut()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        raise _Answered

    # the calls

    def _create(self) -> None:
        self._step("create")
        if "write" not in self._scopes():
            self._answer({"error": "You need write access"}, 403 if self._scopes() else 401)
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repositories:
            self._answer({"error": "You already created this model repo"}, 409)
        private = asked.get("visibility") == "private" or asked.get("private") is True
        self.hub.make(name, private=private and not self.hub.public_by_default)
        self._answer({"url": f"{self.hub.endpoint}/{name}", "name": name, "id": "1"})

    def _info(self, repository: Repository) -> None:
        self._answer(
            {
                "id": repository.id,
                "modelId": repository.id,
                "sha": repository.head,
                "private": repository.private,
                "gated": repository.gated,
                "tags": [],
                "siblings": [{"rfilename": path} for path in repository.files],
            }
        )

    def _settings(self, repository: Repository) -> None:
        asked = json.loads(self.body)
        if not self.hub.settings_lie:
            if "gated" in asked:
                repository.gated = asked["gated"]
            if "visibility" in asked or "private" in asked:
                private = asked.get("visibility") == "private" or asked.get("private") is True
                repository.private = private and not self.hub.never_private
                repository.published += not private
        self._answer({})

    def _refs(self, repository: Repository) -> None:
        found: dict[str, list[dict[str, str]]] = {"branches": [], "converts": [], "tags": [], "pullRequests": []}
        kinds = {"heads": "branches", "tags": "tags", "pr": "pullRequests", "convert": "converts"}
        for ref, commit in repository.refs.items():
            _, kind, name = ref.split("/", 2)
            found[kinds[kind]].append({"name": name, "ref": ref, "targetCommit": commit})
        if "include_prs" not in self.query:
            del found["pullRequests"]
        self._answer(found)

    def _commits(self, repository: Repository, revision: str) -> None:
        commit = repository.resolved(revision) or self._answer({"error": "Revision not found"}, 404)
        day = "2026-01-01T00:00:00.000Z"
        listed = [
            {"id": one, "authors": [], "date": day, "title": "a commit", "message": ""}
            for one in repository.history(str(commit))
        ]
        start = int(self.query.get("p", ["0"])[0])
        start *= not self.hub.circles
        more = f"{self.hub.endpoint}{urlsplit(self.path).path}?p={start + 2}"
        link = {"Link": f'<{more}>; rel="next"'} if len(listed) > start + 2 else {}
        self._answer(listed[start : start + 2], headers=link)

    def _tree(self, repository: Repository, revision: str) -> None:
        commit = repository.resolved(revision) or self._answer({"error": "Revision not found"}, 404)
        files = repository.commits[str(commit)][1]
        folders = {path[:at] for path in files for at, sign in enumerate(path) if sign == "/"}
        listed = [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in sorted(folders)]
        self._answer(listed + [stored.listed(path) for path, stored in sorted(files.items())])

    def _preupload(self, repository: Repository) -> None:
        answer = []
        for file in json.loads(self.body)["files"]:
            large = file["size"] >= LFS_FROM or file["path"].endswith(".safetensors")
            there = repository.files.get(file["path"])
            oid = None if there is None else there.lfs or there.blob
            mode = "lfs" if large else "regular"
            answer.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._answer({"files": answer})

    def _batch(self) -> None:
        objects = []
        for asked in json.loads(self.body)["objects"]:
            entry: dict[str, Any] = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.hub.objects:
                verify = {"href": f"{self.hub.endpoint}/lfs/verify"}
                entry["actions"] = {"upload": {"href": f"{self.hub.endpoint}/lfs/{asked['oid']}"}, "verify": verify}
            objects.append(entry)
        self._answer({"transfer": "basic", "objects": objects})

    def _put(self, oid: str) -> None:
        self._step("put")
        data = self.body
        fault = self.hub.faults.get("put")
        if fault is not None and fault.how == "truncate":
            data = data[: len(data) // 2]
        if fault is not None and fault.how == "corrupt":
            data = bytes([data[0] ^ 1]) + data[1:]
        elif hashlib.sha256(data).hexdigest() != oid and (fault is None or fault.how != "truncate"):
            self._answer({"error": "these are other bytes"}, 400)
        self.hub.objects[oid] = data
        self._answer({})

    def _verify(self) -> None:
        self._step("verify")
        asked = json.loads(self.body)
        stored = self.hub.objects.get(asked["oid"], b"")
        if len(stored) != asked["size"] and self.hub.faults.get("put", Fault("")).how != "truncate":
            self._answer({"error": "other size"}, 400)
        self._answer({})

    def _commit(self, repository: Repository) -> None:
        lines = [json.loads(line) for line in self.body.splitlines()]
        parent = lines[0]["value"].get("parentCommit")
        if parent is not None and parent != repository.head:
            self._answer({"error": "The branch has moved since"}, 412)
        files = dict(repository.files)
        for line in lines[1:]:
            value = line["value"]
            match line["key"]:
                case "file":
                    files[value["path"]] = Stored(base64.b64decode(value["content"]))
                case "lfsFile" if value["oid"] in self.hub.objects:
                    data = self.hub.objects[value["oid"]]
                    files[value["path"]] = Stored(data, value["oid"], value["size"])
                case "deletedFile":
                    del files[value["path"]]
                case _:
                    self._answer({"error": "an object that was not uploaded"}, 400)
        oid = repository.add("refs/heads/main", files, repository.head)
        self._answer({"commitUrl": f"{self.hub.endpoint}/{repository.id}/commit/{oid}", "commitOid": oid})

    def _resolve(self, repository: Repository, revision: str, path: str) -> None:
        commit = repository.resolved(revision)
        stored = repository.commits[commit][1].get(path) if commit else None
        if stored is None:
            self._answer({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"})
            raise AssertionError
        self._answer(stored.data)
