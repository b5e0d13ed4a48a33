"""Labels for recordings: bags, videos and folders of pictures are tracked offline, without ROS."""
