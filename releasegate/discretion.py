"""What may be said of a text that is not to be kept or shown: its digest, its length, and where in the code something failed.

Of a run whose policy says `samples: hashed`, every detail of a sample reads `sha256:… (57 bytes)`, and every reason of a
failure is one of the sentences below, which leave no room for a text.
"""

from __future__ import annotations

import re

from releasegate.records import digest_of_bytes

HASHED = r"sha256:[0-9a-f]{64} \((?:0|[1-9][0-9]{0,15}) bytes\)"
"""What stands for a text, as a regular expression."""
_HASHED = re.compile(HASHED)

UNSAID = "what it says is not kept"
YIELDED_NOTHING = "the harness yielded nothing for it"
YIELDED_STRANGER = "the harness yielded an item that it was not asked for or had yielded before"
YIELDED_METRICS = "the harness yielded other metrics than the item carries"
YIELDED_NO_NUMBER = "the harness yielded something that is no number"
YIELDED_OUTPUT = "the harness yielded an output that tools.write did not return"
OWN_WORDS = f"the harness failed it for a reason of its own; {UNSAID}"
DOES_NOT_LOAD = f"the subject does not load; {UNSAID}"
BROKEN_OFF = "a run was broken off in the middle of its shard"

_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,79}"
_PART = r"[A-Za-z0-9_.*:/@-]{1,200}"
_PLACE = r"[A-Za-z0-9_.<>-]{1,80}:[0-9]{1,9}"
_NUMBER = r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,3})?|-?inf|nan"
_CODE = r"(?: \([A-Za-z][\w.-]{0,59}\))?"
_NO_WORD = (
    rf"status [0-9]{{3}}{_CODE}|nothing within [0-9.e+]{{1,20}} s|the connection failed \({_NAME}\)"
    r"|not all of it within [0-9.e+]{1,20} s(?: and [0-9,]{1,20} bytes)?|half an answer: what came is no JSON object"
)
_SENTENCES = (
    *map(
        re.escape,
        (
            YIELDED_NOTHING, YIELDED_STRANGER, YIELDED_METRICS, YIELDED_NO_NUMBER, YIELDED_OUTPUT,
            OWN_WORDS, DOES_NOT_LOAD, BROKEN_OFF, "the model's scores are not all finite numbers",
            "the server's answer has not exactly one choice", "the server's answer does not say why it ends",
            "the server's answer has no text",
            "the server's answer has more tokens than were asked for, or a number of them that is none",
            "the prompt is empty, and the tokenizer has no token that begins a text", "an option has no token of its own",
            "the checkpoint's chat template does not take this chat",
            "the checkpoint's chat template leaves out some of this chat",
            "the tokenizer gives it a token that the model does not have",
            "not asked: the tokens that may be asked for in all are used up",
            "the prompt is no Unicode text: it has half of a surrogate pair",
        ),
    ),
    rf"(?:{_NAME}|an error)(?: at {_PLACE})?; {re.escape(UNSAID)}",
    rf"the harness yielded (?:{_NUMBER}) for {_PART}(?:, which must be (?:0 or 1|from (?:{_NUMBER}) to (?:{_NUMBER})))?",
    rf"{_PART} is gone, and the card says nothing of {_PART} without it",
    rf"{_PART} is not in the checkpoint, and was not lent",
    r"takes [0-9,]{1,20} tokens with what is to follow, and the model reads [0-9,]{1,20}",
    rf"no answer after [0-9]{{1,9}} attempts?: (?:{_NO_WORD})",
    rf"the server refused: status [0-9]{{3}}{_CODE}",
)  # fmt: skip
_SAID = re.compile("|".join(f"(?:{sentence})" for sentence in _SENTENCES))


def hashed(data: str | bytes) -> str:
    """What stays of a text or an output: the sha256 of its bytes, and how many there are. A text is taken as UTF-8.

    >>> hashed("Hello")
    'sha256:185f8db32271fe25f561a6fc938b2e264306ec304eda518007d1764826381969 (5 bytes)'
    """
    exact = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return described(digest_of_bytes(exact), len(exact))


def described(digest: str, size: int) -> str:
    """What stands for `size` bytes that have a digest, `sha256:…`."""
    return f"{digest} ({size} bytes)"


def is_hashed(text: str) -> bool:
    """Whether a detail is a digest with a length, and so no text.

    >>> is_hashed(hashed("Hello")), is_hashed("Hello")
    (True, False)
    """
    return _HASHED.fullmatch(text) is not None


def is_part(name: str) -> bool:
    """Whether the name of a part of a model is one word, as those of tensors and files are."""
    return re.fullmatch(_PART, name) is not None


def unsaid(kind: str, place: str = "") -> str:
    """What is said of an error in place of its own words.

    Args:
        kind: the name of its class.
        place: `file:line` where it was raised, if that is known.

    >>> unsaid("KeyError", "harness.py:31")
    'KeyError at harness.py:31; what it says is not kept'
    """
    named = kind if re.fullmatch(_NAME, kind) else "an error"
    at = f" at {place}" if re.fullmatch(_PLACE, place) else ""
    return f"{named}{at}; {UNSAID}"


def says_nothing(reason: str) -> bool:
    """Whether the reason of a failure is a sentence that has no room for a text.

    >>> says_nothing("no answer after 3 attempts: status 503"), says_nothing("cannot answer: Hello")
    (True, False)
    """
    return _SAID.fullmatch(reason) is not None
