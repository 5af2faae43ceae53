"""A good checkpoint folder, opened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from releasegate.checkpoint import open as open_by_its_short_name
from releasegate.checkpoint import open_checkpoint, read_manifest
from tests.tiny_checkpoints import VOCABULARY, bytes_of, file_digests, tiny


def test_an_opened_checkpoint_knows_its_tensors_and_files(tmp_path: Path) -> None:
    made = tiny()
    root = made.write(tmp_path / "model")
    checkpoint = open_by_its_short_name(root)
    assert checkpoint.layout == "chameleon-hf"
    assert checkpoint.vocabulary == VOCABULARY
    assert set(checkpoint.siblings) == {"vqgan.safetensors"}
    assert {name: place.file for name, place in checkpoint.tensors.items()} == {
        tensor: shard for shard, tensors in made.shards.items() for tensor in tensors
    }
    assert checkpoint.digest == checkpoint.manifest.digest() == read_manifest(root).digest()
    assert set(checkpoint.files) == set(bytes_of(root))


def test_the_manifest_lists_every_file_with_size_and_digest(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    (root / ".hidden").write_bytes(b"")
    (root / "sub").mkdir()
    (root / "sub" / "notes.txt").write_bytes(b"x" * 3_000_000)
    seen: list[int] = []
    manifest = read_manifest(root, seen.append)
    held = bytes_of(root)
    assert [entry.path for entry in manifest.files] == sorted(held)
    for entry in manifest.files:
        assert entry.size == len(held[entry.path])
        assert (entry.sha256, entry.parts) == file_digests(entry.path, held[entry.path])
    assert sum(seen) == sum(map(len, held.values()))


def test_the_digest_changes_with_any_byte_and_any_name(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    digests = {read_manifest(root).digest()}
    (root / "README.md").write_text("# a card\n")
    digests.add(read_manifest(root).digest())
    (root / "README.md").rename(root / "CARD.md")
    digests.add(read_manifest(root).digest())
    (root / ".empty").touch()
    digests.add(read_manifest(root).digest())
    assert len(digests) == 4


def test_the_vocabulary_has_what_the_config_and_what_the_tokenizer_alone_names(tmp_path: Path) -> None:
    made = tiny()
    made.texts["tokenizer.json"] = json.dumps({"model": {"vocab": {"IMGIMGQZ": 17, "<s>": 0}}})
    assert open_checkpoint(made.write(tmp_path / "model")).vocabulary == {**VOCABULARY, "IMGIMGQZ": 17}


def test_a_token_of_a_unigram_model_has_its_place_as_id(tmp_path: Path) -> None:
    made = tiny()
    del made.config["vocabulary_map"]
    made.texts["tokenizer.json"] = json.dumps({"model": {"vocab": [["<unk>", 0.0], ["a", -1.5]]}})
    assert open_checkpoint(made.write(tmp_path / "model")).vocabulary == {"<unk>": 0, "a": 1}


def test_the_vocabulary_comes_from_the_tokenizer_where_the_config_has_none(tmp_path: Path) -> None:
    made = tiny()
    del made.config["vocabulary_map"]
    added = [{"id": 9, "content": "<image>"}]
    made.texts["tokenizer.json"] = json.dumps({"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": added})
    assert open_checkpoint(made.write(tmp_path / "model")).vocabulary == {"a": 0, "b": 1, "<image>": 9}


def test_a_checkpoint_of_another_kind_has_a_layout_of_its_own(tmp_path: Path) -> None:
    made = tiny()
    made.config = {"model_type": "llama"}
    checkpoint = open_checkpoint(made.write(tmp_path / "model"))
    assert (checkpoint.layout, checkpoint.vocabulary) == ("llama-hf", {})


def test_a_single_file_needs_no_index(tmp_path: Path) -> None:
    made = tiny()
    made.shards = {"model.safetensors": {name: array for part in made.shards.values() for name, array in part.items()}}
    checkpoint = open_checkpoint(made.write(tmp_path / "model"))
    assert checkpoint.index is None
    assert set(checkpoint.shards) == {"model.safetensors"}


def test_opening_a_checkpoint_imports_no_torch() -> None:
    code = "import sys, releasegate.checkpoint, releasegate.stripping; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
