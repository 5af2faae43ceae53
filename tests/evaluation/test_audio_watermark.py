"""The audio watermark eval, through the gate: what releases, what never does, and that nothing but the clips matters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from releasegate.evaluation.importing import import_file
from releasegate.evaluation.tools import Tools
from releasegate.evidence import Failed, Measured, Reading
from releasegate.gate import gate
from releasegate.repository import GateRepository
from tests.remembered_sound import remember_dnsmos
from tests.spread_spectrum import SpreadSpectrum
from tests.tiny_gates import finding
from tests.tiny_repository import Silent
from tests.watermark_gate import SPEAKERS, WatermarkGate

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("soundfile", "av", "pesq", "pystoi", "speechmos")),
    reason="the packages of the extra `audio` are not installed",
)
TOP = Path(__file__).parents[2]
PLACE = "RELEASEGATE_SPEECH"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_report: None) -> Callable[..., WatermarkGate]:
    remember_dnsmos(monkeypatch)

    def make(name: str = "gates", **given: Any) -> WatermarkGate:
        monkeypatch.setenv(PLACE, str(tmp_path / name))
        return WatermarkGate(tmp_path / name, **given)

    return make


def scores(of: WatermarkGate, out: str = "run") -> list[Measured | Failed]:
    run = of.run(out)
    plan = run.read_plan()
    return [s for m in plan.measurements for s in run.evidence.samples(plan, m)]


def test_a_mark_that_is_found_is_released(made: Callable[..., WatermarkGate]) -> None:
    of = made()
    decision = gate(of.call(), Silent())
    assert decision.verdict == "release"
    found = finding(decision, "found")
    assert {tuple(sorted(s.labels.items())) for s in found.slices} == {
        (("attack", attack), ("speaker", speaker)) for attack in ("none", "white_noise_30dB") for speaker in SPEAKERS
    }
    assert [s.labels["attack"] for s in found.outside] == ["polarity"] * 2
    assert all(s.estimate.hits == 0 for s in found.outside), "its correlation turns negative"
    assert not any(isinstance(s, Failed) for s in scores(of))


@pytest.mark.parametrize("says", ["0", "1", "0.5", "chance", "nan", "inf", "-1", "2", "alone 1", "alone 0.5"])
def test_a_detector_that_does_not_detect_is_never_released(made: Callable[..., WatermarkGate], says: str) -> None:
    decision = gate(made(says=says).call(), Silent())
    assert decision.verdict in ("withhold", "incomplete")


def test_no_clip_stands_in_two_splits(made: Callable[..., WatermarkGate]) -> None:
    """A threshold that was chosen on the clips it is judged on would look better than it is."""
    of = made()
    gate(of.call(), Silent())
    used: dict[str, set[str]] = {}
    plan = of.run().read_plan()
    for m in plan.measurements:
        used[m.role] = {s.detail["clip"] for s in of.run().evidence.samples(plan, m) if isinstance(s, Measured)}
    assert used["gate"]
    assert used["calibration"]
    assert not used["gate"] & used["calibration"]


class Killed(Exception):
    pass


class Impatient(Silent):
    """Kills the run after some shards."""

    def __init__(self, after: int) -> None:
        self.left = after

    @contextmanager
    def step(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        def advance(done: int) -> None:
            self.left -= 1
            if self.left < 0:
                raise Killed

        yield advance


def test_a_run_that_was_killed_comes_to_the_same_evidence(made: Callable[..., WatermarkGate]) -> None:
    of = made()
    whole = gate(of.call("whole"), Silent())
    for after in (2, 1, 3):
        with pytest.raises(Killed):
            gate(of.call("resumed", ledger=_fresh(of)), Impatient(after))
    resumed = gate(of.call("resumed", ledger=_fresh(of)), Silent())
    assert resumed.evidence == whole.evidence
    assert resumed.verdict == whole.verdict


def _fresh(of: WatermarkGate) -> Path:
    """A ledger of the same family that counts another attempt as its first."""
    from releasegate.repository import LedgerFile

    path = of.root.parent / "other.jsonl"
    if not path.exists():
        LedgerFile(path).init("marked")
    return path


def _measured(of: WatermarkGate, order: str, batch: int = 16) -> dict[int, Reading | Failed]:
    """What the harness yields for the gate's items, in one call or in several, in some order."""
    harness: Any = import_file(of.root / "evals" / "audio_watermark" / "harness.py")
    folder = GateRepository(of.root).read_eval("audio_watermark")
    params = {**folder.card.params, "n": folder.card.items.n, "batch": batch}
    made = harness.items(params, np.random.default_rng(5))
    items = [replace(item, number=n, seed=77 + n) for n, item in enumerate(made)]
    tools = Tools(params, torch.device("cpu"), {}, lambda data, ext: f"{len(data):064x}.{ext}")
    if order == "backwards":
        items = items[::-1]
    parts = [[item] for item in items] if order == "alone" else [items]
    return {r.item: r for part in parts for r in harness.measure(SpreadSpectrum(), part, tools)}


