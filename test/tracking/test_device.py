"""The network runs on the device that was asked for."""

import pytest
import torch

from sam2_ros.tracking import device as device_module
from sam2_ros.tracking.device import Precision, choose_device, choose_precision, decide_precision


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


CARDS = {
    "Jetson TX2": (6, 2),
    "V100": (7, 0),
    "Jetson Xavier": (7, 2),
    "T4": (7, 5),
    "A100": (8, 0),
    "Jetson Orin": (8, 7),
    "RTX 4090": (8, 9),
    "H100": (9, 0),
    "RTX 5090": (12, 0),
}
WITHOUT_BFLOAT16 = ("Jetson TX2", "V100", "Jetson Xavier", "T4")


def no_cpu() -> float:
    raise AssertionError("the CPU plays no part")


@pytest.mark.parametrize("image_size", [256, 1024])
@pytest.mark.parametrize("card", CARDS)
def test_auto_takes_bfloat16_on_the_gpus_that_have_it(card: str, image_size: int) -> None:
    precision = decide_precision("auto", CARDS[card], image_size, no_cpu)
    assert precision.name == ("float32" if card in WITHOUT_BFLOAT16 else "bfloat16")


def test_auto_says_why_an_older_gpu_computes_in_float32() -> None:
    reason = decide_precision("auto", (7, 5), 1024, no_cpu).reason
    assert reason == "the GPU's compute capability is 7.5, and bfloat16 needs 8.0 or later"


@pytest.mark.parametrize("card", WITHOUT_BFLOAT16)
def test_bfloat16_is_refused_on_a_gpu_that_has_none(card: str) -> None:
    with pytest.raises(ValueError, match="precision is bfloat16, but .* needs 8.0 or later: set it to auto or float32"):
        decide_precision("bfloat16", CARDS[card], 1024, no_cpu)


@pytest.mark.parametrize("name", ["bfloat16", "float32"])
@pytest.mark.parametrize("capability", [None, (8, 0), (9, 0)])
def test_a_precision_that_is_asked_for_is_taken(name: str, capability: tuple[int, int] | None) -> None:
    assert decide_precision(name, capability, 256, no_cpu) == Precision(name, "as asked for")


@pytest.mark.parametrize(
    ("image_size", "gain", "precision"),
    [(1024, 2.3, "bfloat16"), (1024, 0.6, "float32"), (256, 2.3, "float32"), (384, 1.5, "bfloat16")],
)
def test_auto_takes_bfloat16_on_a_cpu_for_large_images_where_it_is_faster(
    image_size: int, gain: float, precision: str
) -> None:
    assert decide_precision("auto", None, image_size, lambda: gain).name == precision


def test_the_capability_is_that_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities = {torch.device("cuda:0"): (8, 6), torch.device("cuda:1"): (7, 5)}
    monkeypatch.setattr(torch.cuda, "get_device_capability", capabilities.__getitem__)
    names = [choose_precision("auto", device, 1024).name for device in capabilities]
    assert names == ["bfloat16", "float32"]


def test_what_bfloat16_gains_is_measured_on_this_machine() -> None:
    assert 0.01 < device_module._gain_of_bfloat16() < 100
