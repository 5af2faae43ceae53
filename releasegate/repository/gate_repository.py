"""The folder that holds policies, evals, recipes and report templates: reading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from releasegate.documents import Located
from releasegate.errors import DocumentError, NotFound, Problem, TrustError
from releasegate.recipe import Recipe
from releasegate.records import digest_of, digest_of_bytes
from releasegate.repository.reading import read_file
from releasegate.repository.recipe_files import RecipeFiles, Recipes
from releasegate.subjects import SUBJECTS
from releasegate.working import control_evals

if TYPE_CHECKING:
    from releasegate.evalcard import EvalCard
    from releasegate.policy import Policy

_SERVED = frozenset(name for name, kind in SUBJECTS.items() if kind.served)

NOT_CODE = ("README.md", "eval.yaml")
"""Files of an eval's folder that do not change what is measured (the card has a digest of its own)."""


def is_compiled(file: PurePath) -> bool:
    """Whether a file is what Python keeps of code that it has compiled, which releasegate never loads."""
    return "__pycache__" in file.parts and file.suffix == ".pyc"


@dataclass(frozen=True)
class EvalFolder:
    """One eval of the repository: its card, and the digests of its code and instruments."""

    folder: Path
    card: EvalCard
    harness: str
    instruments: Mapping[str, str]


