"""Reads videos and pictures, writes videos, label images, tables and plots; no ROS."""
