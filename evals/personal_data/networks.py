"""Addresses on the network: e-mail, and internet protocol."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from .found import Found

_AT = r"(?:@|\s?[\[(]at[\])]\s?)"
_DOT = r"(?:\.|\s?[\[(]dot[\])]\s?)"
_EMAIL = re.compile(
    rf"(?<![\w.+-])(?P<local>[\w][\w.+-]{{0,63}}){_AT}(?P<domain>(?:[\w](?:[\w-]{{0,61}}\w)?{_DOT}){{1,8}}[^\W\d_]{{2,24}})(?![\w@-])",
    re.IGNORECASE,
)
_RESERVED = frozenset(["example", "test", "invalid", "localhost", "local"])
"""Top-level domains that nobody can have (RFC 2606, RFC 6762); example.com, .net and .org are reserved as well."""
_NO_SUFFIXES = "png jpg jpeg gif svg py js html htm txt csv pdf zip exe log json yaml xml"
_NO_SUFFIX = frozenset(_NO_SUFFIXES.split())
_STAND_INS = re.compile(
    r"your|my[._-]?(?:e?mail|name)|e?mail(?:address)?$|e-mail|(?:user|customer|client|person|name|someone|username|test(?:user)?"
    r"|first[._]?(?:name)?[._]?last(?:name)?|j(?:ohn|ane)?[._]?doe)\d{0,3}$",
    re.IGNORECASE,
)
_STAND_IN_DOMAINS = re.compile(
    r"(?:^|\.)(?:example|domain|yourdomain|yourcompany|mydomain|company|companyname|mycompany|email|test|placeholder)\.[a-z.]+$"
)

_V4 = re.compile(r"(?<![\w.-])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w-]|\.[0-9])")
_V6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_VERSION = re.compile(
    r"(?:\bv|version|release|revision|build|section|chapter|firmware|driver|==|>=|~=)[\s:=.]*$", re.IGNORECASE
)
_KNOWN = frozenset(
    map(
        ipaddress.ip_address,
        ["1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "1.2.3.4", "2.3.4.5", "4.3.2.1", "5.6.7.8"],
    )
)
"""Public name servers, and digits in a row."""


def emails(text: str) -> Iterator[Found]:
    """E-mail addresses, also with (at) and (dot) in brackets.

    >>> [(found.value, found.placeholder) for found in emails("ann@larch.ie, x@example.com; b.cole [at] larch [dot] ie")]
    [('ann@larch.ie', False), ('x@example.com', True), ('b.cole@larch.ie', False)]
    """
    for match in _EMAIL.finditer(text):
        local = match["local"].lower()
        domain = re.sub(_DOT, ".", match["domain"], flags=re.IGNORECASE).lower()
        last = domain.rpartition(".")[2]
        if last in _NO_SUFFIX or ".." in local or local.endswith("."):
            continue
        nobody = last in _RESERVED or bool(_STAND_INS.match(local)) or bool(_STAND_IN_DOMAINS.search(domain))
        yield Found("email", match.start(), match.end(), f"{local}@{domain}", nobody)


def internet_addresses(text: str) -> Iterator[Found]:
    """Addresses of either protocol; those of private networks, of documentation and of public name servers are nobody's.

    >>> [(found.value, found.placeholder) for found in internet_addresses("81.2.69.160 10.0.0.1 version 4.2.0.1 2001:db8::7")]
    [('81.2.69.160', False), ('10.0.0.1', True), ('2001:db8::7', True)]
    """
    for form in (_V4, _V6):
        for match in form.finditer(text):
            address = _address(match.group())
            if address is not None and not _VERSION.search(text, max(0, match.start() - 24), match.start()):
                nobody = not address.is_global or address.is_multicast or address in _KNOWN
                yield Found("ip", match.start(), match.end(), address.compressed, nobody)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if ":" in text and (len(text) < 6 or not re.search(r"[0-9A-Fa-f]{3}|::", text)):
        return None  # a time of day, or colons of a sentence
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
