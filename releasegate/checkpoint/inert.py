"""A pickle read into inert parts: what it would make, described and never made.

Nothing is imported, looked up or called, whatever the pickle says: a class or function stays a name, a call stays a
`Made` with its name and arguments, a dictionary stays a list of pairs (so that nothing is hashed). For small pickles of
known classes, such as the metadata of a distributed checkpoint, which torch's unpickler for weights cannot read (they
are pickled by protocol 4).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from releasegate.checkpoint.opcodes import AGAIN, mapped, refuse_name, walk
from releasegate.errors import PickledError

MAX_OPCODES = 3_000_000
"""Opcodes of one pickle: some 50,000 chunks of tensors."""


@dataclass(frozen=True, slots=True)
class Named:
    """A class or function, by its full name."""

    name: str


@dataclass(slots=True, eq=False)
class Made:
    """What a call would make: the full name of the class or function, its arguments, and the state set afterwards."""

    name: str
    arguments: Any
    state: Any = None


class Pairs(list[tuple[Any, Any]]):
    """What would be a dictionary: its keys and values, in order, a key perhaps more than once."""

    __slots__ = ()


def read_inert(data: bytes, allowed: Collection[str], where: str) -> Any:
    """What the pickle `data` describes: texts, numbers, tuples, lists, `Pairs`, `Named` and `Made`.

    Args:
        data: the pickle, as a whole.
        allowed: full names of the classes and functions that it may name.
        where: named in errors.

    Raises:
        PickledError: it names something else, is cut off or malformed, or uses an opcode that is not known here.

    >>> read_inert(b"\\x80\\x02ccollections\\nOrderedDict\\nK\\x01\\x85R.", {"collections.OrderedDict"}, "a")
    Made(name='collections.OrderedDict', arguments=(1,), state=None)
    """
    machine = _Machine(allowed, where)
    for name, argument in walk(data, MAX_OPCODES, where):
        if name == "STOP":
            break
        step = _STEPS.get(name)
        if step is None:
            what = f"has a pickle with the opcode {name or 'unknown'}, which its writer does not use"
            raise PickledError(where, what, AGAIN)
        try:
            step(machine, argument)
        except (IndexError, KeyError, ValueError, struct.error, _Malformed):
            raise PickledError(where, f"has a malformed pickle, at the opcode {name}", AGAIN) from None
    if len(machine.stack) != 1 or machine.marks:
        raise PickledError(where, "has a malformed pickle, which leaves more than one thing or none", AGAIN)
    return machine.stack[0]


class _Malformed(Exception):
    pass


class _Machine:
    def __init__(self, allowed: Collection[str], where: str) -> None:
        self.allowed = allowed
        self.where = where
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def push(self, item: Any) -> None:
        self.stack.append(item)

    def pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise _Malformed
        found = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return found

    def pop_mark(self) -> list[Any]:
        found, self.stack = self.stack, self.marks.pop()
        return found

    def mark(self, _: bytes) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def name(self, full: str) -> None:
        refuse_name(full, self.allowed, {}, (), self.where)
        self.push(Named(full))

    def stack_name(self, _: bytes) -> None:
        module, name = self.pop(2)
        if type(module) is not str or type(name) is not str:
            raise _Malformed
        self.name(f"{module}.{name}")

    def call(self, _: bytes) -> None:
        what, arguments = self.pop(2)
        if type(what) is not Named:
            raise _Malformed
        self.push(Made(what.name, arguments))

    def build(self, _: bytes) -> None:
        (state,) = self.pop(1)
        made = self.stack[-1]
        if type(made) is not Made or made.state is not None:
            raise _Malformed
        made.state = state

    def append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise _Malformed
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not Pairs or len(items) % 2:
            raise _Malformed
        self.stack[-1].extend(zip(items[::2], items[1::2], strict=True))


def _number(form: str) -> Callable[[_Machine, bytes], None]:
    return lambda machine, argument: machine.push(struct.unpack(form, argument)[0])


def _text(machine: _Machine, argument: bytes) -> None:
    machine.push(argument.decode("utf-8"))


_STEPS: Mapping[str, Callable[[_Machine, bytes], None]] = {
    "PROTO": lambda machine, argument: None,
    "FRAME": lambda machine, argument: None,
    "MARK": _Machine.mark,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "BININT": _number("<i"),
    "BININT1": _number("<B"),
    "BININT2": _number("<H"),
    "BINFLOAT": _number(">d"),
    "LONG1": lambda machine, argument: machine.push(int.from_bytes(argument, "little", signed=True)),
    **dict.fromkeys(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), _text),
    **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES"), lambda machine, argument: machine.push(argument)),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.pop(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.pop(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.pop(3))),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_mark())),
    **dict.fromkeys(("EMPTY_LIST", "EMPTY_SET"), lambda machine, _: machine.push([])),
    "FROZENSET": lambda machine, _: machine.push(machine.pop_mark()),
    "EMPTY_DICT": lambda machine, _: machine.push(Pairs()),
    "APPEND": lambda machine, _: machine.append(machine.pop(1)),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda machine, _: machine.append(machine.pop_mark())),
    "SETITEM": lambda machine, _: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_mark()),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    "BINPUT": lambda machine, argument: machine.remember(argument[0]),
    "LONG_BINPUT": lambda machine, argument: machine.remember(int.from_bytes(argument, "little")),
    "BINGET": lambda machine, argument: machine.push(machine.memo[argument[0]]),
    "LONG_BINGET": lambda machine, argument: machine.push(machine.memo[int.from_bytes(argument, "little")]),
    "GLOBAL": lambda machine, argument: machine.name(mapped(argument)),
    "STACK_GLOBAL": _Machine.stack_name,
    **dict.fromkeys(("NEWOBJ", "REDUCE"), _Machine.call),
    "BUILD": _Machine.build,
}
"""What each opcode does to the stack."""
