"""An inspection on the console. Whatever a checkpoint calls its parts, nothing of it reaches the terminal as a control."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from releasegate.inspection import Component, FileFound, Finding, Inspection, RecipeFit, Totals

MOST_FILES = 40
MOST_OF_A_KIND = 8
"""Findings of one kind and level that are shown."""
NAMES = 3
"""Names that are shown of one finding."""

_STYLES = {"problem": "bold red", "concern": "yellow", "note": "dim"}
_TURNING = frozenset(("R", "AL", "AN", "RLE", "LRE", "RLO", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI"))


def harmless(text: str, most: int = 160) -> str:
    """`text` on one line: what is not printable, stacks up, or turns the direction of writing stands as an escape.

    Args:
        most: characters after which it is cut.

    >>> harmless("a" + chr(27) + "[31m"), harmless("x" * 9, most=4)
    ('a\\\\x1b[31m', 'xxx…')
    """
    shown = "".join(_escaped(sign) for sign in text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _escaped(sign: str) -> str:
    if sign.isascii() and sign.isprintable():
        return sign
    turns = unicodedata.bidirectional(sign) in _TURNING or unicodedata.category(sign).startswith("M")
    return ascii(sign)[1:-1] if turns or not sign.isprintable() else sign


def print_inspection(console: Console, found: Inspection) -> None:
    """Nothing; what was found is on the console: what it is, its parts, its files, what to look at, recipes."""
    for line in _head(found):
        console.print(Text(line))
    if found.components:
        console.print()
        console.print(_components(found.components))
    console.print()
    console.print(_files(found.files))
    if found.tensors is not None:
        console.print()
        for tensor in found.tensors:
            line = f"{tensor.file}: {tensor.name}  {tensor.dtype} {list(tensor.shape)}  {tensor.size:,} bytes"
            console.print(Text(harmless(line, 2000)), soft_wrap=True)
    if found.findings:
        console.print()
        for text in _findings(found.findings):
            console.print(text, soft_wrap=True)
    if found.recipes:
        console.print()
        for fit in found.recipes:
            for line in _recipe(fit):
                console.print(Text(line), soft_wrap=True)


def _head(found: Inspection) -> Iterator[str]:
    layout = found.layout or f"unknown: {found.layout_unknown}"
    parts = [f"layout {harmless(layout)}"]
    parts += [harmless(name) for name in (found.config_file, found.index_file) if name]
    parts += ["tensor-parallel shards"] if found.parallel else []
    yield " · ".join(parts)
    yield f"{_counted(len(found.files), 'file')} of {decimal(found.size)}"
    for name, total in (("model", found.model), ("beside it", found.beside)):
        if total.tensors or name == "model":
            yield f"{name}: {_total(total)}"


def _total(total: Totals) -> str:
    dtypes = [f"{one.dtype} {decimal(one.size)}" for one in total.dtypes[:8]]
    more = f", and {len(total.dtypes) - 8} more dtypes" if len(total.dtypes) > 8 else ""
    kinds = f" ({harmless(', '.join(dtypes))}{more})" if dtypes else ""
    counts = f"{_counted(total.tensors, 'tensor')}, {_counted(total.parameters, 'parameter')}"
    return f"{counts}, {decimal(total.size)}{kinds}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in columns:
        table.add_column(title, justify="right" if title in right else "left", overflow="fold")
    return table


def _components(parts: Iterable[Component]) -> Table:
    numbers = ("layers", "tensors", "parameters", "size")
    table = _table("component", *numbers, "dtype", right=numbers)
    for part in parts:
        name = part.name if part.file is None else f"{part.file}: {part.name}"
        times = str(part.times) if "*" in part.name else ""
        cells = [harmless(name, 100), times, f"{part.tensors:,}", f"{part.parameters:,}", decimal(part.size)]
        table.add_row(*(Text(cell) for cell in [*cells, harmless(", ".join(part.dtypes), 40)]))
    return table


def _files(files: tuple[FileFound, ...]) -> Table:
    numbers = ("size", "on disk", "tensors")
    table = _table("file", "kind", *numbers, right=numbers)
    for file in sorted(files, key=lambda file: -file.size)[:MOST_FILES]:
        sparse = decimal(file.allocated) if file.allocated < file.size * 0.99 else ""
        tensors = "" if file.tensors is None else f"{file.tensors:,}"
        cells = (harmless(file.path, 100), file.kind.replace("_", " "), decimal(file.size), sparse, tensors)
        table.add_row(*map(Text, cells))
    if len(files) > MOST_FILES:
        table.add_row(Text(f"… and {len(files) - MOST_FILES:,} smaller files (--format json lists all)"))
    return table


def _findings(findings: Iterable[Finding]) -> Iterator[Text]:
    """What is said of several files in the same words is said once."""
    groups: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.level, finding.kind, finding.what, finding.fix), []).append(finding)
    shown: Counter[tuple[str, str]] = Counter()
    for (level, kind, _, _), group in groups.items():
        shown[level, kind] += 1
        if shown[level, kind] <= MOST_OF_A_KIND:
            yield _finding(group)
    for (level, kind), count in shown.items():
        if count > MOST_OF_A_KIND:
            more = f"{count - MOST_OF_A_KIND:,} more of the kind {kind.replace('_', ' ')} (--format json lists all)"
            yield Text(f"{level:<8}… and {more}", style=_STYLES[level])


def _finding(group: list[Finding]) -> Text:
    first = group[0]
    text = Text(f"{first.level:<8}", style=_STYLES[first.level])
    places = [one.where for one in group if one.where != "."]
    where = f"{_some(places, len(places), 200)}: " if places else ""
    text.append(f"{first.kind.replace('_', ' ')}: {where}{harmless(first.what, 400)}", style="default")
    names, count = [name for one in group for name in one.names], sum(one.count for one in group)
    if names:
        text.append(f": {_some(names, count, 120)}", style="default")
    elif first.count > 1:
        text.append(f" ({count:,})", style="default")
    text.append(f"\n          fix: {harmless(first.fix, 300)}", style="dim")
    return text


def _some(names: list[str], count: int, most: int) -> str:
    more = f", and {count - NAMES:,} more" if count > NAMES else ""
    return ", ".join(harmless(name, most) for name in names[:NAMES]) + more


def _recipe(fit: RecipeFit) -> Iterator[str]:
    if fit.fits:
        idle = ", and takes nothing away from this checkpoint" if fit.takes_nothing else ""
        yield f"recipe {fit.id}: accounts for every tensor and file by name{idle}"
        return
    yield f"recipe {fit.id}: does not fit"
    for label in fit.idle[:NAMES]:
        yield f"  matches nothing: {harmless(label)}"
    if fit.tensors or fit.files:
        names = ", ".join(harmless(name) for name in fit.unaccounted[:NAMES])
        more = ", …" if len(fit.unaccounted) > NAMES else ""
        yield f"  unaccounted for: {_counted(fit.tensors, 'tensor')}, {_counted(fit.files, 'file')}: {names}{more}"
    if fit.twice:
        yield f"  accounted for twice: {', '.join(harmless(name) for name in fit.twice[:NAMES])}"
