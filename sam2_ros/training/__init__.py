"""Recipes that train and fine-tune the network, and their evaluation."""
