"""The demo's recorder records the tracker's outputs and prints a summary."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sam2_ros.msg import Track, TrackArray, TrackEvent
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.media.video import probe
from sam2_ros.node import qos
from sam2_ros.node.conversions.messages import image_message, nearest_time
from sam2_ros.node.demo.recorder import FILES, OverlayVideo, Recorder

START = 1_700_000_000.0
RATE = 10.0
TOPICS = {"tracks": TrackArray, "events": TrackEvent, "overlay": Image}


class Stage:
    """A recorder, and a tracker that publishes what a test asks for."""

    def __init__(self, output: Path) -> None:
        parameters = [Parameter("output", value=str(output)), Parameter("rate", value=RATE)]
        self.recorder = Recorder(parameter_overrides=parameters)
        self._node = rclpy.create_node("tracker_of_recorder")
        results = qos.profile("reliable", 100)
        self._publishers = {name: self._node.create_publisher(kind, name, results) for name, kind in TOPICS.items()}
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.recorder)
        self.wait_for(lambda: self.recorder.is_connected)
        self.wait_for(lambda: all(each.get_subscription_count() for each in self._publishers.values()))

    def wait_for(self, condition: Callable[[], Any]) -> None:
        for _ in range(600):
            if condition():
                return
            self._executor.spin_once(timeout_sec=0.1)
        raise AssertionError("it did not come true in time")

    def show(self, seconds: float, *track_ids: int) -> None:
        """A result for the image of that time."""
        header = Header(stamp=nearest_time(START + seconds))
        tracks = [Track(id=number, label="cup", presence=1.0, area=20) for number in track_ids]
        self._publishers["overlay"].publish(image_message(np.zeros((48, 64, 3), np.uint8), "rgb8", header))
        self._publishers["tracks"].publish(TrackArray(header=header, image_height=48, image_width=64, tracks=tracks))

    def send_event(self, kind: int, seconds: float, **fields: Any) -> None:
        header = Header(stamp=nearest_time(START + seconds))
        self._publishers["events"].publish(TrackEvent(header=header, type=kind, **fields))

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self.recorder.destroy_node()


@pytest.fixture
def stage(ros: None, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


def test_console_and_table_count_seconds_from_the_first_image(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.show(0.0)
    stage.show(0.1)
    stage.show(0.4, 1)
    stage.send_event(TrackEvent.STARTED, 0.4, object_id=1)
    stage.show(0.5, 1)
    stage.wait_for(lambda: stage.recorder.frames == 4 and stage.recorder.events)
    stage.recorder.finish()
    rows = list(csv.DictReader((tmp_path / "tracks.csv").open()))
    assert [float(row["stamp"]) for row in rows] == pytest.approx([0.4, 0.5], abs=1e-6)
    assert "0.40 s object 1 started" in capsys.readouterr().out


def test_the_overlay_video_shows_an_image_until_the_next_one(tmp_path: Path) -> None:
    video = OverlayVideo(tmp_path / "overlay.mp4", RATE)
    for stamp in (START, START + 0.1, START + 0.4, START + 0.5):
        video.add(np.zeros((48, 64, 3), np.uint8), stamp)
    video.close()
    assert probe(tmp_path / "overlay.mp4").frames == 6


def test_files_of_an_earlier_run_are_deleted(ros: None, tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text("old")
    Recorder(parameter_overrides=[Parameter("output", value=str(tmp_path))]).destroy_node()
    assert not list(tmp_path.iterdir())


def test_a_rejected_click_ends_the_recording_with_a_hint(stage: Stage) -> None:
    stage.show(0.0)
    stage.send_event(TrackEvent.PROMPT_REJECTED, 0.0, reason="there is nothing")
    stage.wait_for(lambda: stage.recorder.frames == 1 and stage.recorder.is_over)
    problem = stage.recorder.problem()
    assert "the click was rejected: there is nothing" in problem
    assert "the video has 64x48 pixels" in problem and "X,Y" in problem


def test_a_rejected_click_does_not_end_the_recording_of_another_object(stage: Stage) -> None:
    stage.show(0.0, 1)
    stage.send_event(TrackEvent.STARTED, 0.0, object_id=1)
    stage.send_event(TrackEvent.PROMPT_REJECTED, 0.1, reason="there is nothing")
    stage.wait_for(lambda: stage.recorder.frames == 1 and len(stage.recorder.events) == 2)
    assert not stage.recorder.is_rejected and not stage.recorder.problem()


def test_a_recording_without_results_reports_why(stage: Stage) -> None:
    assert "no result arrived" in stage.recorder.problem()


def test_a_recording_without_objects_reports_why(stage: Stage) -> None:
    stage.show(0.0)
    stage.wait_for(lambda: not stage.recorder.is_empty)
    assert "no object was started" in stage.recorder.problem()
