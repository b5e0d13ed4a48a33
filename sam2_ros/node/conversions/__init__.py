"""Between ROS messages and arrays or the tracker's types."""
