"""Warnings about several cameras on one topic."""

from sam2_ros.node.inputs.frame_ids import FrameIds


def warning(*frame_ids: str) -> str:
    watch = FrameIds()
    for frame_id in frame_ids:
        watch.add(frame_id)
    return watch.warning("/image")


def test_one_camera_causes_no_warning() -> None:
    assert warning() == warning("left") == warning(*["left"] * 100) == ""


def test_a_replaced_camera_causes_no_warning() -> None:
    assert warning(*["left"] * 10, *["right"] * 10) == ""


def test_two_cameras_that_alternate_are_reported() -> None:
    text = warning(*["left", "right"] * 5)
    assert text.startswith("2 cameras share /image, the frame_id alternates between 'left', 'right': let each publish")


def test_a_camera_that_was_replaced_before_is_not_reported() -> None:
    assert warning("old", *["left", "right"] * 5).startswith("2 cameras share /image")


def test_a_single_other_frame_id_causes_no_warning() -> None:
    assert warning(*["left"] * 5, "right", *["left"] * 5) == ""


def test_the_pattern_in_which_they_alternate_does_not_matter() -> None:
    assert "'left', 'right'" in warning(*["left", "left", "left", "right"] * 3)
    assert "'', 'right'" in warning(*["", "right"] * 3)


def test_of_many_cameras_some_are_listed() -> None:
    assert "9 cameras share /image, the frame_id alternates between '0', '1', '2', '3', ...: " in warning(
        *"012345678" * 2
    )


def test_the_warning_ends_once_the_other_camera_is_gone() -> None:
    assert warning(*["left", "right"] * 20, *["left"] * 30) == ""
