"""What the node subscribes to."""
