"""Where a push goes, and with whose token: names, addresses, and an environment that forbids it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from releasegate.errors import HubError, UsageError
from releasegate.publishing.hub import open_hub, parse_hub_repository
from tests.fake_hub import FakeHub


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hub:",
        "lab/model",
        "hub:model",
        "hub:lab/",
        "hub:/model",
        "hub:lab/model/",
        "hub:lab/model/main",
        "hub:datasets/lab/model",
        "hub:https://huggingface.co/lab/model",
        "https://huggingface.co/lab/model",
        "hub:../model",
        "hub:lab/..",
        "hub:lab/a..b",
        "hub:lab/a--b",
        "hub:lab/.hidden",
        "hub:lab/model.",
        "hub:lab/-model",
        "hub:lab/model.git",
        "hub:lab/model.GIT",
        "hub:lab/mo del",
        "hub:lab/model\n",
        "hub:lab/mo\x00del",
        "hub:lab/mo\u202edel",
        "hub:lab/mödel",
        "hub:lab\\model",
        "hub:lab/model@main",
        "hub:lab/model?private=false",
        "hub:lab/%2e%2e",
        "HUB:lab/model",
        "hub:lab/" + "m" * 93,
    ],
)
def test_only_the_plain_name_of_a_repository_is_taken(text: str) -> None:
    with pytest.raises(UsageError, match="must name a repository of a hub as hub:org/name"):
        parse_hub_repository(text)


@pytest.mark.parametrize(
    "address",
    [
        "http://hub.example",
        "ftp://hub.example",
        "hub.example",
        "https://",
        "https://me:secret@hub.example",
        "https://h/?a",
    ],
)
def test_a_token_goes_to_no_address_that_others_can_read(address: str, fake: FakeHub) -> None:
    with pytest.raises(UsageError) as caught, open_hub(address):
        pass
    assert "secret" not in str(caught.value)


def test_an_environment_without_network_is_said_so(fake: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE: forbids every call to a hub"), open_hub():
        pass
    assert not fake.log


def test_nobody_pushes_without_a_token(fake: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(HubError, match="there is no token for the hub"), open_hub():
        pass
    (tmp_path / "token").write_text("hf_of_the_file\n")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with open_hub() as hub:
        assert hub.session.token == "hf_of_the_file"


@pytest.mark.parametrize("token", ["hf two", "hf\x07bell", "hf_ü"])
def test_what_is_no_token_is_not_repeated(token: str, fake: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(HubError, match="HF_TOKEN: is no token of a hub") as caught, open_hub():
        pass
    assert token not in str(caught.value)


def test_asking_for_a_name_does_not_import_the_client() -> None:
    program = (
        "import sys; from releasegate.publishing.hub import parse_hub_repository, push; "
        "sys.exit('huggingface_hub' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
