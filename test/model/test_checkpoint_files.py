"""Weights are found in whatever file people have them, and a file that has none is refused in one line."""

from __future__ import annotations

import argparse
import gzip
import os
import pathlib
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sam2_ros.model import CheckpointError, Sam2, load_model, save_weights, seeded_model
from sam2_ros.model.checkpoint_files import read_checkpoint
from sam2_ros.model.checkpoint_names import UNUSED

Weights = dict[str, Any]
UNSAFE = "weights_only"  # PyTorch's advice, which would execute what is in the file


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[Path, str]]:
        return Path.write_text, (self.target, "executed")


@pytest.fixture(scope="module")
def nano() -> Sam2:
    return seeded_model("nano")


@pytest.fixture
def weights(nano: Sam2) -> Weights:
    """As an official checkpoint has them under the key "model"."""
    return {**nano.state_dict(), UNUSED: torch.zeros(1, 1, 128)}


def prefixed(prefix: str) -> Callable[[Weights], Weights]:
    return lambda weights: {prefix + name: value for name, value in weights.items()}


def optimizer_state() -> dict[str, Any]:
    layer = nn.Linear(3, 3)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(3)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


CONTENTS: dict[str, Callable[[Weights], Any]] = {
    "official": lambda weights: {"model": weights},
    "bare": lambda weights: weights,
    "state_dict": lambda weights: {"state_dict": weights, "epoch": 3},
    "DataParallel": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "compiled DataParallel": prefixed("module._orig_mod."),
    "DataParallel, compiled": prefixed("_orig_mod.module."),
    "compiled trunk": lambda weights: {
        name.replace("image_encoder.trunk.", "image_encoder.trunk._orig_mod."): v for name, v in weights.items()
    },
    "Lightning": lambda weights: {
        "state_dict": {**prefixed("model.")(weights), "loss.pos_weight": torch.ones(1)},
        "pytorch-lightning_version": "2.5.0",
        "hyper_parameters": {"lr": 1e-4},
        "optimizer_states": [optimizer_state()],
    },
    "Lightning, compiled": lambda weights: {"state_dict": prefixed("model._orig_mod.")(weights)},
    "training": lambda weights: {
        "optimizer": optimizer_state(),
        "model": weights,
        "epoch": 3,
        "loss": {"best": np.float64(0.5)},
    },
    "averages besides": lambda weights: {
        "ema": {name: torch.zeros_like(value) for name, value in weights.items()},
        "model": weights,
    },
    "nested": lambda weights: {"checkpoint": {"model": {"state_dict": weights}}},
    "numpy besides": lambda weights: {
        "model": weights,
        "miou": np.float64(0.8),
        "best": np.float32(0.8),
        "step": np.int64(7),
        "is_best": np.bool_(True),
        "losses": np.arange(3.0),
    },
    "options besides": lambda weights: {
        "model": weights,
        "args": argparse.Namespace(lr=0.1),
        "folder": pathlib.PosixPath("/tmp"),
    },
    "numpy": lambda weights: {"model": {name: value.numpy() for name, value in weights.items()}},
    "parameters": lambda weights: {"model": {name: nn.Parameter(value) for name, value in weights.items()}},
}


def assert_loads(path: Path, nano: Sam2, atol: float = 0.0) -> None:
    loaded, expected = load_model("nano", path).state_dict(), nano.state_dict()
    for name, value in loaded.items():
        assert value.dtype is torch.float32
        assert torch.allclose(value, expected[name], rtol=atol, atol=atol)


@pytest.mark.parametrize("content", CONTENTS)
def test_weights_are_found_wherever_they_are_in_a_file(
    content: str, nano: Sam2, weights: Weights, tmp_path: Path
) -> None:
    torch.save(CONTENTS[content](weights), tmp_path / "weights.pt")
    assert_loads(tmp_path / "weights.pt", nano)


