"""Whole checkpoints looked at: sound ones of many layouts, and ones with everything wrong that there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from releasegate.errors import NotFound
from releasegate.inspection import Finding, Inspection, inspect_checkpoint
from releasegate.inspection.record import FileKind, Kind
from tests.layouts import LAYOUTS
from tests.tiny_checkpoints import WIDE, chameleon_recipe, safetensors, tiny

INDEX = "model.safetensors.index.json"
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
TOKEN = "hf_" + "aB3" * 12
Change = Callable[[Path], object]


def look(root: Path, **options: Any) -> Inspection:
    found = inspect_checkpoint(root, [chameleon_recipe()], **options)
    assert Inspection.from_text(found.text()) == found
    return found


def of_kind(found: Inspection, kind: str) -> list[Finding]:
    return [finding for finding in found.findings if finding.kind == kind]


def put(name: str, content: bytes | str | dict[str, Any]) -> Change:
    def changed(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content) if isinstance(content, dict) else content
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return changed


def tensors(name: str, metadata: dict[str, str] | None = None, **arrays: Any) -> Change:
    """Adds a safetensors file; dots in names are written as `__`."""
    named = {key.replace("__", "."): value for key, value in arrays.items()}
    return lambda root: save_file(named, root / name, metadata=metadata)


def pickled(name: str, data: Callable[[], Any]) -> Change:
    return lambda root: torch.save(data(), root / name)


def index(change: Callable[[dict[str, str]], object]) -> Change:
    def changed(root: Path) -> None:
        data = json.loads((root / INDEX).read_text())
        change(data["weight_map"])
        (root / INDEX).write_text(json.dumps(data))

    return changed


def config(**values: Any) -> Change:
    def changed(root: Path) -> None:
        data = {**json.loads((root / "config.json").read_text()), **values}
        (root / "config.json").write_text(json.dumps(data))

    return changed


def hole(root: Path) -> None:
    header = {"big": {"dtype": "U8", "shape": [1 << 24], "data_offsets": [0, 1 << 24]}}
    (root / "sparse.safetensors").write_bytes(safetensors(header))
    os.truncate(root / "sparse.safetensors", (root / "sparse.safetensors").stat().st_size + (1 << 24))


A = np.arange(300, dtype="float32").reshape(3, 100)

PLANTED: dict[str, tuple[Change, Kind, str, str]] = {
    "symlink": (lambda root: (root / "x.json").symlink_to("/etc/passwd"), "not_a_file", "x.json", "is a symlink to '/etc"),
    "folder_link": (lambda root: (root / "sub").symlink_to("/"), "not_a_file", "sub", "is a symlink to '/'"),
    "pipe": (lambda root: os.mkfifo(root / "pipe"), "not_a_file", "pipe", "is a pipe, a socket or a device"),
    "control_name": (put("a\x1b[31m.txt", ""), "bad_name", "a\x1b[31m.txt", "has a name that not every system can carry"),
    "no_utf8": (
        lambda root: Path(os.fsdecode(bytes(root) + b"/\xff.txt")).write_text(""),
        "bad_name",
        "\\udcff.txt",
        "has a name that is not UTF-8",
    ),
    "collision": (put("readme.md", ""), "name_collision", "readme.md", "and 'README.md' are one file on some systems"),
    "hard_link": (lambda root: os.link(root / FIRST, root.parent / "other"), "hard_link", ".", "are hard-linked"),
    "cut_shard": (lambda root: os.truncate(root / SECOND, 5000), "malformed", SECOND, "is cut off: its tensors need"),
    "bad_json": (put("notes.json", "{'a'}"), "malformed", "notes.json", "is not valid JSON"),
    "bad_gguf": (put("m.gguf", b"GGUF" + bytes(60)), "malformed", "m.gguf", "is of version 0"),
    "gguf": (put("m.gguf", b"GGUF" + bytes(60)), "second_form", "m.gguf", "is a GGUF file"),
    "hidden_gguf": (put("LICENSE", b"GGUF" + bytes(60)), "second_form", "LICENSE", "is a GGUF file"),
    "onnx": (put("m.onnx", "x"), "second_form", "m.onnx", "is a form of weights that is not read here"),
    "lone_part": (put("dcp/__0_0.distcp", "x"), "unreadable", "dcp", "holds parts of a distributed checkpoint"),
    "zip": (put("m.zip", "x"), "archive", "m.zip", "is an archive"),
    "data": (put("train.jsonl", "{}"), "data", "train.jsonl", "looks like data"),
    "git": (put(".git/HEAD", "ref"), "history", ".git", "holds the history of a repository"),
    "adapter": (put("adapter_config.json", "{}"), "adapter", "adapter_config.json", "is an adapter"),
    "traversal": (index(lambda m: m.update(a="../x.safetensors")), "index_malformed", INDEX, "places tensors in what is not"),
    "absent": (index(lambda m: m.update(a="x.safetensors")), "index_mismatch", INDEX, "names shards that are not there"),
    "ghost": (index(lambda m: m.update(a=FIRST)), "index_mismatch", INDEX, "names tensors that are not in the shard"),
    "unindexed": (index(lambda m: m.pop("lm_head.weight")), "not_in_index", FIRST, f"holds tensors that {INDEX} does not"),
    "no_map": (put(INDEX, {"metadata": {}}), "index_malformed", INDEX, "has no weight_map"),
    "stray": (tensors("old.safetensors", b__c=A), "not_in_index", "old.safetensors", f"is not in {INDEX}, and holds a tensor"),
    "hidden": (tensors("notes.dat", b__c=A), "not_in_index", "notes.dat", f"is not in {INDEX}, and holds a tensor"),
    "misnamed": (tensors("pytorch_model.bin", b__c=A), "not_in_index", "pytorch_model.bin", f"is not in {INDEX}, and holds a"),
    "second_index": (put("pytorch_model.bin.index.json", "{}"), "second_index", "pytorch_model.bin.index.json", "is an index"),
    "doubled": (tensors("old.safetensors", lm_head__weight=A), "doubled", "old.safetensors", "has tensors of the same names as"),
    "copy": (
        tensors("old.safetensors", module__model__norm__weight=np.ones(32, "f4")),
        "copy",
        "old.safetensors",
        f"has tensors that may be copies of tensors of {FIRST}",
    ),
    "form": (
        lambda root: save_file(
            {
                f"layers.{n}": np.ones(np.shape(array)[::-1], "f2")
                for n, array in enumerate(array for part in tiny().shards.values() for array in part.values())
            },
            root / "consolidated.00.safetensors",
        ),
        "copy",
        "consolidated.00.safetensors",
        "may hold the model once more under other names",
    ),
    "alias": (
        tensors("old.safetensors", {"b.c": "x.y"}, x__y=A),
        "tied",
        "old.safetensors",
        "has names in its metadata for tensors",
    ),
    "tie": (config(tie_word_embeddings=True), "tied", "config.json: tie_word_embeddings", "says that input and output"),
    "optimizer": (tensors("o.safetensors", a__exp_avg=A), "optimizer", "o.safetensors", "has tensors of an optimizer's state"),
    "ema": (tensors("o.safetensors", ema__a__b=A), "ema", "o.safetensors", "has tensors that are called after a running average"),
    "trainer": (put("trainer_state.json", "{}"), "training_state", "trainer_state.json", "is a leftover of training"),
    "scale": (tensors("o.safetensors", a__weight_scale=A), "quantised", "o.safetensors", "has quantised tensors"),
    "quant": (config(quantization_config={"bits": 4}), "quantised", "config.json: quantization_config", "says that the weights"),
    "hole": (hole, "hole", "sparse.safetensors", "has tensors that are a hole of the file"),
    "empty": (tensors("o.safetensors", a=A[:0]), "no_elements", "o.safetensors", "has tensors without an element"),
    "odd_name": (tensors("o.safetensors", wеights=A), "odd_name", "o.safetensors", "has tensors whose names are not"),
    "metadata": (tensors("o.safetensors", {"n": "x" * 5000}, a=A), "large_metadata", "o.safetensors", "carries 5,001 bytes"),
    "code": (put("modeling.py", "import os"), "code", "modeling.py", "is code"),
    "auto_map": (config(vq_config={"deep": [{"auto_map": {"A": "b"}}]}), "code", "config.json: vq_config.deep.0.auto_map", ""),
    "yaml_tag": (put("a.yaml", "x: !!python/object/apply:os.system [ls]"), "code", "a.yaml", "has YAML tags"),
    "template": (
        put("tokenizer_config.json", {"chat_template": [{"name": "x", "template": "{{ ''.__class__ }}"}]}),
        "template",
        "tokenizer_config.json: chat_template.0.template",
        "is a template that reaches for more",
    ),
    "jinja": (put("chat_template.jinja", "{% include '/etc/passwd' %}"), "template", "chat_template.jinja", "is a template that"),
    "token_in_json": (config(x={"y": TOKEN}), "secret", "config.json", "has an access token of Hugging Face"),
    "token_in_yaml": (put("a/b.yaml", f"k: {TOKEN}"), "secret", "a/b.yaml", "has an access token of Hugging Face"),
    "token_in_metadata": (tensors("o.safetensors", {"by": TOKEN}, a=A), "secret", "o.safetensors", "has an access token"),
    "password": (config(password="correct horse"), "secret", "config.json", "has the value of a key that is called after"),
    "home": (config(_name_or_path="/home/ada/secret"), "personal", "config.json", "has a path in somebody's home"),
    "local": (config(_name_or_path="/mnt/a/secret"), "personal", "config.json", "has a path of the machine"),
    "user": (
        tensors("o.safetensors", {"user_name": "ada"}, a=A), "personal", "o.safetensors", "has the name of a user or a machine",
    ),
    "mail": (put("a.txt", "by ada.l@lab.org"), "personal", "a.txt", "has an e-mail address"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found_and_the_rest_is_still_described(name: str, tmp_path: Path) -> None:
    change, kind, where, what = PLANTED[name]
    root = tiny().write(tmp_path / "model")
    before = {(one.kind, one.where, one.what) for one in look(root).findings}
    change(root)
    found = look(root)
    new = [one for one in of_kind(found, kind) if (one.kind, one.where, one.what) not in before]
    assert [(one.where, one.what[: len(what)]) for one in new] == [(where, what)]
    assert all(one.fix for one in found.findings)
    assert found.sound == all(one.level != "problem" for one in found.findings)
    assert found.layout == "chameleon-hf"
    assert found.model.tensors >= 4
    assert TOKEN not in found.text()
    assert "correct horse" not in found.text()


def test_what_a_pickle_hides_is_found_without_loading_it(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    shared = torch.ones(4)
    data = {
        "w": torch.ones(100)[:10],
        "a": shared,
        "b": shared,
        "step": 7,
        "key": TOKEN,
        "cfg": {"path": "/home/ada/x"},
    }
    pickled("x.pth", lambda: data)(root)
    found = look(root)
    mine = {(one.kind, one.what.split(" of ")[0], one.names) for one in found.findings if one.where == "x.pth"}
    assert {one for one in mine if one[0] not in ("not_in_index", "pickle")} == {
        ("slack", "keeps 360 bytes behind its tensors that none", ("w",)),
        ("tied", "has tensors that share bytes", ("a = b",)),
        ("values", "holds values beside its tensors", ("step", "key", "cfg.path")),
        ("secret", "has an access token", ("key: hf_a… (39 characters)",)),
        ("personal", "has a path in somebody's home", ("cfg.path: /home/a…/x",)),
    }
    assert [(part.name, part.tensors) for part in found.components if part.file == "x.pth"] == [
        ("w", 1),
        ("a", 1),
        ("b", 1),
    ]


REFUSED: dict[str, tuple[Change, str, str]] = {
    "code": (pickled("x.pth", lambda: os.system), "PickledError", "holds code: posix.system"),
    "bare": (put("x.pth", b"\x80\x04."), "ArchiveError", "is a bare pickle"),
    "noise": (put("x.bin", "noise"), "ArchiveError", "does not begin as the zip archive"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_pickle_that_is_refused_is_a_problem_and_the_rest_is_described(name: str, tmp_path: Path) -> None:
    change, error, what = REFUSED[name]
    root = tiny().write(tmp_path / "model")
    change(root)
    found = look(root)
    (one,) = of_kind(found, "pickle_refused")
    assert (one.error, one.what[: len(what)]) == (error, what)
    assert (found.sound, found.model.tensors) == (False, 10)


def test_a_gguf_file_is_described_by_its_header(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_string("tokenizer.chat_template", "{{ x.__class__ }}")
    writer.add_string("general.source", "/home/ada/llama")
    blocks = gguf.quantize(np.ones((2, 64), "float32"), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("blk.0.ffn_up.weight", blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    for write in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
        writer.close,
    ):
        write()
    found = look(tmp_path)
    assert found.sound
    assert [one.dtype for one in found.model.dtypes] == ["Q8_0"]
    assert {one.kind for one in found.findings} == {"second_form", "template", "personal", "values", "quantised"}
    (values,) = of_kind(found, "values")
    assert values.what == "holds keys beside its tensors; its architecture is 'llama'"


@pytest.mark.filterwarnings("ignore")  # torch warns of what it does on a single process
def test_a_distributed_checkpoint_is_described_by_its_metadata(tmp_path: Path) -> None:
    import torch.distributed.checkpoint as dcp

    model = {"fc.weight": torch.ones(4, 6), "ema.fc.weight": torch.ones(4, 6)}
    dcp.save({"model": model, "step": 3}, checkpoint_id=tmp_path / "run")
    found = look(tmp_path / "run")
    assert found.sound
    assert (found.model.tensors, found.model.parameters) == (2, 48)
    assert {one.kind for one in found.findings} == {"second_form", "values", "ema", "copy"}


@pytest.mark.parametrize("name", [name for name in LAYOUTS if not LAYOUTS[name].contents("tiny").torch])
def test_checkpoints_of_every_layout_are_sound_and_in_few_parts(name: str, tmp_path: Path) -> None:
    root = LAYOUTS[name].write(tmp_path / "model")
    found = look(root)
    assert found.sound
    assert found.layout is not None
    assert 3 <= len(found.components) <= 30
    assert sum(part.tensors for part in found.components) == found.model.tensors + found.beside.tensors
    assert found.model.tensors >= 20


def test_a_pipeline_of_several_models_is_held_against_the_index_of_each(tmp_path: Path) -> None:
    for part in ("unet", "vae"):
        root = tiny().write(tmp_path / part)
        (root / INDEX).rename(root / "diffusion_pytorch_model.safetensors.index.json")
    put("model_index.json", {"_class_name": "Pipeline"})(tmp_path)
    found = look(tmp_path)
    assert (found.sound, found.layout) == (True, None)
    assert found.model.tensors == 24
    (tmp_path / "vae" / SECOND).unlink()
    (one,) = of_kind(look(tmp_path), "index_mismatch")
    assert (one.where, one.names) == ("vae/diffusion_pytorch_model.safetensors.index.json", (f"vae/{SECOND}",))


def test_tensor_parallel_shards_are_one_model(tmp_path: Path) -> None:
    for shard in ("consolidated.00.safetensors", "consolidated.01.safetensors"):
        tensors(shard, layers__0__attention__wq__weight=A, norm__weight=A[0])(tmp_path)
    put("params.json", {"dim": 4})(tmp_path)
    found = look(tmp_path)
    assert (found.layout, found.parallel, found.sound) == ("llama-original", True, True)
    assert not of_kind(found, "doubled")


@pytest.mark.slow
def test_tensor_parallel_pickles_are_one_model(tmp_path: Path) -> None:
    found = look(LAYOUTS["chameleon-original-30b"].write(tmp_path / "model"))
    assert (found.layout, found.parallel, found.sound) == ("chameleon-original", True, True)
    assert not of_kind(found, "doubled")
    assert {part.file for part in found.components} == {None, "tokenizer/vqgan.ckpt"}


def test_a_clean_checkpoint_has_few_findings_and_a_recipe_that_fits(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    found = look(root)
    assert [(one.kind, one.where) for one in found.findings] == [("not_in_index", "vqgan.safetensors")]
    assert [(fit.id, fit.fits) for fit in found.recipes] == [(WIDE, True)]
    assert found.tensors is None
    listed = look(root, list_tensors=True).tensors
    assert listed is not None
    assert len(listed) == found.model.tensors + found.beside.tensors == 12


def test_a_recipe_that_does_not_fit_says_what_it_leaves(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    put("notes.txt", "x")(root)
    tensors("more.safetensors", x__y=A)(root)
    (fit,) = look(root).recipes
    assert (fit.fits, fit.tensors, fit.files) == (False, 0, 2)
    assert fit.unaccounted == ("more.safetensors", "notes.txt")


@pytest.mark.parametrize("name", [FIRST, "vqgan.safetensors", "config.json"])
def test_one_file_can_be_looked_at_alone(name: str, tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    found = look(root / name)
    assert (found.sound, found.layout) == (True, None)
    assert [file.path for file in found.files] == [name]
    assert (found.model.tensors > 0) == name.endswith(".safetensors")


def test_a_file_that_claims_what_it_does_not_hold_is_still_described(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors({"a.b": {"dtype": "I64", "shape": [1 << 37], "data_offsets": [0, 1 << 40]}}))
    found = look(path, compare=True, list_tensors=True)
    assert not found.sound
    assert [(one.kind, one.error) for one in found.findings] == [("malformed", "HeaderCutOff")]
    assert (found.model.tensors, found.model.size) == (1, 1 << 40)


def test_tensors_that_lie_outside_their_file_are_not_compared(tmp_path: Path) -> None:
    far = 2**63 - 1 - (1 << 20)
    entries = {
        name: {"dtype": "F32", "shape": [1 << 18], "data_offsets": [far, far + (1 << 20)]} for name in ("a.b", "c.d")
    }
    (tmp_path / "x.safetensors").write_bytes(safetensors(entries))
    found = look(tmp_path / "x.safetensors", compare=True)
    assert [(one.kind, one.error) for one in found.findings] == [("malformed", "BytesUncovered")]


def test_nothing_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        inspect_checkpoint(tmp_path / "nowhere")
    assert [one.kind for one in look(tmp_path).findings] == ["empty"]


def test_a_folder_named_by_a_link_is_looked_at(tmp_path: Path) -> None:
    root = tiny().write(tmp_path / "model")
    (tmp_path / "latest").symlink_to(root)
    assert look(tmp_path / "latest").sound


@pytest.mark.parametrize(
    ("arrays", "kinds"),
    [
        ({"a__w": A, "b__w": A}, ["duplicate"]),
        ({"a__w": A, "b__w": A.reshape(100, 3)}, ["duplicate"]),
        ({"a__w": A, "b__w": A + 1}, []),
        ({"a__w": np.ones(9, "f4"), "b__w": np.ones(9, "f4")}, ["constant"]),
        ({"a__w": np.arange(1 << 17, dtype="f4"), "b__w": np.arange(1 << 17, dtype="f4")}, ["duplicate"]),
        ({"a__w": np.zeros(1 << 17, "f4"), "b__w": np.eye(1, 1 << 17, 300, dtype="f4")[0]}, ["constant"]),
    ],
)
def test_equal_bytes_are_found_whatever_the_shape(arrays: dict[str, Any], kinds: list[str], tmp_path: Path) -> None:
    tensors("x.safetensors", **arrays)(tmp_path)
    found = look(tmp_path / "x.safetensors", compare=True)
    assert [one.kind for one in found.findings if one.kind in ("duplicate", "constant")] == kinds
    plain = look(tmp_path / "x.safetensors")
    assert not of_kind(plain, "duplicate")


def test_tensors_that_differ_only_between_the_samples_are_told_apart(tmp_path: Path) -> None:
    one = np.arange(1 << 18, dtype="f4")
    other = one.copy()
    other[9_000] += 1
    tensors("x.safetensors", a__w=one, b__w=other, c__w=one)(tmp_path)
    (found,) = of_kind(look(tmp_path / "x.safetensors", compare=True), "duplicate")
    assert found.names == ("x.safetensors: a.w", "x.safetensors: c.w")


def test_sixty_nine_gigabytes_take_seconds_and_little_memory(tmp_path: Path) -> None:
    root = LAYOUTS["chameleon-hf-30b"].write(tmp_path / "model", size="real", sparse=True)
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from releasegate.inspection import inspect_checkpoint\n"
        "begun = time.process_time()\n"
        "found = inspect_checkpoint(Path(sys.argv[1]), compare=True)\n"
        "took = time.process_time() - begun\n"
        "peak = [line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1]\n"
        "print(found.model.size, took, peak, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(root)], check=True, capture_output=True, text=True)
    size, seconds, kilobytes, torch_too = done.stdout.split()
    assert int(size) > 68_000_000_000
    assert float(seconds) < 5
    assert int(kilobytes) < 150_000
    assert torch_too == "False"


def test_every_kind_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "inspecting.md").read_text()
    assert [kind for kind in (*get_args(Kind), *get_args(FileKind)) if f"`{kind}`" not in page] == []
