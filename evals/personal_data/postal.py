"""Postal addresses: a house number and a street, with a town and a post code. Only the forms of the United States and Britain."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .found import Found

_STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Way|Terrace|Parkway|Pkwy|Highway|Hwy"
    r"|Circle|Cir|Square|Sq|Close|Crescent|Gardens|Grove|Hill|Row|Walk|Mews)\b\.?"
)
_STATE = r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])"
_WORDS = r"(?:[^\W\d_][\w'’.-]{0,20} ){1,4}"
_BEGINS = rf"(?<![\w-])(?P<house>[0-9]{{1,5}}[A-Za-z]?),? {_WORDS}?{_STREET}"
_BETWEEN = r"(?:[,\s]{1,4}(?:[^\W\d_]|(?:Apt|Suite|Unit|Floor|Flat|#)\.? ?#?[0-9])[\w'’. #-]{0,40}?){0,3}?[,\s]{1,4}"
_AMERICAN = re.compile(rf"{_BEGINS}{_BETWEEN}{_STATE},?\s{{1,2}}(?P<code>[0-9]{{5}})(?:-[0-9]{{4}})?(?![\w-])")
_BRITISH = re.compile(rf"{_BEGINS}{_BETWEEN}(?P<code>[A-Z]{{1,2}}[0-9][A-Z0-9]? [0-9][ABD-HJLNP-UW-Z]{{2}})(?!\w)")
_NOBODY = re.compile(
    r"^(?:123|1234|12345|1) (?:[NSEW]\. )?(?:Main|Elm|Example|Any|Your|Street|First)\b|Any ?town"
    r"|Springfield, USA|Your (?:City|Town|Street)",
    re.IGNORECASE,
)
_NO_CODES = frozenset(["00000", "12345", "11111", "99999", "54321", "AA11AA", "A11AA", "SW1A1AA"])


def postal_addresses(text: str) -> Iterator[Found]:
    """Full addresses; a street alone is none.

    >>> [found.placeholder for found in postal_addresses("17 Alder Lane, Columbus, OH 43215 or 123 Main St, Anytown, NY 12345")]
    [False, True]
    """
    for form in (_AMERICAN, _BRITISH):
        for match in form.finditer(text):
            code = match["code"].replace(" ", "")
            nobody = code in _NO_CODES or bool(_NOBODY.search(match.group()))
            yield Found("postal", match.start(), match.end(), " ".join(match.group().split()).casefold(), nobody)
