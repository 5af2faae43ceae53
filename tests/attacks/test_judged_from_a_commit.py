"""Whoever writes the working tree, or pushes names, does not choose what judges it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from releasegate.__main__ import run
from releasegate.errors import GitError, UsageError
from releasegate.repository import GateRepository
from releasegate.repository.judging import judge_from
from tests.git_repository import Clone, clone, without_other_recipes
from tests.tiny_repository import Tiny, make_repository

POLICY = Path("policies/tiny.yaml")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, str]:
    """A clone whose protected branch holds a gate repository, and that commit."""
    made = make_repository(tmp_path_factory.mktemp("judged") / "repo")
    without_other_recipes(made.root)
    git = clone(made.root)
    commit = git.commit()
    git.git("update-ref", "refs/remotes/origin/main", commit)
    return git, commit


@pytest.fixture
def protected(original: tuple[Clone, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Clone, str]:
    """A copy of it, in which one stands."""
    shutil.copytree(original[0].root, tmp_path / "repo", symlinks=True)
    monkeypatch.chdir(tmp_path / "repo")
    return Clone(tmp_path / "repo"), original[1]


def plain(repository: GateRepository) -> dict[str, bytes]:
    """Every file of the folder, by its path."""
    files = [path for part in ("policies", "evals", "reports") for path in (repository.root / part).rglob("*")]
    return {p.relative_to(repository.root).as_posix(): p.read_bytes() for p in files if p.is_file()}


def test_a_commit_is_taken_byte_by_byte_and_the_folder_goes_afterwards(protected: tuple[Clone, str]) -> None:
    git, commit = protected
    committed = plain(GateRepository(git.root))
    with judge_from("origin/main", POLICY) as judge:
        assert judge.commit == commit
        assert plain(judge.repository) == committed
        assert judge.named == judge.repository.root / POLICY
        assert judge.repository.root.stat().st_mode & 0o077 == 0
        assert judge.repository.read_policy(judge.named).record.id == "tiny"
    assert not judge.repository.root.exists()


def test_what_the_working_tree_holds_judges_nothing(
    protected: tuple[Clone, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A pull request loosens the policy, spoils a harness, adds a waiver, a template, hooks, filters and settings."""
    git, commit = protected
    made = Tiny(git.root)
    with judge_from(commit, POLICY) as judge:
        before = plain(judge.repository)
    model = tmp_path / "model"
    shutil.copytree(made.checkpoint, model)
    made.change(made.policy, "at_most: 0.20", "at_most: 0.99")
    made.write_harness("raise SystemExit(0)")
    (made.root / "policies" / "waivers").mkdir()
    (made.root / "policies" / "waivers" / "w.json").write_text("{")
    (made.root / "reports").mkdir()
    (made.root / "reports" / "report.html").write_text("released")
    trap = tmp_path / "ran"
    (made.root / ".gitattributes").write_text("* filter=trap export-subst export-ignore\n")
    for setting in ("filter.trap.smudge", "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor"):
        git.git("config", setting, f"touch {trap}; cat")
    hook = made.root / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
    hook.chmod(0o755)
    git.git("config", "core.fsmonitor", "false")
    git.git("-c", "filter.trap.clean=cat", "commit", "--quiet", "--allow-empty", "-m", "edited")
    git.git("config", "core.fsmonitor", f"touch {trap}")
    with judge_from("origin/main", POLICY) as judge:
        assert plain(judge.repository) == before
    given = ["plan", str(POLICY), "--model", str(model), "-q"]
    assert run([*given, "--judge-from", "origin/main"]) == 0
    said = capsys.readouterr()
    assert f"judged by commit {commit} (origin/main)\n" in said.err
    assert "at_most 0.2 " in said.out
    assert run(given) == 0
    assert "at_most 0.99" in capsys.readouterr().out
    assert not trap.exists()


