"""Checks the types of arguments: numbers and sequences of any library. A TypeError says what was expected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

_MAX_EXACT = 2**53  # integers below it are exact as floats
_ABSTRACT = {int: Integral, float: Real}  # include the numbers of other libraries


def elements(given: Any, lengths: tuple[int, ...], message: str) -> list[Any]:
    """The elements of a sequence of one of these lengths; raises TypeError with the message for anything else."""
    elements = list(given) if is_sequence(given) else []
    if len(elements) not in lengths:
        raise TypeError(message)
    return elements


def is_sequence(given: Any) -> bool:
    """Whether it is a sequence; text, mappings and arrays without dimensions are none."""
    return isinstance(given, Iterable) and not isinstance(given, (str, bytes, dict)) and bool(getattr(given, "ndim", 1))


def number(given: Any, name: str) -> float:
    """A number of Python or NumPy, or a tensor of one number, as a float or a small int; raises TypeError."""
    try:
        if hasattr(given, "__float__"):
            return given if type(given) is int and abs(given) < _MAX_EXACT else float(given)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # arrays and tensors of several numbers, huge integers
        pass
    raise TypeError(f"{name} is {shown(given)}, expected a number")


def check_types(settings: Any) -> None:
    """Raises TypeError unless every field of a dataclass has the type of its default, ValueError for NaN."""
    for entry in fields(settings):
        value, expected = getattr(settings, entry.name), type(entry.default)
        if not isinstance(value, _ABSTRACT.get(expected, expected)):
            raise TypeError(f"{entry.name} is {shown(value)}, expected {expected.__name__}")
        if value != value:  # no comparison with a limit finds it
            raise ValueError(f"{entry.name} is NaN, expected a number")


def shown(given: Any) -> str:
    """A value and its type, short enough for a message."""
    text = repr(given)
    return f"{text} ({type(given).__name__})" if len(text) <= 40 and "\n" not in text else f"a {type(given).__name__}"
