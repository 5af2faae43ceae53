"""A pickle looked through, opcode by opcode, without being unpickled.

A pickle is a program. What it may name is decided here by a list of classes and functions that are known to be
harmless, never by a list of those that are known to be bad. The opcodes that may stand in it are those that
`torch.load(weights_only=True)` executes; what they do with what they are given is the business of the child process
that runs them.
"""

from __future__ import annotations

import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import deque
from collections.abc import Collection, Iterator, Mapping

from releasegate.errors import PickledError

MAX_OPCODES = 4_000_000
"""Opcodes of one pickle: some 70,000 tensors take as many."""

AGAIN = "fetch or export the file again"
SAVE = "load the file where it can be trusted, and save tensors and plain values alone with `torch.save`"

_EXECUTED = frozenset(
    [
        *("PROTO", "STOP", "GLOBAL", "REDUCE", "BUILD", "NEWOBJ", "BINPERSID", "MARK", "NONE", "NEWTRUE", "NEWFALSE"),
        *("EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("APPEND", "APPENDS", "SETITEM", "SETITEMS", "BININT", "BININT1", "BININT2", "BINFLOAT", "LONG1"),
        *("BINUNICODE", "SHORT_BINSTRING", "BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT"),
    ]
)
"""Names of the opcodes that torch's unpickler for weights knows."""
_PREFIX: Mapping[int, int] = {-2: 1, -3: 4, -4: 4, -5: 8}
"""Bytes of the length that stands before an argument, by pickletools' number for its kind."""
_TEXTS = frozenset(["BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "SHORT_BINSTRING", "BINSTRING"])
_KINDS = {ord(op.code): (op.name, op.arg.n if op.arg else 0) for op in pickletools.opcodes}
_QUICK = tuple(
    1 + _KINDS[code][1] if code in _KINDS and _KINDS[code][0] in _EXECUTED - {"STOP"} and _KINDS[code][1] >= 0 else 0
    for code in range(256)
)
"""Bytes of each opcode with its argument, where nothing else is to be done about it; else 0."""


class _CutOff(Exception):
    pass


def refuse_code(data: bytes, allowed: Collection[str], unfit: Mapping[str, str], where: str) -> int:
    """The number of opcodes of the pickle `data`, if it names nothing that is not allowed.

    Args:
        data: the pickle, as a whole.
        allowed: full names of the classes and functions that it may name.
        unfit: full names that are harmless and still refused, each with what it stands for.
        where: named in errors.

    Raises:
        PickledError: it names anything else, uses an opcode that torch's unpickler for weights does not know, is too
            long or cut off, or has bytes after its end.

    >>> refuse_code(b"\\x80\\x02ccollections\\nOrderedDict\\n)R.", {"collections.OrderedDict"}, {}, "a.pth")
    5
    """
    refused: int | None = None
    texts: deque[str] = deque(maxlen=2)
    at = count = 0
    try:
        while count < MAX_OPCODES:
            code = data[at] if at < len(data) else _cut_off()
            count += 1
            if step := _QUICK[code]:
                at += step
                continue
            if code == ord("."):
                break
            name, _ = _KINDS.get(code, ("", 0))
            if refused is None and name not in _EXECUTED:
                refused = code  # and on: a name that is found later says more
            argument, at = _argument(data, at)
            if name in _TEXTS:
                texts.append(argument.decode("utf-8", "replace"))
            elif name in ("GLOBAL", "INST"):
                refuse_name(mapped(argument), allowed, unfit, texts, where)
            elif name == "STACK_GLOBAL":
                refuse_name(".".join(texts), allowed, unfit, texts, where)
        else:
            raise _too_long(MAX_OPCODES, where)
    except _CutOff:
        if refused is None:
            raise PickledError(where, "has a pickle that is cut off", AGAIN) from None
    if refused is not None:
        raise _refused_opcode(refused, where)
    _refuse_rest(data, at + 1, where)
    return count


def _cut_off() -> int:
    raise _CutOff


def _argument(data: bytes, at: int) -> tuple[bytes, int]:
    """The argument of the opcode at `at`, without its length, and where the next opcode begins."""
    name, kind = _KINDS.get(data[at], ("", 0))
    begin = at + 1
    if kind == -1:
        lines = 2 if name in ("GLOBAL", "INST") else 1
        end = begin
        for _ in range(lines):
            end = data.find(b"\n", end) + 1
            if not end:
                _cut_off()
        return data[begin : end - 1], end
    if kind < 0:
        size = int.from_bytes(data[begin : begin + _PREFIX[kind]], "little")
        begin += _PREFIX[kind]
    else:
        size = kind
    if begin + size > len(data):
        _cut_off()
    return data[begin : begin + size], begin + size


def mapped(argument: bytes) -> str:
    """The full name that the argument of a GLOBAL means in Python 3, as torch's unpickler reads it.

    >>> mapped(b"__builtin__\\nset"), mapped(b"posix\\nsystem")
    ('builtins.set', 'posix.system')
    """
    module, _, name = argument.decode("utf-8", "replace").partition("\n")
    if (module, name) in NAME_MAPPING:
        module, name = NAME_MAPPING[module, name]
    else:
        module = IMPORT_MAPPING.get(module, module)
    return f"{module}.{name}"


def refuse_name(
    name: str, allowed: Collection[str], unfit: Mapping[str, str], texts: Collection[str], where: str
) -> None:
    """Nothing, if the class or function `name` is allowed.

    Args:
        texts: what was read last before it; the last of them tells near which tensor it stands.

    Raises:
        PickledError: it is not.
    """
    if name in unfit:
        near = f", near {_shown([*texts][-1])}" if texts else ""
        raise PickledError(where, f"holds {unfit[name]} ({name}){near}", SAVE)
    if name not in allowed:
        raise PickledError(where, f"holds code: {_shown(name, quoted=False)}", SAVE)


def walk(data: bytes, limit: int, where: str) -> Iterator[tuple[str, bytes]]:
    """Every opcode of the pickle `data`, at most `limit`, with its argument; STOP is the last, an unknown one "".

    Raises:
        PickledError: it is cut off or too long, or has bytes after its end.
    """
    at = 0
    for _ in range(limit):
        try:
            code = data[at] if at < len(data) else _cut_off()
            argument, at = _argument(data, at)
        except _CutOff:
            raise PickledError(where, "has a pickle that is cut off", AGAIN) from None
        if code == ord("."):
            _refuse_rest(data, at, where)
            yield "STOP", b""
            return
        yield _KINDS.get(code, ("", 0))[0], argument
    raise _too_long(limit, where)


def _too_long(limit: int, where: str) -> PickledError:
    what = f"has a pickle of more than {limit:,} opcodes"
    return PickledError(where, what, "save tensors and names alone, in several files if need be")


def _refuse_rest(data: bytes, end: int, where: str) -> None:
    if end != len(data):
        what = f"has {len(data) - end:,} bytes after the end of its pickle"
        raise PickledError(where, what, "bytes outside tensors can hide weights: " + SAVE)


def _shown(text: str, *, quoted: bool = True) -> str:
    shown = ascii(text) if quoted else ascii(text)[1:-1]
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _refused_opcode(code: int, where: str) -> PickledError:
    name, _ = _KINDS.get(code, ("", 0))
    if name in ("FRAME", "MEMOIZE", "SHORT_BINUNICODE", "STACK_GLOBAL"):
        what = "is pickled by protocol 4 or later; torch reads protocol 2 alone where no code may run"
    elif name in ("EXT1", "EXT2", "EXT4"):
        what = f"names a class or function by a number ({name}), so that nobody can tell what it is"
    else:
        shown = name or f"0x{code:02x}"
        what = f"has a pickle with the opcode {shown}, which torch does not execute where no code may run"
    return PickledError(where, what, SAVE)