def test_a_link_in_the_working_tree_leads_to_no_other_judge(original: tuple[Clone, str], tmp_path: Path) -> None:
    """`gates/` is a link to a laxer repository of the same commit; the commit has a folder there."""
    git = clone(tmp_path / "both")
    for name in ("gates", "lax"):
        shutil.copytree(original[0].root, git.root / name, ignore=shutil.ignore_patterns(".git", "checkpoint"))
    made = Tiny(git.root / "lax")
    made.change(made.policy, "at_most: 0.20", "at_most: 0.99")
    commit = git.commit()
    shutil.rmtree(git.root / "gates")
    (git.root / "gates").symlink_to("lax")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(git.root)
        for inside in ("gates", "gates/policies/tiny.yaml"):
            with judge_from(commit, Path(inside)) as judge:
                assert "0.99" not in (judge.repository.root / POLICY).read_text()


def test_a_name_that_stands_for_two_commits_is_refused(protected: tuple[Clone, str]) -> None:
    git, commit = protected
    other = git.commit("of somebody else")
    git.git("update-ref", "refs/heads/origin/main", other)
    with pytest.raises(GitError, match=r"ambiguous: refs/heads/origin/main and refs/remotes/origin/main"):
        judge_from("origin/main", POLICY).__enter__()
    for name in ("refs/remotes/origin/main", commit):
        with judge_from(name, POLICY) as judge:
            assert judge.commit == commit
    git.git("update-ref", f"refs/heads/{commit}", other)
    with judge_from(commit, POLICY) as judge:
        assert judge.commit == commit


@pytest.mark.parametrize(
    ("planted", "name"),
    [
        ("refs/tags/refs/heads/release", "refs/heads/release"),
        ("refs/heads/refs/heads/release", "refs/heads/release"),
        ("refs/heads/refs/remotes/origin/next", "refs/remotes/origin/next"),
        ("refs/heads/refs/remotes/origin/next", "origin/next"),
        ("refs/remotes/refs/tags/v9/HEAD", "v9"),
        ("refs/heads/" + "a" * 64, "a" * 64),
    ],
)
def test_a_name_that_only_looks_like_the_one_asked_for_is_none(
    protected: tuple[Clone, str], planted: str, name: str
) -> None:
    """Whoever may push branches or tags can call one as the protected ref is called that this clone did not fetch."""
    git, _ = protected
    planting = git.commit("of somebody else")
    git.git("update-ref", planted, planting)
    with pytest.raises(GitError, match="is no commit of this clone"):
        judge_from(name, POLICY).__enter__()


