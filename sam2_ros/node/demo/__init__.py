"""A camera, a recorder and a script that bring the node to life without hardware."""
