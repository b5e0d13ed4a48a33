"""Clicks through the topics of the node."""

from unittest.mock import sentinel

import pytest
import rclpy
from geometry_msgs.msg import Point, PointStamped
from sam2_ros.msg import TrackEvent

from sam2_ros.node.conversions.messages import seconds
from sam2_ros.node.inputs.prompts import PromptTopics

from ..conftest import Robot

pytestmark = pytest.mark.distribution


@pytest.mark.parametrize("topic", ["/image", "/sam2_tracker/overlay"])
def test_a_click_in_rqt_image_view_starts_an_object_on_the_newest_image(robot: Robot, topic: str) -> None:
    newest = robot.show().header
    mouse = robot.node.create_publisher(Point, f"{topic}_mouse_left", 10)
    robot.wait_for(mouse.get_subscription_count, f"subscription to {mouse.topic_name}")
    mouse.publish(Point(x=40.0, y=40.0))
    event = robot.wait_for_event(TrackEvent.STARTED)
    assert seconds(event.header.stamp) == seconds(newest.stamp)
    assert [track.id for track in robot.show().tracks] == [event.object_id]


def test_a_click_beside_the_overlay_is_rejected_with_the_reason(robot: Robot) -> None:
    newest = robot.show().header
    mouse = robot.node.create_publisher(Point, "/sam2_tracker/overlay_mouse_left", 10)
    robot.wait_for(mouse.get_subscription_count, f"subscription to {mouse.topic_name}")
    mouse.publish(Point(x=128.0, y=40.0))
    event = robot.wait_for_event(TrackEvent.PROMPT_REJECTED)
    assert "click (128, 40) is outside the image" in event.reason
    assert seconds(event.header.stamp) == seconds(newest.stamp)


def test_a_double_click_and_its_echo_on_another_topic_start_one_object(robot: Robot) -> None:
    newest = robot.show().header
    mouse = robot.node.create_publisher(Point, "/image_mouse_left", 10)
    robot.wait_for(mouse.get_subscription_count, f"subscription to {mouse.topic_name}")
    for _ in range(2):
        robot.click(PointStamped(header=newest, point=Point(x=40.0, y=40.0)))
        mouse.publish(Point(x=41.0, y=40.0))
    robot.wait_for(lambda: len(robot.events) == 4, "answer to every click")
    started, *others = sorted(robot.events, key=lambda event: event.type)
    assert started.type == TrackEvent.STARTED
    assert [(event.type, event.object_id) for event in others] == [(TrackEvent.PROMPT_REJECTED, started.object_id)] * 3
    assert f"repeats the one that started object {started.object_id}" in others[0].reason
    assert [track.id for track in robot.show().tracks] == [started.object_id]


def test_clicks_are_received_on_the_raw_topic_where_the_compressed_topic_is_remapped(ros: None) -> None:
    node = rclpy.create_node("sam2_tracker", cli_args=["--ros-args", "-r", "image:=/camera/image_raw/compressed"])
    topics = PromptTopics(node, sentinel.requests)
    assert "/camera/image_raw_mouse_left" in {subscription.topic_name for subscription in node.subscriptions}
    topics.close()
    node.destroy_node()


def test_clicks_are_received_on_the_remapped_image_and_overlay_topics(ros: None) -> None:
    remappings = ["image:=/camera/image_raw", "~/overlay:=/result"]
    arguments = ["--ros-args", *(part for mapping in remappings for part in ("-r", mapping))]
    node = rclpy.create_node("sam2_tracker", cli_args=arguments)
    topics = PromptTopics(node, sentinel.requests)
    received = {subscription.topic_name for subscription in node.subscriptions}
    assert {"/camera/image_raw_mouse_left", "/result_mouse_left", "/sam2_tracker/click_point"} <= received
    topics.close()
    assert not received & {subscription.topic_name for subscription in node.subscriptions}
    node.destroy_node()
