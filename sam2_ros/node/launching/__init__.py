"""What the launch files make of their arguments. Needs no `launch`, which only a ROS distribution has."""
