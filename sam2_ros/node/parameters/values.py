"""Converts values from a command line or YAML to the type of a parameter, without ROS.

YAML reads 22 as a number, `on` as true and 12E3 as 12000.0, also where a class name was intended. Unambiguous values
are converted; for ambiguous ones the error says how to write them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_TRUE, _FALSE = ("true", "yes", "y", "on", "1"), ("false", "no", "n", "off", "0")
_EXPECTED = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}
_YAML = {bool: "y, yes, on and true as true, n, no, off and false as false", float: "this as a number"}
_QUOTE = 'write it in quotes: "\'TEXT\'" on a command line, "TEXT" in a file'


class ParameterError(ValueError):
    """An invalid parameter value; the message says why and what to do."""


def convert(name: str, kind: type, value: Any) -> Any:
    """The value as bool, int, float or str where that is unambiguous. Raises ParameterError."""
    if type(value) is kind:
        return value
    converted = _CONVERSIONS[kind](value)
    if converted is None:
        raise ParameterError(refusal(name, kind, value))
    return converted


def refusal(name: str, kind: type, value: Any) -> str:
    """Why a value of another type is not accepted, and how to write it."""
    if value is None:
        return f"parameter {name} is an empty list, expected {_EXPECTED[kind]}: leave it out for the default"
    reason = f"parameter {name} is {_text(value)} ({_type_name(value)}), expected {_EXPECTED[kind]}"
    if kind is float and type(value) is int:
        return f"{reason} with a decimal point: write {value}.0"
    if kind is not str:
        return reason
    if type(value) in _YAML:
        return f"{reason}: YAML reads {_YAML[type(value)]}, {_QUOTE}"
    if _is_list(value):
        return f"{reason}: write its parts as one string, separated by commas"
    return f"{reason}: {_QUOTE}"


def without_locations(error: Exception) -> str:
    """The message of an rcl exception without locations in its C sources."""
    return re.sub(r", at \S+:\d+", "", str(error))


def boolean(name: str, text: str) -> bool:
    """The value of a launch argument. Raises ParameterError."""
    value = _bool_of(text)
    if value is None:
        raise ParameterError(f"{name}:={text}: expected true or false")
    return value


def integer(name: str, text: str) -> int:
    """The value of a launch argument. Raises ParameterError."""
    value = _int_of(text)
    if value is None:
        raise ParameterError(f"{name}:={text}: expected an integer")
    return value


def number(name: str, text: str) -> float:
    """The value of a launch argument. Raises ParameterError."""
    value = _float_of(text)
    if value is None:
        raise ParameterError(f"{name}:={text}: expected a number")
    return value


def class_names(text: str) -> str:
    """Class names of a launch argument: separated by commas, also quoted or in the brackets of a YAML list."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    return ",".join(part.strip().strip("'\"") for part in text.split(","))


def _bool_of(value: Any) -> bool | None:
    if type(value) is int or isinstance(value, str):
        word = str(value).strip().lower()
        return True if word in _TRUE else False if word in _FALSE else None
    return None


def _int_of(value: Any) -> int | None:
    if type(value) is float and value.is_integer():
        return int(value)
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return None
    return None


def _float_of(value: Any) -> float | None:
    if type(value) is int or isinstance(value, str):
        try:
            return float(value)
        except (ValueError, OverflowError):
            return None
    return None


def _str_of(value: Any) -> str | None:
    if value is None:  # ROS reads an empty list as None
        return ""
    if type(value) is int:
        return str(value)
    if _is_list(value) and all(type(part) in (str, int) for part in value):
        return ",".join(map(str, value))
    return None


_CONVERSIONS = {bool: _bool_of, int: _int_of, float: _float_of, str: _str_of}


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _text(value: Any) -> str:
    return repr(list(value)) if _is_list(value) else repr(value)


def _type_name(value: Any) -> str:
    return "list" if _is_list(value) else type(value).__name__
