"""What a card can compute at most, and what a frame takes."""

import pytest
import torch

from sam2_ros.benchmark.gpu_report.cards import count_operations, device_peak, peak


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H200", 989),
        ("NVIDIA A100-SXM4-40GB", 312),
        ("NVIDIA A10", 125),
        ("NVIDIA GeForce RTX 4090", 165),
    ],
)
def test_the_peak_of_a_card_is_found_by_its_name(name: str, tera: float) -> None:
    assert peak(name) == 1e12 * tera


@pytest.mark.parametrize("name", ["NVIDIA A10G", "Tesla V100-SXM2-16GB", "Orin"])
def test_a_card_that_is_not_known_has_no_peak(name: str) -> None:
    assert peak(name) is None


def test_a_cpu_has_no_peak() -> None:
    assert device_peak(torch.device("cpu")) is None


def test_a_product_of_matrices_takes_two_operations_for_each_pair_of_numbers() -> None:
    a, b = torch.ones(2, 3), torch.ones(3, 4)
    assert count_operations(lambda: a @ b) == 2 * 2 * 3 * 4
