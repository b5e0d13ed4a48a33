"""Corrections made in labelling tools, which come back as prompts."""
