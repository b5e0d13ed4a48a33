"""Stamps of messages in a recording."""

from __future__ import annotations

from typing import Any

NANOSECONDS = 1_000_000_000  # per second


def stamp_of(message: Any) -> int:
    """The stamp of a message's header (nanoseconds)."""
    stamp = message.header.stamp
    nanoseconds: int = stamp.sec * NANOSECONDS + stamp.nanosec
    return nanoseconds


def seconds_text(stamp: int) -> str:
    """Nanoseconds as seconds, all digits of them."""
    return f"{stamp // NANOSECONDS}.{stamp % NANOSECONDS:09d}"
