"""Detections of yolo_ros reach the tracker with their image's header, box, class and score."""

import importlib.util
from pathlib import Path
from types import ModuleType
from types import SimpleNamespace as Message  # yolo_msgs is not on the package index

import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from sam2_ros.detection.types import Detection
from sam2_ros.tracking.types import Box

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "yolo_msgs_to_vision_msgs.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("yolo_msgs_to_vision_msgs", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def yolo_detection(label: str, score: float, x: float, y: float) -> Message:
    center = Message(position=Message(x=x, y=y), theta=0.0)
    bbox = Message(center=center, size=Message(x=20.0, y=10.0))
    return Message(class_id=41, class_name=label, score=score, id="7", bbox=bbox)


def test_boxes_classes_scores_and_the_header_are_kept(example: ModuleType) -> None:
    from sam2_ros.detection.messages import read_boxes

    header = Header(stamp=Time(sec=5, nanosec=6), frame_id="optical")
    yolo = Message(header=header, detections=[yolo_detection("cup", 0.75, 50, 40), yolo_detection("22", 0.5, 90, 30)])
    array = example.converted(yolo)
    assert array.header == header
    assert read_boxes(array) == [
        Detection(Box(40.0, 35.0, 60.0, 45.0), 0.75, "cup"),
        Detection(Box(80.0, 25.0, 100.0, 35.0), 0.5, "22"),
    ]


def test_an_image_without_boxes_is_published_too(example: ModuleType) -> None:
    assert example.converted(Message(header=Header(frame_id="optical"), detections=[])).header.frame_id == "optical"
