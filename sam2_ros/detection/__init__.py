"""Boxes of any detector start, correct and end tracks; no ROS."""
