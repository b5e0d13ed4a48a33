"""What went wrong while a recording was labelled, in few lines however often it happened."""

from __future__ import annotations


class Problems:
    """Counts problems by kind and keeps the first of each."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}  # by kind
        self._counts: dict[str, int] = {}

    def add(self, kind: str, text: str) -> None:
        """`text` says what went wrong; of a kind only the first is kept."""
        self._first.setdefault(kind, text)
        self._counts[kind] = self._counts.get(kind, 0) + 1

    def extend(self, other: Problems) -> None:
        """Take over all problems of another."""
        self._first = {**other._first, **self._first}
        self._counts = {kind: other._counts.get(kind, 0) + self._counts.get(kind, 0) for kind in self._first}

    @property
    def lines(self) -> list[str]:
        """One line for each kind, in order of their first occurrence."""
        return [
            text if self._counts[kind] == 1 else f"{text} (and {self._counts[kind] - 1} more like this)"
            for kind, text in self._first.items()
        ]
