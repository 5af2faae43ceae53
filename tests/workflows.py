"""Runs what CI systems would: the `run:` and `script:` steps of workflows, composite actions and GitLab jobs, here.

It knows the keys, expressions and actions that ours use, and raises `Unsupported` at any other: a step that is left out in
silence would be a test that cannot fail.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from releasegate.yamltext import parse_yaml


class Unsupported(Exception):
    """A workflow says something that is not interpreted here."""


# Expressions.

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+)|(?P<name>[A-Za-z_][\w-]*(?:\.[A-Za-z_*][\w-]*)*)"
    r"|(?P<sign>==|!=|&&|\|\||[!(),]))"
)
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
Contexts = Mapping[str, Any]


def evaluate(text: str, contexts: Contexts) -> Any:
    """The value of an expression of GitHub Actions, without `${{ }}`."""
    tokens, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise Unsupported(f"the expression {text!r} at {text[at:]!r}")
        tokens.append((found.lastgroup or "", found[found.lastgroup or 0]))
        at = found.end()
    parser = _Parser(tokens, contexts, text)
    value = parser.either()
    if parser.tokens:
        raise Unsupported(f"the expression {text!r} goes on after its end")
    return value


@dataclass
class _Parser:
    tokens: list[tuple[str, str]]
    contexts: Contexts
    text: str

    def take(self, sign: str) -> bool:
        if self.tokens and self.tokens[0] == ("sign", sign):
            self.tokens.pop(0)
            return True
        return False

    def either(self) -> Any:
        value = self.both()
        while self.take("||"):
            other = self.both()
            value = value if _true(value) else other
        return value

    def both(self) -> Any:
        value = self.compared()
        while self.take("&&"):
            other = self.compared()
            value = other if _true(value) else value
        return value

    def compared(self) -> Any:
        value = self.one()
        for sign, same in (("==", True), ("!=", False)):
            if self.take(sign):
                return (str(_plain(value)).lower() == str(_plain(self.one())).lower()) == same
        return value

    def one(self) -> Any:
        if self.take("!"):
            return not _true(self.one())
        if self.take("("):
            value = self.either()
            if not self.take(")"):
                raise Unsupported(f"the expression {self.text!r} lacks )")
            return value
        if not self.tokens:
            raise Unsupported(f"the expression {self.text!r} breaks off")
        kind, word = self.tokens.pop(0)
        if kind == "text":
            return word[1:-1].replace("''", "'")
        if kind == "number":
            return int(word)
        if kind != "name":
            raise Unsupported(f"the expression {self.text!r} at {word!r}")
        return self.called(word) if self.take("(") else self.looked_up(word)

    def called(self, name: str) -> Any:
        given = []
        while not self.take(")"):
            given.append(self.either())
            self.take(",")
        failed = bool(self.contexts["job"]["failed"]) if "job" in self.contexts else False
        match name, given:
            case "always", []:
                return True
            case "success", []:
                return not failed
            case "failure", []:
                return failed
            case "cancelled", []:
                return False
            case "startsWith", [text, start]:
                return str(text).lower().startswith(str(start).lower())
            case _:
                raise Unsupported(f"the function {name} with {len(given)} arguments")

    def looked_up(self, name: str) -> Any:
        if name in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[name]
        first, *rest = name.split(".")
        if first not in self.contexts:
            raise Unsupported(f"the context {first} in {self.text!r}")
        value: Any = self.contexts[first]
        for step in rest:
            value = value.get(step, "") if isinstance(value, Mapping) else ""
        return value


def _true(value: Any) -> bool:
    return value not in (False, None, "", 0)


def _plain(value: Any) -> Any:
    return {True: "true", False: "false", None: ""}.get(value, value) if isinstance(value, bool | None) else value


def filled(value: Any, contexts: Contexts) -> str:
    """A value of a workflow with its expressions put in, as text."""
    return _EXPRESSION.sub(lambda found: str(_plain(evaluate(found[1], contexts))), str(_plain(value)))


def wanted(condition: Any, contexts: Contexts) -> bool:
    """Whether an `if:` lets a step or job run; without a function that looks at failures, only where none failed."""
    if condition is None:
        return not contexts["job"]["failed"]
    text = str(_plain(condition)).strip()
    whole = _EXPRESSION.fullmatch(text)
    inner = whole[1] if whole else text
    looks = re.search(r"\b(always|failure|cancelled|success)\(", inner)
    return _true(evaluate(inner, contexts)) and (bool(looks) or not contexts["job"]["failed"])


def known(data: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    """Nothing, if there are no other keys."""
    strange = sorted(set(data) - set(keys))
    if strange:
        raise Unsupported(f"{where}: {', '.join(strange)}")


def read(file: Path) -> dict[str, Any]:
    """The YAML of a file, with `on` and `yes` as the words that they are."""
    data: dict[str, Any] = parse_yaml(file.read_text(), file.name).data
    return data


# What steps leave behind.


@dataclass(frozen=True)
class Annotated:
    """A line that the runner took for a command.

    Attributes:
        properties: without escapes.
    """

    command: str
    properties: Mapping[str, str]
    text: str


def commands(log: str) -> list[Annotated]:
    """The workflow commands in a log, as the runner reads them: none between `stop-commands` and its token."""
    found, stopped = [], None
    for line in log.splitlines():
        if stopped is not None:
            stopped = None if line.strip() == f"::{stopped}::" else stopped
            continue
        made = re.match(r"\s*::(?P<name>[\w-]+)(?: (?P<properties>.*?))?::(?P<text>.*)", line)
        if made is None:
            if "##[" in line:
                found.append(Annotated("##", {}, line))
            continue
        if made["name"] == "stop-commands":
            stopped = made["text"]
            continue
        pairs = [pair.partition("=") for pair in (made["properties"] or "").split(",") if pair]
        properties = {name: _unescaped(value).replace("%3A", ":").replace("%2C", ",") for name, _, value in pairs}
        found.append(Annotated(made["name"], properties, _unescaped(made["text"])))
    return found


def _unescaped(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def file_commands(text: str) -> dict[str, str]:
    """What a step wrote to GITHUB_OUTPUT or GITHUB_ENV: `name=value`, or `name<<MARK`, lines, and MARK."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, equals, value = line.partition("=")
        before, heredoc, mark = line.partition("<<")
        if heredoc and len(before) < len(name if equals else line):
            block = []
            for inner in lines:
                if inner == mark:
                    break
                block.append(inner)
            else:
                raise ValueError(f"{mark} does not end what {before} begins")
            found[before] = "\n".join(block)
        elif equals:
            found[name] = value
        elif line:
            raise ValueError(f"{line!r} is no output")
    return found


