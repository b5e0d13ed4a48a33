"""Deformations are smooth, start from none, and keep what is not displaced."""

import numpy as np

from sam2_ros.synthetic.warps import (
    POINTS,
    perspective,
    random_bends,
    sampling_positions,
    thin_plate_field,
    thin_plate_warp,
)


def test_without_displacements_nothing_moves() -> None:
    image = np.random.default_rng(0).random((20, 30, 4), np.float32)
    assert np.allclose(thin_plate_warp(image, np.zeros((POINTS, 2))), image, atol=1e-6)


def test_equal_displacements_of_all_control_points_shift_the_image() -> None:
    field = thin_plate_field(np.tile([0.1, -0.2], (POINTS, 1)), width=50, height=40)
    assert field.shape == (40, 50, 2)
    assert np.allclose(field, [5, -8], atol=1e-3)


def test_a_spline_passes_through_the_displacement_of_a_corner_and_fades_away_from_it() -> None:
    bend = np.zeros((POINTS, 2))
    bend[0] = 0.1
    field = thin_plate_field(bend, width=60, height=60)[..., 0]
    assert abs(field[0, 0] - 6) < 0.5
    assert abs(field[30:, 30:]).max() < 1


def test_bends_start_from_none_and_change_slowly() -> None:
    bends = random_bends(np.random.default_rng(3), frames=30, amplitude=0.05)
    assert bends.shape == (30, POINTS, 2)
    assert not bends[0].any() and bends[1:].any()
    assert np.abs(np.diff(bends, axis=0)).max() < 0.5 * np.abs(bends).max() + 0.05


def test_positions_undo_a_projective_transform() -> None:
    matrix = np.array([[2.0, 0.1, 3.0], [0.0, 1.5, -2.0], [0.0, 0.0, 1.0]]) @ perspective(np.array([0.01, -0.005]))
    x, y = sampling_positions(matrix, 16)[5, 9]
    back = matrix @ [x, y, 1]
    assert np.allclose(back[:2] / back[2], [9, 5], atol=1e-3)
