"""What the examples use of the ROS package sensor_msgs_py, for tests where it is not installed."""
