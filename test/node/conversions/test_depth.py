"""Depth and camera_info are read where they fit the image, else refused with a reason."""

import array
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header

from sam2_ros.depth.lifting import Intrinsics, LiftingError
from sam2_ros.media.ros_encodings import ImageError
from sam2_ros.node.conversions.depth import CameraInfos, PendingDepth, image_size_of

SIZE = (3, 4)
HEADER = Header(stamp=Time(sec=7, nanosec=9), frame_id="optical")
K = [100.0, 0.0, 2.0, 0.0, 110.0, 1.5, 0.0, 0.0, 1.0]
P = [90.0, 0.0, 2.5, 0.0, 0.0, 95.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
METRES = np.arange(12, dtype=np.float32).reshape(SIZE)


def depth_message(pixels: np.ndarray = METRES, encoding: str = "32FC1", padding: int = 0, **fields: Any) -> Image:
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    return Image(
        **{"header": HEADER, "height": pixels.shape[0], "width": pixels.shape[1], "encoding": encoding, **fields},
        step=rows.shape[1],
        data=array.array("B", rows.tobytes()),
    )


def info_message(**fields: Any) -> CameraInfo:
    return CameraInfo(**{"header": HEADER, "height": SIZE[0], "width": SIZE[1], "k": K, "p": P, **fields})


def known(*infos: CameraInfo) -> CameraInfos:
    found = CameraInfos()
    for info in infos:
        found.add(info)
    return found


def read(depth: Image | None = None, info: CameraInfo | None = None) -> Any:
    return PendingDepth(HEADER, known(info or info_message()), depth or depth_message()).read(SIZE)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(("encoding", "kind"), [("32FC1", "f4"), ("16UC1", "u2"), ("mono16", "u2")])
def test_every_encoding_of_depth_is_read_in_either_byte_order_whatever_the_step(
    encoding: str, kind: str, big_endian: bool, padding: int
) -> None:
    pixels = METRES.astype((">" if big_endian else "<") + kind)
    found = read(depth_message(pixels, encoding, padding, is_bigendian=big_endian)).pixels
    np.testing.assert_array_equal(found, METRES)
    assert found.dtype.kind == kind[0]


@pytest.mark.parametrize("encoding", ["mono8", "16SC1", "64FC1", ""])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(LiftingError, match=rf"'{encoding}', expected 32FC1 \(metres\), 16UC1 or mono16 \(mill"):
        read(depth_message(encoding=encoding))


def test_depth_of_another_size_is_refused() -> None:
    with pytest.raises(LiftingError, match=r"depth is 4x2 pixels, the image 4x3: remap `depth` to .*registered"):
        read(depth_message(METRES[:2]))


def test_depth_in_another_frame_is_refused() -> None:
    other = Header(stamp=HEADER.stamp, frame_id="depth_optical")
    with pytest.raises(LiftingError, match=r"depth has frame_id 'depth_optical', the image 'optical': remap `depth`"):
        read(depth_message(header=other))


def test_truncated_depth_is_refused() -> None:
    message = depth_message()
    message.data = message.data[:-1]
    with pytest.raises(ImageError, match="data has 47 bytes, expected"):
        read(message)


def test_intrinsics_are_those_of_the_projection_matrix() -> None:
    assert read().intrinsics == Intrinsics(90.0, 95.0, 2.5, 1.0)


def test_without_a_projection_matrix_the_intrinsics_are_k() -> None:
    assert read(info=info_message(p=[0.0] * 12)).intrinsics == Intrinsics(100.0, 110.0, 2.0, 1.5)


def test_roi_and_binning_are_applied() -> None:
    roi = RegionOfInterest(x_offset=2, y_offset=1, width=8, height=6)
    info = info_message(width=20, height=10, binning_x=2, binning_y=2, roi=roi)
    assert read(info=info).intrinsics == Intrinsics(45.0, 47.5, 0.25, 0.0)


def test_an_uncalibrated_camera_is_refused() -> None:
    with pytest.raises(LiftingError, match="fx 0, fy 0.*calibrate the camera"):
        read(info=info_message(k=[0.0] * 9, p=[0.0] * 12))


def test_camera_info_of_another_size_is_refused() -> None:
    with pytest.raises(LiftingError, match=r"camera_info is for 8x6 pixels, the image is 4x3: remap `camera_info`"):
        read(info=info_message(width=8, height=6))


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        (
            {"width": 8, "height": 6, "roi": RegionOfInterest(x_offset=1, y_offset=2, width=6, height=3)},
            r"camera_info is for 8x6 pixels with roi 6x3 at \(1, 2\), which gives 6x3; .* correct roi in camera_info",
        ),
        (
            {"binning_x": 2, "binning_y": 3},
            r"camera_info is for 4x3 pixels with binning 2x3, which gives 2x1; the image is 4x3: .* correct binning in",
        ),
        (
            {"binning_x": 2, "roi": RegionOfInterest(width=2, height=2)},
            r"with roi 2x2 at \(0, 0\) and binning 2x0, which gives 1x2; .* correct roi and binning in camera_info",
        ),
    ],
    ids=["roi", "binning", "both"],
)
def test_a_roi_or_binning_that_does_not_fit_the_image_is_refused(fields: dict[str, Any], warning: str) -> None:
    with pytest.raises(LiftingError, match=warning):
        read(info=info_message(**fields))


