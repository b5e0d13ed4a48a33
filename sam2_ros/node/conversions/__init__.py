"""Conversions between ROS messages and arrays or the tracker's types."""
