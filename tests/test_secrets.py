"""Secrets and personal data are spotted, and never shown in full."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.secrets import spot

FOUND = {
    "hf_" + "aB3" * 12: "an access token of Hugging Face",
    "ghp_" + "aB3" * 12: "an access token of GitHub",
    "github_pat_" + "aB3_" * 8: "an access token of GitHub",
    "glpat-" + "aB3" * 8: "an access token of GitLab",
    "sk-proj-" + "aB3" * 10: "an API key",
    "sk-ant-api03-" + "aB3" * 10: "an API key",
    "AKIA" + "Z7" * 8: "an access key of AWS",
    "AIza" + "aB3_-" * 7: "an API key of Google",
    "xoxb-1234567890-abc": "a token of Slack",
    "npm_" + "aB3" * 12: "a token of npm",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijkl": "a JSON web token",
    "-----BEGIN OPENSSH PRIVATE KEY-----": "a private key",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----": "a private key",
    "https://ada:hunter22@git.lab.org/x": "a link with a password in it",
    "Authorization: Bearer " + "aB3." * 8: "a bearer token",
    "WANDB_API_KEY=" + "0a" * 20: "a key of Weights & Biases",
    "/home/ada/runs/42": "a path in somebody's home",
    "/data/home/ada/x": "a path in somebody's home",
    "/checkpoint/ada/run": "a path in somebody's home",
    "C:\\Users\\ada\\x": "a path in somebody's home",
    "/Users/ada": "a path in somebody's home",
    "write to ada.l@lab.example.ac.uk now": "an e-mail address",
}
NOTHING = [
    "hf_hub", "sk-learn", "task-specific-tokens-of-the-model-are-here", "AKIAshort", "model.layers.0.self_attn.q_proj.weight",
    "https://example.org/home/user", "https://huggingface.co/a/b", "user@example.com", "git@github.com",
    "1+ada@users.noreply.github.com",
    "@decorator", "a @ b", "{{ message['role'] }}", "", "risk-" + "a" * 40, "layer_hf_norm", "/usr/lib/python3", "home/ada",
]  # fmt: skip


@pytest.mark.parametrize("text", FOUND)
def test_a_secret_is_spotted_wherever_it_stands_and_masked(text: str) -> None:
    for around in ("{}", '"{}"', "x = {}\n", "({})"):
        found = list(spot(around.format(text)))
        assert FOUND[text] in [one.what for one in found]
        for one in found:
            assert text not in one.masked or one.what in ("a private key",)


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert list(spot(text)) == []


def test_a_vocabulary_is_not_looked_through_for_personal_data() -> None:
    text = "ada@lab.org /home/ada " + "hf_" + "a" * 34
    assert [one.sort for one in spot(text, personal=False)] == ["secret"]


HARD = [
    "eyJ-",
    "sk-",
    "hf_",
    "://a:",
    "a://",
    "/a",
    "a@",
    "@a.",
    "/home/",
    "ghp_",
    "github_pat_",
    "glpat-",
    "C:\\Users\\",
    "~/",
    "Bearer ",
]


@pytest.mark.parametrize("piece", [*HARD, "a", "-", ".", "/", "aB3", " "])
def test_a_hostile_text_of_a_mebibyte_takes_no_time(piece: str) -> None:
    text = piece * ((1 << 18) // len(piece)) + "".join(HARD)
    begun = time.process_time()
    list(spot(text))
    assert time.process_time() - begun < 5  # a search that goes back takes minutes


@settings(max_examples=200, deadline=None)
@given(st.text(), st.sampled_from(sorted(FOUND)))
def test_any_text_can_be_looked_through(text: str, secret: str) -> None:
    assert all(0 <= one.at <= len(text) + len(secret) + 1 for one in spot(f"{text} {secret}"))
