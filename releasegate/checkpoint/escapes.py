"""Ways out of a chat template's sandbox, found on the template as it is parsed: dunder names, `attr`, other templates."""

from __future__ import annotations

import re
from collections.abc import Iterator

from jinja2 import TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

_DUNDER = re.compile(r"__\w+__")
_FRAMES = re.compile(r"^(?:gi|cr|ag|tb|f)_(?:frame|code|globals|builtins|locals|back)$|^(?:mro|func_globals|im_func)$")
_OTHERS = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
_TEXT = ("format", "join", "replace", "reverse", "lower", "upper", "string", "safe")
"""Filters that make a text, and so a name."""
_APPLIES = ("map", "select", "reject")
"""Filters that apply another one, which they name by text."""
_HELPERS = ("lipsum", "cycler", "joiner")
"""Functions that Jinja gives every template, through which its globals were reached."""


class Generation(Extension):
    """`{% generation %}` marks what an assistant wrote, and changes nothing of the text."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """The statements inside, as they are."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def escapes(template: str) -> list[tuple[int, str]]:
    """The line of each way out of the sandbox, and what it is; a template that cannot be parsed cannot be run, and has none.

    >>> escapes("{{ messages[0].__class__ }}"), escapes("{{ messages[0]['role'] }}")
    ([(1, 'asks for __class__')], [])
    """
    environment = ImmutableSandboxedEnvironment(extensions=[Generation, loopcontrols])
    try:
        tree = environment.parse(template)
    except (TemplateSyntaxError, RecursionError):
        return []
    found = [(node.lineno, what) for node in tree.find_all(nodes.Node) for what in _of(node)]
    return list(dict.fromkeys(sorted(found)))


def _of(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, _OTHERS):
        yield "brings in another template"
    elif isinstance(node, nodes.Getattr):
        yield from _name(node.attr)
    elif isinstance(node, nodes.Name):
        yield from (f"uses {node.name}",) if node.name in _HELPERS else _name(node.name)
    elif isinstance(node, nodes.Getitem):
        yield from _item(node.arg)
    elif isinstance(node, nodes.Filter) and node.name == "attr":
        yield "uses the filter attr, which names attributes by text"
    elif isinstance(node, nodes.Filter | nodes.Call):
        yield from _attribute(node)
    elif isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield from (f"holds the name {name}" for name in _DUNDER.findall(node.value))


def _name(name: str) -> Iterator[str]:
    if name.startswith("__") or _FRAMES.match(name):
        yield f"asks for {name[:80]}"


def _item(index: nodes.Node) -> Iterator[str]:
    """An index that is a text, or is put together: Jinja looks for an attribute of that name where there is no such item."""
    if not isinstance(index, nodes.Expr):
        return
    try:
        value = index.as_const()
    except (nodes.Impossible, ArithmeticError, TypeError, ValueError):
        if isinstance(index, nodes.Concat) or (isinstance(index, nodes.Filter) and index.name in _TEXT):
            yield "puts the name of an item together of pieces"
        return
    if isinstance(value, str):
        yield from _name(value)


def _attribute(node: nodes.Filter | nodes.Call) -> Iterator[str]:
    """`map(attribute=…)` and its like: a name that is no plain text."""
    first = node.args[0] if node.args else None
    if (
        isinstance(node, nodes.Filter)
        and node.name in _APPLIES
        and isinstance(first, nodes.Const)
        and first.value == "attr"
    ):
        yield "uses the filter attr, which names attributes by text"
    for given in node.kwargs:
        if given.key == "attribute":
            value = given.value
            if not isinstance(value, nodes.Const):
                yield "names an attribute that it works out"
            elif isinstance(value.value, str):
                yield from (what for part in value.value.split(".") for what in _name(part))