@dataclass
class Ran:
    """What a job or an action did.

    Attributes:
        code: of the step that failed first; 0 where none did.
        log: what its steps printed, standard error among it.
        summary: what stands on the page of the job.
        steps: the names of the steps that ran.
    """

    code: int = 0
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    skipped: bool = False
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    @property
    def annotations(self) -> list[Annotated]:
        """The commands of all its steps."""
        return commands(self.log)


@dataclass
class Runner:
    """A machine of GitHub's, in a folder.

    Attributes:
        origin: the git repository that is checked out.
        commit: which state of it; absent: that of the branch that is checked out there.
        folder: where jobs get their workspaces, each a fresh one.
        event: its name, such as `push` or `pull_request`, and what `github` says beside it.
        env: what every step sees, such as PATH.
        secrets: those that jobs with the environment `secret_for` may read; others read none.
        environments: further secrets, by the environment whose jobs may read them.
        replaced: scripts by the name of the step that they stand in for, such as one that needs a network.
        actions: further actions by their name without `@…`: a folder with an action.yml, or a function.
    """

    folder: Path
    origin: Path | None = None
    event: Mapping[str, Any] = field(default_factory=lambda: {"event_name": "push"})
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    secret_for: str | None = None
    actions: Mapping[str, Path | Callable[[Runner, Path, Mapping[str, str]], None]] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    jobs: dict[str, Ran] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    # Workflows.

    def workflow(self, file: Path) -> dict[str, Ran]:
        """Every job of a workflow, in the order of what they need."""
        data = read(file)
        known(data, ("name", "run-name", "on", "permissions", "env", "jobs", "concurrency", "defaults"), file.name)
        waiting = dict(data["jobs"])
        while waiting:
            ready = [name for name, job in waiting.items() if set(_list(job.get("needs"))) <= set(self.jobs)]
            if not ready:
                raise Unsupported(f"{file.name}: jobs that need each other")
            for name in ready:
                self.jobs[name] = self.job(name, waiting.pop(name), data)
        return self.jobs

    def job(self, name: str, job: Mapping[str, Any], workflow: Mapping[str, Any]) -> Ran:
        """One job in a workspace of its own."""
        keys = ("name", "runs-on", "needs", "if", "permissions", "env", "outputs", "steps", "timeout-minutes")
        known(job, (*keys, "environment", "concurrency", "defaults"), f"job {name}")
        environment = job.get("environment")
        environment = environment["name"] if isinstance(environment, Mapping) else environment
        needs = _list(job.get("needs"))
        before = [self.jobs[one] for one in needs]
        state = {"failed": any(ran.code or ran.skipped for ran in before), "status": "success"}
        contexts: dict[str, Any] = {
            "github": {"ref_name": "main", "sha": "", "token": "", "actor": "somebody", **self.event},
            "needs": {n: {"outputs": self.jobs[n].outputs, "result": _result(self.jobs[n])} for n in needs},
            "job": state,
            "secrets": self._secrets_of(environment),
            "vars": dict(self.variables),
            "runner": {"temp": "", "os": "Linux"},
            "env": {},
        }
        if not wanted(job.get("if"), contexts):
            return Ran(skipped=True)
        state["failed"] = False
        workspace = self.folder / name / "work"
        workspace.mkdir(parents=True)
        base = self._base(name, contexts)
        for level in (workflow.get("env"), job.get("env")):
            for key, value in (level or {}).items():
                base[key] = filled(value, {**contexts, "env": base})
        shells = {**workflow.get("defaults", {}).get("run", {}), **job.get("defaults", {}).get("run", {})}
        ran = Ran(env=base)
        self._steps(job["steps"], workspace, base, contexts, ran, shells)
        ran.outputs = {key: filled(value, contexts) for key, value in job.get("outputs", {}).items()}
        return ran

    def _secrets_of(self, environment: str | None) -> dict[str, str]:
        if environment is None:
            return {}
        return {**(self.secrets if environment == self.secret_for else {}), **self.environments.get(environment, {})}

    def _base(self, name: str, contexts: dict[str, Any]) -> dict[str, str]:
        """The environment that steps of a job begin with."""
        temp = self.folder / name / "temp"
        temp.mkdir(parents=True)
        contexts["runner"]["temp"] = str(temp)
        event = {f"GITHUB_{key.upper()}": str(value) for key, value in self.event.items() if isinstance(value, str)}
        return {**self.env, **event, "CI": "true", "GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(temp)}

    # Steps.

    def _steps(
        self,
        steps: Sequence[Mapping[str, Any]],
        workspace: Path,
        env: dict[str, str],
        contexts: dict[str, Any],
        ran: Ran,
        defaults: Mapping[str, str],
    ) -> None:
        """Runs steps; what they leave behind is in `ran`, in `env` and in the context `steps`."""
        contexts["steps"] = {}
        env["GITHUB_WORKSPACE"] = contexts["github"]["workspace"] = str(workspace)
        for number, step in enumerate(steps):
            keys = ("name", "id", "if", "run", "uses", "with", "env", "shell", "working-directory", "continue-on-error")
            known(step, (*keys, "timeout-minutes"), f"step {number}")
            if not wanted(step.get("if"), {**contexts, "env": env}):
                contexts["steps"].setdefault(step.get("id", ""), {"outputs": {}, "outcome": "skipped"})
                continue
            own = {key: filled(value, {**contexts, "env": env}) for key, value in step.get("env", {}).items()}
            label = str(step.get("name", step.get("uses", step.get("run", ""))))
            ran.steps.append(label)
            if "run" in step:
                code, outputs = self._run(step, workspace, env, own, contexts, ran, defaults)
            else:
                code, outputs = self._uses(step, workspace, {**env, **own}, contexts, ran)
            held = step.get("continue-on-error") == "true" or step.get("continue-on-error") is True
            contexts["steps"][step.get("id", str(number))] = {
                "outputs": outputs,
                "outcome": "failure" if code else "success",
            }
            if code and not held:
                contexts["job"]["failed"] = True
                ran.code = ran.code or code

    def _run(
        self,
        step: Mapping[str, Any],
        workspace: Path,
        env: dict[str, str],
        own: Mapping[str, str],
        contexts: dict[str, Any],
        ran: Ran,
        defaults: Mapping[str, str],
    ) -> tuple[int, dict[str, str]]:
        shell = step.get("shell", defaults.get("shell", "bash"))
        if shell != "bash":
            raise Unsupported(f"the shell {shell}")
        temp = Path(env["RUNNER_TEMP"])
        script, token = self.replaced.get(step.get("name", ""), step["run"]), secrets.token_hex(4)
        files = {name: temp / f"{name.lower()}-{token}" for name in ("OUTPUT", "ENV", "STEP_SUMMARY", "PATH")}
        for file in files.values():
            file.touch()
        path = temp / f"script-{token}.sh"
        path.write_text(filled(script, {**contexts, "env": {**env, **own}}))
        folder = workspace / filled(step.get("working-directory", defaults.get("working-directory", ".")), contexts)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(path)],
            cwd=folder,
            env={**env, **own, **{f"GITHUB_{name}": str(file) for name, file in files.items()}},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        ran.log += done.stdout.decode(errors="replace")
        ran.summary += files["STEP_SUMMARY"].read_text()
        env.update(file_commands(files["ENV"].read_text()))
        for line in files["PATH"].read_text().splitlines():
            env["PATH"] = f"{line}{os.pathsep}{env['PATH']}"
        return done.returncode, file_commands(files["OUTPUT"].read_text())

    def _uses(
        self, step: Mapping[str, Any], workspace: Path, env: dict[str, str], contexts: dict[str, Any], ran: Ran
    ) -> tuple[int, dict[str, str]]:
        name = str(step["uses"]).partition("@")[0]
        given = {key: filled(value, {**contexts, "env": env}) for key, value in step.get("with", {}).items()}
        action = workspace / name if name.startswith("./") else self.actions.get(name, BUILT_IN.get(name))
        if action is None:
            raise Unsupported(f"the action {name}")
        if isinstance(action, Path):
            inner = self.action(action, given, workspace, env)
            ran.log += inner.log
            ran.summary += inner.summary
            return inner.code, inner.outputs
        try:
            action(self, workspace, given)
        except FileNotFoundError as error:
            ran.log += f"::error::{error}\n"
            return 1, {}
        return 0, {}

    def action(self, folder: Path, given: Mapping[str, str], workspace: Path, env: Mapping[str, str]) -> Ran:
        """A composite action with these inputs."""
        data = read(folder / "action.yml")
        known(data, ("name", "description", "author", "branding", "inputs", "outputs", "runs"), "action.yml")
        known(data["runs"], ("using", "steps"), "runs")
        if data["runs"]["using"] != "composite":
            raise Unsupported(f"an action that is {data['runs']['using']}")
        inputs = {}
        for name, about in data.get("inputs", {}).items():
            if about.get("required") is True and name not in given:
                raise Unsupported(f"the input {name} is wanting")
            inputs[name] = given.get(name, str(_plain(about.get("default", ""))))
        strange = sorted(set(given) - set(inputs))
        if strange:
            raise Unsupported(f"inputs that the action does not have: {', '.join(strange)}")
        contexts: dict[str, Any] = {
            "inputs": inputs,
            "github": {"action_path": str(folder), **self.event},
            "job": {"failed": False},
            "runner": {"temp": env.get("RUNNER_TEMP", ""), "os": "Linux"},
            "env": {},
        }
        for step in data["runs"]["steps"]:
            if "run" in step and "shell" not in step:
                raise Unsupported("a step of an action names no shell")
        ran, inner = Ran(), {**self.env, **env, "GITHUB_ACTION_PATH": str(folder)}
        self._steps(data["runs"]["steps"], workspace, inner, contexts, ran, {})
        ran.outputs = {name: filled(about["value"], contexts) for name, about in data.get("outputs", {}).items()}
        return ran


