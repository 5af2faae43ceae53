"""JSON data as RFC 8785 writes it, byte by byte. Pure.

The package `rfc8785` walks every value in Python. What most documents hold is written by the encoder of Python's own library
in the very same way, eight times as fast; whatever might differ is left to the package.
"""

from __future__ import annotations

import json
from typing import Any

import rfc8785

_LARGEST = 10**15
"""Below it a number without a fraction is written in digits by both, and a whole float as if it were an integer."""
_SMALLEST = 1e-4
"""Down to it a float is written without an exponent by both."""


class _Otherwise(Exception):
    """A value that the two may write differently."""


def canonical(data: Any) -> bytes:
    """The RFC 8785 form of JSON data.

    Raises:
        rfc8785.CanonicalizationError: it is no JSON data, or a number has no such form.

    >>> canonical({"b": 1.0, "a": [True, None, 0.5, "ü"]}).decode()
    '{"a":[true,null,0.5,"ü"],"b":1}'
    """
    try:
        return _ENCODER.encode(_plain(data)).encode()
    except (_Otherwise, RecursionError, UnicodeEncodeError):
        return rfc8785.dumps(data)


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, sort_keys=True, separators=(",", ":")
)


def _plain(data: Any) -> Any:
    """The data with whole floats as integers."""
    kind = type(data)
    if kind is str or kind is bool or data is None:
        return data
    if kind is dict:
        for key in data:
            if type(key) is not str or not key.isascii():  # others are sorted by UTF-16
                raise _Otherwise
        return {key: _plain(value) for key, value in data.items()}
    if kind is list or kind is tuple:
        return [_plain(value) for value in data]
    if kind is int and -_LARGEST < data < _LARGEST:
        return data
    if kind is float:
        return _number(data)
    raise _Otherwise


def _number(value: float) -> float | int:
    size = abs(value)
    if size < _LARGEST:  # not so of NaN
        if value.is_integer():
            return int(value)
        if size >= _SMALLEST:
            return value
    raise _Otherwise
