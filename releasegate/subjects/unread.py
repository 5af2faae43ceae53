"""Parts of a checkpoint that a subject leaves unused, by the names of tensors alone: no weight is loaded, and no torch.

A text subject of a model that also sees or hears loads those parts, and nothing that is asked of it runs them. A file of
tensors beside the model that a subject does not open is unused, too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from releasegate.checkpoint.contents import Contents
from releasegate.checkpoint.layouts import ADAPTER


@dataclass(frozen=True, slots=True)
class UnreadPart:
    """A part that takes no part in what is measured.

    Attributes:
        name: by which a policy accepts it.
        place: the file, and how the names of its tensors begin.
        tensors: how many.
        share: of all parameters of the folder, from 0 to 1.
    """

    name: str
    place: str
    tensors: int
    share: float


_WRAPPERS = frozenset({
    "model", "transformer", "base_model", "language_model", "text_model", "backbone", "gpt_neox", "gpt_neox_japanese",
    "llm", "rwkv",
    "roberta", "bert", "roc_bert", "electra", "roberta_prelayernorm", "prophetnet", "rembert", "biogpt", "cpmant",
    "data2vec_text", "ernie", "roformer", "thinker", "camembert", "big_bird",
})  # fmt: skip
"""Steps at the beginning of a name that say nothing of the part."""
_OF_TEXT = frozenset({
    "layers", "layer", "h", "blocks", "block", "embed_tokens", "embed_tokens_per_layer", "embed_tokens_extend", "norm", "norm_f",
    "final_norm", "ln_f", "final_layernorm", "final_layer_norm", "layer_norm", "layernorm", "LayerNorm", "lm_head", "embed_out",
    "word_embeddings", "word_embedding", "word_embeddings_layernorm", "embeddings", "embed_in", "embed_positions", "wte", "wpe",
    "emb_norm", "embedding_norm", "decoder", "encoder", "head", "output", "output_projection", "tok_embeddings", "rope", "cls",
    "position_embeddings", "positions_embed", "tokens_embed", "rotary_emb", "ln_out", "ln_in", "proj_out", "input_embedding",
    "per_layer_model_projection", "per_layer_projection_norm", "hc_head", "hyper_connection_mixer", "global_transformer",
    "local_encoder", "local_decoder", "patcher", "encoder_hash_tok_embedding", "segment_embedding", "position_bias",
    "logit_scale",
    "generator_predictions", "generator_lm_head", "lm_loss", "pred_layer", "attentions", "layer_norm1", "layer_norm2", "ffns",
    "layer_norm_emb", "mask_emb", "z_L_init", "L_module", "H_module", "final_input", "message_input", "out_norm",
    "embeddings_project",
    "input_hidden_states_scale", "input_hidden_states_bias", "pooler", "proj", "drop", "embedding", "final_logits_bias", "w",
})  # fmt: skip
"""First steps of the tensors that the causal models of transformers read and answer text by."""
_LAYER = re.compile(r"(?:^|\.)layers\.([0-9]+)\.")
_HEADS: Mapping[str, frozenset[str]] = {
    "chameleon": frozenset({"vqgan.safetensors"}),
    "mini_voice": frozenset({"content.safetensors", "speaker.safetensors", "watermark.safetensors"}),
}
"""Files beside the model that a subject opens."""
_PROGRAMS = frozenset({"command", "endpoint"})
"""Subjects that are a program or a server: what they read is their affair."""
_WHOLE = frozenset({"chameleon", "audioseal", "perth", "mini_voice", "xtts", "mtp-lm"})
"""Subjects whose own class takes every tensor of the model, or refuses the checkpoint, and runs every part."""
TEXT = "causal-lm"


def unread_parts(subject: str, contents: Contents) -> tuple[UnreadPart, ...]:
    """The parts that `subject` leaves unused, in the order of their names.

    Of a subject of the gate repository nothing can be said.

    Args:
        subject: its name in `SUBJECTS`.
        contents: of the checkpoint.
    """
    if subject in _PROGRAMS or subject not in {*_WHOLE, TEXT}:
        return ()
    sizes: dict[tuple[str, str], list[int]] = defaultdict(list)
    total = sum(place.entry.elements for place in contents.tensors.values())
    for part, name in _unused(contents) if subject == TEXT and not contents.layout.endswith("-gguf") else ():
        place = contents.tensors[name]
        sizes[part, f"{place.file}: {part}"].append(place.entry.elements)
    for file, header in contents.siblings.items():
        total += sum(entry.elements for entry in header.entries.values())
        if file not in _HEADS.get(subject, frozenset()) and file not in ADAPTER:
            sizes[_identifier(file), file] += [entry.elements for entry in header.entries.values()]
    return tuple(_merged(sizes, max(total, 1)))


def _merged(sizes: Mapping[tuple[str, str], list[int]], total: int) -> Iterator[UnreadPart]:
    """One part a name, with the first file that holds some of it."""
    names = sorted({part for part, _ in sizes})
    for name in names:
        places = sorted(place for part, place in sizes if part == name)
        elements = [size for place in places for size in sizes[name, place]]
        yield UnreadPart(_identifier(name), places[0][:400], len(elements), sum(elements) / total)


def _unused(contents: Contents) -> Iterator[tuple[str, str]]:
    """Part and name of each tensor that no text goes through, by what a text model's tensors are called."""
    count = _stated_layers(contents.config)
    for name in contents.tensors:
        part = _part(name)
        if part is not None:
            yield part, name
        elif count is not None and any(int(number) >= count for number in _layers(name)):
            yield "layers_beyond", name
    yield from _second_head(contents)


def _part(name: str) -> str | None:
    """The part that a tensor belongs to; None for the model of text.

    >>> _part("model.vision_tower.encoder.layers.0.mlp.fc1.weight"), _part("model.language_model.layers.0.mlp.up_proj.weight")
    ('vision_tower', None)
    >>> _part("visual.blocks.0.attn.qkv.weight"), _part("transformer.h.0.ln_1.weight")
    ('visual', None)
    """
    steps = name.split("@")[0].split(".")
    while len(steps) > 2 and steps[0] in _WRAPPERS:
        steps = steps[1:]
    return None if steps[0] in _OF_TEXT else steps[0]


def _layers(name: str) -> list[str]:
    return _LAYER.findall(name)[:1]


def _stated_layers(config: Mapping[str, object]) -> int | None:
    """How many layers the configuration of the text model says it has."""
    text = config.get("text_config")
    stated = (text if isinstance(text, Mapping) else config).get("num_hidden_layers")
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else None


def _second_head(contents: Contents) -> Iterator[tuple[str, str]]:
    """A head that is stored, holds other numbers than the embedding, and is tied to it all the same: it is never loaded."""
    if contents.config.get("tie_word_embeddings") is not True:
        return
    heads = [name for name in contents.tensors if name.endswith("lm_head.weight")]
    embeddings = [name for name in contents.tensors if name.endswith("embed_tokens.weight")]
    digests: Mapping[str, Mapping[str, str]] = getattr(contents, "digests", {})
    for head in heads:
        own = digests.get(contents.tensors[head].file, {}).get(head)
        same = [digests.get(contents.tensors[one].file, {}).get(one) == own for one in embeddings]
        if own is not None and same and not any(same):
            yield "lm_head", head


def _identifier(name: str) -> str:
    """A name that a policy can write.

    >>> _identifier("extra-heads.safetensors"), _identifier("Talker/x")
    ('extra-heads.safetensors', 'talker_x')
    """
    return re.sub(r"[^a-z0-9_.-]", "_", name.lower())[:64].strip("_.-") or "part"
