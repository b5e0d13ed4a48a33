"""The network runs on the device that was asked for."""

import pytest
import torch

from sam2_ros.tracking import device as device_module
from sam2_ros.tracking.device import choose_device, choose_precision


def test_auto_takes_a_gpu_where_there_is_one() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


def test_a_gpu_that_is_not_there_is_refused_by_its_number() -> None:
    with pytest.raises(ValueError, match="device is cuda:99, but PyTorch .* sees . CUDA devices: set it to auto"):
        choose_device("cuda:99")


@pytest.mark.skipif(not hasattr(torch.backends.cuda, "enable_cudnn_sdp"), reason="this PyTorch does not plan it")
def test_attention_is_not_planned_anew_for_every_number_of_objects() -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    choose_device("auto")
    assert not torch.backends.cuda.cudnn_sdp_enabled()


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", ""])
def test_a_device_that_does_not_exist_is_told_from_those_that_do(name: str) -> None:
    with pytest.raises(ValueError, match="expected auto, cpu, cuda or cuda:N"):
        choose_device(name)


@pytest.mark.parametrize(
    ("device", "image_size", "gain", "precision"),
    [
        ("cuda:0", 256, 0.0, "bfloat16"),
        ("cpu", 1024, 2.3, "bfloat16"),
        ("cpu", 1024, 0.6, "float32"),
        ("cpu", 256, 2.3, "float32"),
    ],
)
def test_auto_takes_the_precision_that_is_fast_on_the_device(
    device: str, image_size: int, gain: float, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_module, "_gain_of_bfloat16", lambda: gain)
    assert choose_precision("auto", torch.device(device), image_size) == precision
    assert choose_precision("float32", torch.device(device), image_size) == "float32"


def test_what_bfloat16_gains_is_measured_on_this_machine() -> None:
    assert 0.01 < device_module._gain_of_bfloat16() < 100
