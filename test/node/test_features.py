"""What the node says of ROS packages that are absent."""

import pytest

from sam2_ros.node import features
from sam2_ros.node.features import Feature
from sam2_ros.node.parameters import Parameters


@pytest.fixture
def table(monkeypatch):
    """Features of which one needs a package that is there, and one a package that is not."""
    monkeypatch.setattr(
        features,
        "FEATURES",
        (Feature("checkpoint", "rclpy", "something"), Feature("checkpoint", "no_such_package", "something else")),
    )


def test_a_missing_package_is_named_with_the_feature_and_what_to_do(table):
    (text,) = features.missing(Parameters(checkpoint="asked for"))
    assert text.startswith("something else (checkpoint) needs the ROS package no_such_package")
    assert "sudo apt install ros-$ROS_DISTRO-no-such-package" in text


def test_what_nobody_asks_for_is_not_missed(table):
    assert features.missing(Parameters(checkpoint="")) == []


def test_what_is_on_by_default_is_told_apart_from_what_the_user_asked_for(monkeypatch):
    monkeypatch.setattr(features, "FEATURES", (Feature("model", "no_such_package", "something"),))
    (text,) = features.missing(Parameters(), by_default=True)
    assert "ROS package no_such_package" in text
    assert features.missing(Parameters()) == []
    assert features.missing(Parameters(model="sam2.1_hiera_tiny"), by_default=True) == []


def test_every_feature_is_asked_for_by_a_parameter():
    for feature in features.FEATURES:
        assert hasattr(Parameters(), feature.wanted_by)
