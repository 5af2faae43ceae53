"""One way to strip the synthetic checkpoint, in a process of its own: `strip_peers.py WAY SOURCE OUT`.

The last line of standard output is the CPU time in seconds that the start of the interpreter and the imports took; what
is imported later, while the work goes on, counts as work.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

Work = Callable[[Path, Path], None]
ROWS = (4, 8195)


def imported() -> None:
    """Nothing; says how much CPU time the process has used up to here."""
    used = getrusage(RUSAGE_SELF)
    sys.stdout.write(f"{used.ru_utime + used.ru_stime}\n")
    sys.stdout.flush()


def hash_files(folder: Path) -> None:
    """Nothing; every file was hashed, in the fastest way that the standard library has."""
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")


def per_shard(hashed: tuple[str, ...]) -> Work:
    """Load, edit and save one shard after the other; `source` and `output` are hashed if named."""
    from safetensors.torch import load_file, save_file

    def work(source: Path, out: Path) -> None:
        out.mkdir()
        for path in sorted(source.iterdir()):
            if path.suffix != ".safetensors":
                shutil.copy(path, out)
            elif path.name.startswith("model-"):
                tensors = load_file(path)
                edit(tensors)
                save_file(tensors, out / path.name, metadata={"format": "pt"})
        for folder in {"source": source, "output": out}.items():
            if folder[0] in hashed:
                hash_files(folder[1])

    return work


def edit(tensors: dict) -> None:  # type: ignore[type-arg]
    """Nothing; the tensors are as the recipe makes them."""
    for name, tensor in tensors.items():
        if name == "lm_head.weight":
            rows = min(ROWS[1] + 1, len(tensor) // 2)
            tensor[ROWS[0] : rows] = 0
        elif "post_quant_conv" in name:
            tensor.zero_()


def state_dict() -> Work:
    """Load everything, edit it, and let huggingface_hub save and split it; its output is hashed."""
    from huggingface_hub import save_torch_state_dict
    from safetensors.torch import load_file

    def work(source: Path, out: Path) -> None:
        out.mkdir()
        tensors = {}
        for path in sorted(source.glob("model-*.safetensors")):
            tensors |= load_file(path)
        edit(tensors)
        save_torch_state_dict(tensors, out, max_shard_size="1GB")
        for path in source.glob("*.json"):
            if not path.name.endswith("index.json"):
                shutil.copy(path, out)
        hash_files(out)

    return work


def ours(*, hashed: bool = True, link: bool = False, read: bool = False) -> Work:
    """The writer without the search for leftovers and without fsync, neither of which the peers have."""
    from releasegate.checkpoint import read_contents
    from releasegate.repository import GateRepository
    from releasegate.stripping import plan_strip
    from releasegate.stripping.writing.files import Job, lay_out
    from releasegate.stripping.writing.output import new_folder
    from releasegate.stripping.writing.reread import read_back
    from releasegate.stripping.writing.room import can_share
    from releasegate.stripping.writing.steps import steps_of

    recipe = GateRepository.around(Path(__file__).parents[1]).recipe("chameleon-hf/image_generation")

    def work(source: Path, out: Path) -> None:
        contents = read_contents(source)
        plan = plan_strip(contents, [recipe])
        with new_folder(out, 0, durable=False) as output:
            job = Job(contents, plan, output, hashed, link, can_share(contents, out.parent))
            done = lay_out(job, steps_of(contents, plan))
            if read:
                read_back(job, done)
            output.publish("")

    return work


WAYS: dict[str, Callable[[], Work]] = {
    "per_shard": lambda: per_shard(()),
    "per_shard_hashed": lambda: per_shard(("output",)),
    "per_shard_both": lambda: per_shard(("source", "output")),
    "state_dict": state_dict,
    "copied": ours,
    "read_back": lambda: ours(read=True),
    "linked": lambda: ours(link=True),
    "linked_unhashed": lambda: ours(link=True, hashed=False),
    "unhashed": lambda: ours(hashed=False),
}

if __name__ == "__main__":
    way, where, to = sys.argv[1:]
    chosen = WAYS[way]()
    imported()
    chosen(Path(where), Path(to))
