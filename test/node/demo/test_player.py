"""The demo's player publishes a video, clicks and detections."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.time import Time
from sam2_ros.msg import Prompt
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.node import qos
from sam2_ros.node.demo.player import (
    CLIP_CLICK,
    CLIP_DETECTIONS,
    Detections,
    NoSubscriberError,
    Player,
    check_click,
    parse_click,
)

vision_msgs = pytest.importorskip("vision_msgs.msg")


@pytest.fixture
def node(ros: None) -> Iterator[Node]:
    node = rclpy.create_node("detector")
    yield node
    node.destroy_node()


def file_of(folder: Path, content: object) -> Path:
    path = folder / "detections.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def at(seconds: int) -> Header:
    return Header(stamp=Time(seconds=seconds).to_msg(), frame_id="camera")


def test_detections_have_their_frame_s_header_and_are_published_after_the_latency(node: Node, tmp_path: Path) -> None:
    box = {"label": "cup", "score": 0.5, "box": [10, 20, 30, 60]}
    detections = Detections(node, file_of(tmp_path, [{"frame": 0, **box}, {"frame": 2, **box}, {"frame": 2, **box}]))
    heard: list[Any] = []
    node.create_subscription(vision_msgs.Detection2DArray, "detections", heard.append, qos.profile("reliable", 10))
    while not detections.publisher.get_subscription_count():
        time.sleep(0.01)
    for frame in range(3):
        detections.detect(frame, at(100 + frame))
        detections.publish(until=Time(seconds=101))
    detections.publish(until=Time(seconds=102))
    while len(heard) < 2:
        rclpy.spin_once(node, timeout_sec=0.1)
    assert [(array.header, len(array.detections)) for array in heard] == [(at(100), 1), (at(102), 2)]
    found = heard[0].detections[0]
    assert (found.results[0].hypothesis.class_id, found.results[0].hypothesis.score) == ("cup", 0.5)
    centre = found.bbox.center.position
    assert (centre.x, centre.y, found.bbox.size_x, found.bbox.size_y) == (20.0, 40.0, 20.0, 40.0)


@pytest.mark.parametrize("content", ["{", "[1]", '[{"label": "cup"}]'])
def test_a_malformed_file_of_detections_is_refused(node: Node, tmp_path: Path, content: str) -> None:
    with pytest.raises(ValueError, match="expected a list of frame, label, score and box"):
        Detections(node, file_of(tmp_path, content))


def test_the_click_on_the_bundled_clip_is_inside_the_first_box_of_its_detector() -> None:
    x0, y0, x1, y1 = json.loads(CLIP_DETECTIONS.read_text())[0]["box"]
    click = parse_click(CLIP_CLICK)
    assert x0 < click.x < x1 and y0 < click.y < y1


@pytest.mark.parametrize("text", ["middle", "1", "1,2,3", "", "nan,1", "1,inf"])
def test_a_malformed_click_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected X,Y in pixels of the first frame"):
        parse_click(text)


@pytest.mark.parametrize("text", ["-1,5", "640,5", "5,-0.5", "5,480", "1e9,5"])
def test_a_click_outside_the_video_is_refused_with_its_size(text: str) -> None:
    with pytest.raises(ValueError, match="outside the video, which has 640x480 pixels"):
        check_click(parse_click(text), (480, 640))


@pytest.mark.parametrize("text", ["0,0", "639,479", "639.9,479.9"])
def test_a_click_on_the_video_s_border_is_accepted(text: str) -> None:
    check_click(parse_click(text), (480, 640))


def test_the_player_waits_for_another_subscriber_than_the_recorder(ros: None) -> None:
    def play(seconds: float) -> None:
        patience = [Parameter("subscriber_timeout", value=seconds)]
        player = Player(parameter_overrides=[Parameter("click", value="20,20"), *patience])
        try:
            player.play()
        finally:
            player.destroy_node()

    with pytest.raises(NoSubscriberError, match="no tracker subscribes to /image, /prompt yet"):
        play(0.5)
    recorder = rclpy.create_node("recorder")
    for kind, topic in ((Image, "image"), (Prompt, "prompt")):
        recorder.create_subscription(kind, topic, print, qos.profile("reliable", 1))
    with pytest.raises(NoSubscriberError, match="no tracker subscribes to /image, /prompt yet"):
        play(2.0)
    recorder.destroy_node()
