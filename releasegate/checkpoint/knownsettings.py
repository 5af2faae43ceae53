"""Settings that the files of a checkpoint usually have. Pure.

What a file says beside them goes out without anybody having read what it means; a receipt names it. The settings of a model
itself are those that its class declares (`dryload.py` asks for them), where that can be had.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MODEL = _keys(
    """
    _attn_implementation _name_or_path architectures attn_implementation dtype id2label label2id model_type rope_scaling
    rope_theta torch_dtype transformers_version
    """
)
"""Of `config.json`, whatever the class; `dryload.py` has the same."""
_GENERATION = _keys(
    """
    _from_model_config bad_words_ids begin_suppress_tokens bos_token_id cache_implementation decoder_start_token_id
    diversity_penalty do_sample early_stopping encoder_no_repeat_ngram_size eos_token_id epsilon_cutoff eta_cutoff
    exponential_decay_length_penalty forced_bos_token_id forced_eos_token_id guidance_scale length_penalty max_length
    max_new_tokens max_time min_length min_new_tokens min_p no_repeat_ngram_size num_beam_groups num_beams
    num_return_sequences output_attentions output_hidden_states output_logits output_scores pad_token_id penalty_alpha
    remove_invalid_values renormalize_logits repetition_penalty return_dict_in_generate stop_strings suppress_tokens
    temperature token_healing top_k top_p transformers_version typical_p use_cache
    """
)
_SPECIAL = _keys(
    "additional_special_tokens bos_token cls_token eos_token mask_token pad_token sep_token unk_token image_token "
    "audio_token video_token boi_token eoi_token"
)
_TOKENIZER = (
    _keys(
        """
    add_bos_token add_eos_token add_prefix_space added_tokens_decoder backend chat_template clean_up_tokenization_spaces
    do_lower_case errors extra_special_tokens is_local legacy max_length model_input_names model_max_length
    model_specific_special_tokens pad_to_multiple_of pad_token_type_id padding_side processor_class return_token_type_ids
    sp_model_kwargs spaces_between_special_tokens split_special_tokens stride strip_accents tokenizer_class
    tokenizer_file tokenize_chinese_chars truncation_side truncation_strategy use_default_system_prompt name_or_path
    """
    )
    | _SPECIAL
)
_PROCESSOR = _keys(
    """
    chunk_length crop_size data_format default_to_square device disable_grouping do_center_crop do_convert_rgb do_normalize
    do_pad do_rescale do_resize feature_extractor feature_extractor_type feature_size hop_length image_mean
    image_processor image_processor_type image_seq_length image_size image_std image_token input_data_format max_pixels
    merge_size min_pixels n_fft n_samples nb_max_frames norm_mean norm_std overlap pad_size padding_side padding_value
    patch_size processor_class resample rescale_factor return_attention_mask return_tensors sampling_rate size
    temporal_patch_size tokenizer tokenizer_class
    """
)
_ADAPTER = _keys(
    """
    alora_invocation_tokens alpha_pattern arrow_config auto_mapping base_model_name_or_path bias corda_config
    ensure_weight_tying eva_config exclude_modules fan_in_fan_out inference_mode init_lora_weights layer_replication
    layers_pattern layers_to_transform loftq_config lora_alpha lora_bias lora_dropout megatron_config megatron_core
    modules_to_save peft_type peft_version qalora_group_size r rank_pattern revision target_modules target_parameters
    task_type trainable_token_indices use_dora use_qalora use_rslora
    """
)
_PARAMS = _keys(
    """
    dim ffn_dim_multiplier hidden_dim max_batch_size max_seq_len model multiple_of n_future_tokens n_heads n_kv_heads n_layers
    norm_eps qk_normalization rope_theta swin_norm use_scaled_rope vocab_size
    """
)
KNOWN: Mapping[str, frozenset[str]] = {
    "config.json": _MODEL,
    "generation_config.json": _GENERATION,
    "tokenizer_config.json": _TOKENIZER,
    "special_tokens_map.json": _SPECIAL,
    "preprocessor_config.json": _PROCESSOR,
    "processor_config.json": _PROCESSOR,
    "adapter_config.json": _ADAPTER,
    "params.json": _PARAMS,
}
"""Keys at the top of each file, by its name: transformers 5 writes them, peft 0.18 (adapters), Llama and Chameleon (params)."""


def unknown_keys(name: str, data: Mapping[str, Any], declared: Collection[str] | None = None) -> tuple[str, ...]:
    """The settings of a file that no list knows, sorted.

    Args:
        name: of the file.
        data: what stands in it.
        declared: dotted paths of those of a model that its class does not declare; `None` if that is not known.

    >>> unknown_keys("generation_config.json", {"top_k": 5, "teacher": "a"})
    ('teacher',)
    """
    if declared is not None:
        return tuple(sorted(declared))
    known = KNOWN.get(PurePosixPath(name).name, frozenset())
    return tuple(sorted(str(key) for key in data if key not in known))
