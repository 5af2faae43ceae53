"""Twenty-one ways in which a stripped capability leaks back: each is refused by name, and the clean controls pass.

The names of the leaks begin with the number of the way:

1 a mask at run time that is taken for removal · 2 zeroed rows · 3 tied weights · 4 a decoder or codebook in another
file · 5 a pattern that misses a partner or hits another · 6 the same tensor elsewhere, in another form · 7 index and
shards that differ · 8 slack of storages, members that nothing refers to · 9 moments and averages · 10 scales, fused and
split tensors · 11 leftovers that a class ignores · 12 weights and data in texts · 13 texts and code that still offer the
capability · 15 both versions side by side · 16 history and caches · 19 what the kept half of a codec gives away · 20
links to files that change · 21 a model that does not load.

Not here, because no file of the checkpoint shows them: 14, grafting the part from a public base or sibling, needs the
base; 17, quantisation that undoes small edits, has nothing to undo (what a strip edits is zero, random or gone); 18,
training on what is kept alone, is training. The last two, and 19 as an attack, are measured: by what it costs to
restore. 15 and 16 are here as far as a folder shows them: what lies in the source or comes to lie in the output, not
what a hub keeps.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from releasegate.checkpoint import read_contents
from releasegate.inspection import inspect_checkpoint
from releasegate.receipt import TIER_MEANS
from releasegate.recipe import Recipe
from releasegate.stripping import plan_strip, verify_strip, write_strip
from tests.attacks.planted import LEAKS, Leak
from tests.attacks.planted.afterwards import verify
from tests.attacks.planted.leak import HEAD, added, layout, made, planted
from tests.attacks.planted.recipes import ranks
from tests.stripping.shipped import shipped
from tests.tiny_checkpoints import Tiny, chameleon_recipe

MINI = Path(__file__).parents[2] / "examples" / "mini_chameleon" / "checkpoint"
NOT_IN_FILES = {14, 17, 18}


def marked(leaks: dict[str, Leak]) -> list[object]:
    return [pytest.param(leak, id=name, marks=[pytest.mark.slow] * leak.slow) for name, leak in leaks.items()]


@pytest.mark.parametrize("leak", marked(LEAKS))
def test_leak(leak: Leak, tmp_path: Path) -> None:
    with pytest.raises(leak.error) as caught:
        leak.commit(tmp_path)
    assert type(caught.value) is leak.error
    assert leak.what in caught.value.problems[0].what
    assert caught.value.problems[0].fix
    if leak.then is None:
        assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_there_is_a_leak_of_every_number() -> None:
    assert {int(name[:2]) for name in LEAKS} == set(range(1, 22)) - NOT_IN_FILES


CONTROLS: dict[str, tuple[Callable[[Path], object] | None, str]] = {
    "mini-chameleon": (None, "chameleon-hf/image_generation"),
    "tiny": (made, "chameleon-hf/image_generation"),
    "chameleon-hf": (layout("chameleon-hf"), "chameleon-hf/image_generation"),
    "janus-hf": (layout("janus-hf"), "janus-hf/image_generation"),
    "deepseek-v3": (layout("deepseek-v3"), "deepseek_v3-hf/extra_heads"),
    "mixtral": (layout("mixtral"), "mixtral-hf/expert"),
    "qwen3-moe-fused": (layout("qwen3-moe-fused"), "qwen3_moe-hf/expert"),
    "lora": (layout("lora"), "llama-hf/lora_adapter"),
    "trainer": (layout("trainer"), "llama-hf/training_state"),
    "ema-inside": (layout("ema-inside"), "llama-hf/training_state"),
    "musicgen-melody-hf": (layout("musicgen-melody-hf"), "musicgen_melody-hf/self_conditioning"),
}
SLOW = {"janus-hf", "musicgen-melody-hf"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CONTROLS])
def test_a_clean_control_passes(name: str, tmp_path: Path) -> None:
    make, recipe = CONTROLS[name]
    source = tmp_path / "model" if make else MINI
    if make:
        make(source)
    contents = read_contents(source)
    used = chameleon_recipe() if make is made else shipped(recipe)
    receipt = write_strip(contents, plan_strip(contents, [used]), tmp_path / "stripped")
    assert receipt.tier == ("named_weights_absent" if make is made else "weights_absent")
    assert verify_strip(tmp_path / "stripped", receipt, source)


def test_edits_of_every_kind_raise_no_alarm_on_a_clean_control(tmp_path: Path) -> None:
    """The recipes of leaks 4, 6 and 10 that are more than what ships, where nothing is planted."""
    for number, (name, make) in enumerate(
        [
            ("04-decoder-scaled-in-its-own-file", planted(beside)),
            ("06-columns-turned", made),
            ("10-rows-of-another-rank", ranks),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        Leak(make, "", recipe=LEAKS[name].recipe, then=verify).commit(folder)


def beside(control: Tiny) -> None:
    """Something else in the decoder's file."""
    control.siblings["vqgan.safetensors"]["encoder.w"] = np.random.default_rng(7).standard_normal((16, 72))


