"""A real small model, a fine-tune of it and its 4-bit file go through one policy; nothing but `--model` differs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import releasegate.gate
from releasegate.__main__ import run
from releasegate.repository import LedgerFile, RunFolder
from tests.end_to_end.test_language_gate import CARD, HARNESS, POLICY
from tests.examples.loading import script
from tests.fetched import fetched

ROOT = Path(__file__).parents[2]
FORMS = {"llama-hf": "smollm2", "llama-gguf": "smollm2-gguf", "llama-lora": "tuned"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the three."""
    made = tmp_path_factory.mktemp("models")
    for name in ("smollm2", "smollm2-gguf"):
        shutil.copytree(fetched(name), made / name)
    training = script(ROOT / "examples/smollm2_tuned/train.py", "smollm2_tuned")
    arguments = ["--base", str(made / "smollm2"), "--out", str(made / "tuned"), "--steps", "4"]
    training.main(arguments, standalone_mode=False)
    return made


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gate repository with a small eval."""
    monkeypatch.setattr(releasegate.gate, "write_report", lambda folder, *more: folder.report_path.write_text(""))
    (tmp_path / "evals" / "shouting").mkdir(parents=True)
    (tmp_path / "evals" / "shouting" / "eval.yaml").write_text(CARD)
    (tmp_path / "evals" / "shouting" / "harness.py").write_text(
        HARNESS.replace("Decoding(24, 1.0)", "Decoding(8, 1.0)")
    )
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "quiet.yaml").write_text(POLICY)
    LedgerFile(tmp_path / "policies" / "ledger" / "quiet.jsonl").init("quiet")
    return tmp_path


@pytest.mark.slow
def test_a_model_a_fine_tune_and_a_quantised_file_go_through_the_same_policy(models: Path, gates: Path) -> None:
    digests = {}
    for layout, name in FORMS.items():
        out = gates / f"run_{name}"
        policy = str(gates / "policies" / "quiet.yaml")
        code = run(["gate", policy, "--model", str(models / name), "--out", str(out), "--quiet"])
        plan = RunFolder(out).read_plan()
        assert (code, plan.model.layout) == (0, layout)
        assert (plan.model.adapter is not None) == (layout == "llama-lora")
        assert plan.measurements[0].subject.chat_template is not None
        digests[layout] = plan.model.digest
    assert len(set(digests.values())) == 3


@pytest.mark.slow
@pytest.mark.parametrize("layout", FORMS)
def test_the_policy_of_text_assistants_plans_every_form(models: Path, tmp_path: Path, layout: str) -> None:
    policy = ROOT / "policies" / "text-assistant.yaml"
    assert run(["plan", str(policy), "--model", str(models / FORMS[layout])]) == 0
