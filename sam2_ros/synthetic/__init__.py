"""Synthetic clips with true masks, for training and evaluation."""
