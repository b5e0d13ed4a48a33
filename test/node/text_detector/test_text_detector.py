"""The real text detector and the real tracker, each in its process: words start an object, and find it again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="needs the ROS package vision_msgs")
pytest.importorskip("transformers", reason="needs the extra `text`")

from sam2_ros.msg import Track, TrackEvent
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

import sam2_ros

from ...text.tiny_models import red_and_blue

WEIGHTS = Path(sam2_ros.__file__).parent / "weights" / "nano.safetensors"
LEFT, RIGHT = (128, 64), (192, 128)  # centres of squares of 64 pixels, where `red_and_blue` finds them
RED, BLUE = (220, 40, 40), (40, 60, 220)


def render(*squares: tuple[tuple[int, int], tuple[int, int, int]]) -> np.ndarray:
    rgb = np.full((240, 320, 3), 120, np.uint8)
    for (x, y), colour in squares:
        rgb[y - 32 : y + 32, x - 32 : x + 32] = colour
    return rgb


class TextDetector:
    """The node's process."""

    def __init__(self, log: Path, **parameters: Any) -> None:
        self.log_file = log
        arguments = [part for key, value in parameters.items() for part in ("-p", f"{key}:={value}")]
        command = [sys.executable, "-m", "sam2_ros.node.text_detector.main", "--ros-args", *arguments]
        command += ["-r", "~/detections:=/sam2_tracker/detections"]
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return red_and_blue(tmp_path_factory.mktemp("red_and_blue"))


@pytest.fixture(scope="module")
def robot(start: Callable[..., Any]) -> Any:
    robot = start(checkpoint=WEIGHTS, image_size=256, detection_min_score=0.0, detection_min_hits=2, lost_after=0.2)
    robot.bring_up()
    return robot


@pytest.fixture(scope="module")
def detector(robot: Any, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TextDetector]:
    log = tmp_path_factory.mktemp("text") / "log"
    detector = TextDetector(log, model=folder, words="red cup", device="cpu", rate=10.0, lost_rate=10.0)
    robot.wait_for(lambda: "loaded OWLv2 on cpu; searching for 'red cup'" in detector.log, "text detector")
    yield detector
    detector.process.terminate()
    detector.process.wait(60)


def show_until(robot: Any, pixels: np.ndarray, condition: Callable[[list[Track]], Any]) -> list[Track]:
    """Show images until the tracks of one fulfil the condition."""

    def shown() -> list[Any]:
        tracks = list(robot.show(pixels=pixels).tracks)
        return [tracks] if condition(tracks) else []

    return robot.wait_for(shown, "such tracks")[0]


def test_a_word_starts_an_object_and_finds_it_again_with_its_id(robot: Any, detector: TextDetector) -> None:
    received: list[Detection2DArray] = []
    robot.node.create_subscription(Detection2DArray, "/sam2_tracker/detections", received.append, 10)
    (cup,) = show_until(robot, render((LEFT, RED), (RIGHT, BLUE)), bool)
    assert cup.label == "red cup"
    assert abs(cup.box.x_min - 96) < 8 and abs(cup.box.x_max - 160) < 8
    show_until(robot, render((RIGHT, BLUE)), lambda tracks: tracks[0].state == Track.LOST)
    robot.wait_for_event(TrackEvent.LOST)
    (found,) = show_until(robot, render((LEFT, RED), (RIGHT, BLUE)), lambda tracks: tracks[0].state == Track.VISIBLE)
    assert (found.id, found.label) == (cup.id, "red cup")
    stamps = {(array.header.stamp.sec, array.header.stamp.nanosec) for array in received}
    shown = {(tracks.header.stamp.sec, tracks.header.stamp.nanosec) for tracks in robot.tracks}
    assert stamps and stamps <= shown  # each array has the stamp of an image
    boxes = [detection.bbox for array in received for detection in array.detections]
    assert boxes and all(abs(box.center.position.x - 128) < 0.1 and abs(box.size_y - 64) < 0.1 for box in boxes)


def test_words_change_at_run_time_and_bad_ones_change_nothing(robot: Any, detector: TextDetector) -> None:
    publisher = robot.node.create_publisher(String, "/sam2_text_detector/words", 10)
    robot.wait_for(publisher.get_subscription_count, "subscription to words")
    robot.drop_objects()

    def send_until_logged(text: str, expected: str) -> None:
        def sent() -> bool:
            publisher.publish(String(data=text))
            robot.show(pixels=render())
            return expected in detector.log

        robot.wait_for(sent, f"log of {expected!r}")

    send_until_logged("...", "~/words is ignored, still searching for 'red cup': there are no words in '...'")
    send_until_logged(". ".join(f"cup {i}" for i in range(1000)), "there are 1000 phrases, expected at most 100")
    send_until_logged("a very large blue box", "OWLv2 reads at most 16: shorten it")
    send_until_logged("blue box", "searching for 'blue box'")
    (box,) = show_until(robot, render((LEFT, RED), (RIGHT, BLUE)), bool)
    assert box.label == "blue box" and abs(box.box.x_min - 160) < 8


def test_without_a_model_the_node_ends_and_says_why(ros: None, tmp_path: Path) -> None:
    detector = TextDetector(tmp_path / "log", model="/nowhere/model", words="red cup")
    assert detector.process.wait(120) == 2
    assert "cannot start: there is no folder '/nowhere/model'" in detector.log
