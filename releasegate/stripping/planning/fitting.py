"""A recipe held against one checkpoint: what its patterns match, and whether that is what it expects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, assert_never

from releasegate.checkpoint import Contents, Entry, Header, with_siblings
from releasegate.errors import RecipeMismatch
from releasegate.patterns import matches, number_in, numbers_of
from releasegate.recipe import Between, Expect, FromConfig, FromTensor, Recipe, tensor_patterns

ACCOUNT = "name it in exactly one edit or under `keep` in the recipe, or take it out of the checkpoint"


def mismatch(recipe: Recipe, what: str, fix: str) -> RecipeMismatch:
    """The error that `recipe` does not fit the checkpoint."""
    return RecipeMismatch(f"recipe {recipe.id}", what, fix)


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor, or a tensor-parallel shard of one, that the recipe must account for.

    Attributes:
        key: what the plan and the receipt call it.
        name: what patterns are held against: shards of one tensor have one name.
        file: where it lies.
        entry: its dtype, shape and place.
    """

    key: str
    name: str
    file: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Fitting:
    """A recipe and a checkpoint.

    Attributes:
        contents: the checkpoint.
        recipe: what is held against it.
        opened: headers of the files beside the model whose tensors the recipe names one by one.
        parts: every tensor that must be accounted for, by name, shards in the order of their files.
    """

    contents: Contents
    recipe: Recipe
    opened: Mapping[str, Header]
    parts: Mapping[str, tuple[Part, ...]] = field(repr=False)

    @property
    def config_name(self) -> str:
        """What messages call the configuration."""
        return self.contents.config_file or "the checkpoint"

    def mismatch(self, what: str, fix: str) -> RecipeMismatch:
        """The error that the recipe does not fit."""
        return mismatch(self.recipe, what, fix)

    def files(self, pattern: str) -> list[str]:
        """The files that `pattern` matches, shards and index left out: they are structure."""
        return [name for name in self.loose_files if matches(pattern, name, self.contents.config)]

    @property
    def loose_files(self) -> list[str]:
        """Every file that the recipe must account for, sorted."""
        return sorted(set(self.contents.sizes) - {*self.contents.shards, self.contents.index_file})

    def tensors(self, pattern: str) -> list[str]:
        """The names of the tensors that `pattern` matches; those of another file only if it names that file."""
        return [name for name, parts in self.parts.items() if self._means(pattern, name, parts[0])]

    def _means(self, pattern: str, name: str, part: Part) -> bool:
        if part.file not in self.opened:
            return matches(pattern, name, self.contents.config)
        file, colon, inner = pattern.partition(":")
        named = bool(colon) and fnmatchcase(part.file, file)
        return named and matches(inner, part.entry.name, self.contents.config)

    def number(self, wanted: FromConfig, label: str) -> int:
        """The number that `wanted` comes to.

        Raises:
            RecipeMismatch: the configuration does not state it, or it comes to less than 0.
        """
        stated = number_in(self.contents.config, wanted.config)
        if stated is None or stated < 0:
            what = f"{label}: {self.config_name} has no whole number {wanted.config}"
            raise self.mismatch(what, "correct the path in the recipe, or the config")
        value = (stated + (wanted.plus or 0)) * (wanted.times or 1)
        if value < 0:
            what = f"{label}: {in_words(wanted)} of {self.config_name} comes to {value}"
            raise self.mismatch(what, "correct `plus` in the recipe, or the config")
        return value

    def length(self, wanted: FromTensor, label: str) -> int:
        """The length of the one tensor that `wanted` names; of its shards, which must be alike.

        Raises:
            RecipeMismatch: there is none, or several, or it has no such dimension.
        """
        names = self.tensors(wanted.tensor)
        shapes = {part.entry.shape for name in names for part in self.parts[name]}
        if len(names) != 1 or len(shapes) != 1:
            what = f"{label}: {wanted.tensor} is {len(names)} tensors, where the length of one counts"
            raise self.mismatch(what, "correct the name in the recipe, or use another version of the layout")
        (shape,) = shapes
        if wanted.dimension >= len(shape):
            what = f"{label}: {wanted.tensor} has the shape {list(shape)} and no dimension {wanted.dimension}"
            raise self.mismatch(what, "correct `dimension` in the recipe")
        return shape[wanted.dimension]

    def expect(self, expected: Expect, count: int, label: str, noun: str) -> None:
        """Nothing, if `count` is what is expected.

        Raises:
            RecipeMismatch: it is not.
        """
        match expected:
            case int():
                low, high, words = expected, expected, f"{expected} {'is' if expected == 1 else 'are'}"
            case Between():
                low, high, words = expected.min, expected.max, f"{expected.min} to {expected.max} are"
            case FromConfig():
                low = high = self.number(expected, label)
                words = f"{low} ({in_words(expected)} of {self.config_name}) are"
            case FromTensor():
                low = high = self.length(expected, label)
                words = f"{low} (the length of {expected.tensor} along dimension {expected.dimension}) are"
            case _:
                assert_never(expected)
        if not low <= count <= high:
            fix = "is it another version of the layout? look at what the pattern matches before changing `expect`"
            raise self.mismatch(f"{label}: matches {count} {noun}, and {words} expected", fix)


