"""Unambiguous values are converted, ambiguous ones are refused with how to write them."""

from collections.abc import Callable

import pytest

from sam2_ros.node.parameters.values import (
    ParameterError,
    boolean,
    class_names,
    convert,
    integer,
    number,
    without_locations,
)


@pytest.mark.parametrize(("texts", "expected"), [("true True yes ON 1", True), ("false False no Off 0", False)])
def test_a_boolean_accepts_every_usual_spelling(texts: str, expected: bool) -> None:
    assert [boolean("respawn", text) for text in texts.split()] == [expected] * 5


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (boolean, "2", "true or false"),
        (boolean, "", "true or false"),
        (integer, "1.5", "an integer"),
        (integer, "many", "an integer"),
        (number, "0,5", "a number"),
        (number, "half", "a number"),
    ],
)
def test_an_invalid_argument_is_refused_with_what_was_expected(
    read: Callable[[str, str], object], text: str, expected: str
) -> None:
    with pytest.raises(ParameterError, match=f"^name:={text}: expected {expected}$"):
        read("name", text)


def test_numbers_are_read() -> None:
    assert integer("size", "512") == 512
    assert number("rate", "15") == 15.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cup", "cup"),
        ("cup, bowl", "cup,bowl"),
        ("'on'", "on"),
        ('"coffee cup",bowl', "coffee cup,bowl"),
        ("[cup, bowl]", "cup,bowl"),
        ("['22', \"on\"]", "22,on"),
        ("[]", ""),
    ],
)
def test_class_names_may_be_quoted_and_in_the_brackets_of_a_list(text: str, expected: str) -> None:
    assert class_names(text) == expected


@pytest.mark.parametrize("kind", [bool, int, float, str])
@pytest.mark.parametrize("value", [b"bytes", [1.5], object()])
def test_a_value_without_meaning_for_a_parameter_is_refused(kind: type, value: object) -> None:
    with pytest.raises(ParameterError, match="^parameter name is .*, expected "):
        convert("name", kind, value)


def test_an_integer_out_of_a_floats_range_is_refused() -> None:
    with pytest.raises(ParameterError, match="expected a number"):
        convert("name", float, 10**400)


def test_locations_in_c_sources_are_removed() -> None:
    error = RuntimeError("cannot parse 'x'. Error: no value, at /project/src/parse.c:258, at ./src/rcl/arguments.c:352")
    assert without_locations(error) == "cannot parse 'x'. Error: no value"
