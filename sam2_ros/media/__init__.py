"""Videos, pictures and tables: what the tracker reads from files and what a run leaves behind; no ROS."""
