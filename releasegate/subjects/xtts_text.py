"""Words as the text tokens that XTTS was trained on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tokenizers import Tokenizer

from releasegate.errors import CheckpointError
from releasegate.subjects import NoClone

BEGIN, END, SPACE, UNKNOWN = "[START]", "[STOP]", "[SPACE]", "[UNK]"
TRANSLITERATED = ("zh", "ja", "ko")
"""Languages that the library writes in Latin letters first, with packages of their own."""
_SPELT_OUT = re.compile(r"[\d&@%#$£€°]")
"""What the library writes as words first, by rules for each language."""


class Words:
    """The tokenizer of a checkpoint, and the languages that it knows."""

    def __init__(self, tokenizer: Tokenizer, languages: Sequence[str], rows: int, most: int) -> None:
        """The tokens of `vocab.json`.

        Args:
            languages: that the configuration lists.
            rows: text tokens that the model has.
            most: tokens of one text, with those that begin and end it.

        Raises:
            CheckpointError: the tokenizer lacks what begins or ends a text, or has more tokens than the model.
        """
        self._tokenizer = tokenizer
        self._languages = {language.split("-")[0]: language for language in languages}
        self._most = most
        known = tokenizer.get_vocab()
        lacking = [name for name in (BEGIN, END, SPACE) if name not in known]
        if lacking:
            raise CheckpointError("vocab.json", f"has no {lacking[0]}", "give the vocab.json of the checkpoint")
        if max(known.values()) >= rows:
            what = f"has token {max(known.values())}, and the model knows {rows}"
            raise CheckpointError("vocab.json", what, "give the vocab.json of the checkpoint")
        self._begin, self._end, self._unknown = known[BEGIN], known[END], known.get(UNKNOWN)

    def tokens(self, text: str, language: str) -> list[int] | NoClone:
        """The tokens of a text, with those that begin and end it, or why the model cannot be asked to say it.

        In place of spelling numbers and signs out, as the library does, this refuses them: another reading of them would be a
        word that was not asked for.
        """
        short = language.split("-")[0]
        if short in TRANSLITERATED or short not in self._languages:
            return NoClone(f"the checkpoint is not asked to speak {language!a}: it lists {', '.join(self._languages)}")
        said = " ".join(text.replace('"', "").lower().split())
        sign = _SPELT_OUT.search(said)
        if sign or not said:
            return NoClone(f"the text has {sign[0]!a}, to be written as a word" if sign else "there is no text")
        tag = f"[{self._languages[short]}]"
        ids: list[int] = self._tokenizer.encode(f"{tag}{said}".replace(" ", SPACE)).ids
        if self._tokenizer.token_to_id(tag) is None or (self._unknown is not None and self._unknown in ids):
            return NoClone(f"the tokenizer does not know all of {tag} {said[:60]!a}")
        if len(ids) + 2 > self._most:
            return NoClone(f"the text has {len(ids)} tokens, and the model takes {self._most - 2}")
        return [self._begin, *ids, self._end]
