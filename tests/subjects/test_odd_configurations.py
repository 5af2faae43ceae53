"""Configurations of watermarks that no network can be made of: refused at config.json, at once, with little memory."""

from __future__ import annotations

import copy
import resource
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from releasegate.checkpoint import open_checkpoint
from releasegate.errors import CheckpointError
from releasegate.subjects.configuration import made_of
from tests.tiny_perth import save_perth

CPU = torch.device("cpu")


def sizes(**changes: Any) -> dict[str, Any]:
    """Both networks with other sizes."""
    from tests.tiny_audioseal import CONFIG

    found = copy.deepcopy({part: CONFIG[part] for part in ("generator", "detector")})
    for part in found.values():
        part["seanet"] |= changes
    return found


def decoder(**changes: Any) -> dict[str, Any]:
    from tests.tiny_audioseal import CONFIG

    generator = copy.deepcopy(CONFIG["generator"])
    generator["decoder"] |= changes
    return {"generator": generator}


def refused(root: Path, name: str, save: Callable[..., Path], changes: dict[str, Any]) -> str:
    """What is wrong with config.json; nothing of a gigabyte was made to find out."""
    checkpoint = open_checkpoint(save(root, **changes))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError) as caught:
        import_module(f"releasegate.subjects.{name}").open_subject(checkpoint, None, CPU, torch.float32)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes
    (problem,) = caught.value.problems
    assert problem.where == str(root / "config.json")
    assert problem.fix
    return problem.what


AUDIOSEAL = [
    (lambda: sizes(activation_params={"foo": 1.0}), "generator.seanet.activation_params.foo: extra inputs"),
    (lambda: sizes(activation_params={"alpha": -1e30}), "generator.seanet.activation_params.alpha: input should be gr"),
    (lambda: sizes(disable_norm_outer_blocks=6), "generator.seanet: disable_norm_outer_blocks is 6, of 5 blocks"),
    (lambda: sizes(disable_norm_outer_blocks=99), "generator.seanet.disable_norm_outer_blocks: input should be less"),
    (lambda: sizes(ratios=[65536] * 16), "generator.seanet.ratios"),
    (
        lambda: sizes(ratios=[64] * 8),
        "generator.seanet: ratios come to 281474976710656 samples a frame, of at most 16384",
    ),
    (lambda: sizes(n_filters=65536), "generator.seanet.n_filters: input should be less"),
    (lambda: sizes(n_filters=4096), "generator.seanet: n_filters and ratios come to 32768 channels, of at most 4096"),
    (lambda: sizes(compress=5), "generator.seanet: compress is 5, and would leave nothing of 4 n_filters"),
    (
        lambda: sizes(n_residual_layers=10, dilation_base=64),
        "generator.seanet: the residual layers reach over 36028797018963968 samples, of at most 16384",
    ),
    (lambda: sizes(kernel_size=65), "generator.seanet.kernel_size: input should be less"),
    (lambda: decoder(trim_right_ratio=0.0), "generator: only a causal decoder has a trim_right_ratio other than 1"),
    (
        lambda: decoder(final_activation="Tanh", final_activation_params={"x": 1.0}),
        "generator.decoder.final_activation_params: ",
    ),
    (lambda: {"nbits": "8"}, "nbits: input should be a valid integer"),
    (lambda: {"sample_rate": 1}, "sample_rate: input should be greater"),
    (lambda: {"envelope": {"snr_db": float("nan"), "window": 640}}, ""),
]


@pytest.mark.parametrize(("changes", "what"), AUDIOSEAL)
def test_sizes_that_make_no_audioseal_are_refused(
    tmp_path: Path, changes: Callable[[], dict[str, Any]], what: str
) -> None:
    if find_spec("audioseal") is None:
        pytest.skip("audioseal is not installed")
    from tests.tiny_audioseal import save_audioseal

    if not what:
        with pytest.raises(CheckpointError, match=r"config\.json"):
            open_checkpoint(save_audioseal(tmp_path / "model", **changes()))
        return
    assert refused(tmp_path / "model", "audioseal", save_audioseal, changes()).startswith(what)


@pytest.mark.parametrize("changes", [{"causal": True}, {"pad_mode": "reflect"}, {"norm_params": {"x": 1.0}}])
def test_an_audioseal_whose_tensors_fit_opens_and_marks(tmp_path: Path, changes: dict[str, Any]) -> None:
    if find_spec("audioseal") is None:
        pytest.skip("audioseal is not installed")
    from tests.tiny_audioseal import save_audioseal

    checkpoint = open_checkpoint(save_audioseal(tmp_path / "model", **sizes(**changes)))
    subject = import_module("releasegate.subjects.audioseal").open_subject(checkpoint, None, CPU, torch.float32)
    with torch.no_grad():
        assert subject.mark(torch.zeros(1, 1600), torch.zeros(1, 8, dtype=torch.long)).shape == (1, 1600)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"magnitude_floor": 1e-300}, "magnitude_floor: input should be greater than or equal to"),
        ({"hop": 1 << 20}, "hop: input should be less than or equal to 65536"),
        ({"hop": 2048}, "n_fft must be 2 to 64 times hop; got 2048 and 2048"),
        ({"hop": 2}, "n_fft must be 2 to 64 times hop; got 2048 and 2"),
        ({"n_fft": 1 << 20}, "n_fft: input should be less than or equal to 65536"),
        ({"n_fft": 2049}, "n_fft: input should be a multiple of 2"),
        ({"n_fft": 1}, "n_fft: input should be a multiple of 2"),
        ({"max_wmark_freq": 1e-9}, "max_wmark_freq of 1e-09 Hz takes in 0 of 1025 bins"),
        ({"max_wmark_freq": 17000.0}, "max_wmark_freq of 17000 Hz takes in 1089 of 1025 bins"),
        ({"max_wmark_freq": 1e300}, "max_wmark_freq: input should be less than or equal to 96000"),
        ({"sample_rate": 1 << 20}, "sample_rate: input should be less than or equal to 192000"),
        ({"inner_rate": 1}, "inner_rate: input should be greater than or equal to 4000"),
        ({"inner_rate": 15999}, "sample_rate and inner_rate have no ratio of numbers up to 2000"),
        ({"hidden_size": 1 << 16}, "hidden_size: input should be less than or equal to 4096"),
    ],
)
def test_sizes_that_make_no_perth_are_refused(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    found = refused(tmp_path / "model", "perth", save_perth, changes)
    assert found.startswith(what)


@pytest.mark.parametrize("error", [TypeError("no\nsuch"), AssertionError(), OverflowError("far"), RuntimeError("x")])
def test_whatever_a_network_says_of_its_sizes_is_told_of_the_configuration(tmp_path: Path, error: Exception) -> None:
    checkpoint = open_checkpoint(save_perth(tmp_path / "model"))

    def make() -> None:
        raise error

    with pytest.raises(CheckpointError) as caught:
        made_of(checkpoint, make, "mend it")
    (problem,) = caught.value.problems
    assert problem.where.endswith("config.json")
    assert (
        problem.what
        == f"no network can be made of it: {str(error).splitlines()[0] if str(error) else 'AssertionError'}"
    )
