"""Weights of 8 bits have the scales that their configuration says; without them, the rest is that of the plain model."""

from __future__ import annotations

from typing import Any

import pytest

from releasegate.checkpoint.eightbit import without_scales
from releasegate.errors import NotLoadable

Tensors = dict[str, tuple[str, tuple[int, ...]]]
WEIGHT, SHAPE = "model.layers.0.mlp.up_proj.weight", (300, 200)
BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128]}
ONE = {"quant_method": "fp8"}
STATIC = {"quant_method": "fp8", "activation_scheme": "static"}
ROWS = {"quant_method": "fbgemm_fp8"}
INVERSE, SCALE = f"{WEIGHT}_scale_inv", f"{WEIGHT}_scale"


def compressed(strategy: str | None, *, inputs: bool = False, **weights: Any) -> dict[str, Any]:
    group: dict[str, Any] = {"weights": {"type": "float", "num_bits": 8, "strategy": strategy, **weights}}
    if inputs:
        group["input_activations"] = {"dynamic": False}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}}


def tensors(
    scale: str | None, shape: tuple[int, ...] = (), dtype: str = "F32", weight: tuple[int, ...] = SHAPE
) -> Tensors:
    of: Tensors = {"model.norm.weight": ("BF16", (200,)), WEIGHT: ("F8_E4M3", weight)}
    return of if scale is None else of | {scale: (dtype, shape)}


def read(stated: Any, given: Tensors) -> tuple[dict[str, Any], dict[str, Any]] | str:
    return without_scales({"hidden_size": 200, "quantization_config": stated}, given, "model")


@pytest.mark.parametrize(
    ("stated", "scale", "shape"),
    [
        (BLOCKS, INVERSE, (3, 2)),
        (ONE, INVERSE, ()),
        (ONE, INVERSE, (1,)),
        (ROWS, SCALE, (300, 1)),
        (ROWS, SCALE, (300,)),
        (compressed("channel"), SCALE, (300, 1)),
        (compressed("tensor"), SCALE, (1,)),
        (compressed("block", block_structure=[128, 128]), SCALE, (3, 2)),
    ],
)
def test_scales_of_each_form_are_taken_off(stated: Any, scale: str, shape: tuple[int, ...]) -> None:
    plain = {"hidden_size": 200}, tensors(None)
    assert read(stated, tensors(scale, shape)) == plain
    wrong = tensors(scale, (*shape[:-1], 7))
    with pytest.raises(NotLoadable, match=r"holds the scale .* where .* is wanted"):
        read(stated, wrong)
    with pytest.raises(NotLoadable, match=r"in 8 bits, of shape \[300, 200\], without "):
        read(stated, tensors(None))
    with pytest.raises(NotLoadable, match=r"holds the scale .* of I32"):
        read(stated, tensors(scale, shape, "I32"))


@pytest.mark.parametrize(
    ("stated", "shape"),
    [(BLOCKS, (4, 3, 2)), (ONE, (4,)), (ONE, (4, 1, 1))],
)
def test_experts_in_one_tensor_have_scales_each(stated: Any, shape: tuple[int, ...]) -> None:
    given = tensors(INVERSE, shape, weight=(4, 300, 200))
    assert read(stated, given) == ({"hidden_size": 200}, tensors(None, weight=(4, 300, 200)))
    with pytest.raises(NotLoadable, match="holds the scale"):
        read(stated, tensors(INVERSE, shape[1:], weight=(4, 300, 200)))


def test_a_name_that_does_not_end_in_weight_has_its_scale_beside_it() -> None:
    given: Tensors = {
        "experts.gate_up_proj": ("F8_E4M3", (4, 256, 128)),
        "experts.gate_up_proj_scale_inv": ("F32", (4, 2, 1)),
    }
    assert read(BLOCKS, given) == ({"hidden_size": 200}, {"experts.gate_up_proj": ("F8_E4M3", (4, 256, 128))})


@pytest.mark.parametrize(
    ("stated", "scale", "inputs"),
    [(STATIC, INVERSE, "activation_scale"), (compressed("tensor", inputs=True), SCALE, "input_scale")],
)
def test_scales_of_inputs_are_taken_off_where_the_configuration_has_them(stated: Any, scale: str, inputs: str) -> None:
    name = WEIGHT.removesuffix("weight") + inputs
    given = tensors(scale, (1,)) | {name: ("F32", (1,))}
    assert read(stated, given) == ({"hidden_size": 200}, tensors(None))
    with pytest.raises(NotLoadable, match=f"holds the scale .*{inputs}"):
        read(stated, given | {name: ("F32", (64,))})


@pytest.mark.parametrize("stated", [BLOCKS, ONE, ROWS])
def test_tensors_that_are_nobodys_scale_stay_to_be_accounted_for(stated: Any) -> None:
    """A scale for a weight of 16 bits, and inputs' scales that no configuration tells of, are what a class does not declare."""
    scale, shape = (INVERSE, (3, 2)) if stated is BLOCKS else (INVERSE, ()) if stated is ONE else (SCALE, (300, 1))
    odd: Tensors = {
        "model.norm.weight_scale_inv": ("F32", (64, 64)),
        WEIGHT.removesuffix("weight") + "activation_scale": ("F32", (1,)),
    }
    found = read(stated, tensors(scale, shape) | odd)
    assert not isinstance(found, str)
    assert found[1] == tensors(None) | odd


@pytest.mark.parametrize(
    ("stated", "method"),
    [
        ({"quant_method": "gptq"}, "'gptq'"),
        ({"quant_method": ["fp8"]}, "['fp8']"),
        ("fp8", "None"),
        ({"quant_method": "fp8", "weight_block_size": [128, 0]}, "'fp8'"),
        ({"quant_method": "fp8", "weight_block_size": [128]}, "'fp8'"),
        ({"quant_method": "fp8", "weight_block_size": [True, 128]}, "'fp8'"),
        (compressed("group"), "'compressed-tensors'"),
        (compressed(None), "'compressed-tensors'"),
        (compressed("block"), "'compressed-tensors'"),
        (compressed("channel", type="int"), "'compressed-tensors'"),
        (compressed("channel", num_bits=4), "'compressed-tensors'"),
        (compressed("channel", symmetric=False), "'compressed-tensors'"),
        ({**compressed("channel"), "kv_cache_scheme": {}}, "'compressed-tensors'"),
        ({"quant_method": "compressed-tensors", "config_groups": {}}, "'compressed-tensors'"),
    ],
)
def test_forms_that_tell_no_shapes_are_named(stated: Any, method: str) -> None:
    assert (
        read(stated, tensors(SCALE, (300, 1)))
        == f"it is quantised in a form ({method}) that does not tell the class's shapes"
    )


def test_weights_of_8_bits_that_no_configuration_tells_of_are_not_read() -> None:
    assert (
        without_scales({}, tensors(None), "model")
        == "it has tensors in 8 bits, and no quantization_config says how to read them"
    )
    plain: Tensors = {"model.norm.weight": ("BF16", (200,))}
    assert without_scales({"hidden_size": 1}, plain, "model") == ({"hidden_size": 1}, plain)


def test_a_vector_in_8_bits_is_no_weight() -> None:
    with pytest.raises(NotLoadable, match="which is no matrix"):
        read(ONE, tensors(INVERSE, (), weight=(300,)))