@pytest.mark.parametrize("content", ["official", "training", "numpy besides"])
def test_the_format_before_pytorch_1_6_loads(content: str, nano: Sam2, weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(CONTENTS[content](weights), path, _use_new_zipfile_serialization=False)
    assert_loads(path, nano)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_every_precision_load(dtype: torch.dtype, nano: Sam2, weights: Weights, tmp_path: Path) -> None:
    torch.save({"model": {name: value.to(dtype) for name, value in weights.items()}}, tmp_path / "weights.pt")
    assert_loads(tmp_path / "weights.pt", nano, atol=0.01)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt", "weights"])
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_safetensors_load_under_any_name(name: str, prefix: str, nano: Sam2, weights: Weights, tmp_path: Path) -> None:
    save_file(prefixed(prefix)(weights), tmp_path / name)
    assert_loads(tmp_path / name, nano)


def refusal(path: Path, model: str = "nano") -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(model, path)
    message = str(caught.value)
    assert str(path) in message
    assert UNSAFE not in message
    assert "delete" not in message
    assert len(message.splitlines()) <= 10
    cause: BaseException | None = caught.value
    while cause is not None:  # what a traceback would show
        assert UNSAFE not in str(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return message


FOREIGN = {
    "empty.pt": (b"", "is empty"),
    "page.pt": (b"\n<!DOCTYPE html><html>404 Not Found</html>" * 50, "is a web page that was saved"),
    "page.safetensors": (b"<html>404 Not Found</html>" * 50, "is a web page that was saved"),
    "pointer.pt": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 156008466\n", "git lfs pull"),
    "model.safetensors.index.json": (b'{"weight_map": {}}', "is a JSON file"),
    "weights.pt.gz": (gzip.compress(b"weights"), "unpack it first"),
    "noise.pt": (bytes(range(256)) * 50, "cut off, damaged or no checkpoint"),
    "noise.safetensors": (bytes(range(256)) * 50, "cut off, damaged or no checkpoint"),
    "text.pt": (b"no weights", "cut off, damaged or no checkpoint"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_kind_is_refused_by_its_kind(name: str, tmp_path: Path) -> None:
    content, expected = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    assert expected in refusal(tmp_path / name)


def test_an_archive_of_other_things_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "archive.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "no weights")
    assert "cut off, damaged or no checkpoint" in refusal(path)


def test_an_archive_of_tar_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"weights")
    with tarfile.open(tmp_path / "weights.tar", "w") as file:
        file.add(tmp_path / "weights.pt")
    assert "unpack it first" in refusal(tmp_path / "weights.tar")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    assert "is no regular file" in refusal(tmp_path / "pipe.pt")


def test_a_file_with_the_wrong_ending_is_to_be_renamed(weights: Weights, tmp_path: Path) -> None:
    torch.save({"model": weights}, tmp_path / "weights.safetensors")
    assert "is no safetensors file, but a zip archive like .pt files: rename it" in refusal(
        tmp_path / "weights.safetensors"
    )


def test_a_program_of_torchscript_is_refused(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / "scripted.pt"
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    recwarn.clear()
    assert "no checkpoint" in refusal(path)
    assert not [warning for warning in recwarn if UNSAFE in str(warning.message)]


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_was_cut_off_is_refused(legacy: bool, weights: Weights, tmp_path: Path) -> None:
    torch.save({"model": weights}, tmp_path / "whole.pt", _use_new_zipfile_serialization=not legacy)
    save_file(weights, tmp_path / "whole.safetensors")
    for suffix in (".pt", ".safetensors"):
        whole, cut = (tmp_path / f"whole{suffix}").read_bytes(), tmp_path / f"cut{suffix}"
        for length in (5, 100, 1000, len(whole) // 2, len(whole) - 1):
            cut.write_bytes(whole[:length])
            message = refusal(cut)
            assert "cut off, damaged or no checkpoint" in message
            assert "copy or download it again from where it came from" in message


def test_what_was_downloaded_by_us_is_downloaded_again_by_us(
    weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAM2_ROS_CACHE", str(tmp_path))
    path = tmp_path / "sam2.1_hiera_tiny.pt"
    torch.save({"model": weights}, path)
    path.write_bytes(path.read_bytes()[:1000])
    assert "fetch it again: `sam2_ros download sam2.1_hiera_tiny`" in refusal(path, "sam2.1_hiera_tiny")


def test_a_folder_is_refused_with_the_file_in_it(weights: Weights, tmp_path: Path) -> None:
    assert "is a folder, expected a file; it has no .pt" in refusal(tmp_path)
    save_file(weights, tmp_path / "model.safetensors")
    assert f"give the file in it: {tmp_path / 'model.safetensors'}" in refusal(tmp_path)


def test_a_file_that_must_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.pt"
    path.write_bytes(b"secret")

    def denied(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # root may read everything
    assert "cannot be read: Permission denied" in refusal(path)


@pytest.mark.parametrize("wrapped", [True, False])
def test_sam_1_is_refused_by_name(wrapped: bool, tmp_path: Path) -> None:
    weights = {"image_encoder.patch_embed.proj.weight": torch.zeros(2), "mask_decoder.iou_token.weight": torch.zeros(2)}
    torch.save({"model": weights} if wrapped else weights, tmp_path / "sam_vit_b.pth")
    assert "it is of SAM 1, expected SAM 2 or 2.1" in refusal(tmp_path / "sam_vit_b.pth")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, "it holds a dict without tensors"),
        ([1, 2], "it holds a list without tensors"),
        ({"epoch": 1}, "it has no tensors, only epoch"),
        ({"model": {"weight": 1}}, "it has no tensors, only model"),
        (torch.ones(3), "it holds a Tensor without tensors"),
        ({"fc.weight": torch.ones(1), "fc.bias": torch.ones(1)}, "it has 2 tensors, such as fc.weight, fc.bias"),
        ({0: torch.ones(1)}, "it has 1 tensors, such as 0"),
    ],
)
def test_other_contents_are_described(content: object, expected: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pt")
    assert f"has no weights of SAM 2: {expected}" in refusal(tmp_path / "other.pt")


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_is_refused_and_not_executed(legacy: bool, weights: Weights, tmp_path: Path) -> None:
    trace, hidden, bare = (tmp_path / name for name in ("trace", "hidden.pt", "bare.pt"))
    torch.save({"model": weights, "bomb": Bomb(trace)}, hidden, _use_new_zipfile_serialization=not legacy)
    bare.write_bytes(pickle.dumps({"model": {"bomb": Bomb(trace)}}))
    assert "besides its tensors, and nothing in a file is executed" in refusal(hidden)
    refusal(bare)
    assert not trace.exists()
    pickle.loads(bare.read_bytes())  # the code is real
    assert trace.exists()


def test_a_module_that_was_saved_whole_is_refused_with_what_to_save(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(2, 2)), tmp_path / "whole.pt")
    assert "save its state dict alone: torch.save(model.state_dict(), FILE)" in refusal(tmp_path / "whole.pt")


def test_values_that_are_not_finite_are_refused(weights: Weights, tmp_path: Path) -> None:
    weights["no_mem_embed"] = torch.full_like(weights["no_mem_embed"], float("nan"))
    torch.save(weights, tmp_path / "nan.pt")
    assert "values that are not finite, in no_mem_embed" in refusal(tmp_path / "nan.pt")


@pytest.mark.parametrize(
    ("changed", "form"),
    [
        (lambda weight: (100 * weight).to(torch.int8), "int8"),
        (lambda weight: weight.to_sparse(), "a sparse tensor of float32"),
        (lambda weight: weight.to("meta"), "a shape without values"),
    ],
)
def test_weights_that_are_no_plain_floating_point_numbers_are_refused(
    changed: Callable[[Tensor], Tensor], form: str, weights: Weights, tmp_path: Path
) -> None:
    weights["no_mem_embed"] = changed(weights["no_mem_embed"])
    torch.save(weights, tmp_path / "other.pt")
    assert f"holds no_mem_embed as {form}" in refusal(tmp_path / "other.pt")


def test_what_is_saved_may_be_read_by_others(nano: Sam2, tmp_path: Path) -> None:
    path = tmp_path / "nano.safetensors"
    save_weights(nano, path)
    (tmp_path / "usual").touch()
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert all(isinstance(value, Tensor) for value in read_checkpoint(path).values())
