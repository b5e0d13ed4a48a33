"""How fast the tracker is, and whether its memory stays what it is."""
