"""Positions and times as numbers, checked against sums done by hand."""

import math

import pytest
import torch

from sam2_ros.model.position_encoding import (
    RandomPositionEncoding,
    apply_rotary,
    axial_rotary_table,
    sine_1d,
    sine_grid,
)


def test_a_grid_is_encoded_by_its_row_then_its_column() -> None:
    encoding = sine_grid(2, 8).view(2, 2, 8)
    # Rows and columns run to 2 pi; two wavelengths, 1 and 100; sine and cosine of each.
    halfway, whole = math.pi, 2 * math.pi

    def line(angle: float) -> list[float]:
        return [math.sin(angle), math.cos(angle), math.sin(angle / 100), math.cos(angle / 100)]

    assert encoding[0, 1].tolist() == pytest.approx(line(halfway) + line(whole), abs=1e-5)
    assert encoding[1, 0].tolist() == pytest.approx(line(whole) + line(halfway), abs=1e-5)


def test_a_distance_is_encoded_by_all_sines_then_all_cosines() -> None:
    angles = [0.5, 0.5, 0.005, 0.005]
    expected = [*map(math.sin, angles), *map(math.cos, angles)]
    assert sine_1d(torch.tensor([0.5]), 8)[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_future_and_past_are_encoded_differently() -> None:
    past, future = sine_1d(torch.tensor([1.0, -1.0]), 16)
    assert torch.equal(past[:8], -future[:8])
    assert torch.equal(past[8:], future[8:])


def test_a_point_is_encoded_by_random_fourier_features() -> None:
    encoding = RandomPositionEncoding(4)
    encoding.positional_encoding_gaussian_matrix.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.5]]))
    # (0.75, 0.25) lies at (0.5, -0.5) of the square from -1 to 1.
    x, y = 2 * math.pi * 0.5, 2 * math.pi * -0.25
    expected = [math.sin(x), math.sin(y), math.cos(x), math.cos(y)]
    assert encoding(torch.tensor([0.75, 0.25])).tolist() == pytest.approx(expected, abs=1e-6)


def test_the_grid_of_points_holds_the_centres_of_its_cells() -> None:
    encoding = RandomPositionEncoding(8)
    grid = encoding.grid(4).view(4, 4, 8)
    assert torch.allclose(grid[1, 3], encoding(torch.tensor([3.5 / 4, 1.5 / 4])), atol=1e-6)


def test_points_are_encoded_in_float32_under_autocast() -> None:
    encoding = RandomPositionEncoding(8)
    points = torch.tensor([[0.123456, 0.654321]])
    with torch.autocast("cpu", torch.bfloat16):
        inside = encoding(points)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, encoding(points))


def test_channel_pairs_rotate_with_the_column_then_with_the_row() -> None:
    table = axial_rotary_table(3, 8)
    # Token 5 is column 2 of row 1; frequencies are 1 and 1 / 100.
    angles = [2.0, 0.02, 1.0, 0.01]
    assert table.cos[5].tolist() == pytest.approx([math.cos(a) for a in angles], abs=1e-6)
    assert table.sin[5].tolist() == pytest.approx([math.sin(a) for a in angles], abs=1e-6)


def test_a_channel_is_rotated_with_its_partner_in_the_other_half() -> None:
    table = axial_rotary_table(2, 4)
    x = torch.zeros(4, 4)
    x[1, 0] = 1.0  # column 1 of row 0: the first pair is turned by one radian
    assert apply_rotary(x, table)[1].tolist() == pytest.approx([math.cos(1), 0, math.sin(1), 0], abs=1e-6)


def test_scores_of_rotated_tokens_depend_on_their_distance() -> None:
    table = axial_rotary_table(4, 16)
    query, key = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    match = apply_rotary(query.expand(16, -1), table) @ apply_rotary(key.expand(16, -1), table).T
    assert match[0, 5].item() == pytest.approx(match[10, 15].item(), abs=1e-4)  # one down, one right
    assert match[0, 5].item() != pytest.approx(match[0, 10].item(), abs=1e-2)


def test_rotation_keeps_norms_and_dtype() -> None:
    x = torch.randn(2, 16, 32, generator=torch.Generator().manual_seed(0))
    table = axial_rotary_table(4, 32)
    assert torch.allclose(apply_rotary(x, table).norm(dim=-1), x.norm(dim=-1), rtol=1e-5)
    assert apply_rotary(x.bfloat16(), table).dtype == torch.bfloat16
