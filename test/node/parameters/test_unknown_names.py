"""A misspelled parameter stops the node with a suggestion; one of another node is ignored."""

from dataclasses import fields

import pytest

from sam2_ros.node.parameters import Parameters
from sam2_ros.node.parameters.unknown_names import warning
from sam2_ros.node.parameters.values import ParameterError

KNOWN = [entry.name for entry in fields(Parameters)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lost_afer", "lost_after"),
        ("lost_atfer", "lost_after"),
        ("lostafter", "lost_after"),
        ("LostAfter", "lost_after"),
        ("lost-after", "lost_after"),
        ("image_reliabilty", "image_reliability"),
        ("max_object", "max_objects"),
        ("detection_class", "detection_classes"),
        ("detection_clases", "detection_classes"),
        ("slop_depth", "depth_slop"),
        ("targte_fps", "target_fps"),
        ("memory_polciy", "memory_policy"),
        ("precison", "precision"),
    ],
)
def test_a_misspelled_name_is_refused_with_the_intended_one(name: str, meant: str) -> None:
    with pytest.raises(ParameterError, match=f"^there is no parameter {name}, did you mean {meant}\\?$"):
        warning([name], KNOWN)


@pytest.mark.parametrize("known", KNOWN)
def test_every_parameter_with_a_missing_letter_is_refused_or_suggested(known: str) -> None:
    name = known[:2] + known[3:]
    try:
        assert f"{name} (similar: {known})" in warning([name], KNOWN)
    except ParameterError as error:
        assert f"did you mean {known}?" in str(error)


OF_OTHERS = """
    image_width image_height pixel_format framerate video_device camera_name camera_info_url io_method brightness
    frame_id image_topic image_quality publish_tf publish_rate depth_module.profile enable_depth depth_width depth_scale
    camera.i_nn_type image_rate max_fps mode models devices device_id timeout autofocus width height
"""


@pytest.mark.parametrize("name", OF_OTHERS.split())
def test_a_parameter_of_a_camera_or_detector_is_only_ignored(name: str) -> None:
    assert warning([name], KNOWN).startswith(f"unknown parameters are ignored: {name}")


def test_all_ignored_names_are_in_one_line() -> None:
    assert warning(["max_objects", "width", "min_score"], KNOWN) == (
        "unknown parameters are ignored: min_score (similar: detection_min_score), width"
    )


def test_parameters_of_ros_itself_are_not_mentioned() -> None:
    of_ros = ["use_sim_time", "start_type_description_service", "qos_overrides./clock.subscription.depth"]
    assert warning([*of_ros, *KNOWN], KNOWN) == ""
