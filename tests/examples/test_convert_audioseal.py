"""AudioSeal's published layout, written here with random weights, becomes a checkpoint that is the same network."""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from collections.abc import Iterator, Mapping
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

if importlib.util.find_spec("audioseal") is None:
    pytest.skip("audioseal is not installed", allow_module_level=True)

from releasegate.errors import CheckpointError, PickledError
from releasegate.subjects.audioseal import AudioSealConfig, Networks
from tests.examples.loading import script
from tests.tiny_audioseal import CONFIG, SEANET, fill

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return script(ROOT / "examples/audioseal/convert.py", "convert_audioseal")


def networks(config: Mapping[str, Any]) -> Networks:
    made = Networks(AudioSealConfig.model_validate_json(json.dumps(config)))
    fill(made)
    return made


def published(tensors: Mapping[str, Tensor], *, normed: str | None) -> dict[str, Tensor]:
    """The tensors by the names of the published files: no `inner_conv`, weights split by weight norm if `normed`.

    Args:
        normed: `old` for `weight_g` and `weight_v`, `new` for parametrizations; None for weights as they are.
    """
    names = {"old": ("weight_g", "weight_v"), "new": tuple(f"parametrizations.weight.original{i}" for i in (0, 1))}
    made: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        stem = re.sub(r"\.inner_conv\.", ".", name).removesuffix("weight")
        if normed is not None and ".inner_conv.weight" in name:
            length, direction = names[normed]
            made[stem + length] = torch.linalg.vector_norm(tensor, dim=(1, 2), keepdim=True)
            made[stem + direction] = tensor * torch.linspace(0.5, 2, len(tensor))[:, None, None]
        else:
            made[name.replace(".inner_conv.", ".")] = tensor
    return made


def write(path: Path, part: torch.nn.Module, config: Mapping[str, Any] | None, *, normed: str | None) -> Path:
    tensors = published(part.state_dict(), normed=normed)
    torch.save(tensors if config is None else {"xp.cfg": dict(config), "model": tensors}, path)
    return path


def settings(part: str) -> dict[str, Any]:
    """What stands under `xp.cfg`: the decoder once inside seanet, where old files have it."""
    seanet = SEANET | {"norm": "weight_norm", "moshi": True}
    if part == "generator":
        return {"nbits": 8, "seanet": seanet | {"decoder": CONFIG["generator"]["decoder"]}, "dataset": {"name": "x"}}
    return {"nbits": 8, "seanet": seanet, "detector": {"output_dim": 32}}


def same(folder: Path, made: Networks) -> None:
    stored, expected = load_file(folder / "model.safetensors"), made.state_dict()
    assert stored.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.allclose(stored[name], tensor, atol=1e-6), name


@pytest.mark.parametrize("normed", ["old", "new", None])
def test_what_is_converted_is_the_same_network(example: ModuleType, tmp_path: Path, normed: str | None) -> None:
    made = networks(CONFIG)
    files = {
        part: write(tmp_path / f"{part}.pth", getattr(made, part), settings(part), normed=normed)
        for part in ("generator", "detector")
    }
    example.convert(files, tmp_path / "out")
    same(tmp_path / "out", made)
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert AudioSealConfig.model_validate_json(json.dumps(config)) == AudioSealConfig.model_validate_json(
        json.dumps({key: value for key, value in CONFIG.items() if key != "envelope"})
    )


def full(example: ModuleType) -> dict[str, Any]:
    """The published configuration, by the package's own cards."""
    cards = {part: example.card(part) for part in ("generator", "detector")}
    seanets = {part: read["seanet"] | {"norm": "none"} for part, read in cards.items()}
    return {
        "model_type": "audioseal",
        "sample_rate": 16000,
        "nbits": cards["generator"]["nbits"],
        "generator": {"seanet": seanets["generator"], "decoder": cards["generator"]["decoder"]},
        "detector": {"seanet": seanets["detector"], "output_dim": 32},
    }


@pytest.mark.slow
def test_a_plain_state_dict_of_full_size_takes_its_configuration_from_the_cards(
    example: ModuleType, tmp_path: Path
) -> None:
    made = networks(full(example))
    assert sum(parameter.numel() for parameter in made.parameters()) > 20e6
    files = {
        part: write(tmp_path / f"{part}.pth", getattr(made, part), None, normed="old")
        for part in ("generator", "detector")
    }
    example.convert(files, tmp_path / "out")
    same(tmp_path / "out", made)


def test_the_parts_mixed_up_are_told(example: ModuleType, tmp_path: Path) -> None:
    made = networks(CONFIG)
    path = write(tmp_path / "detector.pth", made.detector, settings("detector"), normed="old")
    with pytest.raises(CheckpointError, match="holds no generator"):
        example.convert({"generator": path, "detector": path}, tmp_path / "out")


class Settings:
    """An object of some library, as old files may hold for a configuration."""


def test_a_file_with_an_object_in_it_is_refused(example: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "generator.pth"
    torch.save({"xp.cfg": Settings(), "model": {"encoder.w": torch.zeros(1)}}, path)
    with pytest.raises(PickledError):
        example.convert({"generator": path, "detector": path}, tmp_path / "out")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a hub on this machine that serves the folder `tmp_path/served` as a repository."""
    served = tmp_path / "served"
    served.mkdir()

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.wfile.write(self.answer())

        def answer(self) -> bytes:
            repository, _, name = self.path.lstrip("/").partition("/resolve/main/")
            if repository != "some/audioseal" or not (served / name).is_file():
                self.send_error(404)
                return b""
            content = (served / name).read_bytes()
            self.send_response(200)
            self.send_header("ETag", f'"{sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            return content

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_files_of_a_hub_are_fetched(example: ModuleType, tmp_path: Path, hub: str) -> None:
    made = networks(CONFIG)
    for part, name in example.FILES.items():
        write(tmp_path / "served" / name, getattr(made, part), settings(part), normed="old")
    example.convert(example.downloaded("some/audioseal", hub), tmp_path / "out")
    same(tmp_path / "out", made)
