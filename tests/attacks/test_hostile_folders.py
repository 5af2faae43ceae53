"""Every way in which a checkpoint folder can be bad has its own message, and none is found out by loading it."""

from __future__ import annotations

import bz2
import json
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from releasegate.checkpoint import open_checkpoint
from releasegate.checkpoint.files import foreign_files
from releasegate.errors import (
    CheckpointError,
    CodeRequested,
    FileNameRefused,
    ForeignFile,
    HeaderCutOff,
    HeaderError,
    HeaderSyntax,
    IndexMalformed,
    IndexMismatch,
    JsonMalformed,
    LayoutUnknown,
    NotFound,
    NotPlainFile,
    NoWeights,
    PathEscapes,
    VocabularyMalformed,
)
from tests.tiny_checkpoints import safetensors, tiny

INDEX = "model.safetensors.index.json"
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
Change = Callable[[Path], object]


def index(change: Callable[[dict[str, Any]], object]) -> Change:
    """Changes the index."""

    def changed(root: Path) -> None:
        data = json.loads((root / INDEX).read_text())
        change(data)
        (root / INDEX).write_text(json.dumps(data))

    return changed


def places(**moved: str) -> Change:
    """Places tensors elsewhere in the index; dots in names are written as `__`."""
    return index(
        lambda data: data["weight_map"].update({name.replace("__", "."): place for name, place in moved.items()})
    )