def test_a_receipt_says_its_tier_in_words_and_shows_what_an_attacker_could_use(tmp_path: Path) -> None:
    """Leaks 1, 2 and 19: zeroed rows, encoder and codebook stay, and nobody is told that they are gone."""
    made(tmp_path / "model")
    contents = read_contents(tmp_path / "model")
    receipt = write_strip(contents, plan_strip(contents, [chameleon_recipe()]), tmp_path / "stripped")
    assert receipt.tier == "named_weights_absent"
    assert receipt.tier_means == TIER_MEANS["named_weights_absent"]
    assert (
        TIER_MEANS["weights_absent"] == "weights absent: what they cost to restore was not measured, and may be little"
    )
    assert TIER_MEANS["interface_disabled"].startswith("masked in code")
    why = {one.tensors: one.why for one in receipt.residual}
    assert "The public restoration" in why[HEAD]
    assert why["model.vqmodel.encoder.*"] == "Reading an image needs the encoder; a decoder can be trained against it."
    assert "codebook" in why["model.vqmodel.quantize.embedding.weight"]
    assert not receipt.takes_out("model.vqmodel.encoder.conv_in.weight")


def gguf_with(key: str, value: str) -> bytes:
    """A GGUF file that holds a text and no tensor."""
    parts = [raw for text in (key, value) for raw in (struct.pack("<Q", len(text)), text.encode())]
    parts.insert(2, struct.pack("<I", 8))
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + b"".join(parts)
    return head.ljust(-(-len(head) // 32) * 32, b"\0")


SECRET = "hf_" + "aB3" * 12
KEYS = {
    "12-secret-in-the-keys-of-gguf": gguf_with("general.description", SECRET),
    "12-template-in-the-keys-of-gguf": gguf_with("tokenizer.chat_template", "{{ ''.__class__.__mro__ }}"),
}
INSPECTED: dict[str, str] = {
    "03-tied-by-config": "tied",
    "03-tied-by-an-alias": "tied",
    "03-tied-and-stored-once": "tied",
    "03-tied-by-a-shared-storage": "tied",
    "03-tied-by-copy": "duplicate",
    "04-decoder-in-onnx": "second_form",
    "04-decoder-in-a-pickle": "pickle",
    "06-copied-to-a-kept-tensor": "duplicate",
    "06-the-same-name-in-another-shard": "doubled",
    "06-in-a-consolidated-file": "doubled",
    "06-in-gguf": "second_form",
    "06-in-numpys-archive": "second_form",
    "06-in-a-distributed-checkpoint": "second_form",
    "07-out-of-the-index-and-in-the-shard": "not_in_index",
    "07-out-of-the-shard-and-in-the-index": "index_mismatch",
    "08-storage-slack": "slack",
    "08-member-of-a-storage-that-nothing-uses": "unreferenced",
    "09-moments-in-the-model": "optimizer",
    "09-optimizer-in-a-pickle": "optimizer",
    "09-optimizer-in-safetensors": "optimizer",
    "09-average-beside": "ema",
    "10-scale-of-the-head": "quantised",
    "10-scales-of-a-layer-of-eight-bits": "quantised",
    "12-weights-in-metadata": "large_metadata",
    "12-training-data": "data",
    "12-secret-in-the-keys-of-gguf": "secret",
    "12-template-in-the-keys-of-gguf": "template",
    "13-code": "code",
    "13-code-in-the-configuration": "code",
    "16-history": "history",
}


PICKLES = {name for name in INSPECTED if "pickle" in name or (name in LEAKS and LEAKS[name].slow)}
"""What inspecting takes more than a second of."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in PICKLES)) for name in INSPECTED]
)
def test_inspected(name: str, tmp_path: Path) -> None:
    """`releasegate inspect` names it, before anybody has written a recipe."""
    make = LEAKS[name].make if name in LEAKS else added("model.gguf", KEYS[name])
    make(tmp_path / "model")
    found = inspect_checkpoint(tmp_path / "model", compare=True)
    kinds = {finding.kind: finding for finding in found.findings}
    assert INSPECTED[name] in kinds
    assert kinds[INSPECTED[name]].fix


@pytest.mark.parametrize("name", ["copied", "recipe"])
def test_what_is_listed_as_residual_is_shown_and_no_leak(name: str, tmp_path: Path) -> None:
    """Leaks that the recipe knows of: the search finds them, the receipt shows them with their reason."""
    if name == "copied":
        LEAKS["03-tied-by-copy"].make(tmp_path / "model")
        more = {
            "tensors": "model.embed_tokens.weight",
            "copies": HEAD,
            "why": "The embedding was copied from the head.",
        }
    else:
        made(tmp_path / "model")
        more = {"files": "config.json", "why": "The processor needs the names."}
    plain = chameleon_recipe().plain()
    plain["residual"].append(more)
    if name == "recipe":
        plain["edits"] = plain["edits"][:3]
        plain["keep"]["files"].append("generation_config.json")
    contents = read_contents(tmp_path / "model")
    receipt = write_strip(contents, plan_strip(contents, [Recipe.from_text(json.dumps(plain))]), tmp_path / "stripped")
    if name == "copied":
        (copy,) = receipt.leftovers.near_copies or ()
        assert (copy.part, copy.tensor, copy.rows) == (HEAD, "model.embed_tokens.weight", 8)
    else:
        (offer,) = receipt.leftovers.offers or ()
        assert offer.file == "config.json"
    assert verify_strip(tmp_path / "stripped", receipt, tmp_path / "model")
