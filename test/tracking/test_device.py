"""The network runs on the requested device, in the precision that suits it."""

from pathlib import Path

import pytest
import torch

from sam2_ros.tracking.device import Precision, choose_device, choose_precision, decide_precision, has_bfloat16


def test_auto_takes_a_gpu_where_there_is_one() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


def test_a_missing_gpu_is_refused_by_its_number() -> None:
    with pytest.raises(ValueError, match="device is cuda:99, but PyTorch .* sees . CUDA devices: set it to auto"):
        choose_device("cuda:99")


@pytest.mark.skipif(not hasattr(torch.backends.cuda, "enable_cudnn_sdp"), reason="this PyTorch does not plan it")
def test_attention_is_not_planned_anew_for_every_number_of_objects() -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    choose_device("auto")
    assert not torch.backends.cuda.cudnn_sdp_enabled()


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", ""])
def test_an_unknown_device_name_is_refused_with_the_known_ones(name: str) -> None:
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


@pytest.mark.parametrize("cpu_has_bfloat16", [True, False])
@pytest.mark.parametrize("image_size", [256, 1024])
@pytest.mark.parametrize("card", CARDS)
def test_auto_takes_bfloat16_on_the_gpus_that_have_it(card: str, image_size: int, cpu_has_bfloat16: bool) -> None:
    precision = decide_precision("auto", CARDS[card], image_size, cpu_has_bfloat16)
    assert precision.name == ("float32" if card in WITHOUT_BFLOAT16 else "bfloat16")


def test_auto_says_why_an_older_gpu_computes_in_float32() -> None:
    reason = decide_precision("auto", (7, 5), 1024, cpu_has_bfloat16=True).reason
    assert reason == "the GPU's compute capability is 7.5, and bfloat16 needs 8.0 or later"


@pytest.mark.parametrize("card", WITHOUT_BFLOAT16)
def test_bfloat16_is_refused_on_a_gpu_that_has_none(card: str) -> None:
    with pytest.raises(ValueError, match="precision is bfloat16, but .* needs 8.0 or later: set it to auto or float32"):
        decide_precision("bfloat16", CARDS[card], 1024, cpu_has_bfloat16=True)


@pytest.mark.parametrize("cpu_has_bfloat16", [True, False])
@pytest.mark.parametrize("name", ["bfloat16", "float32"])
@pytest.mark.parametrize("capability", [None, (8, 0), (9, 0)])
def test_a_requested_precision_is_taken(name: str, capability: tuple[int, int] | None, cpu_has_bfloat16: bool) -> None:
    assert decide_precision(name, capability, 256, cpu_has_bfloat16) == Precision(name, "requested")


@pytest.mark.parametrize(
    ("image_size", "cpu_has_bfloat16", "precision"),
    [
        (1024, True, Precision("bfloat16", "the CPU has bfloat16 instructions")),
        (384, True, Precision("bfloat16", "the CPU has bfloat16 instructions")),
        (256, True, Precision("float32", "on a CPU, bfloat16 is faster only for images of 384 pixels or more")),
        (1024, False, Precision("float32", "the CPU reports no bfloat16 instructions (amx_bf16 or avx512_bf16)")),
    ],
)
def test_auto_takes_bfloat16_on_cpus_that_have_it_for_large_images(
    image_size: int, cpu_has_bfloat16: bool, precision: Precision
) -> None:
    assert decide_precision("auto", None, image_size, cpu_has_bfloat16) == precision


def test_the_capability_is_that_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities = {torch.device("cuda:0"): (8, 6), torch.device("cuda:1"): (7, 5)}
    monkeypatch.setattr(torch.cuda, "get_device_capability", capabilities.__getitem__)
    names = [choose_precision("auto", device, 1024).name for device in capabilities]
    assert names == ["bfloat16", "float32"]


# Shortened lines of /proc/cpuinfo
EPYC_GENOA = "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu sse2 avx2 avx512f avx512_bf16 avx512_vnni\n"
SAPPHIRE_RAPIDS = "processor\t: 0\nflags\t\t: fpu avx2 amx_bf16 amx_tile amx_int8\n"
SKYLAKE = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu sse2 avx2 avx512f\n"
JETSON_ORIN = "processor\t: 0\nFeatures\t: fp asimd evtstrm aes crc32\nCPU implementer\t: 0x41\n"


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (EPYC_GENOA, True),
        (EPYC_GENOA * 2, True),
        (SAPPHIRE_RAPIDS, True),
        (SKYLAKE, False),
        (EPYC_GENOA + SKYLAKE, False),
        (JETSON_ORIN, False),
        ("", False),
    ],
)
def test_bfloat16_instructions_are_read_from_the_flags_of_every_processor(cpuinfo: str, expected: bool) -> None:
    assert has_bfloat16(cpuinfo) is expected


def test_auto_is_the_same_on_every_call_under_any_load() -> None:
    # Whatever this processor is: the decision depends on its flags, not on how fast it is at the moment.
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    expected = "bfloat16" if has_bfloat16(flags) else "float32"
    assert {choose_precision("auto", torch.device("cpu"), 1024).name for _ in range(3)} == {expected}
