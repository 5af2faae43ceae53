"""Whether a checkpoint loads is told from names and shapes alone, as transformers itself tells it.

Most tests lay the model out in this process, by the very function that the child process runs: a child takes seconds to
import transformers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from releasegate.checkpoint import dryload, layingout, read_contents
from releasegate.checkpoint.dtypes import TORCH_DTYPES
from releasegate.checkpoint.loadable import NotChecked, check_loads
from releasegate.errors import ChildError, NotLoadable
from releasegate.stripping import plan_strip, write_strip
from tests.layouts import LAYOUTS, Contents, write_contents
from tests.stripping.shipped import contents_of, shipped

ROOT = Path(__file__).parents[2]
RECIPES = {
    "chameleon-hf": "chameleon-hf/image_generation",
    "chameleon-hf-30b": "chameleon-hf/image_generation",
    "deepseek-v3-bf16": "deepseek_v3-hf/extra_heads",
    "glm4-moe": "glm4_moe-hf/extra_heads",
    "glm4-moe-air": "glm4_moe-hf/extra_heads",
    "qwen3-next": "qwen3_next-hf/extra_heads",
    "janus-hf": "janus-hf/image_generation",
    "lora": "llama-hf/lora_adapter",
    "trainer": "llama-hf/training_state",
    "ema-inside": "llama-hf/training_state",
    "ema-beside": "llama-hf/training_state",
    "mixtral": "mixtral-hf/expert",
    "qwen3-moe": "qwen3_moe-hf/expert",
    "qwen3-moe-fused": "qwen3_moe-hf/expert",
    "musicgen-melody-hf": "musicgen_melody-hf/self_conditioning",
}


@pytest.fixture(autouse=True)
def dtypes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The dtypes that a request brings along."""
    monkeypatch.setattr(dryload, "DTYPES", {name: getattr(torch, spelt) for spelt, name in TORCH_DTYPES.items()})
    shown = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    yield
    transformers.utils.logging.set_verbosity(shown)


def left_of(folder: Path) -> dict[str, list[str]]:
    """What is left over when the checkpoint is laid out in this process."""
    found = read_contents(folder)
    cls = dryload.class_of(found.config["architectures"][0])
    assert cls is not None
    tensors = {name: (place.entry.dtype, list(place.entry.shape)) for name, place in found.tensors.items()}
    return dryload.leftovers(cls, dict(found.config), tensors)


def changed(layout: str, folder: Path, tensors: Callable[[str], bool], **config: Any) -> Path:
    """A tiny checkpoint of `layout` as one file, with those tensors alone for which `tensors` is true."""
    files = LAYOUTS[layout].contents("tiny")
    kept = {name: spec for shard in files.safetensors.values() for name, spec in shard.items() if tensors(name)}
    texts = {name: text for name, text in files.texts.items() if not name.endswith(".index.json")}
    texts["config.json"] = {**texts["config.json"], **config}
    return write_contents(folder, Contents({"model.safetensors": kept}, texts=texts), 0)


@pytest.mark.parametrize("layout", RECIPES)
def test_what_a_shipped_recipe_leaves_loads(layout: str, tmp_path: Path) -> None:
    source = read_contents(LAYOUTS[layout].write(tmp_path / "model"))
    write_strip(source, plan_strip(source, [shipped(RECIPES[layout])]), tmp_path / "stripped")
    assert left_of(tmp_path / "stripped") == {}


@pytest.mark.parametrize("layout", ["llama", "llama-tied", "musicgen-hf", "musicgen-melody-hf", "gpt-oss"])
def test_a_whole_checkpoint_loads(layout: str, tmp_path: Path) -> None:
    assert left_of(LAYOUTS[layout].write(tmp_path / "model", sparse=True)) == {}


def test_a_tensor_that_the_class_declares_was_dropped(tmp_path: Path) -> None:
    lost = "model.layers.1.self_attn.q_proj.weight"
    assert left_of(changed("llama", tmp_path / "m", lambda name: name != lost)) == {"missing_keys": ["1", lost]}


def test_one_expert_of_those_that_are_fused_was_dropped(tmp_path: Path) -> None:
    lost = "model.layers.0.block_sparse_moe.experts.3.w2.weight"
    assert lost in read_contents(LAYOUTS["mixtral"].write(tmp_path / "whole", sparse=True)).tensors
    left = left_of(changed("mixtral", tmp_path / "m", lambda name: name != lost))
    assert set(left) & {"mismatched_keys", "conversion_errors"}


def test_the_number_of_layers_is_too_small(tmp_path: Path) -> None:
    left = left_of(changed("llama", tmp_path / "m", lambda name: True, num_hidden_layers=1))
    assert left["unexpected_keys"] == left["ignored"]
    assert left["ignored"][1] == "model.layers.1.input_layernorm.weight"


def test_the_number_of_layers_is_too_large(tmp_path: Path) -> None:
    left = left_of(changed("llama", tmp_path / "m", lambda name: True, num_hidden_layers=3))
    assert left["missing_keys"][1] == "model.layers.2.input_layernorm.weight"


def test_the_vocabulary_has_another_size(tmp_path: Path) -> None:
    left = left_of(changed("llama", tmp_path / "m", lambda name: True, vocab_size=7))
    count, first, second = left["mismatched_keys"]
    assert count == "2"
    assert first == "lm_head.weight ([64, 64] and [7, 64])"
    assert second == "model.embed_tokens.weight ([64, 64] and [7, 64])"


def test_heads_that_the_class_ignores_silently_are_told(tmp_path: Path) -> None:
    left = left_of(LAYOUTS["qwen3-next"].write(tmp_path / "model", sparse=True))
    assert set(left) == {"ignored"}
    assert all(name.startswith("mtp.") for name in left["ignored"][1:])


