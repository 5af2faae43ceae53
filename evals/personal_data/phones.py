"""Telephone numbers: as the numbering plans have them, by the tables of phonenumbers (those of libphonenumber)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers
from phonenumbers import Leniency, PhoneNumber, PhoneNumberMatcher

from .found import Found, digits, is_dull

HOME = ("US", "GB")
"""Whose numbers are recognised without a code of the country and without a word that says what they are."""
NAMED = ("US", "GB", "IE", "DE", "FR", "ES", "IT", "PL", "SE", "IN", "KE", "AU")
"""Whose numbers are recognised after such a word."""
_WORD = re.compile(
    r"(?:phone|tel|telephone|telefono?|teléfono|téléphone|mobile|cell|fax"
    r"|call(?: me)?(?: at| on)?|whatsapp|text me(?: at| on)?|(?:phone|my) number(?: is)?)\b[^\n0-9]{0,24}$",
    re.IGNORECASE,
)
_FORM = re.compile(r"(?<![\w.,/:-])[+(]?[0-9(][0-9() ./-]{5,20}[0-9](?![\w/:-]|[.,][0-9])")
_AMERICAN = re.compile(
    r"(?<![\w.-])(?:\+?1[-. ]?)?(?:\([0-9]{3}\) ?|[0-9]{3}[-. ])[0-9]{3}[-. ][0-9]{4}(?![\w-]|\.[0-9])"
)
_LOCAL = re.compile(r"(?<![\w.,/()-])(?<!\d )555-[0-9]{4}(?![\w-])")
_DRAMA = re.compile(
    r"(?:2079460|161496|113496|114496|115496|116496|117496|118496|121496|131496|141496|151496|191498|1632960|7700900|8081570"
    r"|9098790|3069990|2890180)\d+"
)
"""National numbers that Ofcom sets aside for drama: no one has them."""


def phones(text: str) -> Iterator[Found]:
    """Telephone numbers, each place once.

    A number of the American form that the plan does not have is a placeholder, as is any with 555 after the area.

    >>> [(found.value, found.placeholder) for found in phones("+44 20 7183 8750, 212-736-5000, (212) 555-0143, 123-456-7890")]
    [('+442071838750', False), ('+12127365000', False), ('+12125550143', True), ('1234567890', True)]
    """
    taken: list[Found] = []
    for found in _candidates(text):
        if all(found.end <= other.start or other.end <= found.start for other in taken):
            taken.append(found)
            yield found


def _candidates(text: str) -> Iterator[Found]:
    for region in HOME:
        for match in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
            if not _is_part(text, match.start, match.end):
                yield _number(match.number, match.start, match.end)
    for place in _FORM.finditer(text):
        if len(digits(place.group())) > 7 and _WORD.search(text, max(0, place.start() - 48), place.start()):
            number = _anywhere(place.group())
            if number is not None:
                yield _number(number, place.start(), place.end())
    for place in (*_AMERICAN.finditer(text), *_LOCAL.finditer(text)):
        yield Found("phone", place.start(), place.end(), digits(place.group()), placeholder=True)


def _number(number: PhoneNumber, start: int, end: int) -> Found:
    national = phonenumbers.national_significant_number(number)
    american = number.country_code == 1 and national[3:6] == "555"
    british = number.country_code == 44 and bool(_DRAMA.match(national))
    value = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Found("phone", start, end, value, american or british or is_dull(national[-7:]))


def _anywhere(text: str) -> PhoneNumber | None:
    """The number that a text is in the first of the plans that have it."""
    for region in NAMED:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return number
    return None


def _is_part(text: str, start: int, end: int) -> bool:
    """Whether what looks like a number is a piece of something longer: a decimal, a code, a date and time."""
    before, after = text[max(0, start - 1) : start], text[end : end + 2]
    return bool(re.match(r"[\w.,/$€£#=-]", before)) or bool(re.match(r"[\w/-]|[.,:][0-9]", after))
