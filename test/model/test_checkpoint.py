"""Weights are those of this model, every one of them, or they are refused with the reasons."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from sam2_ros.model import CONFIGS, CheckpointError, Sam2, load_model, save_weights, seeded_model
from sam2_ros.model import checkpoint as checkpoints
from sam2_ros.model.checkpoint import load_weights
from sam2_ros.model.checkpoint_names import UNUSED

GOLDEN = np.load(Path(__file__).parent.parent / "parity" / "golden.npz")  # see test/parity/test_golden.py
OFFICIAL = [name for name in CONFIGS if name != "nano"]


@pytest.fixture(scope="module")
def nano() -> Sam2:
    return seeded_model("nano")


@pytest.fixture
def official(nano: Sam2) -> dict[str, torch.Tensor]:
    """The weights of nano as an official checkpoint would hold them."""
    return {**nano.state_dict(), UNUSED: torch.zeros(1, 1, 128)}


def written(path: Path, weights: object) -> Path:
    torch.save({"model": weights}, path)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model("nano", path)
    message = str(caught.value)
    assert str(path) in message
    return message


@pytest.mark.parametrize("name", OFFICIAL)
def test_every_parameter_has_the_official_name_and_shape(name: str) -> None:
    with torch.device("meta"):
        weights = Sam2(CONFIGS[name]).state_dict()
    ours = {f"{key} {tuple(value.shape)}" for key, value in weights.items()}
    official = set(str(GOLDEN[f"keys/{name}"]).splitlines())
    assert ours == {line for line in official if not line.startswith(UNUSED)}
    assert len(ours) == len(weights) == len(official) - 1


def test_an_official_checkpoint_loads(nano: Sam2, official: dict[str, torch.Tensor], tmp_path: Path) -> None:
    loaded = load_model("nano", written(tmp_path / "nano.pt", official))
    assert all(torch.equal(value, nano.state_dict()[key]) for key, value in loaded.state_dict().items())
    assert not loaded.training and not any(parameter.requires_grad for parameter in loaded.parameters())


def test_weights_that_were_saved_load_again(nano: Sam2, tmp_path: Path) -> None:
    path = tmp_path / "nano.safetensors"
    save_weights(nano, path, torch.float32)
    loaded = load_model("nano", path)
    assert all(torch.equal(value, nano.state_dict()[key]) for key, value in loaded.state_dict().items())
    assert [file.name for file in tmp_path.iterdir()] == ["nano.safetensors"]


def test_weights_are_saved_at_half_the_size(nano: Sam2, tmp_path: Path) -> None:
    save_weights(nano, tmp_path / "nano.safetensors")
    size = sum(value.numel() for value in nano.state_dict().values())
    assert (tmp_path / "nano.safetensors").stat().st_size < 2.1 * size
    assert next(load_model("nano", tmp_path / "nano.safetensors").parameters()).dtype == torch.float32


def test_weights_fit_any_input_size(official: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = written(tmp_path / "nano.pt", official)
    assert load_model("nano", path, image_size=128).config.image_size == 128


def test_missing_unexpected_and_misshapen_keys_are_all_named(official: dict[str, torch.Tensor], tmp_path: Path) -> None:
    del official["no_mem_embed"], official["memory_encoder.out_proj.bias"]
    official["adapter.weight"] = torch.zeros(3)
    official["mask_downsample.weight"] = torch.zeros(1, 1, 8, 8)
    message = refusal(written(tmp_path / "other.pt", official))
    assert "does not fit model nano (4 differences)" in message
    assert "missing no_mem_embed" in message and "missing memory_encoder.out_proj.bias" in message
    assert "unexpected adapter.weight" in message
    assert "mask_downsample.weight has shape (1, 1, 8, 8), expected (1, 1, 4, 4)" in message


def test_many_differences_are_reported_in_ten_lines(official: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = written(tmp_path / "other.pt", {name: value[None] for name, value in official.items()})
    message = refusal(path)
    assert len(message.splitlines()) <= 10
    assert "does not fit model nano, nor any other (358 differences)" in message and "and 351 more" in message


@pytest.mark.parametrize(("given", "loaded"), [("nano", "sam2.1_hiera_tiny"), *itertools.pairwise(OFFICIAL)])
def test_a_checkpoint_of_another_model_is_refused_with_its_name(given: str, loaded: str) -> None:
    with torch.device("meta"):
        other, model = Sam2(CONFIGS[given]).state_dict(), Sam2(CONFIGS[loaded])
    with pytest.raises(CheckpointError, match=f"f.pt is for model {given}, not {loaded}: set the model to {given}$"):
        load_weights(model, other, "f.pt")


def test_a_refused_checkpoint_changes_nothing(nano: Sam2) -> None:
    model = Sam2(CONFIGS["nano"])
    before = {key: value.clone() for key, value in model.state_dict().items()}
    weights = nano.state_dict()
    weights.pop("no_mem_embed")
    with pytest.raises(CheckpointError, match="missing no_mem_embed"):
        load_weights(model, weights, "weights")
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "does not exist, expected a .pt or .safetensors file" in refusal(tmp_path / "none.pt")


def test_missing_weights_are_reported_with_the_command_that_downloads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAM2_ROS_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="fetch them with `sam2_ros download sam2_hiera_tiny`") as caught:
        load_model("sam2_hiera_tiny")
    assert str(tmp_path / "sam2_hiera_tiny.pt") in str(caught.value)


def test_bundled_weights_need_no_path(nano: Sam2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "BUNDLED", tmp_path)
    save_weights(nano, tmp_path / "nano.safetensors", torch.float32)
    assert torch.equal(load_model("nano").no_mem_embed, nano.no_mem_embed)
