"""The panel as a ROS node, `sam2_panel`: the same topics and services as everybody's."""
