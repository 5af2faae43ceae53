"""Files made to do harm, met at the command line: each is refused by name within 5 seconds and 500 MB.

`-s` prints what each took. A small process of its own starts the command and measures it: the memory of the process that
starts another one counts as that one's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from releasegate.errors import Exit
from tests.layouts.torch_files import crc32_of_zeros
from tests.measured_reading import torch_megabytes
from tests.tiny_checkpoints import safetensors, tiny
from tests.torch_archives import members, named, pickled, tensor, text, torch_file, zipped

SECONDS, MEGABYTES = 5.0, 500.0  # a build of torch that takes more by itself gets 250 more
ROOT = Path(__file__).parents[2]
MEASURE = """
import json, os, sys, time
out, begin = sys.argv[1], time.monotonic()
to = [(os.POSIX_SPAWN_OPEN, number, out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for number in (1, 2)]
process = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[2:]], os.environ, file_actions=to)
_, status, used = os.wait4(process, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - begin, used.ru_maxrss / 1024]))
"""


def as_pickle(content: bytes) -> Callable[[Path], None]:
    """A model whose weights are the file `content`."""

    def make(root: Path) -> None:
        root.mkdir()
        (root / "config.json").write_text('{"model_type": "chameleon"}')
        (root / "pytorch_model.bin").write_bytes(content)

    return make


def slack(root: Path) -> None:
    """Ten rows of a matrix of 64 MB, all of which is in the file."""
    import torch

    as_pickle(b"")(root)
    torch.save({"lm_head.weight": torch.ones(4096, 4096)[:10]}, root / "pytorch_model.bin")


def code() -> bytes:
    call = named("os.system") + b"(" + text("touch owned") + b"tR"
    return torch_file({"w": tensor(), "x": call})


def bomb() -> bytes:
    """An archive as torch writes it, but that its storage is a gigabyte of zeros, compressed to one of a megabyte."""
    packer, block = zlib.compressobj(1, wbits=-15), bytes(16 << 20)
    data = b"".join([*(packer.compress(block) for _ in range(64)), packer.flush()])
    pickle = pickled({"w": tensor(shape=(1 << 14, 1 << 14), strides=(1 << 14, 1), elements=1 << 28)})
    made = members(pickle, {"0": data})
    storage = next(entry for entry in made if entry.name == "archive/data/0")
    storage.method, storage.size, storage.packed, storage.crc = 8, 1 << 30, len(data), crc32_of_zeros(1 << 30)
    return zipped(made)


def claim(root: Path) -> None:
    """A header that says it is 100 GB long."""
    tiny().write(root)
    (root / "model-00002-of-00002.safetensors").write_bytes(safetensors({}, length=100 * 10**9))


def escape(root: Path) -> None:
    """An index that leads out of the folder, to a file that is there."""
    place = tiny().write(root) / "model.safetensors.index.json"
    index = json.loads(place.read_text())
    index["weight_map"]["lm_head.weight"] = "../outside.safetensors"
    place.write_text(json.dumps(index))
    (root.parent / "outside.safetensors").write_bytes(safetensors({}))


BOMB = "has a compressed member 'archive/data/0', which torch does not write"
CASES: dict[str, tuple[Callable[[Path], None], str, str, Exit]] = {
    "slack": (
        slack,
        "bytes behind tensor 'lm_head.weight' that no tensor shows: a slice keeps its whole storage",
        "bytes behind its tensors that none of them shows: a slice keeps its whole storage",
        Exit.YES,
    ),
    "code": (lambda root: as_pickle(code())(root), "holds code: os.system", "holds code: os.system", Exit.CANNOT),
    "claim": (
        claim,
        "claims a header of 100,000,000,000 bytes",
        "claims a header of 100,000,000,000 bytes",
        Exit.CANNOT,
    ),
    "escape": (
        escape,
        "in '../outside.safetensors', which is not the name of a file in this folder",
        "places tensors in what is not the name of a file in this folder",
        Exit.CANNOT,
    ),
    "bomb": (lambda root: as_pickle(bomb())(root), BOMB, BOMB, Exit.CANNOT),
}
"""How each is made, what `strip` and `inspect` say of it, and what `inspect` ends with: slack can be read, and is named."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_refused_by_name_in_time(name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    make, refused, inspected, exit_code = CASES[name]
    make(tmp_path / "model")
    model, public = str(tmp_path / "model"), tmp_path_factory.mktemp("public")
    commands = {
        "strip": [
            "strip",
            model,
            "--recipe",
            "chameleon-hf/image_generation",
            "--out",
            str(public / "out"),
        ],
        "inspect": ["inspect", model, "--format", "json"],
    }
    for command, arguments in commands.items():
        said = tmp_path / command
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(said), "-m", "releasegate", *arguments],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        status, seconds, megabytes = json.loads(done.stdout)
        print(f"{name:8}{command:8}exit {status}  {seconds:5.2f} s  {megabytes:5.0f} MB")  # noqa: T201
        assert status == (Exit.CANNOT if command == "strip" else exit_code)
        assert (refused if command == "strip" else inspected) in said.read_text()
        assert "Traceback" not in said.read_text()
        assert seconds < SECONDS
        assert megabytes < (max(MEGABYTES, torch_megabytes() + 250) if name == "slack" else MEGABYTES)
    assert not list(public.iterdir())
    assert not (ROOT / "owned").exists()
