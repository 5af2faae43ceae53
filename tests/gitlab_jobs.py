"""Runs the jobs of a `.gitlab-ci.yml` here, as `tests.workflows` does those of GitHub: what it does not know, it refuses."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.workflows import Ran, Unsupported, known, read

_JOB = (
    *("stage", "image", "extends", "variables", "before_script", "script", "after_script", "artifacts", "needs"),
    *("rules", "allow_failure", "environment", "resource_group", "timeout", "tags", "interruptible", "dependencies"),
)
_GLOBAL = ("stages", "include", "variables", "workflow", "default")
_TERM = re.compile(
    r"\$(?P<name>\w+)(?:\s*(?P<sign>==|!=|=~)\s*(?:\"(?P<text>[^\"]*)\"|'(?P<other>[^']*)'|/(?P<pattern>(?:[^/\\]|\\.)*)/))?"
)


@dataclass
class Pipeline:
    """A pipeline of GitLab, in a folder.

    Attributes:
        folder: where jobs get their clones, each a fresh one.
        project: the git repository; its commit that is checked out is built.
        variables: those of the project and the pipeline, such as `CI_COMMIT_TAG`.
        env: what every job sees, such as PATH.
        included: files of other projects, by their path there.
        protected: variables that only jobs with one of `environments` see.
        environments: names of protected environments.
        scoped: variables that only jobs with an environment see, by its name.
    """

    folder: Path
    project: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    included: Mapping[str, Path] = field(default_factory=dict)
    protected: Mapping[str, str] = field(default_factory=dict)
    environments: tuple[str, ...] = ()
    scoped: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    jobs: dict[str, Ran] = field(default_factory=dict)
    reports: dict[str, dict[str, Path]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)

    def run(self, name: str = ".gitlab-ci.yml") -> dict[str, Ran]:
        """Every job that its rules let run, stage by stage."""
        data = self._read(self.project / name)
        stages = ["build", "test", "deploy"] if "stages" not in data else list(data["stages"])
        jobs = {key: value for key, value in data.items() if key not in _GLOBAL and not key.startswith(".")}
        made = {key: _extended(key, data) for key in jobs}
        for stage in stages:
            for key, job in made.items():
                if job.get("stage", "test") == stage:
                    self.jobs[key] = self._job(key, job, data, [n for n in self.jobs if made[n].get("stage") != stage])
        unknown = sorted({job.get("stage", "test") for job in made.values()} - set(stages))
        if unknown:
            raise Unsupported(f"stages that are not listed: {', '.join(unknown)}")
        return self.jobs

    def again(self, name: str) -> Ran:
        """A job that says what it needs, run once more, as the button does."""
        data = self._read(self.project / ".gitlab-ci.yml")
        shutil.rmtree(self.folder / name)
        self.jobs[name] = self._job(name, _extended(name, data), data, [])
        return self.jobs[name]

    def _read(self, file: Path) -> dict[str, Any]:
        data, found = read(file), {}
        included = data.get("include", [])
        for one in [included] if isinstance(included, str | Mapping) else included:
            known(one, ("project", "ref", "file", "local"), "include")
            path = str(one.get("local") or one["file"])
            found |= self._read(self.included[path] if path in self.included else self.project / path.lstrip("/"))
        return {**found, **data}

    def _job(self, name: str, job: Mapping[str, Any], data: Mapping[str, Any], before: list[str]) -> Ran:
        known(job, _JOB, f"job {name}")
        defaults = data.get("default", {})
        known(defaults, ("image", "interruptible", "before_script", "timeout"), "default")
        values = {**data.get("variables", {}), **job.get("variables", {}), **self.variables}
        environment = job.get("environment")
        environment = environment["name"] if isinstance(environment, Mapping) else environment
        if environment is not None and environment in self.environments:
            values |= self.protected
        values |= self.scoped.get(environment or "", {})
        if not _ruled(job.get("rules"), values):
            self.absent.append(name)
            return Ran(skipped=True)
        needs = [one if isinstance(one, str) else one["job"] for one in job["needs"]] if "needs" in job else before
        if "needs" in job and set(needs) & set(self.absent):
            raise Unsupported(f"job {name} needs a job that is not part of the pipeline")
        needs = [n for n in needs if n not in self.absent]
        if any(self.jobs[n].code or self.jobs[n].skipped for n in needs):
            return Ran(skipped=True)
        written = {**data.get("variables", {}), **job.get("variables", {})}
        values |= {key: _expanded(str(values[key]), values) for key in written if key not in self.variables}
        clone = self.folder / name / "project"
        clone.parent.mkdir(parents=True)
        subprocess.run(["git", "clone", "--quiet", str(self.project), str(clone)], check=True, capture_output=True)
        for n in needs:
            kept = self.folder / n / "artifacts"
            if kept.exists():
                shutil.copytree(kept, clone, dirs_exist_ok=True)
        return self._scripts(name, job, {**defaults, **job}, clone, {k: str(v) for k, v in values.items()})

    def _scripts(
        self, name: str, job: Mapping[str, Any], whole: Mapping[str, Any], clone: Path, values: dict[str, str]
    ) -> Ran:
        lines = [*whole.get("before_script", []), *job["script"]]
        script = self.folder / name / "script.sh"
        script.write_text("set -eo pipefail\n" + "\n".join(lines) + "\n")
        own = {"CI": "true", "GITLAB_CI": "true", "CI_PROJECT_DIR": str(clone), "CI_JOB_NAME": name}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", str(script)],
            cwd=clone,
            env={**self.env, **own, **values},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        ran = Ran(done.returncode, done.stdout.decode(errors="replace"), env=values)
        allowed = job.get("allow_failure", False)
        if isinstance(allowed, Mapping):
            known(allowed, ("exit_codes",), "allow_failure")
            codes = allowed["exit_codes"]
            allowed = ran.code in (codes if isinstance(codes, list) else [codes])
        self._keep(name, job.get("artifacts", {}), clone, values, failed=bool(ran.code))
        if allowed:
            ran.code = 0
        return ran

    def _keep(
        self, name: str, artifacts: Mapping[str, Any], clone: Path, values: Mapping[str, str], *, failed: bool
    ) -> None:
        known(artifacts, ("when", "name", "paths", "reports", "expire_in", "access", "untracked"), "artifacts")
        when = artifacts.get("when", "on_success")
        if when == ("on_success" if failed else "on_failure"):
            return
        kept = self.folder / name / "artifacts"
        for line in artifacts.get("paths", []):
            path = _expanded(line, values).rstrip("/")
            if "*" in path:
                raise Unsupported(f"a pattern in the path of an artifact: {path}")
            source, target = clone / path, kept / path
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            elif source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        reports = artifacts.get("reports", {})
        known(reports, ("junit", "codequality", "dotenv"), "reports")
        self.reports[name] = {kind: clone / path for kind, path in reports.items()}


def _extended(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """A job with what it extends; mappings are merged, lists are not."""
    job = dict(data[name])
    bases = job.pop("extends", [])
    found: dict[str, Any] = {}
    for base in [bases] if isinstance(bases, str) else bases:
        found = _merged(found, _extended(base, data))
    return _merged(found, job)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = _merged(found[key], value) if both else value
    return found


def _expanded(text: str, values: Mapping[str, Any]) -> str:
    """The text with the variables that it names."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: str(values.get(found[1], "")), text)


def _ruled(rules: Any, values: dict[str, Any]) -> bool:
    """Whether a job runs; the variables of the rule that holds are set."""
    if rules is None:
        return True
    for rule in rules:
        known(rule, ("if", "when", "variables"), "rules")
        if "if" not in rule or _holds(rule["if"], values):
            values |= rule.get("variables", {})
            return bool(rule.get("when", "on_success") != "never")
    return False


def _holds(text: str, values: Mapping[str, Any]) -> bool:
    return any(all(_term(part.strip(), values) for part in either.split("&&")) for either in text.split("||"))


def _term(text: str, values: Mapping[str, Any]) -> bool:
    found = _TERM.fullmatch(text)
    if found is None:
        raise Unsupported(f"the rule {text!r}")
    value = str(values.get(found["name"], ""))
    match found["sign"]:
        case None:
            return value != ""
        case "=~":
            return re.search(found["pattern"], value) is not None
        case sign:
            other = found["text"] if found["text"] is not None else found["other"]
            return (value == other) == (sign == "==")
