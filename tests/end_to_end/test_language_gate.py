"""A language model goes through one policy in each of its forms, and through a policy of its own behind a server."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

import releasegate.gate
from releasegate.__main__ import run
from releasegate.checkpoint import open_checkpoint
from releasegate.repository import LedgerFile, RunFolder
from releasegate.subjects.causal_lm import open_subject
from tests.served_language import Handler, Served, described, serving
from tests.tiny_language import save_adapter, save_gguf, save_llama

CARD = """
schema: releasegate/eval/v1
id: shouting
title: Shouts
description: An answer shouts if it has no small letter.
needs: [GeneratesText]
items: {kind: generated, n: 60, source: made from seeds}
metrics:
  loud: {title: Answers that shout, type: bernoulli, unit: share of answers, range: [0, 1], better: higher,
    working: [{metric: shouting/spoken, at_least: 0.1, served: true}]}
  spoken: {title: Answers with a letter, type: bernoulli, unit: share of answers, range: [0, 1], better: higher}
shard: 30
"""
HARNESS = """
from releasegate.evidence import Failed, Item, Reading
from releasegate.subjects import Decoding, Message, NoAnswer


def items(params, rng):
    return [Item(("loud", "spoken"), content={"word": str(rng.integers(1000))}) for _ in range(60)]


def measure(subject, items, tools):
    chats = [[Message("user", "Say " + item.content["word"])] for item in items]
    answers = subject.generate(chats, [item.seed for item in items], Decoding(24, 1.0))
    for item, answer in zip(items, answers, strict=True):
        if isinstance(answer, NoAnswer):
            yield Failed(item=item.number, metrics=item.metrics, error=answer.why)
        else:
            spoken = any(sign.isalpha() for sign in answer.text)
            yield Reading(item.number, {"loud": float(answer.text.upper() == answer.text), "spoken": float(spoken)})
"""
POLICY = """\
schema: releasegate/policy/v1
id: quiet
title: A model that must not shout
model: {layout: llama-hf, also: [llama-gguf, llama-lora], subject: causal-lm}
release: {channel: open_weights}
capabilities:
  - id: shouting
    title: Shouts
    rationale: It would wake the neighbours.
    misuse:
      - {id: not-loud, metric: shouting/loud, at_most: 0.5}
    otherwise: withhold
"""
SERVED = POLICY.replace("id: quiet", "id: served", 1).replace(
    "{layout: llama-hf, also: [llama-gguf, llama-lora], subject: causal-lm}", "{layout: endpoint, subject: endpoint}"
)


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gate repository."""
    monkeypatch.setattr(releasegate.gate, "write_report", lambda folder, *more: folder.report_path.write_text(""))
    (tmp_path / "evals" / "shouting").mkdir(parents=True)
    (tmp_path / "evals" / "shouting" / "eval.yaml").write_text(CARD)
    (tmp_path / "evals" / "shouting" / "harness.py").write_text(HARNESS)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "quiet.yaml").write_text(POLICY)
    (tmp_path / "policies" / "served.yaml").write_text(SERVED.replace("open_weights", "api"))
    for family in ("quiet", "served"):
        LedgerFile(tmp_path / "policies" / "ledger" / f"{family}.jsonl").init(family)
    save_llama(tmp_path / "model")
    return tmp_path


def gate(root: Path, policy: str, model: Path) -> tuple[int, RunFolder]:
    out = root / f"run_{model.name}"
    code = run(["gate", str(root / "policies" / f"{policy}.yaml"), "--model", str(model), "--out", str(out), "--quiet"])
    return code, RunFolder(out)


def test_every_form_of_a_model_goes_through_the_same_policy(gates: Path) -> None:
    pytest.importorskip("gguf")
    forms = {
        "llama-hf": gates / "model",
        "llama-gguf": save_gguf(gates / "gguf", gates / "model"),
        "llama-lora": save_adapter(shutil.copytree(gates / "model", gates / "adapted")),
    }
    for layout, folder in forms.items():
        code, made = gate(gates, "quiet", folder)
        plan = made.read_plan()
        assert (code, plan.model.layout) == (0, layout)
        (measurement,) = plan.measurements
        assert measurement.subject.chat_template is not None
        assert measurement.subject.served is None
        assert (plan.model.adapter is not None) == (layout == "llama-lora")


def test_what_a_server_answers_supports_a_release_through_an_api(gates: Path) -> None:
    model = open_subject(open_checkpoint(gates / "model"), None, torch.device("cpu"), torch.float32)
    with serving(model) as server:
        described(gates / "endpoint", url=server.url)
        code, made = gate(gates, "served", gates / "endpoint")
        assert sum(server.answered.values()) >= 30
    assert code == 0
    (measurement,) = made.read_plan().measurements
    assert measurement.subject.served
    assert not measurement.subject.deterministic
    decision = json.loads((made.root / "decision.json").read_text())
    assert any("not tied to the digest of any weights" in line for line in decision["leans_on"])


def test_a_server_that_answers_half_of_the_questions_is_no_evidence(
    gates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("releasegate.subjects.endpoint_call.FIRST_WAIT", 0.01)
    model = open_subject(open_checkpoint(gates / "model"), None, torch.device("cpu"), torch.float32)

    def trick(handler: Handler, attempt: int, question: dict[str, object]) -> bool:
        digits = re.findall(r"\d", str(question.get("messages", "")))  # none in what it is greeted with
        odd = bool(digits) and int(digits[-1]) % 2 == 1
        if odd:
            handler.say(500, b"")
        return odd

    with serving(model) as server:
        server.trick = trick
        described(gates / "endpoint", url=server.url, attempts=2)
        code, made = gate(gates, "served", gates / "endpoint")
    assert code == 3
    shards = [*(made.root / "evidence").glob("*/*.jsonl")]
    samples = [json.loads(line) for shard in shards for line in shard.read_text().splitlines()]
    assert len({sample["item"] for sample in samples}) == len(samples)
    errors = {sample["error"] for sample in samples if sample["outcome"] == "failed"}
    assert errors == {"no answer after 2 attempts: status 500"}


def test_a_server_that_is_down_costs_no_attempt(gates: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = (gates / "policies" / "ledger" / "served.jsonl").read_bytes()
    with Served(None) as closed:
        url = closed.url
    described(gates / "endpoint", url=url, attempts=1)
    code, made = gate(gates, "served", gates / "endpoint")
    assert code == 2
    assert "start the server, or correct url" in capsys.readouterr().err.replace("\n", " ")
    assert not made.root.exists()
    assert (gates / "policies" / "ledger" / "served.jsonl").read_bytes() == ledger


def test_a_policy_that_would_release_weights_on_a_servers_word_is_refused(
    gates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (gates / "policies" / "served.yaml").write_text(SERVED)
    assert run(["check", str(gates / "policies" / "served.yaml")]) == 2
    assert "asks a server, whose weights nothing ties to a digest" in capsys.readouterr().err.replace("\n", " ")
