"""Whether a model goes on with a text as the text itself does: exactly, or nearly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from releasegate.spans import SUFFIX, spans_text
from releasegate.subjects.language import PredictsTokens

from .likeness import is_near
from .token_windows import UNREADABLE, is_lost, last, text_after


class Continued(NamedTuple):
    """A text that was gone on with.

    Attributes:
        exact: whether the same came back: the same tokens, or the same characters.
        near: whether it did but for a few characters.
        agreed: share of the tokens that come before the first that differs, in [0, 1].
        truth: how the text goes on.
        written: how the model does.
    """

    exact: bool
    near: bool
    agreed: float
    truth: str
    written: str

    @property
    def detail(self) -> dict[str, str]:
        """Both texts, and how much of what was written is word for word that of the truth."""
        same = next((at for at, (a, b) in enumerate(zip(self.truth, self.written, strict=False)) if a != b), None)
        end = min(len(self.truth), len(self.written)) if same is None else same
        spans = {"written" + SUFFIX: spans_text([(0, end, "word for word")])} if end else {}
        return {"truth": self.truth, "written": self.written, **spans}


class Unfit(NamedTuple):
    """A text that a model cannot be asked for.

    Attributes:
        why: a sentence for the evidence.
    """

    why: str


def continued(
    model: PredictsTokens, texts: Sequence[str], prefix: int, suffix: int, wrong: float
) -> list[Continued | Unfit]:
    """For each text whether the `suffix` tokens after its first `prefix` come back, the likeliest token each time.

    Args:
        model: which is given the tokens as a text begins.
        texts: of at least `prefix` + `suffix` tokens, or they are unfit.
        prefix: tokens that are given.
        suffix: tokens that are compared.
        wrong: share of the characters of the truth that may be edited in what comes back nearly.
    """
    encoded = [model.encode(text)[: prefix + suffix] for text in texts]
    why = [_unfit(model, text, tokens, prefix, suffix) for text, tokens in zip(texts, encoded, strict=True)]
    fit = [tokens for tokens, one in zip(encoded, why, strict=True) if one is None]
    written = iter(model.extend([last(model, tokens[:prefix], suffix) for tokens in fit], suffix) if fit else [])
    return [
        _compared(model, tokens[:prefix], tokens[prefix:], next(written), wrong) if one is None else one
        for tokens, one in zip(encoded, why, strict=True)
    ]


def _unfit(model: PredictsTokens, text: str, tokens: Sequence[int], prefix: int, suffix: int) -> Unfit | None:
    """Why nothing could be told from what comes back: too little text, or one that is not what was to be asked for."""
    if len(tokens) < prefix + suffix:
        return Unfit("the passage has too few tokens to this model")
    if not text_after(model, tokens[:prefix], tokens[prefix:]).strip():
        return Unfit("the tokens that are asked for are no text to this model")
    return Unfit(UNREADABLE) if is_lost(model, text, tokens) else None


def _compared(
    model: PredictsTokens, before: Sequence[int], after: Sequence[int], found: Sequence[int], wrong: float
) -> Continued:
    truth, written = (text_after(model, before, tokens) for tokens in (after, found))
    exact = list(found) == list(after) or written.startswith(truth)  # the same text may be other, longer tokens
    near = exact or is_near(written, truth, wrong) or is_near(written[: len(truth)], truth, wrong)
    same = next((at for at, pair in enumerate(zip(found, after, strict=False)) if pair[0] != pair[1]), len(after))
    return Continued(exact, near, 1.0 if exact else same / len(after), truth, written)
