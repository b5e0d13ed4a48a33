"""Subscriptions of the node."""
