"""The ROS 2 node around the tracker: the only part of the package that needs ROS."""