def in_words(wanted: FromConfig) -> str:
    """The sum that `wanted` stands for.

    >>> in_words(FromConfig(config="depth", plus=-1, times=3))
    '(depth - 1) * 3'
    """
    text = wanted.config
    if wanted.plus:
        text = f"{text} {'+' if wanted.plus > 0 else '-'} {abs(wanted.plus)}"
    if wanted.times is not None:
        text = f"({text}) * {wanted.times}" if wanted.plus else f"{text} * {wanted.times}"
    return text


def fit(contents: Contents, recipe: Recipe) -> Fitting:
    """`recipe` held against `contents`. A file beside the model is opened only if the recipe names tensors of it.

    Raises:
        RecipeMismatch: another layout; a pattern that looks up a number that the configuration does not state; a tensor
            that has the name of one in another file.
        CheckpointError: a file of which the recipe names tensors cannot be read.
    """
    if recipe.layout != contents.layout:
        what = f"is for layout {recipe.layout}, and the checkpoint's is {contents.layout}"
        raise mismatch(recipe, what, "choose a recipe of the checkpoint's layout")
    patterns = list(tensor_patterns(recipe))
    copies = [residual.copies for residual in recipe.residual if residual.copies is not None]
    _refuse_unknown_numbers(contents, recipe, [*patterns, *copies])
    beside = sorted({*contents.siblings, *contents.foreign})
    named = [name for name in beside if any(_names_tensors_of(pattern, name) for pattern in patterns)]
    contents = with_siblings(contents, named)
    opened = {name: contents.siblings[name] for name in named}
    parts: dict[str, tuple[Part, ...]] = {}
    for part in _parts(contents, opened):
        held = parts.get(part.name, ())
        if any(part.key == other.key for other in held):
            what = f"finds tensor {part.key!r} in {held[0].file} and in {part.file}"
            raise mismatch(recipe, what, "rename one of the two: the name must say which is meant")
        parts[part.name] = (*held, part)
    return Fitting(contents, recipe, opened, dict(sorted(parts.items())))


def _names_tensors_of(pattern: str, file: str) -> bool:
    named, colon, _ = pattern.partition(":")
    return bool(colon) and fnmatchcase(file, named)


def _parts(contents: Contents, opened: Mapping[str, Header]) -> Iterator[Part]:
    for key, place in contents.tensors.items():
        yield Part(key, place.entry.name, place.file, place.entry)
    for file, header in opened.items():
        for name, entry in header.entries.items():
            yield Part(f"{file}:{name}", f"{file}:{name}", file, entry)


def _refuse_unknown_numbers(contents: Contents, recipe: Recipe, patterns: list[str]) -> None:
    for pattern in patterns:
        for path in numbers_of(pattern):
            if number_in(contents.config, path) is None:
                what = f"{pattern}: {contents.config_file or 'the checkpoint'} has no whole number {path}"
                raise mismatch(recipe, what, "correct the path in the pattern, or the config")


@dataclass(slots=True)
class Accounts:
    """What each tensor or file of the checkpoint was claimed by."""

    fitting: Fitting
    kind: Literal["tensor", "file"]
    claims: dict[str, dict[str, str]] = field(init=False, default_factory=dict)
    names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        """Lists what must be claimed."""
        self.names = list(self.fitting.parts) if self.kind == "tensor" else self.fitting.loose_files

    def claim(self, pattern: str, by: str, sharing: str | None = None) -> list[str]:
        """The names that `pattern` matches, claimed.

        Args:
            by: what claims them, in words.
            sharing: claims that share this count as one; `by` if left out.
        """
        found = self.fitting.tensors(pattern) if self.kind == "tensor" else self.fitting.files(pattern)
        for name in found:
            self.claims.setdefault(name, {}).setdefault(sharing or by, by)
        return found

    def settle(self) -> None:
        """Nothing, if each name is claimed exactly once.

        Raises:
            RecipeMismatch: one is not.
        """
        for name, held in self.claims.items():
            if len(held) > 1:
                what = f"accounts for {self.kind} {name!r} more than once: {', '.join(held.values())}"
                raise self.fitting.mismatch(what, "make the patterns narrower, so that one of them names it")
        missed = [name for name in self.names if name not in self.claims]
        if missed:
            shown = ", ".join(repr(name) for name in missed[:3]) + (", …" if len(missed) > 3 else "")
            what = f"does not account for {len(missed)} {self.kind}{'s' if len(missed) > 1 else ''}: {shown}"
            raise self.fitting.mismatch(what, ACCOUNT)
