"""What yolo.launch.py makes of its arguments."""

from pathlib import Path

import pytest

from sam2_ros.node.launching import track, yolo


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """With the files of a detector in the current folder."""
    for name in ("22", "coco.names"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return {
        "yolo": "22",
        "labels": "coco.names",
        "use_gpu": "True",
        "conf_threshold": "1",
        "image": "/arm/image_raw",
        "namespace": "arm",
        "model": "",
        "checkpoint": "",
        "detection_classes": "cup",
        "rviz": "false",
    }


def test_the_detector_has_parameters_of_the_right_types_and_absolute_paths(
    arguments: dict[str, str], tmp_path: Path
) -> None:
    parameters = yolo.detector_parameters(arguments)
    assert parameters == {
        "model_path": str(tmp_path / "22"),
        "labels_path": str(tmp_path / "coco.names"),
        "use_gpu": True,
        "conf_threshold": 1.0,
    }
    assert type(parameters["conf_threshold"]) is float


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yolo", "an ONNX file of a YOLO model"),
        ("labels", "a file with its class names, one per line"),
        ("use_gpu", "true or false"),
        ("conf_threshold", "a number"),
    ],
)
def test_an_argument_that_cannot_be_used_is_refused(arguments: dict[str, str], name: str, expected: str) -> None:
    with pytest.raises(ValueError, match=f"{name}:=nowhere: expected {expected}"):
        yolo.detector_parameters(arguments | {name: "nowhere"})


def test_both_subscribe_to_the_camera_and_the_tracker_to_the_detector(arguments: dict[str, str]) -> None:
    assert yolo.detector_remappings(arguments) == [("~/image_raw", "/arm/image_raw")]
    given = yolo.tracker_arguments(arguments)
    assert given["image"] == "/arm/image_raw"
    assert given["detections"] == f"{yolo.DETECTOR}/detections"
    assert given["detection_classes"] == "cup"


def test_the_tracker_has_all_arguments_that_it_is_given(arguments: dict[str, str]) -> None:
    declared = {*track.PARAMETERS, *track.TOPICS, "namespace", "rviz"}
    assert yolo.tracker_arguments(arguments).keys() <= declared
