"""What people write is taken as meant, or refused with how to write it."""

import pytest

from sam2_ros.node.parameters.values import (
    ParameterError,
    boolean,
    class_names,
    convert,
    number,
    whole_number,
    without_locations,
)


@pytest.mark.parametrize(("texts", "expected"), [("true True yes ON 1", True), ("false False no Off 0", False)])
def test_a_switch_can_be_written_in_every_usual_way(texts, expected):
    assert [boolean("respawn", text) for text in texts.split()] == [expected] * 5


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (boolean, "2", "true or false"),
        (boolean, "", "true or false"),
        (whole_number, "1.5", "a whole number"),
        (whole_number, "many", "a whole number"),
        (number, "0,5", "a number"),
        (number, "half", "a number"),
    ],
)
def test_an_argument_that_is_none_is_named(read, text, expected):
    with pytest.raises(ParameterError, match=f"^name:={text}: expected {expected}$"):
        read("name", text)


def test_numbers_are_read():
    assert whole_number("size", "512") == 512
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
def test_classes_may_be_quoted_and_stand_in_the_brackets_of_a_list(text, expected):
    assert class_names(text) == expected


@pytest.mark.parametrize("kind", [bool, int, float, str])
@pytest.mark.parametrize("value", [b"bytes", [1.5], object()])
def test_what_has_no_meaning_for_a_parameter_is_refused(kind, value):
    with pytest.raises(ParameterError, match="^parameter name is .*, expected "):
        convert("name", kind, value)


def test_an_integer_that_no_float_can_hold_is_refused():
    with pytest.raises(ParameterError, match="expected a number"):
        convert("name", float, 10**400)


def test_places_in_the_c_sources_are_left_out():
    error = RuntimeError("cannot parse 'x'. Error: no value, at /project/src/parse.c:258, at ./src/rcl/arguments.c:352")
    assert without_locations(error) == "cannot parse 'x'. Error: no value"
