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

from ...fake_clock import FakeClock

START = 1_700_000_000.0
RATE = 10.0
TOPICS = {"tracks": TrackArray, "events": TrackEvent, "overlay": Image}


class SimulatedTracker:
    """A recorder and a node that publishes the tracker's topics for it."""

    def __init__(self, output: Path, clock: FakeClock) -> None:
        parameters = [Parameter("output", value=str(output)), Parameter("rate", value=RATE)]
        self.recorder = Recorder(clock, parameter_overrides=parameters)
        self._node = rclpy.create_node("tracker_of_recorder")
        results = qos.profile("reliable", 100)
        self._publishers = {
            name: self._node.create_publisher(message_type, name, results) for name, message_type in TOPICS.items()
        }
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.recorder)
        self.wait_for(lambda: self.recorder.is_connected)
        self.wait_for(lambda: all(each.get_subscription_count() for each in self._publishers.values()))

    def wait_for(self, condition: Callable[[], Any]) -> None:
        for _ in range(600):
            if condition():
                return
            self._executor.spin_once(timeout_sec=0.1)
        raise AssertionError("condition not met within 60 s")

    def wait_for_frames(self, count: int) -> None:
        self.wait_for(lambda: self.recorder.frames == count)

    def show(self, seconds: float, *track_ids: int) -> None:
        """Publish a result for the image of that time."""
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
def simulated(ros: None, tmp_path: Path, clock: FakeClock) -> Iterator[SimulatedTracker]:
    simulated = SimulatedTracker(tmp_path, clock)
    yield simulated
    simulated.close()


def test_console_and_table_count_seconds_from_the_first_image(
    simulated: SimulatedTracker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated.show(0.0)
    simulated.show(0.1)
    simulated.show(0.4, 1)
    simulated.send_event(TrackEvent.STARTED, 0.4, object_id=1)
    simulated.show(0.5, 1)
    simulated.wait_for(lambda: simulated.recorder.frames == 4 and simulated.recorder.events)
    simulated.recorder.finish()
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


def test_a_rejected_click_ends_the_recording_with_a_hint(simulated: SimulatedTracker) -> None:
    simulated.show(0.0)
    simulated.send_event(TrackEvent.PROMPT_REJECTED, 0.0, reason="there is nothing")
    simulated.wait_for(lambda: simulated.recorder.frames == 1 and simulated.recorder.is_over)
    problem = simulated.recorder.problem()
    assert "the click was rejected: there is nothing" in problem
    assert "the video has 64x48 pixels" in problem and "X,Y" in problem


def test_a_rejected_click_does_not_end_the_recording_of_another_object(simulated: SimulatedTracker) -> None:
    simulated.show(0.0, 1)
    simulated.send_event(TrackEvent.STARTED, 0.0, object_id=1)
    simulated.send_event(TrackEvent.PROMPT_REJECTED, 0.1, reason="there is nothing")
    simulated.wait_for(lambda: simulated.recorder.frames == 1 and len(simulated.recorder.events) == 2)
    assert not simulated.recorder.is_rejected and not simulated.recorder.problem()


def test_a_recording_without_results_reports_why(simulated: SimulatedTracker) -> None:
    assert "no result arrived" in simulated.recorder.problem()


def test_a_recording_without_objects_reports_why(simulated: SimulatedTracker) -> None:
    simulated.show(0.0)
    simulated.wait_for(lambda: not simulated.recorder.is_empty)
    assert "no object was started" in simulated.recorder.problem()


def test_a_recording_is_over_after_a_silence_that_is_long_for_its_results(
    simulated: SimulatedTracker, clock: FakeClock
) -> None:
    clock.advance(299.0)
    assert not simulated.recorder.is_over  # the first result may take long
    for number in range(3):
        simulated.show(number / RATE)
        simulated.wait_for_frames(number + 1)
        clock.advance(2.0)
    clock.advance(3.0)
    assert not simulated.recorder.is_over  # two seconds between results: six are no silence yet
    clock.advance(2.0)
    assert simulated.recorder.is_over


def test_a_recording_without_a_first_result_is_over_after_five_minutes(
    simulated: SimulatedTracker, clock: FakeClock
) -> None:
    clock.advance(301.0)
    assert simulated.recorder.is_over