@pytest.mark.parametrize(("order", "batch"), [("backwards", 16), ("alone", 16), ("together", 1), ("together", 3)])
def test_batches_and_order_change_nothing(made: Callable[..., WatermarkGate], order: str, batch: int) -> None:
    of = made()
    expected = _measured(of, "together")
    found = _measured(of, order, batch)
    assert found.keys() == expected.keys()
    for number, reading in expected.items():
        assert isinstance(reading, Reading), reading
        other = found[number]
        assert isinstance(other, Reading)
        assert other.values == pytest.approx(reading.values, abs=1e-4)


def test_clips_of_several_lengths_are_detected_as_if_alone(made: Callable[..., WatermarkGate]) -> None:
    of = made()
    of._suite([{"attack": "none"}, {"attack": "crop", "strengths": [100, 500]}, {"attack": "pad", "strengths": [250]}])
    together, alone = _measured(of, "together"), _measured(of, "alone")
    for number, reading in together.items():
        other = alone[number]
        assert isinstance(reading, Reading)
        assert isinstance(other, Reading)
        assert other.values == pytest.approx(reading.values, abs=1e-4)


def test_an_attack_that_leaves_silence_has_removed_no_mark(
    made: Callable[..., WatermarkGate], monkeypatch: pytest.MonkeyPatch
) -> None:
    from releasegate.attacks import levelling

    silent = replace(levelling.ATTACKS["polarity"], apply=lambda given, strength: given.audio * 1e-5)
    monkeypatch.setitem(levelling.ATTACKS, "polarity", silent)  # type: ignore[index]
    of = made()
    silenced = [r for r in _measured(of, "together").values() if isinstance(r, Failed)]
    assert len(silenced) == 2 * 2 * 2
    assert {r.error for r in silenced} == {"the attack left no sound: that a mark is not found in silence says nothing"}


def test_an_attack_that_cannot_be_carried_out_fails_its_own_items_alone(
    made: Callable[..., WatermarkGate], monkeypatch: pytest.MonkeyPatch
) -> None:
    from releasegate.attacks import levelling
    from releasegate.errors import UsageError

    def refuse(given: object, strength: float) -> torch.Tensor:
        raise UsageError("attack polarity", "cannot", "do not")

    monkeypatch.setitem(levelling.ATTACKS, "polarity", replace(levelling.ATTACKS["polarity"], apply=refuse))  # type: ignore[index]
    of = made()
    kinds = Counter(type(r).__name__ for r in _measured(of, "together").values())
    assert kinds["Failed"] == 2 * 2 * 2
    assert kinds["Reading"] > 60


@pytest.mark.parametrize("eval_id", ["audio_watermark", "audio_watermark_sampled"])
def test_the_shipped_cards_count_their_items(eval_id: str) -> None:
    folder = GateRepository(TOP).read_eval(eval_id)
    harness: Any = import_file(folder.folder / "harness.py")
    card = folder.card
    for role, stated in (
        ("items", card.items.n),
        ("calibration", card.items.calibration),
        ("rehearsal", card.items.rehearsal),
    ):
        made = getattr(harness, role)({**card.params, "n": stated}, np.random.default_rng(0))
        assert len(made) == stated, role


def test_the_shipped_policies_name_attacks_of_the_suite() -> None:
    for name in ("audioseal", "perth"):
        policy = GateRepository(TOP).read_policy(TOP / "policies" / f"{name}.yaml").record
        harness: Any = import_file(TOP / "evals" / "audio_watermark" / "harness.py")
        known = {attack.label(strength) for attack, strength in harness.read_suite(harness.SUITE).cells()}
        for capability in policy.capabilities:
            for _, _, requirement in capability.sections():
                assert set((requirement.values or {}).get("attack", ())) <= known


@pytest.mark.parametrize(("bits", "count"), [(0, 16), (4, 16), (8, 16), (16, 16)])
def test_registered_messages_differ_and_come_from_their_seed(bits: int, count: int) -> None:
    measuring: Any = _measuring()
    book = measuring.registered(3, count, bits)
    assert book == measuring.registered(3, count, bits)
    assert all(len(message) == bits for message in book)
    if bits:
        assert len({tuple(m) for m in book}) == count


def _measuring() -> Any:
    import sys

    harness: Any = import_file(TOP / "evals" / "audio_watermark" / "harness.py")
    return sys.modules[harness.measure.__module__]