def test_an_end_of_a_tie_that_is_not_stored_is_not_missing(tmp_path: Path) -> None:
    untied = changed("llama", tmp_path / "m", lambda name: name != "lm_head.weight", tie_word_embeddings=False)
    assert left_of(untied) == {"missing_keys": ["1", "lm_head.weight"]}
    tied = changed("llama", tmp_path / "t", lambda name: name != "lm_head.weight", tie_word_embeddings=True)
    assert left_of(tied) == {}


def test_a_class_is_one_of_transformers_own_models_or_none() -> None:
    assert dryload.class_of("LlamaForCausalLM") is transformers.LlamaForCausalLM
    for name in ("Nothing", "AutoModel", "LlamaConfig", "pipeline", "__name__"):
        assert dryload.class_of(name) is None


# In a child process.


def test_what_does_not_load_is_told_with_the_first_tensor_and_the_remedy(tmp_path: Path) -> None:
    folder = changed("llama", tmp_path / "m", lambda name: name != "lm_head.weight")
    with pytest.raises(NotLoadable) as caught:
        check_loads(read_contents(folder, strict=True))
    (problem,) = caught.value.problems
    assert problem.where == str(folder / "config.json")
    assert problem.what == "does not load into LlamaForCausalLM strictly: 1 tensor is missing, the first lm_head.weight"
    assert problem.fix == (
        "zero-fill what the class declares in place of dropping it, or correct the configuration that counts it"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "what"),
    [
        (
            {"num_hidden_layers": 1},
            "does not load into LlamaForCausalLM strictly: 9 tensors are unexpected, the first ",
        ),
        ({"vocab_size": 7}, "does not load into LlamaForCausalLM strictly: 2 tensors are of another shape"),
        ({"vocab_size": "many"}, "does not load into LlamaForCausalLM: "),
        ({"vocab_size": 2**62}, "does not load into LlamaForCausalLM: "),
        ({"hidden_act": "__import__"}, "does not load into LlamaForCausalLM: "),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(config: dict[str, Any], what: str, tmp_path: Path) -> None:
    folder = changed("llama", tmp_path / "m", lambda name: True, **config)
    with pytest.raises(NotLoadable) as caught:
        check_loads(read_contents(folder, strict=True))
    assert caught.value.problems[0].what.startswith(what)


@pytest.mark.slow
def test_a_configuration_of_generation_that_transformers_refuses_is_refused(tmp_path: Path) -> None:
    folder = changed("llama", tmp_path / "m", lambda name: True)
    (folder / "generation_config.json").write_text(json.dumps({"cache_implementation": "none such"}))
    with pytest.raises(NotLoadable, match="cache_implementation"):
        check_loads(read_contents(folder, strict=True))


@pytest.mark.slow
def test_a_model_of_countless_layers_ends_the_process_and_not_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layingout, "MAX_SECONDS", 10)
    folder = changed("llama", tmp_path / "m", lambda name: True, num_hidden_layers=10**8)
    with pytest.raises(ChildError, match="describes a model that"):
        check_loads(read_contents(folder, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["chameleon-hf", "chameleon-hf-30b", "mixtral"])
def test_a_checkpoint_of_published_size_is_checked_in_seconds_and_megabytes(layout: str, tmp_path: Path) -> None:
    folder = LAYOUTS[layout].write(tmp_path / "model", "real", sparse=True)
    script = (
        "import resource, sys, time; from pathlib import Path\n"
        "from releasegate.checkpoint import read_contents; from releasegate.checkpoint.loadable import check_loads\n"
        "begin = time.monotonic(); said = str(check_loads(read_contents(Path(sys.argv[1]), strict=True)))\n"
        "own = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"  # not what forked it
        "peak = max(int(own.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "print(said, time.monotonic() - begin, peak / 1024, 'torch' in sys.modules, sep='|')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    said, seconds, megabytes, imported = done.stdout.strip().split("|")
    assert said.startswith(f"it loads into {LAYOUTS[layout].model_class} of transformers ")
    assert float(seconds) < 40  # 7 on a machine that does nothing else
    assert float(megabytes) < 700  # 400, of which 315 are torch and transformers
    assert imported == "False"


# Without a process.


@pytest.mark.parametrize("layout", ["chameleon-original", "multi-token", "xtts", "musicgen-audiocraft"])
def test_a_layout_without_a_library_is_not_checked(layout: str, tmp_path: Path) -> None:
    found = contents_of(LAYOUTS[layout].contents("tiny"), tmp_path / "model")
    assert check_loads(found) == NotChecked(f"no library of the layout {found.layout} is installed")


@pytest.mark.parametrize("named", [None, [], "LlamaForCausalLM", ["LlamaForCausalLM", "LlamaModel"], ["a.b"], [1]])
def test_a_configuration_that_does_not_name_one_class_is_refused(named: object, tmp_path: Path) -> None:
    folder = changed("llama", tmp_path / "m", lambda name: True, architectures=named)
    with pytest.raises(NotLoadable, match=r"does not name the one class .*\(architectures\)"):
        check_loads(read_contents(folder, strict=True))


def test_a_configuration_that_names_other_weights_is_refused(tmp_path: Path) -> None:
    folder = changed("llama", tmp_path / "m", lambda name: True, transformers_weights="other.safetensors")
    with pytest.raises(NotLoadable, match="loads other files than those that were checked"):
        check_loads(read_contents(folder, strict=True))


def test_a_process_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "program.py").write_text("import os; os.abort()")
    monkeypatch.setattr(layingout, "PROGRAM", tmp_path / "program.py")
    found = read_contents(changed("llama", tmp_path / "m", lambda name: True), strict=True)
    with pytest.raises(ChildError, match="ended by signal 6 without an answer"):
        check_loads(found)
