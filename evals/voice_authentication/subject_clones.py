"""Clones by the model under test, made in batches that the items alone decide, and remembered as long as it lives."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..cloning import Request, clones
from ..watermark_marking import made_by


class SubjectClones:
    """The clones of one model.

    Args:
        subject: it.
        batch: clones that it is asked for at once.
    """

    def __init__(self, subject: object, batch: int) -> None:
        self._subject = subject
        self._batch = batch
        self._made = made_by(subject)

    def make(self, group: Sequence[Request]) -> None:
        """Makes a whole group, unless it was made before: so each clone is made in the same company in every run."""
        if any(_key(request) not in self._made for request in group):
            found = clones(self._subject, group, self._batch)
            self._made.update({_key(request): one for request, one in zip(group, found, strict=True)})

    def of(self, request: Request) -> Tensor | str:
        """The clone, float32 [t] at 16 kHz in [-1, 1]; or why there is none.

        Raises:
            KeyError: its group was not made.
        """
        return self._made[_key(request)]


def _key(request: Request) -> tuple[str, Request]:
    return "clone", request
