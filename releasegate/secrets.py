"""Secrets and personal data in texts: what they look like, and how they are shown, which is never in full. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Sort = Literal["secret", "personal"]


@dataclass(frozen=True, slots=True)
class Spotted:
    """Something in a text.

    Attributes:
        sort: a secret, or personal data.
        what: in words.
        masked: how it may be shown.
        at: where in the text it begins, in characters.
    """

    sort: Sort
    what: str
    masked: str
    at: int


@dataclass(frozen=True, slots=True)
class _Pattern:
    sort: Sort
    what: str
    marks: tuple[str, ...]
    """One of these stands in every text that matches, so that most texts are passed over at the speed of a search."""
    expression: re.Pattern[str]


def _secret(what: str, marks: Sequence[str], expression: str) -> _Pattern:
    return _Pattern("secret", what, tuple(marks), re.compile(expression))


_B, _E = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
_D = r"(?<![A-Za-z0-9_-])"
"""Before what may hold dashes itself: so that no text makes a search begin anew at each of its parts."""

_PATTERNS = (
    _secret("an access token of Hugging Face", ["hf_"], _B + r"hf_[A-Za-z0-9]{30,}" + _E),
    _secret("an access token of Hugging Face", ["api_org_"], _B + r"api_org_[A-Za-z0-9]{30,}" + _E),
    _secret(
        "an access token of GitHub",
        ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        _B + r"(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
    ),
    _secret("an access token of GitLab", ["glpat-"], _D + r"glpat-[A-Za-z0-9_-]{20,}"),
    _secret("an API key", ["sk-"], _D + r"sk-(?:proj-|ant-|or-|svcacct-)?[A-Za-z0-9_-]{0,200}[A-Za-z0-9]{20,}"),
    _secret("an API key of Stripe", ["sk_live_", "rk_live_"], _B + r"[sr]k_live_[A-Za-z0-9]{16,}"),
    _secret("an access key of AWS", ["AKIA", "ASIA"], _B + r"(?:AKIA|ASIA)[A-Z0-9]{16}" + _E),
    _secret("an API key of Google", ["AIza"], _D + r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _secret("an access token of Google", ["ya29."], _D + r"ya29\.[A-Za-z0-9_-]{20,}"),
    _secret("a token of Slack", ["xox"], _D + r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _secret("a webhook of Slack", ["hooks.slack.com"], r"hooks\.slack\.com/services/[A-Za-z0-9/]{20,}"),
    _secret("a token of PyPI", ["pypi-AgE"], _D + r"pypi-AgE[A-Za-z0-9_-]{20,}"),
    _secret("a token of npm", ["npm_"], _B + r"npm_[A-Za-z0-9]{36}" + _E),
    _secret("a token of Docker", ["dckr_pat_"], _D + r"dckr_pat_[A-Za-z0-9_-]{20,}"),
    _secret("a key of Replicate", ["r8_"], _B + r"r8_[A-Za-z0-9]{30,}" + _E),
    _secret("a key of an Azure storage account", ["AccountKey="], r"AccountKey=[A-Za-z0-9+/=]{40,}"),
    _secret("a signed link", ["X-Amz-Signature=", "sig="], r"[?&](?:X-Amz-Signature|sig)=[A-Za-z0-9%+/=]{20,}"),
    _secret("a JSON web token", ["eyJ"], _D + r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    _secret("a private key", ["PRIVATE KEY"], r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"),
    _secret("a bearer token", ["earer "], r"[Bb]earer [A-Za-z0-9._~+/-]{20,200}"),
    _secret(
        "a key of Weights & Biases", ["WANDB_API_KEY", "wandb"], r"(?i:wandb[_.-]?api[_.-]?key)\W{1,5}[0-9a-f]{40}" + _E
    ),
    _secret(
        "a link with a password in it",
        ["://"],
        r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@\"'<>{}]{1,100}:[^\s/@\"'<>{}]{1,200}@",
    ),
    _Pattern(
        "personal",
        "a path in somebody's home",
        ("/home/", "/Users/", "/root/", "\\Users\\", "/scratch/", "/checkpoint/", "/fsx", "/lustre", "/gpfs", "~/"),
        re.compile(
            r"(?<![\w.:/-])(?:/[\w.-]+){0,3}/(?:home|Users|root|scratch|checkpoint|fsx[\w-]*|lustre|gpfs)/[\w.-]+(?:/[\w.@+-]+){0,12}"
            r"|[A-Za-z]:(?:\\{1,2}|/)Users(?:\\{1,2}|/)[\w. -]+|(?<![\w/])~/[\w./-]+"
        ),
    ),
    _Pattern(
        "personal",
        "an e-mail address",
        ("@",),
        re.compile(
            r"(?<![A-Za-z0-9._%+/@-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,60}@[A-Za-z0-9-]{1,60}(?:\.[A-Za-z0-9-]{1,60}){0,4}\.[A-Za-z]{2,10}"
        ),
    ),
)
_PLACEHOLDERS = re.compile(
    r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net)|localhost|users\.noreply\.github\.com)$|^(?:git|noreply|no-reply)@",
    re.IGNORECASE,
)

HIDDEN = "[hidden]"
"""What stands in a log or a message where a credential stood."""
SHORTEST = 6
"""Characters of a value that is hidden; what is shorter stands in too many words."""
_SECRET_NAMES = re.compile(
    r"(?i)(?:token|secret|passw(?:or)?d|passphrase|credentials?|api_?key|access_?key|private_?key|auth)(?:_|$)"
)

SECRET_KEYS = re.compile(
    r"(?:.*_)?(?:password|passwd|passphrase|api_?key|secret(?:_?key|_?access_?key)?|access_?token|auth_?token|hf_?token|hub_token"
    r"|push_to_hub_token|use_auth_token|client_?secret|private_?key|authorization|credentials?|wandb_key)",
    re.IGNORECASE,
)
"""Names of keys whose value is a secret, whatever it looks like."""
NAME_KEYS = re.compile(r"(?:.*_)?(?:user_?name|user|login|host_?name|owner_?name|created_by|trained_by)", re.IGNORECASE)
"""Names of keys whose value names somebody, or somebody's machine."""