def test_a_bare_repository_among_the_files_is_none(
    protected: tuple[Clone, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit may hold what looks like a repository of its own, with settings and objects of whoever proposed it."""
    git, commit = protected
    shutil.copytree(git.root / ".git", git.root / "docs")
    git.git("--git-dir", str(git.root / "docs"), "config", "core.bare", "true")
    monkeypatch.chdir(git.root / "docs")
    with pytest.raises(GitError, match="Git finds no repository here"):
        judge_from(commit, POLICY).__enter__()


@pytest.mark.parametrize(
    "name",
    ["", "-h", "--upload-pack=touch x", "main~0", "main^", "main^{tree}", "@", "@{-1}", "main@{0}", ":/what", "a..b",
     "main\nother", "ma in", "main:policies", ".git/HEAD", "../main", "/etc/passwd", "main.lock", "main\0", "a//b"],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_plain_name_of_a_commit_is_refused(protected: tuple[Clone, str], name: str) -> None:
    with pytest.raises(GitError, match="is no name of a commit"):
        judge_from(name, POLICY).__enter__()


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("nowhere", "fetch it: `git fetch origin nowhere`"),
        ("f" * 40, f"fetch it: `git fetch origin {'f' * 40}`"),
        ("deadbeef", "no shortened id is taken"),
        ("refs/heads/nowhere", "fetch it: `git fetch origin refs/heads/nowhere`"),
        ("FETCH_HEAD", "fetch it: `git fetch origin FETCH_HEAD`"),
        ("upstream/a/b", "fetch it: `git fetch upstream +refs/heads/a/b:refs/remotes/upstream/a/b`"),
        ("refs/remotes/upstream/a", "fetch it: `git fetch upstream +refs/heads/a:refs/remotes/upstream/a`"),
    ],
)
def test_a_commit_that_the_clone_lacks_is_named_with_a_remedy(
    protected: tuple[Clone, str], name: str, fix: str
) -> None:
    protected[0].git("remote", "add", "upstream", "https://example.org/upstream.git")
    with pytest.raises(GitError, match=f"{name}: is no commit of this clone") as raised:
        judge_from(name, POLICY).__enter__()
    assert fix in raised.value.problems[0].fix


def test_a_shallow_clone_says_that_it_is_one(protected: tuple[Clone, str], tmp_path: Path) -> None:
    git, commit = protected
    later = git.commit("later")
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{git.root}", str(tmp_path / "shallow")], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "shallow")
        with pytest.raises(GitError, match="which is a shallow one") as raised:
            judge_from(commit, POLICY).__enter__()
        assert f"git fetch --depth=1 origin {commit}" in raised.value.problems[0].fix
        with judge_from(later, POLICY) as judge:
            assert (judge.repository.root / POLICY).exists()


@pytest.mark.parametrize("inside", ["/etc/passwd", "../repo/policies/tiny.yaml", "policies/../policies/tiny.yaml",
                                    "policies\\tiny.yaml"])  # fmt: skip
def test_a_path_that_leaves_the_commit_is_refused(protected: tuple[Clone, str], inside: str) -> None:
    with pytest.raises(UsageError, match="is no path inside the repository"):
        judge_from(protected[1], Path(inside)).__enter__()


def test_a_policy_that_only_the_working_tree_holds_is_not_there(
    protected: tuple[Clone, str], capsys: pytest.CaptureFixture[str]
) -> None:
    git, commit = protected
    shutil.copy(git.root / POLICY, git.root / "policies" / "mine.yaml")
    assert run(["plan", "policies/mine.yaml", "--model", "checkpoint", "--judge-from", commit]) == 2
    assert f"policies/mine.yaml: is not in commit {commit}" in capsys.readouterr().err
    with pytest.raises(GitError, match="lies in no gate repository"):
        judge_from(git.commit_tree(git.make_tree()), Path()).__enter__()


def test_without_git_or_a_repository_it_is_said(
    protected: tuple[Clone, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GitError, match="Git finds no repository here: fatal: not a git repository"):
        judge_from("main", POLICY).__enter__()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="git: is not installed"):
        judge_from("main", POLICY).__enter__()


Plant = Callable[[Clone], tuple[str, str]]
"""Makes an entry of `policies/`: its mode and object."""


def file(text: bytes = b"x") -> Plant:
    return lambda git: ("100644", git.blob(text))


PLANTED: dict[str, tuple[bytes, Plant, str]] = {
    "a link": (b"link", lambda git: ("120000", git.blob(b"/etc/passwd")), "policies/link in commit .* is a symlink"),
    "a submodule": (b"sub", lambda git: ("160000", "1" * 40), "policies/sub in commit .* is a submodule"),
    "a pointer": (
        b"weights.bin",
        file(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
        "weights.bin in commit .* is a pointer of Git LFS",
    ),
    "a backslash": (b"a\\b", file(), "has a name that no plain file has"),
    "a newline": (b"a\nb", file(), "has a name that no plain file has"),
    "a change of direction": ("a‮b".encode(), file(), "has a name that no plain file has"),
    "no text": (b"a\xffb", file(), "has a name that no plain file has"),
    "the folder above": (b"..", file(), "has a name that no plain file has"),
    "Git's own folder": (b".GIT", file(), "has the name of Git's own folder"),
    "Git's own folder, short": (b"git~1", file(), "has the name of Git's own folder"),
    "a twin": (b"Tiny.yaml", file(), "stands beside another of that name, but for its case"),
}


@pytest.mark.parametrize(("name", "plant", "what"), PLANTED.values(), ids=PLANTED)
def test_what_no_plain_folder_holds_is_not_taken_from_a_commit(
    protected: tuple[Clone, str], name: bytes, plant: Plant, what: str
) -> None:
    git, _ = protected
    commit = planted(git, name, *plant(git))
    with pytest.raises(GitError, match=what):
        judge_from(commit, POLICY).__enter__()


def planted(git: Clone, name: bytes, mode: str, oid: str) -> str:
    """A commit with one more entry in `policies/`, written as bytes: Git itself would refuse some of them."""
    held = {line.split("\t")[1]: line.split()[:3] for line in git.git("ls-tree", "HEAD:policies").splitlines()}
    entries = [(*held[at][::2], at.encode()) for at in held] + [(mode, oid, name)]
    entries.sort(key=lambda entry: entry[2] + (b"/" if entry[0] == "040000" else b""))
    data = b"".join(f"{m.lstrip('0')} ".encode() + at + b"\0" + bytes.fromhex(o) for m, o, at in entries)
    policies = git.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", given=data)
    evals = git.git("rev-parse", "HEAD:evals")
    return git.commit_tree(git.make_tree(("040000", policies, "policies"), ("040000", evals, "evals")))


def test_a_commit_that_grows_without_end_is_refused(
    protected: tuple[Clone, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    git, _ = protected
    monkeypatch.setattr("releasegate.repository.judging.MAX_FILES", 300)
    for inner in (git.make_tree(), git.make_tree(("100644", git.blob(b"x"), "x"))):
        tree = inner
        for _ in range(9):
            tree = git.make_tree(*(("040000", tree, str(number)) for number in range(10)))
        with pytest.raises(GitError, match="is one too many"):
            judge_from(
                git.commit_tree(git.make_tree(*((("040000", tree, n)) for n in ("evals", "policies")))), POLICY
            ).__enter__()
    deep = git.make_tree()
    for _ in range(40):
        deep = git.make_tree(("040000", deep, "d"))
    with pytest.raises(GitError, match="lies deeper than 32 folders"):
        judge_from(
            git.commit_tree(git.make_tree(*(("040000", deep, n) for n in ("evals", "policies")))), POLICY
        ).__enter__()


def test_a_folder_that_looks_like_a_repository_is_none(
    protected: tuple[Clone, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git, commit = protected
    subprocess.run(["git", "clone", "-q", "--bare", str(git.root), str(git.root / "data")], check=True)
    monkeypatch.chdir(git.root / "data")
    with pytest.raises(GitError, match="Git finds no repository here"):
        judge_from(commit, POLICY).__enter__()


def test_an_object_that_was_changed_in_the_clone_is_refused(protected: tuple[Clone, str]) -> None:
    git, commit = protected
    oid, other = git.git("rev-parse", f"{commit}:{POLICY}"), git.blob(b"another policy")
    places = [git.root / ".git" / "objects" / name[:2] / name[2:] for name in (oid, other)]
    places[0].chmod(0o600)
    shutil.copy(places[1], places[0])
    with pytest.raises(GitError, match=f"object {oid} is not the blob that its name says"):
        judge_from(commit, POLICY).__enter__()
    places[0].unlink()
    with pytest.raises(GitError, match=f"Git has no object {oid}"):
        judge_from(commit, POLICY).__enter__()


def test_names_of_sha256_tags_and_folders_inside_are_understood(original: tuple[Clone, str], tmp_path: Path) -> None:
    """A repository with the longer names, the gate repository in a folder of it, and a tag with a message."""
    git = clone(tmp_path / "long", "--object-format=sha256")
    shutil.copytree(original[0].root, git.root / "lab" / "gates", ignore=shutil.ignore_patterns(".git", "checkpoint"))
    commit = git.commit()
    git.git("tag", "--annotate", "v1", "-m", "the first")
    (git.root / "elsewhere").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(git.root / "elsewhere")  # paths are from the top all the same
        for name in ("v1", "refs/tags/v1", commit, "HEAD"):
            with judge_from(name, Path("lab/gates/policies/tiny.yaml")) as judge:
                assert (judge.commit, len(judge.commit)) == (commit, 64)
                assert judge.repository.policies() == [judge.named]
        with pytest.raises(GitError, match=r"^\.: lies in no gate repository"):
            judge_from("v1", Path()).__enter__()


def test_a_replaced_commit_is_taken_as_it_was(protected: tuple[Clone, str]) -> None:
    git, commit = protected
    made = Tiny(git.root)
    made.change(made.policy, "at_most: 0.20", "at_most: 0.99")
    git.git("replace", commit, git.commit("laxer"))
    assert "0.99" in git.git("show", f"{commit}:{POLICY}")
    with judge_from(commit, POLICY) as judge:
        assert "0.99" not in judge.named.read_text()


def test_variables_of_git_lead_to_no_other_repository(
    protected: tuple[Clone, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, commit = protected
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    with judge_from("origin/main", POLICY) as judge:
        assert judge.commit == commit


@pytest.mark.parametrize("command", ["gate", "plan", "decide"])
def test_an_attempt_judged_from_a_commit_needs_a_ledger_outside(
    protected: tuple[Clone, str], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    git, commit = protected
    before = {"gate": ["--out", "run"], "plan": ["--open", "run"], "decide": []}[command]
    named = ["run"] if command == "decide" else [str(POLICY), "--model", "checkpoint"]
    if command == "decide":
        Tiny(git.root).opened()
    assert run([command, *named, *before, "--judge-from", commit]) == 2
    said = capsys.readouterr().err
    assert "--judge-from: an attempt cannot be counted in the ledger of a commit" in said
    assert "fix: name the ledger with --ledger" in said
    assert (git.root / "run").exists() == (command == "decide")


def test_a_rehearsal_reads_the_ledger_of_the_commit_keeps_who_judged_and_starts_anew(
    protected: tuple[Clone, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import releasegate.gate

    monkeypatch.setattr(releasegate.gate, "write_report", lambda *given: None)
    git, _ = protected
    made = Tiny(git.root).rehearsable()
    commit = git.commit("with items to rehearse on")
    git.git("update-ref", "refs/remotes/origin/main", commit)
    made.opened()
    shutil.rmtree(made.run.root)  # an attempt that the author's own ledger knows, and the commit's does not
    given = [str(POLICY), "--model", "checkpoint", "--out", "rehearsed", "--rehearse", "-q"]
    assert run(["gate", *given, "--judge-from", "origin/main"]) == 0
    assert '"attempt": 1,' in (git.root / "rehearsed" / "plan.json").read_text()
    assert (git.root / "rehearsed" / "run.log").read_text() == f"judged by commit {commit}\n"
    capsys.readouterr()
    assert (
        run(["gate", *given, "--judge-from", "origin/main"]) == 2
    )  # whoever proposes the change may have committed it
    assert "no ledger knows a rehearsal" in capsys.readouterr().err
    assert run(["gate", *given]) == 0


@pytest.mark.parametrize("entry", ["", ".", "{}", "{}/evals", "policies/../lib"])
def test_where_modules_would_come_from_the_working_tree_nothing_is_judged(
    protected: tuple[Clone, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], entry: str
) -> None:
    """As with `python -m`, or a PYTHONPATH that ends in a colon: the judge's libraries would be the author's."""
    git, commit = protected
    given = ["plan", str(POLICY), "--model", "checkpoint", "-q"]
    monkeypatch.setattr(sys, "path", [*sys.path, entry.format(git.root)])
    assert run([*given, "--judge-from", commit]) == 2
    assert "Python looks for modules in" in capsys.readouterr().err
    assert run(given) == 0


def test_an_environment_in_the_working_tree_is_no_part_of_it(
    protected: tuple[Clone, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    git, commit = protected
    monkeypatch.setattr(sys, "path", [*sys.path, str(git.root / ".venv/lib/python3.11/site-packages")])
    monkeypatch.setattr(sys, "prefix", str(git.root / ".venv"))
    assert run(["plan", str(POLICY), "--model", "checkpoint", "-q", "--judge-from", commit]) == 0


def test_a_module_in_the_working_tree_is_not_imported_by_the_program(protected: tuple[Clone, str]) -> None:
    """`python -m` puts the folder one stands in first; `-P` does not, and neither does the program itself."""
    git, _ = protected
    (git.root / "click.py").write_text("raise SystemExit(1)")
    before = [
        entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry
    ]  # an empty one is the folder
    path = os.pathsep.join([str(Path(__file__).parents[2]), *before])
    given, env = ["-m", "releasegate", "--version"], {**os.environ, "PYTHONPATH": path}
    codes = [subprocess.run([sys.executable, *safe, *given], env=env, check=False).returncode for safe in ([], ["-P"])]
    assert codes == [1, 0]
