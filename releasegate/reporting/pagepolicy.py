"""The content security policy of a page, and that no template takes a page out of it."""

from __future__ import annotations

import base64
import hashlib
import re

from markupsafe import escape

from releasegate.errors import DocumentError, Problem

_HEAD = re.compile(
    r'\s*<!doctype html>\s*<html\b[^<>]*>\s*<head>\s*(?:<meta charset="utf-8">\s*)?'
    r'<meta http-equiv="Content-Security-Policy" content="(?P<policy>[^"]*)">',
    re.IGNORECASE,
)
"""How a page begins: nothing that a browser could act on stands before the policy."""
_STEERING = re.compile(
    r'<meta\b(?! charset="utf-8">| name="[a-z-]+" content="[^"<>]*">| http-equiv="Content-Security-Policy" content="[^"]*">)'
    r'|<link\b(?! rel="icon" href="data:,">)',
    re.IGNORECASE,
)
"""What can send a reader elsewhere, look a name up or fetch ahead, whatever the policy says."""


def content_policy(style: str, script: str) -> str:
    """The content security policy of a page whose only active parts are this stylesheet and this script.

    >>> content_policy("", "")[:62]
    "default-src 'none'; style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeu"
    """
    return (
        f"default-src 'none'; style-src 'sha256-{_hash(style)}'; script-src 'sha256-{_hash(script)}'; img-src data:; "
        "media-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def held(page: str, name: str, policy: str) -> str:
    """`page`, which begins with its policy and holds nothing that a policy does not reach.

    A template of a lab may say and show what it likes. A script, a style or a picture from elsewhere that it adds is
    blocked by the policy; what would go past it is refused here.

    Args:
        name: of the template, for the message.

    Raises:
        DocumentError: the policy is missing, another one, or not at the beginning; or the page sends its reader elsewhere.
    """
    begun = _HEAD.match(page)
    if begun is None or begun["policy"] != str(escape(policy)):
        what = "makes a page that does not begin with the content security policy of releasegate"
        raise DocumentError(
            [Problem(f"reports/{name}", what, 'let it extend "base.html", and leave its head as it is')]
        )
    if _STEERING.search(page):
        what = "makes a page with a <meta> or a <link> of its own, which can load or send elsewhere"
        raise DocumentError([Problem(f"reports/{name}", what, "remove it: a page loads nothing")])
    return page