@pytest.mark.parametrize("size", [(0, 3), (4, 0)])
def test_a_camera_info_with_half_a_size_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(LiftingError, match=f"camera_info is for {size[0]}x{size[1]} pixels, the image is 4x3"):
        read(info=info_message(width=size[0], height=size[1]))


@pytest.mark.parametrize("value", [-100.0, float("nan"), float("inf")])
@pytest.mark.parametrize("matrix", ["k", "p"])
def test_an_invalid_focal_length_is_refused(matrix: str, value: float) -> None:
    filled = {"k": K, "p": [0.0] * 12 if matrix == "k" else P}
    filled[matrix] = [value, *filled[matrix][1:]]
    if matrix == "k":
        filled["k"][0] = value
    with pytest.raises(LiftingError, match=f"intrinsics are fx {value:g}, .* expected positive focal lengths"):
        read(info=info_message(**filled))


def test_camera_info_may_have_no_size() -> None:
    assert read(info=info_message(width=0, height=0)).intrinsics.fx == 90.0


def test_without_a_size_the_principal_point_has_to_be_in_the_image() -> None:
    of_a_larger_image = [100.0, 0.0, 8.0, 0.0, 110.0, 6.0, 0.0, 0.0, 1.0]
    with pytest.raises(LiftingError, match=r"no width and height, and its principal point \(8, 6\) is outside the"):
        read(info=info_message(width=0, height=0, k=of_a_larger_image, p=[0.0] * 12))


@pytest.mark.parametrize("stamp", [Time(), Time(sec=3)])
def test_the_stamp_of_camera_info_does_not_matter(stamp: Time) -> None:
    assert read(info=info_message(header=Header(stamp=stamp))).intrinsics.fx == 90.0


def test_of_several_camera_infos_the_newest_for_the_size_is_used() -> None:
    right, newer = info_message(), info_message(p=[2 * value for value in P])
    other = info_message(width=8, height=6)
    assert known(right, newer, other).for_size(SIZE) is newer
    assert known(other, right).for_size(SIZE) is right
    assert known(info_message(width=0, height=0), right, other).for_size(SIZE) is right
    assert known(other, unsized := info_message(width=0, height=0)).for_size(SIZE) is unsized
    assert known(right, other).for_size((1, 1)) is other
    assert known().for_size(SIZE) is None


def test_the_number_of_kept_camera_infos_is_bounded() -> None:
    infos = known(*(info_message(width=i) for i in range(1, 100)))
    fallback, kept = infos.for_size((SIZE[0], 1)), infos.for_size((SIZE[0], 98))
    assert fallback is not None and fallback.width == 99  # that of size 1 is gone
    assert kept is not None and kept.width == 98


def test_the_size_of_the_images_is_that_of_the_calibration_with_roi_and_binning() -> None:
    assert image_size_of(info_message(width=640, height=480)) == (480, 640)
    assert image_size_of(info_message(width=640, height=480, binning_x=2, binning_y=4)) == (120, 320)
    assert image_size_of(info_message(width=640, roi=RegionOfInterest(width=64, height=48))) == (48, 64)


def test_depth_that_is_not_received_is_missed() -> None:
    awaited = PendingDepth(HEADER, known(info_message()))
    assert awaited.read(SIZE) is None
    assert awaited.is_missed
    awaited.depth = depth_message()
    assert awaited.read(SIZE) is not None


def test_depth_without_any_camera_info_is_missed() -> None:
    awaited = PendingDepth(HEADER, known(), depth_message())
    assert awaited.read(SIZE) is None
    assert awaited.is_missed
    awaited.infos.add(info_message())
    assert awaited.read(SIZE) is not None


def test_depth_is_exact_where_its_stamp_equals_the_images() -> None:
    other = Header(stamp=Time(sec=7, nanosec=10), frame_id="optical")
    assert PendingDepth(HEADER, known(), depth_message()).is_exact
    assert not PendingDepth(HEADER, known(), depth_message(header=other)).is_exact
    assert not PendingDepth(HEADER, known()).is_exact