def put(name: str, content: bytes | str = b"x") -> Change:
    """Puts a file into the folder."""

    def changed(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return changed


def config(**values: Any) -> Change:
    """Sets keys of config.json; `None` takes one out."""

    def changed(root: Path) -> None:
        data = {**json.loads((root / "config.json").read_text()), **values}
        (root / "config.json").write_text(json.dumps({key: value for key, value in data.items() if value is not None}))

    return changed


def linked(name: str) -> Change:
    """Replaces a file by a symlink to itself elsewhere."""

    def changed(root: Path) -> None:
        (root / name).rename(root.parent / "elsewhere")
        (root / name).symlink_to(root.parent / "elsewhere")

    return changed


def doubled(root: Path) -> None:
    tensors = load_file(root / SECOND)
    save_file({**tensors, "model.norm.weight": load_file(root / FIRST)["model.norm.weight"]}, root / SECOND)


def without_index(root: Path) -> None:
    (root / INDEX).unlink()


def cut(root: Path) -> None:
    os.truncate(root / SECOND, (root / SECOND).stat().st_size - 100)


def zipped(root: Path) -> None:
    with zipfile.ZipFile(root / "notes.txt", "w") as archive:
        archive.writestr("data.pkl", b"x")


def tokenizer(**vocabulary: int) -> Change:
    return put("tokenizer.json", json.dumps({"model": {"vocab": vocabulary}}))


BAD: dict[str, tuple[Change, str, str]] = {
    "shard_missing": (lambda root: (root / SECOND).unlink(), SECOND, f"is named by {INDEX} and is not there"),
    "shard_truncated": (cut, SECOND, "is cut off: its tensors need 5,856 bytes and 5,756 are there"),
    "tensor_in_no_shard": (places(ghost=FIRST), INDEX, "names tensor 'ghost', which is in no shard"),
    "tensor_not_in_index": (
        index(lambda data: data["weight_map"].pop("model.norm.weight")),
        INDEX,
        f"does not name tensor 'model.norm.weight', which is in {FIRST}",
    ),
    "tensor_in_another_shard": (
        places(model__norm__weight=SECOND),
        INDEX,
        f"places tensor 'model.norm.weight' in {SECOND}, and it is in {FIRST}",
    ),
    "tensor_twice": (doubled, "", f"has tensor 'model.norm.weight' in two shards: {FIRST} and {SECOND}"),
    "traversal": (
        places(model__norm__weight="../secret.safetensors"),
        INDEX,
        "places tensor 'model.norm.weight' in '../secret.safetensors', which is not the name of a file in this folder",
    ),
    "absolute": (
        places(model__norm__weight="/etc/secret.safetensors"),
        INDEX,
        "places tensor 'model.norm.weight' in '/etc/secret.safetensors', which is not the name of a file in this folder",
    ),
    "subfolder": (
        places(model__norm__weight="sub/a.safetensors"),
        INDEX,
        "places tensor 'model.norm.weight' in 'sub/a.safetensors', which is not the name of a file in this folder",
    ),
    "place_is_a_pickle": (
        places(model__norm__weight="a.bin"),
        INDEX,
        "places tensor 'model.norm.weight' in 'a.bin', which is not the name of a file in this folder",
    ),
    "place_is_a_number": (
        index(lambda data: data["weight_map"].update({"model.norm.weight": 7})),
        INDEX,
        "places tensor 'model.norm.weight' in 7, which is not the name of a file in this folder",
    ),
    "no_weight_map": (index(lambda data: data.pop("weight_map")), INDEX, "has no weight_map"),
    "index_is_a_list": (put(INDEX, "[]"), INDEX, "is not a JSON object"),
    "index_key_twice": (
        put(INDEX, '{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}'),
        INDEX,
        "is not valid JSON: the key 'a' stands twice in one object",
    ),
    "index_truncated": (
        lambda root: os.truncate(root / INDEX, 9),
        INDEX,
        "is not valid JSON: Unterminated string starting at: line 1 column 2 (char 1)",
    ),
    "no_index": (without_index, "", f"has neither model.safetensors nor {INDEX}"),
    "second_index": (
        put("consolidated.index.json", "{}"),
        "consolidated.index.json",
        f"is an index beside {INDEX}; a loader may follow either",
    ),
    "stray_shard": (
        lambda root: (root / "model.safetensors").write_bytes((root / FIRST).read_bytes()),
        "model.safetensors",
        f"looks like a part of the model and is not in {INDEX}",
    ),
    "stray_variant": (
        lambda root: (root / "Model.fp16.safetensors").write_bytes((root / FIRST).read_bytes()),
        "Model.fp16.safetensors",
        f"looks like a part of the model and is not in {INDEX}",
    ),
    "bad_sibling": (
        put("extra.safetensors", bytes(16)),
        "extra.safetensors",
        "has a header that does not begin with `{`",
    ),
    "symlinked_shard": (linked(FIRST), FIRST, "is a symlink"),
    "symlinked_config": (linked("config.json"), "config.json", "is a symlink"),
    "symlinked_folder": (lambda root: (root / "sub").symlink_to(root.parent), "sub", "is a symlink"),
    "dangling_symlink": (lambda root: (root / ".x").symlink_to("nowhere"), ".x", "is a symlink"),
    "pipe": (lambda root: os.mkfifo(root / "pipe"), "pipe", "is not a regular file"),
    "case_collision": (
        put("readme.md"),
        "",
        "has two names that some file systems cannot tell apart: 'README.md' and 'readme.md'",
    ),
    "unicode_collision": (
        lambda root: [put("caf\u00e9.md")(root), put("cafe\u0301.md")(root)],
        "",
        "has two names that some file systems cannot tell apart: 'cafe\u0301.md' and 'caf\u00e9.md'",
    ),
    "name_with_backslash": (put("a\\b.md"), "", r"has a file with an unusable name: 'a\\b.md'"),
    "name_with_newline": (put("a\nb.md"), "", r"has a file with an unusable name: 'a\nb.md'"),
    "name_not_unicode": (put(os.fsdecode(b"a\xff.md")), "", r"has a file with an unusable name: 'a\udcff.md'"),
    "bin": (put("pytorch_model.bin"), "pytorch_model.bin", "is a pickle, which runs code when it is loaded"),
    "pth": (put("consolidated.00.pth"), "consolidated.00.pth", "is a pickle, which runs code when it is loaded"),
    "optimizer": (put("optimizer.PT"), "optimizer.PT", "is a pickle, which runs code when it is loaded"),
    "ckpt": (put("tokenizer/vqgan.ckpt"), "tokenizer/vqgan.ckpt", "is a pickle, which runs code when it is loaded"),
    "gguf": (put("model-q4.gguf"), "model-q4.gguf", "is a second form of the weights"),
    "onnx": (put("onnx/model.onnx"), "onnx/model.onnx", "is a second form of the weights"),
    "distcp": (put("__0_0.distcp"), "__0_0.distcp", "is a second form of the weights"),
    "code": (put("modeling_x.py"), "modeling_x.py", "is code, which a loader may run"),
    "archive": (put("old.tar.gz"), "old.tar.gz", "is an archive, in which weights can hide"),
    "renamed_pickle": (
        put("notes.txt", b"\x80\x04}\x94."),
        "notes.txt",
        "is a pickle, which runs code when it is loaded",
    ),
    "renamed_zip": (zipped, "notes.txt", "is an archive (or a torch pickle), in which weights can hide"),
    "renamed_gguf": (put("LICENSE", b"GGUF\3\0\0\0"), "LICENSE", "is a second form of the weights"),
    "adapter": (
        put("adapter_config.json", "{}"),
        "adapter_config.json",
        "is an adapter, which a loader would apply to the model unasked",
    ),
    "no_config": (
        lambda root: (root / "config.json").unlink(),
        "",
        "has no config.json, so that its layout is unknown",
    ),
    "no_model_type": (config(model_type=None), "config.json", "has no model_type, so that its layout is unknown"),
    "config_key_twice": (
        put("config.json", '{"model_type": "a", "model_type": "b"}'),
        "config.json",
        "is not valid JSON: the key 'model_type' stands twice in one object",
    ),
    "config_not_utf8": (put("config.json", b'{"a": "\xff"}'), "config.json", "is not UTF-8"),
    "config_nested": (
        put("config.json", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"),
        "config.json",
        "is not valid JSON: nested too deeply",
    ),
    "auto_map": (
        config(auto_map={"AutoModel": "x--y.Z"}),
        "config.json",
        "asks for code from the checkpoint to be run (auto_map)",
    ),
    "nested_auto_map": (
        config(text_config={"auto_map": {}}),
        "config.json",
        "asks for code from the checkpoint to be run (text_config.auto_map)",
    ),
    "tokenizer_auto_map": (
        put("tokenizer_config.json", '{"auto_map": {}}'),
        "tokenizer_config.json",
        "asks for code from the checkpoint to be run (auto_map)",
    ),
    "listed_auto_map": (
        config(parts=[{"inner": {"auto_map": {}}}]),
        "config.json",
        "asks for code from the checkpoint to be run (parts.0.inner.auto_map)",
    ),
    "config_infinite": (
        put("config.json", '{"a": 1e999}'),
        "config.json",
        "is not valid JSON: the number 1e999 is too large",
    ),
    "config_nan": (put("config.json", '{"a": NaN}'), "config.json", "is not valid JSON: NaN is not JSON"),
    "config_byte_order_mark": (
        put("config.json", b"\xef\xbb\xbf{}"),
        "config.json",
        "is not valid JSON: Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)",
    ),
    "config_crowded": (
        put("config.json", '{"a": [' + "[]," * 2_000_001 + "0]}"),
        "config.json",
        "is not valid JSON: it has 2,000,002 times the sign `[`; at most 2,000,000 are read",
    ),
    "index_long_name": (
        index(lambda data: data["weight_map"].update({"g" * 5000: FIRST})),
        INDEX,
        f"names tensor '{'g' * 76}..., which is in no shard",
    ),
    "traversal_by_dots": (
        places(model__norm__weight="..safetensors/../../x.safetensors"),
        INDEX,
        "places tensor 'model.norm.weight' in '..safetensors/../../x.safetensors', which is not the name of a file in "
        "this folder",
    ),
    "place_with_nul": (
        places(model__norm__weight="a\0.safetensors"),
        INDEX,
        "places tensor 'model.norm.weight' in 'a\\x00.safetensors', which is not the name of a file in this folder",
    ),
    "place_with_drive": (
        places(model__norm__weight="C:\\x.safetensors"),
        INDEX,
        "places tensor 'model.norm.weight' in 'C:\\\\x.safetensors', which is not the name of a file in this folder",
    ),
    "place_in_another_case": (
        places(model__norm__weight=FIRST.upper().replace(".SAFETENSORS", ".safetensors")),
        FIRST.upper().replace(".SAFETENSORS", ".safetensors"),
        f"is named by {INDEX} and is not there",
    ),
    "vocabulary_list": (config(vocabulary_map=["a"]), "config.json", "has a vocabulary_map that is not an object"),
    "vocabulary_negative": (
        config(vocabulary_map={"a": -1}),
        "config.json",
        "has a vocabulary_map that gives token 'a' no id",
    ),
    "vocabularies_disagree": (
        tokenizer(seven=3),
        "tokenizer.json",
        "gives token 'seven' the id 3, and config.json gives it 15",
    ),
    "added_tokens_odd": (
        put("tokenizer.json", '{"added_tokens": [1]}'),
        "tokenizer.json",
        "has added_tokens that are not a list of objects",
    ),
}


KINDS: dict[type[CheckpointError], str] = {
    HeaderCutOff: "shard_truncated",
    HeaderSyntax: "bad_sibling",
    IndexMismatch: "shard_missing tensor_in_no_shard tensor_not_in_index tensor_in_another_shard tensor_twice stray_shard "
    "stray_variant index_long_name place_in_another_case",
    PathEscapes: "traversal absolute subfolder place_is_a_pickle place_is_a_number traversal_by_dots place_with_nul "
    "place_with_drive",
    IndexMalformed: "no_weight_map second_index",
    JsonMalformed: "index_is_a_list index_key_twice index_truncated config_key_twice config_not_utf8 config_nested "
    "config_infinite config_nan config_byte_order_mark config_crowded",
    NotPlainFile: "symlinked_shard symlinked_config symlinked_folder dangling_symlink pipe",
    FileNameRefused: "case_collision unicode_collision name_with_backslash name_with_newline name_not_unicode",
    ForeignFile: "bin pth optimizer ckpt gguf onnx distcp code archive renamed_pickle renamed_zip renamed_gguf adapter",
    LayoutUnknown: "no_config no_model_type",
    CodeRequested: "auto_map nested_auto_map tokenizer_auto_map listed_auto_map",
    VocabularyMalformed: "vocabulary_list vocabulary_negative vocabularies_disagree added_tokens_odd",
    NoWeights: "no_index",
}
"""The error type of each bad folder."""


def test_every_bad_folder_has_a_type_of_error() -> None:
    assert sorted(name for names in KINDS.values() for name in names.split()) == sorted(BAD)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_is_refused_with_its_own_message_and_type(name: str, tmp_path: Path) -> None:
    change, where, what = BAD[name]
    root = tiny().write(tmp_path / "model")
    change(root)
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(root)
    (problem,) = caught.value.problems
    assert problem.what == what
    assert problem.where == str(root / where)
    assert problem.fix
    (kind,) = [kind for kind, names in KINDS.items() if name in names.split()]
    assert type(caught.value) is kind


def test_a_folder_that_is_a_symlink_is_followed_once(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    (tmp_path / "latest").symlink_to(root)
    assert open_checkpoint(tmp_path / "latest").root == root
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").symlink_to("nowhere")
    with pytest.raises(NotFound):
        open_checkpoint(tmp_path / "latest")


def test_a_malformed_shard_is_a_header_error(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    cut(root)
    with pytest.raises(HeaderError):
        open_checkpoint(root)


def test_a_single_file_may_have_no_other_part_of_the_model_beside_it(tmp_path: Path) -> None:
    made = tiny()
    made.shards = {"model.safetensors": {**made.shards[FIRST], **made.shards[SECOND]}}
    root = made.write(tmp_path / "model")
    (root / FIRST).write_bytes((root / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match=r"lies beside model\.safetensors without an index"):
        open_checkpoint(root)


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        open_checkpoint(tmp_path / "nowhere")
    assert caught.value.problems[0].what == "there is no such checkpoint folder"
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="is not a folder"):
        open_checkpoint(tmp_path / "file")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(CheckpointError) as caught_file:
        open_checkpoint(tmp_path / "model.gguf")
    assert caught_file.value.problems[0].fix == "give the folder that holds it, and nothing else"
    with pytest.raises(NotFound) as caught_address:
        open_checkpoint(Path("http://localhost:8000/v1"))
    assert "of a server, give the folder that holds its endpoint.json" in str(caught_address.value.problems[0].fix)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="is empty"):
        open_checkpoint(tmp_path / "empty")


def test_a_large_json_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    with (root / "config.json").open("ab") as file:
        file.truncate(100 * 2**30)
    with pytest.raises(CheckpointError, match="is a JSON file of 107,374,182,400 bytes; at most 67,108,864 are read"):
        open_checkpoint(root)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (lzma.compress(b"weights"), "an archive"),
        (bz2.compress(b"weights"), "an archive"),
        (b"(\xb5/\xfd weights", "an archive"),
        (b"7z\xbc\xaf\x27\x1c weights", "an archive"),
        (b"Rar!\x1a\x07 weights", "an archive"),
        (safetensors({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}, b"x"), "a safetensors file under"),
    ],
    ids=["xz", "bz2", "zst", "7z", "rar", "safetensors"],
)
def test_weights_in_the_clothes_of_a_text_are_what_their_first_bytes_say(
    content: bytes, what: str, tmp_path: Path
) -> None:
    (tmp_path / "README.md").write_bytes(content)
    assert what in foreign_files(tmp_path, ["README.md"])["README.md"]


@pytest.mark.parametrize("text", ["", "{", "{}", "12345678{", "# A card\n{{ name }}", "BZ"])
def test_a_text_is_no_weights(text: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(text)
    assert foreign_files(tmp_path, ["README.md"]) == {}
