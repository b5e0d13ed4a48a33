"""Where people click, and which topics carry it."""

from unittest.mock import sentinel

import pytest
import rclpy
from geometry_msgs.msg import Point
from sam2_ros.msg import TrackEvent

from sam2_ros.node.messages import seconds
from sam2_ros.node.prompt_topics import PromptTopics


@pytest.mark.parametrize("picture", ["/image", "/sam2_tracker/overlay"])
def test_a_click_in_rqt_image_view_starts_an_object_on_the_newest_image(robot, picture):
    newest = robot.show().header
    mouse = robot.node.create_publisher(Point, f"{picture}_mouse_left", 10)
    robot.wait_for(mouse.get_subscription_count, f"subscription to {mouse.topic_name}")
    mouse.publish(Point(x=40.0, y=40.0))
    event = robot.wait_for_event(TrackEvent.STARTED)
    assert seconds(event.header.stamp) == seconds(newest.stamp)
    assert [track.id for track in robot.show().tracks] == [event.object_id]


def test_a_click_beside_the_overlay_is_rejected_with_the_reason(robot):
    newest = robot.show().header
    mouse = robot.node.create_publisher(Point, "/sam2_tracker/overlay_mouse_left", 10)
    robot.wait_for(mouse.get_subscription_count, f"subscription to {mouse.topic_name}")
    mouse.publish(Point(x=128.0, y=40.0))
    event = robot.wait_for_event(TrackEvent.PROMPT_REJECTED)
    assert "click (128, 40) is outside the image" in event.reason
    assert seconds(event.header.stamp) == seconds(newest.stamp)


def test_clicks_are_heard_beside_the_raw_image_also_where_the_compressed_topic_is_named(ros):
    node = rclpy.create_node("sam2_tracker", cli_args=["--ros-args", "-r", "image:=/camera/image_raw/compressed"])
    topics = PromptTopics(node, sentinel.requests)
    assert "/camera/image_raw_mouse_left" in {subscription.topic_name for subscription in node.subscriptions}
    topics.close()
    node.destroy_node()


def test_clicks_are_heard_on_the_images_that_people_look_at_under_their_remapped_names(ros):
    remappings = ["image:=/camera/image_raw", "~/overlay:=/picture"]
    arguments = ["--ros-args", *(part for mapping in remappings for part in ("-r", mapping))]
    node = rclpy.create_node("sam2_tracker", cli_args=arguments)
    topics = PromptTopics(node, sentinel.requests)
    heard = {subscription.topic_name for subscription in node.subscriptions}
    assert {"/camera/image_raw_mouse_left", "/picture_mouse_left", "/sam2_tracker/click_point"} <= heard
    topics.close()
    assert not heard & {subscription.topic_name for subscription in node.subscriptions}
    node.destroy_node()