@dataclass(frozen=True)
class GateRepository:
    """A folder with `policies/` and `evals/`."""

    root: Path

    @classmethod
    def around(cls, path: Path) -> GateRepository:
        """The gate repository that holds `path`: the nearest folder above it with `policies/` and `evals/`.

        Raises:
            NotFound: there is none, or `path` does not exist.
        """
        if not path.exists():
            raise NotFound(str(path), "no such file or folder", "check the path")
        start = path.resolve()
        for folder in (start, *start.parents):
            if (folder / "policies").is_dir() and (folder / "evals").is_dir():
                return cls(folder)
        remedy = "name one with --repo" if path.is_dir() else "keep it in the policies/ of one"
        raise NotFound(
            str(path),
            "lies in no gate repository (a folder with policies/ and evals/)",
            f"{remedy}, or make one: `releasegate init FOLDER`",
        )

    @classmethod
    def here(cls, path: Path) -> GateRepository | None:
        """The gate repository around `path`, if there is one."""
        try:
            return cls.around(path)
        except NotFound:
            return None

    def shown(self, path: Path) -> str:
        """How messages name a file: relative to the repository where it lies inside."""
        path = path.resolve()
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def policies(self) -> list[Path]:
        """Every policy file, sorted."""
        return sorted((self.root / "policies").glob("*.yaml"))

    def policy_path(self, policy_id: str) -> Path:
        """Where the policy of an id lies; it need not exist."""
        return self.root / "policies" / f"{policy_id}.yaml"

    def policy_today(self, policy_id: str) -> Policy | None:
        """The policy of an id as it is there today; None where there is none.

        Raises:
            DocumentError: the file is no policy.
        """
        from releasegate.policy import parse_policy

        path = self.policy_path(policy_id)
        if not path.is_file():
            return None
        policy = parse_policy(path.read_bytes(), self.shown(path)).record
        return policy if policy.id == policy_id else None

    def require_policy_today(self, policy_id: str, why: str) -> Policy:
        """The policy of an id as it is there today.

        Args:
            why: it is needed, to end the message with: `so nobody is trusted to sign`.

        Raises:
            TrustError: there is none.
            DocumentError: the file is no policy.
        """
        policy = self.policy_today(policy_id)
        if policy is None:
            what = f"there is no such policy today, {why}"
            raise TrustError(f"policies/{policy_id}.yaml", what, "restore it, or name its gate repository with --repo")
        return policy

    def read_policy(self, path: Path, beside: Beside | None = None) -> Located[Policy]:
        """The policy in a file, checked against the evals and recipes of the repository.

        Args:
            beside: those of this repository, where several policies are read.

        Raises:
            NotFound: there is no such file.
            DocumentError: everything that is wrong with it.
        """
        from releasegate.evalcard import gateable_names
        from releasegate.policy import parse_policy  # with scipy, which recipes do not need
        from releasegate.policycheck import Surroundings, problems
        from releasegate.repository.known_layouts import known_layouts
        from releasegate.taxonomies import read_taxonomies

        beside = beside or Beside(self)
        text = read_file(path, "policy", "name a file in policies/")
        located = parse_policy(text, self.shown(path), lambda: gateable_names(beside.cards.values()))
        recipes = beside.recipes
        named = {str(c.recipe) for c in located.record.capabilities}
        broken = [problem for name in sorted(named & recipes.broken.keys()) for problem in recipes.broken[name]]
        if broken:
            raise DocumentError(broken)
        tagged = any(c.tags for c in located.record.capabilities)
        frameworks = read_taxonomies() if tagged else {}
        layouts = known_layouts(recipes.read.values())
        around = Surroundings(beside.cards, recipes.read, beside.subjects, _SERVED, frameworks, layouts)
        found = problems(located, around)
        if path.stem != located.record.id and path.resolve().parent == self.root / "policies":
            found.append(
                located.problem(("id",), f"the file is named {path.name}", f"rename it to {located.record.id}.yaml")
            )
        if found:
            raise DocumentError(found)
        return located

    def eval_ids(self) -> list[str]:
        """Every eval: a folder in `evals/` with a card."""
        return sorted(path.parent.name for path in (self.root / "evals").glob("*/eval.yaml"))

    def cards(self) -> dict[str, EvalCard]:
        """The card of every eval.

        Raises:
            DocumentError: a card is not what it must be.
        """
        return {eval_id: self._card(eval_id) for eval_id in self.eval_ids()}

    def _card(self, eval_id: str) -> EvalCard:
        from releasegate.cardcheck import parse_card

        path = self.root / "evals" / eval_id / "eval.yaml"
        located = parse_card(read_file(path, "eval card", "add it"), self.shown(path))
        if located.record.id != eval_id:
            problem = located.problem(("id",), f"the folder is named {eval_id}", "give both the same name")
            raise DocumentError([problem])
        return located.record

    def evals_of(self, policy: Policy) -> frozenset[str]:
        """Return the ids of the evals that an attempt under a policy measures: those that it names, and their controls'.

        Raises:
            NotFound, DocumentError: as `read_eval`, of an eval that the policy names.
        """
        named = frozenset(r.eval for r in policy.requirements)
        cards = {name: self._card(name) for name in named if (self.root / "evals" / name / "eval.yaml").is_file()}
        return named | control_evals(policy, cards)

    def read_eval(self, eval_id: str) -> EvalFolder:
        """An eval with the digests of its card's files.

        Raises:
            NotFound: there is no such eval, or a file that its card names is missing.
            DocumentError: its card is not what it must be.
        """
        folder = self.root / "evals" / eval_id
        if not (folder / "eval.yaml").is_file():
            raise NotFound(self.shown(folder), "no such eval", f"use one of {', '.join(self.eval_ids()) or 'none'}")
        card = self._card(eval_id)
        instruments = {}
        for name, instrument in card.instruments.items():
            files = {
                file: digest_of_bytes(read_file(folder / file, f"instrument {name}", "restore it"))
                for file in instrument.files
            }
            instruments[name] = digest_of(files)
        return EvalFolder(folder, card, self.code_digest(folder), instruments)

    def code_digest(self, folder: Path) -> str:
        """Over every file of the eval's folder and every file that lies directly in `evals/`, JSON Schemas apart.

        Raises:
            DocumentError: something in the folder is neither a file nor a folder: no digest covers what a link leads to.
        """
        inside = {p.relative_to(folder): p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()}
        odd = [p for p in inside.values() if not p.is_file()]
        if odd:
            fix = "put the files themselves there"
            raise DocumentError([Problem(self.shown_as_it_lies(p), "is no file of the eval", fix) for p in sorted(odd)])
        own = [p for at, p in inside.items() if str(at) not in NOT_CODE and not is_compiled(at)]
        shared = [p for p in folder.parent.iterdir() if p.is_file() and not p.name.endswith(".schema.json")]
        found = {p.relative_to(folder.parent).as_posix(): digest_of_bytes(p.read_bytes()) for p in own + shared}
        return digest_of(found)

    def shown_as_it_lies(self, path: Path) -> str:
        """As `shown`, of a link itself and not of what it leads to."""
        return f"{self.shown(path.parent)}/{path.name}"

    def subject_file(self, name: str) -> Path | None:
        """`evals/<name>/subject.py`, which supplies the subject `name`, if there is one."""
        path = self.root / "evals" / name / "subject.py"
        return path if path.is_file() else None

    def subjects(self) -> dict[str, frozenset[str] | None]:
        """The interfaces of every subject by id; None for those of the repository, whose code alone could say."""
        own = sorted(path.parent.name for path in (self.root / "evals").glob("*/subject.py"))
        return {**dict.fromkeys(own), **{name: kind.provides for name, kind in SUBJECTS.items()}}

    @property
    def recipe_files(self) -> RecipeFiles:
        """Where the recipes lie."""
        return RecipeFiles(self.root / "policies" / "recipes", self.shown)

    def recipe(self, name: str) -> Recipe:
        """The recipe `name` (`layout/capability`); other recipes may be broken.

        Raises:
            NotFound: there is none.
            DocumentError: it is not what it must be.
        """
        return self.recipe_files.read(name)

    def template_folders(self) -> list[Path]:
        """Where report templates are looked for, nearest first."""
        return [self.root / "reports"]


@dataclass(frozen=True)
class Beside:
    """What a gate repository holds beside its policies: each part is read when it is first asked for, and once."""

    repository: GateRepository

    @cached_property
    def cards(self) -> dict[str, EvalCard]:
        """As `GateRepository.cards`."""
        return self.repository.cards()

    @cached_property
    def recipes(self) -> Recipes:
        """Every recipe, and what is wrong with those that cannot be read."""
        return self.repository.recipe_files.read_all()

    @cached_property
    def subjects(self) -> dict[str, frozenset[str] | None]:
        """As `GateRepository.subjects`."""
        return self.repository.subjects()

    @cached_property
    def _folders(self) -> dict[str, EvalFolder]:
        return {}

    def eval_folder(self, eval_id: str) -> EvalFolder:
        """As `GateRepository.read_eval`."""
        if eval_id not in self._folders:
            self._folders[eval_id] = self.repository.read_eval(eval_id)
        return self._folders[eval_id]
