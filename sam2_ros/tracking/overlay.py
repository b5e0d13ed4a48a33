"""The picture for people: masks, captions, and a list of what is out of view."""

from __future__ import annotations

# Okabe & Ito (2008): seen apart by all common kinds of colour vision; reordered, the first differ most.
_PALETTE = (
    (86, 180, 233),
    (230, 159, 0),
    (204, 121, 167),
    (0, 158, 115),
    (240, 228, 66),
    (213, 94, 0),
    (0, 114, 178),
)


def colour_of(track_id: int) -> tuple[int, int, int]:
    """The RGB colour of an object, the same in every picture."""
    return _PALETTE[(track_id - 1) % len(_PALETTE)]
