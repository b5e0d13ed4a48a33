"""What track.launch.py makes of its arguments."""

from pathlib import Path

import pytest
import yaml

from sam2_ros.node.launching import track

ROOT = Path(__file__).resolve().parents[2]
TRACK_YAML = ROOT / "config" / "track.yaml"
NO_ARGUMENTS = dict.fromkeys(
    [*track.PARAMETERS, *track.TOPICS, "params_file", "namespace", "fixed_frame", "text"], ""
) | {
    "image": "image",
    "isaac": "false",
    "log_level": "info",
}


def test_without_arguments_only_the_parameter_file_is_used() -> None:
    assert track.parameter_files(NO_ARGUMENTS, TRACK_YAML) == [str(TRACK_YAML)]
    assert track.overrides(NO_ARGUMENTS) == {}


def test_the_users_file_overrides_that_of_the_package(tmp_path: Path) -> None:
    (file := tmp_path / "mine.yaml").touch()
    assert track.parameter_files(NO_ARGUMENTS | {"params_file": str(file)}, TRACK_YAML) == [str(TRACK_YAML), str(file)]


def test_arguments_set_the_parameters_of_their_names() -> None:
    given = {"image_size": "512", "use_sim_time": "True", "device": "cpu"}
    expected = {"image_size": 512, "use_sim_time": True, "device": "cpu"}
    assert track.overrides(NO_ARGUMENTS | given) == expected


def test_a_missing_parameter_file_is_refused() -> None:
    with pytest.raises(ValueError, match="params_file:=nowhere.yaml: expected a YAML file of parameters"):
        track.parameter_files(NO_ARGUMENTS | {"params_file": "nowhere.yaml"}, TRACK_YAML)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("detection_classes", "22", "22"),
        ("detection_classes", "022", "022"),
        ("detection_classes", "on", "on"),
        ("detection_classes", "12E3", "12E3"),
        ("detection_classes", "cup,bowl", "cup,bowl"),
        ("detection_classes", "[cup, 'bowl']", "cup,bowl"),
        ("target_frame", "1", "1"),
        ("checkpoint", "2024.10", "2024.10"),
        ("device", "cuda:1", "cuda:1"),
        ("image_size", "512", 512),
        ("clicked_point", "off", False),
        ("clicked_point", "1", True),
        ("use_sim_time", "Yes", True),
    ],
)
def test_an_argument_has_the_type_of_its_parameter(name: str, text: str, value: object) -> None:
    found = track.overrides(NO_ARGUMENTS | {name: text})[name]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("image_size", "big", "an integer"),
        ("image_size", "1.5", "an integer"),
        ("use_sim_time", "maybe", "true or false"),
        ("clicked_point", "2", "true or false"),
    ],
)
def test_an_argument_of_another_type_is_refused(name: str, text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=f"{name}:={text}: expected {expected}"):
        track.convert(name, track.PARAMETERS[name][0], text)


def test_a_depth_topic_enables_3d() -> None:
    arguments = NO_ARGUMENTS | {"depth": "/camera/depth", "target_frame": "base"}
    assert track.overrides(arguments) == {"depth": True, "target_frame": "base"}


def test_a_misspelled_argument_is_refused_but_not_one_of_another_launch_file() -> None:
    track.check_names(["yolo", "labels", "detection_classes"], NO_ARGUMENTS)
    with pytest.raises(ValueError, match="there is no argument detection_class, did you mean detection_classes?"):
        track.check_names(["yolo", "detection_class"], NO_ARGUMENTS)


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ({"image": "/arm/left/image_raw"}, "image", "/arm/left/image_raw"),
        ({"image": "/arm/left/image_raw"}, "image/compressed", "/arm/left/image_raw/compressed"),
        ({"image": "/arm/left/image_raw/compressed"}, "image/compressed", "/arm/left/image_raw/compressed"),
        ({"image": "/arm/left/image_raw"}, "camera_info", "/arm/left/camera_info"),
        ({"image": "/arm/left/image_raw/compressed"}, "camera_info", "/arm/left/camera_info"),
        ({"image": "/arm/image", "camera_info": "/calibration"}, "camera_info", "/calibration"),
        ({}, "camera_info", "camera_info"),
        ({}, "depth", "depth"),
        ({"depth": "/arm/left/depth"}, "depth", "/arm/left/depth"),
        ({"detections": "/yolo/detections"}, "~/detections", "/yolo/detections"),
        ({"isaac": "true"}, "~/target_mask", "/segment_anything2/binary_segmentation_mask"),
        ({"isaac": "true"}, "~/detections_out", "/segment_anything2/detections"),
    ],
)
def test_topics_are_remapped(given: dict[str, str], name: str, expected: str) -> None:
    assert dict(track.remappings(NO_ARGUMENTS | given))[name] == expected


def test_other_nodes_read_the_same_image() -> None:
    assert dict(track.image_remappings(NO_ARGUMENTS | {"image": "/arm/image_raw", "depth": "/arm/depth"})) == {
        "image": "/arm/image_raw",
        "image/compressed": "/arm/image_raw/compressed",
    }


def test_words_make_the_text_detector_the_trackers_detector() -> None:
    topics = dict(track.remappings(NO_ARGUMENTS | {"text": "red cup"}))
    assert topics["~/detections"] == "sam2_text_detector/detections"
    with pytest.raises(ValueError, match="detections:=/yolo and text are two detectors, expected one of them"):
        track.remappings(NO_ARGUMENTS | {"text": "red cup", "detections": "/yolo"})


def test_topics_keep_their_names_unless_they_are_remapped() -> None:
    assert not [name for name, _ in track.remappings(NO_ARGUMENTS) if name.startswith("~/")]


def test_rviz_shows_the_topics_of_this_tracker_and_its_camera() -> None:
    given = {"namespace": "arm/left", "image": "/camera/image_raw", "depth": "depth_raw"}
    shown = dict(track.rviz_remappings(NO_ARGUMENTS | given))
    assert shown["/image"] == "/camera/image_raw"
    assert shown["/camera_info"] == "/camera/camera_info"
    assert shown["/depth"] == "/arm/left/depth_raw"
    assert shown["/sam2_tracker/markers"] == "/arm/left/sam2_tracker/markers"


def test_every_topic_that_rviz_shows_is_remapped() -> None:
    displays = yaml.safe_load((ROOT / "config" / "track.rviz").read_text())["Visualization Manager"]["Displays"]
    topics = {display["Topic"]["Value"] for display in displays if "Topic" in display}
    topics |= {display[name] for display in displays for name in display if name.endswith(" Topic")}
    remapped = dict(track.rviz_remappings(NO_ARGUMENTS | {"namespace": ""}))
    assert topics | {"/camera_info"} == set(remapped)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"target_frame": "base"}, ["-f", "base"]),
        ({"target_frame": "base", "fixed_frame": "map"}, ["-f", "map"]),
    ],
)
def test_rviz_has_the_fixed_frame_or_else_the_target_frame(given: dict[str, str], expected: list[str]) -> None:
    assert track.rviz_arguments(NO_ARGUMENTS | given, Path("track.rviz")) == ["-d", "track.rviz", *expected]


@pytest.mark.parametrize(
    ("namespace", "logger"),
    [("", "sam2_tracker"), ("arm", "arm.sam2_tracker"), ("/arm/left/", "arm.left.sam2_tracker")],
)
def test_the_log_level_is_that_of_the_node_alone(namespace: str, logger: str) -> None:
    assert (
        track.log_level(NO_ARGUMENTS | {"namespace": namespace, "log_level": "debug"}, track.NODE) == f"{logger}:=debug"
    )