def _list(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _result(ran: Ran) -> str:
    return "skipped" if ran.skipped else "failure" if ran.code else "success"


# Actions of GitHub that ours use.


def checkout(runner: Runner, workspace: Path, given: Mapping[str, str]) -> None:
    """A clone of the origin, without a credential."""
    known(given, ("ref", "path", "persist-credentials", "fetch-depth", "repository"), "actions/checkout")
    if given.get("persist-credentials") != "false" or runner.origin is None:
        raise Unsupported("actions/checkout with credentials, or with no origin")
    place = workspace / given.get("path", ".")
    ref = given.get("ref") or runner.event.get("sha", "HEAD")
    _git(workspace, "clone", "--quiet", "--no-checkout", str(runner.origin), str(place))
    _git(place, "fetch", "--quiet", "origin", ref)
    _git(place, "checkout", "--quiet", "FETCH_HEAD")


def upload(runner: Runner, workspace: Path, given: Mapping[str, str]) -> None:
    """Keeps a copy of files and folders; a line that begins with `!` leaves one out. Dot-files stay out unless asked for."""
    known(
        given,
        ("name", "path", "if-no-files-found", "retention-days", "include-hidden-files", "overwrite"),
        "actions/upload-artifact",
    )
    lines = given["path"].split()
    if any("*" in line or line.startswith("!") for line in lines):
        raise Unsupported("a pattern in the path of an artifact")
    sources = [workspace / line for line in lines if (workspace / line).exists()]
    if not sources:
        if given.get("if-no-files-found") == "error":
            raise FileNotFoundError(f"no files for the artifact {given['name']}")
        return
    kept = runner.folder / "artifacts" / given["name"]
    if given.get("overwrite") == "true":
        shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    ignored = None if given.get("include-hidden-files") == "true" else shutil.ignore_patterns(".*")
    above = Path(os.path.commonpath([s.parent if s.is_file() or len(sources) > 1 else s for s in sources]))
    for source in sources:
        target = kept / source.relative_to(above)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for path in kept.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # a zip archive keeps no modes
    runner.artifacts[given["name"]] = kept


def download(runner: Runner, workspace: Path, given: Mapping[str, str]) -> None:
    """Puts a kept artifact into a folder."""
    known(given, ("name", "path"), "actions/download-artifact")
    if given["name"] not in runner.artifacts:
        raise FileNotFoundError(f"no artifact {given['name']}")
    shutil.copytree(runner.artifacts[given["name"]], workspace / given.get("path", "."), dirs_exist_ok=True)


def nothing(runner: Runner, workspace: Path, given: Mapping[str, str]) -> None:
    """Python is here already."""


BUILT_IN: Mapping[str, Callable[[Runner, Path, Mapping[str, str]], None]] = {
    "actions/checkout": checkout,
    "actions/upload-artifact": upload,
    "actions/download-artifact": download,
    "actions/setup-python": nothing,
}


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)
