"""Measures the tracker's speed and memory."""
