"""What the node reports about missing ROS packages."""

import pytest

from sam2_ros.node import features
from sam2_ros.node.features import Feature
from sam2_ros.node.parameters import Parameters


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two features: the package of one is installed, that of the other is not."""
    monkeypatch.setattr(
        features,
        "FEATURES",
        (Feature("checkpoint", "rclpy", "something"), Feature("checkpoint", "no_such_package", "something else")),
    )


def test_a_missing_package_is_reported_with_its_feature_and_advice(table: None) -> None:
    (text,) = features.missing(Parameters(checkpoint="some file"))
    assert text.startswith("something else (checkpoint) needs the ROS package no_such_package")
    assert "sudo apt install ros-$ROS_DISTRO-no-such-package" in text


def test_a_feature_that_is_not_enabled_is_not_reported(table: None) -> None:
    assert features.missing(Parameters(checkpoint="")) == []


def test_features_enabled_by_default_are_distinguished_from_those_that_the_user_enabled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(features, "FEATURES", (Feature("model", "no_such_package", "something"),))
    (text,) = features.missing(Parameters(), by_default=True)
    assert "ROS package no_such_package" in text
    assert features.missing(Parameters()) == []
    assert features.missing(Parameters(model="sam2.1_hiera_tiny"), by_default=True) == []


def test_every_feature_is_enabled_by_a_parameter() -> None:
    for feature in features.FEATURES:
        assert hasattr(Parameters(), feature.parameter)
