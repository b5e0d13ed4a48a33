"""Reads what Python programs pass: numbers and sequences of any library. Raises TypeError with what was expected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

_LARGEST = 2**53  # integers below it are floats, too
_KINDS = {int: Integral, float: Real}  # numbers of any library


def numbers(given: Any, counts: tuple[int, ...], complaint: str) -> list[Any]:
    """The elements of a sequence of that many; raises TypeError with the complaint."""
    numbers = list(given) if is_sequence(given) else []
    if len(numbers) not in counts:
        raise TypeError(complaint)
    return numbers


def is_sequence(given: Any) -> bool:
    """Not of letters; arrays of no dimension claim to be iterable."""
    return isinstance(given, Iterable) and not isinstance(given, (str, bytes, dict)) and bool(getattr(given, "ndim", 1))


def number(given: Any, name: str) -> float:
    """A number of Python or NumPy, or a tensor of one; raises TypeError."""
    try:
        if hasattr(given, "__float__"):
            return given if type(given) is int and abs(given) < _LARGEST else float(given)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # arrays and tensors of several numbers, huge integers
        pass
    raise TypeError(f"{name} is {shown(given)}, expected a number")


def check_types(settings: Any) -> None:
    """Raises TypeError for a field of a dataclass that is of another type than its default."""
    for entry in fields(settings):
        value, kind = getattr(settings, entry.name), type(entry.default)
        if not isinstance(value, _KINDS.get(kind, kind)):
            raise TypeError(f"{entry.name} is {shown(value)}, expected {kind.__name__}")


def shown(given: Any) -> str:
    """Short enough for a message."""
    text = repr(given)
    return f"{text} ({type(given).__name__})" if len(text) <= 40 and "\n" not in text else f"a {type(given).__name__}"