def spot(text: str, *, personal: bool = True) -> Iterator[Spotted]:
    """The secrets and personal data in `text`.

    Args:
        personal: whether to look for personal data too; in a vocabulary, pieces of words look like it.

    >>> [found.masked for found in spot("token: hf_" + "a" * 34)]
    ['hf_a… (37 characters)']
    >>> [found.masked for found in spot("by ada.l@lab.org at /home/ada/run7")]
    ['/home/a…/run7', 'a…@lab.org']
    """
    for pattern in _PATTERNS:
        if (pattern.sort == "personal" and not personal) or not any(mark in text for mark in pattern.marks):
            continue
        for found in pattern.expression.finditer(text):
            whole = found.group()
            if "@" in whole and pattern.what == "an e-mail address" and _PLACEHOLDERS.search(whole):
                continue
            yield Spotted(pattern.sort, pattern.what, mask(whole, pattern.what), found.start())


def credentials(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values in an environment whose names say that they are secret, the longest first.

    >>> credentials({"HF_TOKEN": "hf_abcdefgh", "HOME": "/home/ada", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG"})
    ('wJalrXUtnFEMI/K7MDENG', 'hf_abcdefgh')
    """
    found = {value.strip() for name, value in environment.items() if _SECRET_NAMES.search(name)}
    return tuple(sorted((value for value in found if len(value) >= SHORTEST), key=lambda value: (-len(value), value)))


def hide(text: str, values: Iterable[str] = ()) -> str:
    """`text` without credentials: neither these values nor anything that looks like one.

    Args:
        values: what `credentials` found, the longest first.

    >>> hide("401 for https://ada:hunter2@hub.example/x with Bearer 0123456789abcdefghij", ["hunter2"])
    '401 for [hidden]hub.example/x with [hidden]'
    """
    for pattern in _PATTERNS:
        if pattern.sort == "secret" and any(mark in text for mark in pattern.marks):
            text = pattern.expression.sub(HIDDEN, text)
    for value in values:
        text = text.replace(value, HIDDEN)
    return text


def mask(whole: str, what: str) -> str:
    """How a secret may be shown: enough to find it again, and not to use it."""
    if what == "an e-mail address":
        return f"{whole[0]}…@{whole.partition('@')[2]}"
    if what == "a path in somebody's home":
        return _masked_path(whole)
    if what == "a link with a password in it":
        return f"{whole.partition('://')[0]}://…@"
    if what == "a private key":
        return whole
    return f"{whole[:4] if len(whole) >= 20 else ''}… ({len(whole)} characters)"


def _masked_path(path: str) -> str:
    """The path with the name of its owner cut to one letter.

    >>> _masked_path("/home/ada/runs"), _masked_path("~/runs"), _masked_path("/root/x")
    ('/home/a…/runs', '~/runs', '/root/x')
    """
    steps = re.split(r"(\\\\?|/)", path)
    homes = ("home", "Users", "scratch", "checkpoint", "lustre", "gpfs")
    for at, step in enumerate(steps[:-2]):
        if step in homes or step.startswith("fsx"):
            steps[at + 2] = f"{steps[at + 2][:1]}…"
            break
    return "".join(steps)
