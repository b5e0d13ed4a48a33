"""What sam2_ros and its tests use of the ROS package tf2_ros, for tests where it is not installed.

../../test_tf2_ros.py holds it to the behaviour of the real one.
"""

from .buffer import Buffer
from .frames import ConnectivityException, ExtrapolationException, LookupException, TransformException
from .topics import StaticTransformBroadcaster, TransformBroadcaster, TransformListener

__all__ = [
    "Buffer",
    "ConnectivityException",
    "ExtrapolationException",
    "LookupException",
    "StaticTransformBroadcaster",
    "TransformBroadcaster",
    "TransformException",
    "TransformListener",
]
