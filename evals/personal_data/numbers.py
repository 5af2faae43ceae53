"""Numbers of accounts, cards and people, told from other numbers by their check digits.

A number that has the form and fails its check is none. The check digits are python-stdnum's; the sample numbers are those that
banks, card schemes and offices print in their own documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from stdnum import iban, luhn
from stdnum.br import cpf
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.pl import pesel
from stdnum.se import personnummer
from stdnum.us import ssn

from .found import Found, digits, is_dull

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![0-9.,-])[2-6](?:[ -]?[0-9]){12,18}(?![0-9]|[.,-][0-9])")
_CARD_BEGINS = re.compile(
    r"4|5[1-5]|2(22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[47]|3(0[0-5]|[68])|6(011|4[4-9]|5)|35(2[89]|[3-8])"
)
_CARD_LENGTHS = {"4": (13, 16, 19), "5": (16,), "2": (16,), "3": (14, 15, 16), "6": (16, 19)}

_SAMPLE_ACCOUNTS = """
    GB82WEST12345698765432 GB29NWBK60161331926819 GB33BUKB20201555555555 DE89370400440532013000 DE91100000000123456789
    FR1420041010050500013M02606 FR7630006000011234567890189 ES9121000418450200051332 IT60X0542811101000000123456
    NL91ABNA0417164300 CH9300762011623852957 IE29AIBK93115212345678 PL61109010140000071219812874 BE68539007547034
    AT611904300234573201 SE4550000000058398257466 NO9386011117947 DK5000400440116243 PT50000201231234567890154
"""
_SAMPLE_CARDS = """
    4111111111111111 4012888888881881 4222222222222 4242424242424242 4000056655665556 5555555555554444 5105105105105100
    2223003122003222 5200828282828210 378282246310005 371449635398431 378734493671000 6011111111111117 6011000990139424
    30569309025904 38520000023237 3530111333300000 3566002020360505
"""
_SAMPLE_PEOPLE = """
    078051120 219099999 123456789 111111111 457555462 12345678Z 00000000T RSSMRA80A01H501U 44051401359 131052308T
"""
SAMPLES = {
    "bank": frozenset(_SAMPLE_ACCOUNTS.split()),
    "card": frozenset(_SAMPLE_CARDS.split()),
    "national_id": frozenset(_SAMPLE_PEOPLE.split()),
}

_PEOPLE: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = (
    (re.compile(r"(?<![\w-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![\w-])"), ssn.is_valid),
    (re.compile(r"(?<!\w)[0-9]{8}-?[A-HJ-NP-TV-Z](?!\w)"), dni.is_valid),
    (re.compile(r"(?<!\w)[XYZ]-?[0-9]{7}-?[A-HJ-NP-TV-Z](?!\w)"), nie.is_valid),
    (re.compile(r"(?<!\w)[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z](?!\w)"), codicefiscale.is_valid),
    (
        re.compile(r"(?<![\w-])[12] ?[0-9]{2} ?[0-9]{2} ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}(?![\w-])"),
        nir.is_valid,
    ),
    (re.compile(r"(?<![\w+-])[0-9]{11}(?![\w-])"), pesel.is_valid),
    (re.compile(r"(?<![\w-])[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}(?![\w-])"), cpf.is_valid),
    (re.compile(r"(?<![\w-])[0-9]{6}[-+A][0-9]{3}[0-9A-FHJ-NPR-Y](?!\w)"), hetu.is_valid),
    (re.compile(r"(?<![\w-])(?:[0-9]{2})?[0-9]{6}[-+][0-9]{4}(?![\w-])"), personnummer.is_valid),
    (re.compile(r"(?<![\w-])[2-9][0-9]{3} [0-9]{4} [0-9]{4}(?![\w-]| [0-9])"), aadhaar.is_valid),
)
"""United States, Spain (two), Italy, France, Poland, Brazil, Finland, Sweden, India."""
_INSURANCE = re.compile(r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?(?:[0-9]{2} ?){3}[A-D](?!\w)")
_NEVER_BEGIN = frozenset(["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"])


def accounts(text: str) -> Iterator[Found]:
    """Bank accounts: IBANs whose check digits and length are right.

    >>> [(found.value, found.placeholder) for found in accounts("pay to GB82 WEST 1234 5698 7654 32 please")]
    [('GB82WEST12345698765432', True)]
    """
    for match in _IBAN.finditer(text):
        value = _longest_account(match.group())
        if value is not None:
            yield Found(
                "bank", match.start(), match.start() + len(value), _plain(value), _plain(value) in SAMPLES["bank"]
            )


def _longest_account(text: str) -> str | None:
    """The longest beginning of a text that is an account: a word in capitals may follow one."""
    return next(
        (text[:end] for end in range(len(text), 14, -1) if text[end - 1].isalnum() and iban.is_valid(text[:end])), None
    )


def cards(text: str) -> Iterator[Found]:
    """Payment cards: 13 to 19 digits that begin as a scheme's do and pass Luhn's check.

    >>> [(found.value, found.placeholder) for found in cards("4111 1111 1111 1111, 4111 1111 1111 1112")]
    [('4111111111111111', True)]
    """
    for match in _CARD.finditer(text):
        value = digits(match.group())
        if _CARD_BEGINS.match(value) and len(value) in _CARD_LENGTHS[value[0]] and luhn.is_valid(value):
            yield Found("card", match.start(), match.end(), value, value in SAMPLES["card"] or len(set(value[:-1])) < 3)


def national_ids(text: str) -> Iterator[Found]:
    """Numbers that a state gives a person, of ten states; where there is no check digit (US, GB), of a strict form.

    >>> [found.value for found in national_ids("number 78051501239; SSN 536-90-4399")]
    ['536904399']
    """
    for form, is_valid in _PEOPLE:
        for match in form.finditer(text):
            if is_valid(match.group()):
                yield _person(match)
    for match in _INSURANCE.finditer(text):
        if match.group()[:2] not in _NEVER_BEGIN:
            yield _person(match)


def _person(match: re.Match[str]) -> Found:
    value = _plain(match.group())
    nobody = value in SAMPLES["national_id"] or is_dull(digits(value)) or value.startswith(("QQ", "98765432"))
    return Found("national_id", match.start(), match.end(), value, nobody)


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)
