"""Depth and camera_info are read where they fit their image, and are refused with a reason where they do not."""

import array
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header

from sam2_ros.depth.lifting import Intrinsics, LiftingError
from sam2_ros.node.depth_conversion import AwaitedDepth
from sam2_ros.node.image_conversion import ImageError

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


def read(depth: Image | None = None, info: CameraInfo | None = None) -> Any:
    return AwaitedDepth(HEADER, (depth or depth_message(), info or info_message())).read(SIZE)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(("encoding", "kind"), [("32FC1", "f4"), ("16UC1", "u2")])
def test_both_encodings_are_read_in_either_byte_order_whatever_the_step(
    encoding: str, kind: str, big_endian: bool, padding: int
) -> None:
    pixels = METRES.astype((">" if big_endian else "<") + kind)
    found = read(depth_message(pixels, encoding, padding, is_bigendian=big_endian)).pixels
    np.testing.assert_array_equal(found, METRES)
    assert found.dtype.kind == kind[0]


@pytest.mark.parametrize("encoding", ["mono8", "16SC1", "64FC1", ""])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(LiftingError, match=rf"'{encoding}', expected 32FC1 \(metres\) or 16UC1 \(millimetres\)"):
        read(depth_message(encoding=encoding))


def test_depth_of_another_size_is_refused() -> None:
    with pytest.raises(LiftingError, match=r"depth is of 4x2 pixels, the image of 4x3: remap `depth` to .*registered"):
        read(depth_message(METRES[:2]))


def test_depth_in_another_frame_is_refused() -> None:
    other = Header(stamp=HEADER.stamp, frame_id="depth_optical")
    with pytest.raises(LiftingError, match=r"in the frame 'depth_optical', the image in 'optical': remap `depth`"):
        read(depth_message(header=other))


def test_depth_that_was_cut_off_is_refused() -> None:
    message = depth_message()
    message.data = message.data[:-1]
    with pytest.raises(ImageError, match="data has 47 bytes, expected"):
        read(message)


def test_intrinsics_are_those_of_the_rectified_image() -> None:
    assert read().intrinsics == Intrinsics(90.0, 95.0, 2.5, 1.0)


def test_without_a_projection_they_are_those_of_the_camera() -> None:
    assert read(info=info_message(p=[0.0] * 12)).intrinsics == Intrinsics(100.0, 110.0, 2.0, 1.5)


def test_region_and_binning_are_taken_off() -> None:
    roi = RegionOfInterest(x_offset=2, y_offset=1, width=8, height=6)
    info = info_message(width=20, height=10, binning_x=2, binning_y=2, roi=roi)
    assert read(info=info).intrinsics == Intrinsics(45.0, 47.5, 0.25, 0.0)


def test_a_camera_that_was_not_calibrated_is_refused() -> None:
    with pytest.raises(LiftingError, match="fx 0, fy 0.*calibrate the camera"):
        read(info=info_message(k=[0.0] * 9, p=[0.0] * 12))


def test_camera_info_of_another_size_is_refused() -> None:
    with pytest.raises(LiftingError, match=r"camera_info is of 8x6 pixels, the image of 4x3: remap `camera_info`"):
        read(info=info_message(width=8, height=6))


def test_camera_info_may_leave_out_its_size() -> None:
    assert read(info=info_message(width=0, height=0)).intrinsics.fx == 90.0


def test_depth_that_has_not_come_is_missed() -> None:
    awaited = AwaitedDepth(HEADER)
    assert awaited.read(SIZE) is None
    assert awaited.is_missed
    awaited.found = depth_message(), info_message()
    assert awaited.read(SIZE) is not None


def test_exact_is_what_carries_the_stamp_of_the_image() -> None:
    other = Header(stamp=Time(sec=7, nanosec=10), frame_id="optical")
    assert AwaitedDepth(HEADER, (depth_message(), info_message())).is_exact
    assert not AwaitedDepth(HEADER, (depth_message(header=other), info_message())).is_exact
    assert not AwaitedDepth(HEADER, (depth_message(), info_message(header=other))).is_exact
    assert not AwaitedDepth(HEADER).is_exact
