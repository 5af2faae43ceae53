"""Numbers that nobody means: each is refused by `check`, or planned for; none ends in a bug."""

from __future__ import annotations

import re

import pytest

from releasegate.__main__ import run
from tests.tiny_repository import Tiny

STATED = (
    ("channel: open_weights}", "channel: open_weights, alpha: 0.05, attempts: 7, max_age_days: 80, max_failed: 0.02}"),
    ("at_most: 0.20}\n    otherwise", "at_most: 0.20, n_max: 90, assume: 0.1}\n    otherwise"),
    ("at_most: 0.20}\n    keep", "at_most: 0.20, sequential: true, n_max: 90, assume: 0.1}\n    keep"),
)
NUMBER = re.compile(r"(?<=: )\d[\d.]*(?=[,}])")
EXTREME = ("5.0e-324", "1.0e-300", "1.0e-9", "1.0e+300", ".inf", "-.inf", ".nan", "-1", "0", "1" * 400, "10000000")


@pytest.mark.slow
def test_an_extreme_number_anywhere_in_a_policy_is_refused_or_planned_for(
    made: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    for old, new in STATED:
        made.change(made.policy, old, new)
    for ledger in (made.root / "policies" / "ledger").iterdir():
        ledger.unlink()
    text = made.policy.read_text()
    places = list(NUMBER.finditer(text))
    assert len(places) == 11
    codes = set()
    for place in places:
        for extreme in EXTREME:
            made.policy.write_text(text[: place.start()] + extreme + text[place.end() :])
            checked = run(["check", str(made.policy)])
            planned = run(["plan", str(made.policy), "--model", str(made.checkpoint), "--quiet"])
            said = capsys.readouterr().err
            assert "a bug in releasegate" not in said, (place.string[place.start() - 20 : place.start()], extreme, said)
            assert checked == planned, (place.string[place.start() - 20 : place.start()], extreme, said)
            codes.add(checked)
    assert codes == {0, 2}
