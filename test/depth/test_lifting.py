"""Back-projection to the camera's optical frame is exact on scenes of known geometry."""

import numpy as np
import pytest

from sam2_ros.depth.lifting import DepthImage, Intrinsics, LiftingError, Surface, lift, project

HEIGHT, WIDTH = 480, 640  # pixels
CAMERA = Intrinsics(fx=500.0, fy=400.0, cx=320.0, cy=240.0)
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH]
NO_MEASUREMENT = [np.nan, 0.0, -1.0, np.inf, -np.inf]


def rectangle(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """(H, W) bool; right and bottom edge exclusive."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def plane(metres: float) -> np.ndarray:
    """Depth of a wall that faces the camera."""
    return np.full((HEIGHT, WIDTH), metres, np.float32)


def lifted(mask: np.ndarray, depth: np.ndarray) -> Surface:
    surface = lift(mask, DepthImage(depth, CAMERA))
    assert surface is not None
    return surface


# ---- geometry


def test_a_pixel_is_back_projected_along_its_ray_to_its_depth() -> None:
    surface = lifted(rectangle(420, 200, 421, 201), plane(2.0))
    np.testing.assert_allclose(surface.points, [[(420 - 320) / 500 * 2, (200 - 240) / 400 * 2, 2.0]], rtol=1e-6)


def test_projection_inverts_back_projection() -> None:
    (point,) = lifted(rectangle(420, 200, 421, 201), plane(2.0)).points
    assert project(point, CAMERA) == pytest.approx((420, 200))


@pytest.mark.parametrize("z", [0.0, -2.0, np.nan])
def test_a_point_behind_the_camera_cannot_be_projected(z: float) -> None:
    with pytest.raises(LiftingError, match="is not in front of the camera, expected z > 0"):
        project(np.array([0.1, 0.2, z]), CAMERA)


def test_points_are_in_row_major_order_of_the_mask_s_pixels() -> None:
    mask = (COLUMNS - 300) ** 2 + (ROWS - 200) ** 2 < 50**2
    depth = (1.0 + 0.0005 * COLUMNS).astype(np.float32)
    surface = lifted(mask, depth)
    v, u = np.nonzero(mask)
    z = depth[mask]
    expected = np.stack([(u - 320) / 500 * z, (v - 240) / 400 * z, z], axis=1)
    np.testing.assert_allclose(surface.points, expected, atol=1e-6)
    np.testing.assert_array_equal(depth[surface.window][surface.valid], surface.points[:, 2])


def test_centroid_and_extent_of_a_wall_are_exact() -> None:
    surface = lifted(rectangle(270, 190, 371, 271), plane(2.0))
    np.testing.assert_allclose(surface.centroid, [0.0, (230 - 240) / 400 * 2, 2.0], atol=1e-6)
    np.testing.assert_allclose(surface.extent, [100 / 500 * 2, 80 / 400 * 2, 0.0], atol=1e-6)


def test_uint16_depth_is_in_millimetres_in_either_byte_order() -> None:
    mask = rectangle(270, 190, 371, 271)
    expected = lifted(mask, plane(1.234)).points
    for dtype in ("<u2", ">u2"):
        np.testing.assert_allclose(lifted(mask, np.full((HEIGHT, WIDTH), 1234, dtype)).points, expected, atol=1e-6)


def test_a_transform_moves_the_points_and_the_axes_of_the_extent() -> None:
    to_base = np.array([[0, 0, 1, 0.5], [-1, 0, 0, 0], [0, -1, 0, 1.0], [0, 0, 0, 1]], float)  # z forward -> x forward
    surface = lifted(rectangle(270, 190, 371, 271), plane(2.0))
    moved = surface.transformed(to_base)
    np.testing.assert_allclose(moved.centroid, [2.5, 0.0, 1.05], atol=1e-6)
    np.testing.assert_allclose(moved.extent, [0.0, 0.4, 0.4], atol=1e-6)
    assert moved.points.shape == surface.points.shape


# ---- pixels that are left out


@pytest.mark.parametrize("unmeasured", NO_MEASUREMENT)
def test_pixels_without_a_measurement_have_no_point(unmeasured: float) -> None:
    depth = plane(2.0)
    depth[:, :320] = unmeasured
    surface = lifted(rectangle(270, 190, 370, 270), depth)
    assert surface.points.shape == (50 * 80, 3)
    assert surface.points[:, 0].min() == 0.0


@pytest.mark.parametrize("unmeasured", NO_MEASUREMENT)
def test_an_object_without_any_measurement_has_no_surface(unmeasured: float) -> None:
    assert lift(rectangle(270, 190, 370, 270), DepthImage(plane(unmeasured), CAMERA)) is None


def test_an_empty_mask_has_no_surface() -> None:
    assert lift(np.zeros((HEIGHT, WIDTH), bool), DepthImage(plane(1.0), CAMERA)) is None


@pytest.mark.parametrize("background", [0.6, 3.0], ids=["occluder", "background"])
def test_depth_of_an_occluder_or_the_background_at_the_edge_is_left_out(background: float) -> None:
    mask = rectangle(270, 190, 371, 271)
    depth = plane(background)
    depth[194:267, 274:367] = 1.0  # the object, 4 pixels smaller than its mask on each side
    surface = lifted(mask, depth)
    np.testing.assert_allclose(surface.centroid, [0.0, -10 / 400, 1.0], atol=1e-6)
    np.testing.assert_allclose(surface.extent, [92 / 500, 72 / 400, 0.0], atol=1e-6)


def test_stray_pixels_between_two_surfaces_do_not_join_them() -> None:
    mask = rectangle(270, 190, 371, 271)
    depth = plane(3.0)
    depth[190:271, 270:371] = np.random.default_rng(0).uniform(1.1, 3.0, (81, 101))
    depth[195:266, 275:366] = 1.0
    surface = lifted(mask, depth)
    assert surface.extent[2] < 0.05
    np.testing.assert_allclose(surface.centroid, [0.0, -10 / 400, 1.0], atol=2e-3)


def test_a_mask_too_small_for_erosion_keeps_its_larger_surface() -> None:
    depth = plane(3.0)
    depth[:, :326] = 1.0
    surface = lifted(rectangle(320, 240, 330, 250), depth)
    np.testing.assert_array_equal(np.unique(surface.points[:, 2]), [1.0])
    assert len(surface.points) == 60


def test_a_slanted_surface_is_kept_whole() -> None:
    mask = rectangle(270, 190, 371, 271)
    depth = (1.0 + 0.004 * (COLUMNS - 270)).astype(np.float32)  # turned by more than 60 degrees
    surface = lifted(mask, depth)
    assert len(surface.points) == mask.sum()
    assert surface.extent[2] == pytest.approx(0.4, abs=1e-6)


def test_a_narrow_slanted_side_is_kept() -> None:
    depth = plane(3.0)
    depth[190:271, 270:371] = 1.0
    depth[190:271, 351:371] = (1.0 + 0.0035 * np.arange(20)).astype(np.float32)
    surface = lifted(rectangle(270, 190, 371, 271), depth)
    assert len(surface.points) == 101 * 81
    assert surface.extent[2] == pytest.approx(0.0665, abs=1e-6)


def test_depth_of_pure_noise_still_has_a_surface() -> None:
    depth = np.random.default_rng(0).uniform(0.1, 60.0, (HEIGHT, WIDTH)).astype(np.float32)
    depth[0, 0] = 1e30
    assert len(lifted(np.ones((HEIGHT, WIDTH), bool), depth).points)


# ---- masked depth


@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
def test_depth_in_metres_is_nan_outside_the_mask(dtype: str) -> None:
    mask = rectangle(10, 10, 20, 20)
    cut = DepthImage(plane(2.0).astype(dtype), CAMERA).masked(mask)
    assert (cut[mask] == 2.0).all() and np.isnan(cut[~mask]).all() and cut.dtype == np.float32


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_depth_in_millimetres_is_zero_outside_the_mask(dtype: str) -> None:
    mask = rectangle(10, 10, 20, 20)
    cut = DepthImage(np.full((HEIGHT, WIDTH), 2000, dtype), CAMERA).masked(mask)
    assert (cut[mask] == 2000).all() and not cut[~mask].any() and cut.dtype == np.uint16


# ---- intrinsics


@pytest.mark.parametrize("focal", [0.0, -525.0, np.nan, np.inf])
@pytest.mark.parametrize("axis", ["fx", "fy"])
def test_a_focal_length_that_is_not_positive_is_refused(axis: str, focal: float) -> None:
    with pytest.raises(LiftingError, match=rf"{axis} {focal:g}.*expected positive focal lengths: calibrate"):
        Intrinsics(**{"fx": 500.0, "fy": 500.0, "cx": 320.0, "cy": 240.0, axis: focal})


def test_a_principal_point_that_is_not_finite_is_refused() -> None:
    with pytest.raises(LiftingError, match="cx nan"):
        Intrinsics(500.0, 500.0, float("nan"), 240.0)
