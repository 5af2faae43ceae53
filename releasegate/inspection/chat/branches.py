"""A chat template by its code: where it asks what a message says, beyond whether it says anything and of what type it is.

What stands in a message is followed through assignments, loops, filters and macros. A loop over messages, their roles and
types, tools and marks such as `</think>` are no questions about what a message says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum

from jinja2 import nodes

from releasegate.inspection.chat.frames import MARKER
from releasegate.inspection.chat.jinja import environment


class Holds(IntEnum):
    """What an expression holds; of two, the greater counts."""

    PLAIN = 0
    TIME = 1
    LIST = 2
    """Messages."""
    MESSAGE = 3
    CONTENT = 4
    """What a message says, or what follows from it."""


_SAYS = frozenset({"content", "text", "prompt", "value", "parts", "input", "query"})
_NO_SPEECH = frozenset({
    "role", "type", "name", "tool_calls", "tool_call_id", "tool_call", "function", "image", "image_url", "audio", "video", "id",
    "reasoning_content", "reasoning", "thinking", "thought", "tool_plan", "tools", "citations", "documents", "train", "weight",
    "tool_responses", "plan", "recipient", "channel", "mask", "prefix", "custom_tools", "function_call", "images", "audio_url",
    "cache_control", "eot", "end_turn", "date", "model", "tool_name", "status", "task",
})  # fmt: skip
_SAME = frozenset(
    {"trim", "string", "safe", "e", "escape", "forceescape", "list", "default", "d", "indent", "tojson", "join"}
)
"""Filters that hand on what they are given."""
_TRIMS = frozenset({"strip", "lstrip", "rstrip"})
_SPLITS = frozenset(
    {"split", "rsplit", "partition", "rpartition", "startswith", "endswith", "removeprefix", "removesuffix", "replace"}
)
"""Methods that ask for their argument, which must be a mark."""
_ASKS = frozenset({"get", "index", "count", "pop", "find", "rfind", "__contains__", "__getitem__"})
_TYPES = frozenset({
    "defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "boolean", "integer", "float",
    "callable",
    "true", "false",
})  # fmt: skip
_ROUNDS = 12
"""Passes over a template until no name holds more than before."""
Doubted = tuple[int, str]
"""Line and what is asked there."""


def branches_on_content(template: str) -> list[Doubted]:
    """Lines of a template in which it goes by what a message says, with what it does there.

    Raises:
        TemplateSyntaxError: it is no template.
    """
    reader = _Reader()
    parsed = environment().parse(template)
    for _ in range(_ROUNDS):
        before = dict(reader.held)
        reader.found = {}
        reader.statements(parsed.body)
        if reader.held == before:
            break
    return sorted(reader.found.items())


class _Reader:
    """Follows what names hold, and notes what is asked of a message."""

    def __init__(self) -> None:
        self.held: dict[str, Holds] = {"messages": Holds.LIST, "conversation": Holds.LIST, "message": Holds.MESSAGE}
        self.macros: dict[str, nodes.Macro] = {}
        self.found: dict[int, str] = {}
        self._inside: list[Holds] = []

    def _doubt(self, node: nodes.Node, what: str) -> Holds:
        self.found.setdefault(node.lineno, what)
        return Holds.CONTENT

    def _hold(self, name: str, holds: Holds) -> None:
        self.held[name] = max(holds, self.held.get(name, Holds.PLAIN))

    # Statements.

    def statements(self, body: Iterable[nodes.Node]) -> Holds:
        """Read statements; return the greatest of what they put out."""
        return max((self._statement(node) for node in body), default=Holds.PLAIN)

    def _statement(self, node: nodes.Node) -> Holds:
        match node:
            case nodes.Output():
                return self._greatest(node.nodes)
            case nodes.If():
                self._kind(node.test)
                return max(self.statements(some) for some in (node.body, node.elif_, node.else_))
            case nodes.For():
                return self._loop(node)
            case nodes.Assign():
                self._assign(node.target, self._counted(node, self._kind(node.node)))
            case nodes.AssignBlock():
                holds = self.statements(node.body)
                if node.filter is not None and holds > Holds.LIST and node.filter.name not in _SAME:
                    self._doubt(node, f"changes what a message says by `{node.filter.name}`")
                self._assign(node.target, holds)
            case nodes.FilterBlock():
                holds = self.statements(node.body)
                if holds > Holds.LIST and node.filter.name not in _SAME:
                    self._doubt(node, f"changes what a message says by `{node.filter.name}`")
                return holds
            case nodes.Macro():
                self.macros[node.name] = node
                holds = self.statements(node.body)
                self._hold(f"{node.name}()", holds)
            case nodes.CallBlock():
                self._kind(node.call)
                return self.statements(node.body)
            case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
                self._doubt(node, "takes in another template")
            case nodes.Scope() | nodes.With() | nodes.Block() | nodes.ScopedEvalContextModifier():
                for name, value in zip(getattr(node, "targets", ()), getattr(node, "values", ()), strict=True):
                    self._assign(name, self._kind(value))
                return self.statements(node.body)
            case nodes.ExprStmt():
                self._kind(node.node)
            case _:
                return self._greatest(node.iter_child_nodes(), statement=True)
        return Holds.PLAIN

    def _loop(self, node: nodes.For) -> Holds:
        over = self._kind(node.iter)
        each = {Holds.LIST: Holds.MESSAGE, Holds.CONTENT: Holds.MESSAGE, Holds.MESSAGE: Holds.CONTENT}.get(
            over, Holds.PLAIN
        )
        self._assign(node.target, each)
        if node.test is not None:
            self._kind(node.test)
        self._inside.append(over)
        holds = self.statements(node.body)
        self._inside.pop()
        return max(holds, self.statements(node.else_))

    def _counted(self, node: nodes.Assign, holds: Holds) -> Holds:
        """What counts steps through what a message says follows from it."""
        counts = isinstance(node.node, nodes.Add | nodes.Sub | nodes.Mul)
        return Holds.CONTENT if counts and Holds.CONTENT in self._inside and not self._joins(node.node) else holds

    def _joins(self, node: nodes.Node) -> bool:
        """Whether a sum is of lists or texts."""
        return any(
            isinstance(one, nodes.List | nodes.TemplateData)
            or (isinstance(one, nodes.Const) and isinstance(one.value, str))
            for one in node.iter_child_nodes()
        )

    def _assign(self, target: nodes.Node, holds: Holds) -> None:
        match target:
            case nodes.Name():
                self._hold(target.name, holds)
            case nodes.NSRef():
                self._hold(f"{target.name}.{target.attr}", holds)
            case nodes.Tuple():
                for one in target.items:
                    self._assign(one, holds)

    # Expressions.

    def _greatest(self, some: Iterable[nodes.Node], *, statement: bool = False) -> Holds:
        kinds = [
            self._kind(one) if isinstance(one, nodes.Expr) else self._statement(one)
            for one in some
            if statement or isinstance(one, nodes.Expr)
        ]
        return max(kinds, default=Holds.PLAIN)

    def _kind(self, node: nodes.Node | None) -> Holds:
        """What an expression holds; what it asks is noted."""
        match node:
            case None | nodes.Const() | nodes.TemplateData():
                return Holds.PLAIN
            case nodes.Name():
                return self.held.get(node.name, Holds.PLAIN)
            case nodes.Getattr():
                return self._part(node, node.node, node.attr)
            case nodes.Getitem():
                return self._item(node)
            case nodes.Call():
                return self._call(node)
            case nodes.Filter():
                return self._filter(node)
            case nodes.Test():
                return self._test(node)
            case nodes.Compare():
                return self._compare(node)
            case nodes.CondExpr():
                self._kind(node.test)
                return max(self._kind(node.expr1), self._kind(node.expr2))
            case nodes.Not():
                self._kind(node.node)
                return Holds.PLAIN
            case nodes.List() | nodes.Tuple():
                inside = self._greatest(node.items)
                return Holds.LIST if inside == Holds.MESSAGE else inside
            case nodes.Dict():
                inside = max((self._kind(pair.value) for pair in node.items), default=Holds.PLAIN)
                return Holds.MESSAGE if inside == Holds.CONTENT else inside
            case _:
                return self._greatest(node.iter_child_nodes())

    def _part(self, node: nodes.Node, of: nodes.Node, name: object) -> Holds:
        """`of.name`."""
        if isinstance(of, nodes.Name) and f"{of.name}.{name}" in self.held:
            return self.held[f"{of.name}.{name}"]
        if isinstance(of, nodes.Name) and of.name == "loop" and Holds.CONTENT in self._inside[-1:]:
            return Holds.CONTENT if str(name).startswith(("index", "rev", "length")) else Holds.PLAIN
        holds = self._kind(of)
        if holds == Holds.LIST:
            return Holds.MESSAGE
        if holds in (Holds.MESSAGE, Holds.CONTENT):
            return Holds.PLAIN if name in _NO_SPEECH else Holds.CONTENT
        return holds

    def _item(self, node: nodes.Getitem) -> Holds:
        argument = node.arg
        if self._kind(argument) >= Holds.MESSAGE:
            return self._doubt(node, "looks something up by what a message says")
        holds = self._kind(node.node)
        if isinstance(argument, nodes.Slice):
            return self._doubt(node, "cuts what a message says") if holds == Holds.CONTENT else holds
        if holds == Holds.LIST:
            return Holds.MESSAGE
        if isinstance(argument, nodes.Const) and isinstance(argument.value, str):
            return self._part(node, node.node, argument.value)
        return holds

    def _call(self, node: nodes.Call) -> Holds:
        given = [*node.args, *(pair.value for pair in node.kwargs)]
        kinds = [self._kind(one) for one in given]
        greatest = max(kinds, default=Holds.PLAIN)
        called = node.node
        if isinstance(called, nodes.Getattr):
            return self._method(node, called, greatest)
        if not isinstance(called, nodes.Name):
            return max(greatest, self._kind(called))
        if called.name == "strftime_now":
            return Holds.TIME
        if called.name == "namespace":
            return Holds.PLAIN if self._namespace(node) else greatest
        macro = self.macros.get(called.name)
        if macro is None:
            return greatest
        for name, holds in zip((arg.name for arg in macro.args), kinds, strict=False):
            self._hold(name, holds)
        for pair in node.kwargs:
            self._hold(pair.key, self._kind(pair.value))
        return max(self.held.get(f"{called.name}()", Holds.PLAIN), Holds.PLAIN)

    def _namespace(self, node: nodes.Call) -> bool:
        """Note what the parts of a namespace hold, whatever it will be called."""
        for pair in node.kwargs:
            holds = self._kind(pair.value)
            if holds > Holds.PLAIN:
                self._hold(f"ns.{pair.key}", holds)
        return True

    def _method(self, node: nodes.Call, called: nodes.Getattr, given: Holds) -> Holds:
        holds, name = self._kind(called.node), called.attr
        if holds in (Holds.PLAIN, Holds.TIME):
            if given >= Holds.MESSAGE and name in _ASKS | _SPLITS:
                return self._doubt(node, f"asks by `{name}` for what a message says")
            return Holds.CONTENT if given == Holds.CONTENT else max(holds, given)
        if name == "get" and holds == Holds.MESSAGE:
            key = node.args[0] if node.args else None
            return self._part(node, called.node, key.value) if isinstance(key, nodes.Const) else Holds.CONTENT
        if holds != Holds.CONTENT:
            return Holds.CONTENT if name in ("items", "values") else holds
        if name in _TRIMS or name in ("items", "keys", "values", "append"):
            return Holds.CONTENT
        if name in _SPLITS and node.args and all(_is_mark(one) for one in node.args):
            return Holds.PLAIN if name.endswith("with") else Holds.CONTENT
        return self._doubt(node, f"asks by `{name}` what a message says")

    def _filter(self, node: nodes.Filter) -> Holds:
        holds, name = self._kind(node.node), node.name
        given = self._greatest([*node.args, *(pair.value for pair in node.kwargs)])
        if holds <= Holds.TIME:
            if given >= Holds.MESSAGE and name not in _SAME:
                return self._doubt(node, f"asks by `{name}` for what a message says")
            return max(holds, given)
        if holds == Holds.LIST:
            return self._of_list(node)
        if holds == Holds.MESSAGE:
            return Holds.PLAIN if name in ("length", "count") else Holds.CONTENT
        if name in _SAME or name in ("length", "count", "first", "last"):
            return Holds.CONTENT
        if name == "replace" and node.args and all(_is_mark(one) for one in node.args):
            return Holds.CONTENT
        if name in ("selectattr", "rejectattr", "map") and _names_a_type(node):
            return Holds.CONTENT if name != "map" else Holds.PLAIN
        return self._doubt(node, f"asks by `{name}` what a message says")

    def _of_list(self, node: nodes.Filter) -> Holds:
        named = [
            one.value for one in (*node.args, *(pair.value for pair in node.kwargs)) if isinstance(one, nodes.Const)
        ]
        if node.name in ("selectattr", "rejectattr", "groupby", "sort", "unique") and _SAYS & {
            str(one) for one in named[:1]
        }:
            types = _TYPES & {str(one) for one in named[1:2]} or (len(named) == 1 and node.name.endswith("attr"))
            return Holds.LIST if types else self._doubt(node, f"picks messages by `{node.name}` for what they say")
        if node.name == "map":
            return Holds.CONTENT if _SAYS & {str(one) for one in named} else Holds.PLAIN
        if node.name in ("first", "last", "random"):
            return Holds.MESSAGE
        if node.name in ("length", "count"):
            return Holds.PLAIN
        return Holds.CONTENT if node.name in ("join", "tojson", "string") else Holds.LIST

    def _test(self, node: nodes.Test) -> Holds:
        holds = self._kind(node.node)
        given = self._greatest(node.args)
        if max(holds, given) == Holds.CONTENT and node.name not in _TYPES:
            self._doubt(node, f"tests by `is {node.name}` what a message says")
        return Holds.PLAIN

    def _compare(self, node: nodes.Compare) -> Holds:
        sides = [node.expr, *(one.expr for one in node.ops)]
        kinds = [self._kind(one) for one in sides]
        if Holds.TIME in kinds:
            self._doubt(node, "goes by the day")
        texts = any(isinstance(one, nodes.Const) and isinstance(one.value, str) and one.value for one in sides)
        member = node.ops[0].op in ("in", "notin") and kinds[0] == Holds.PLAIN
        item = Holds.MESSAGE in kinds and texts and not member
        if (Holds.CONTENT in kinds or item) and not _is_harmless(node, sides, kinds):
            self._doubt(node, "compares what a message says")
        return Holds.PLAIN


def _is_harmless(node: nodes.Compare, sides: list[nodes.Expr], kinds: list[Holds]) -> bool:
    """Whether a comparison asks only whether something is said, or for a mark in it."""
    others = [one for one, holds in zip(sides, kinds, strict=True) if holds < Holds.MESSAGE]
    if len(others) != len(sides) - 1:
        return False
    said = sides[1] if others[0] is sides[0] else sides[0]
    if node.ops[0].op in ("in", "notin"):
        return others[0] is sides[0] and _is_mark(others[0])
    if isinstance(said, nodes.Filter) and said.name in ("length", "count"):
        return isinstance(others[0], nodes.Const) and (
            others[0].value == 0 or (others[0].value == 1 and node.ops[0].op in ("gteq", "lt"))
        )
    if isinstance(others[0], nodes.List | nodes.Dict):
        return not others[0].items
    return isinstance(others[0], nodes.Const) and others[0].value in (None, "", True, False)


def _is_mark(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and (
        node.value in ("", "\n", 1) or (isinstance(node.value, str) and MARKER.fullmatch(node.value) is not None)
    )


def _names_a_type(node: nodes.Filter) -> bool:
    """Whether parts of a message are picked by what they are."""
    named = [one.value for one in (*node.args, *(pair.value for pair in node.kwargs)) if isinstance(one, nodes.Const)]
    return bool(named) and named[0] in _NO_SPEECH


def told(found: Iterable[Doubted]) -> Iterator[str]:
    """The lines in words."""
    yield from (f"in line {line}, it {what}" for line, what in found)
