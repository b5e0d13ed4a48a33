"""Messages of a browser are checked field by field; whatever comes is understood or refused with what was expected."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_ros.panel.protocol import Drawn, Look, MessageError, Request, parse, picture
from sam2_ros.panel.types import ApplyPrompt, Enable, RemoveObject, Reset, Restart, SelectObject, Stamp

SIZE = (240, 320)
PROMPT: dict[str, Any] = {
    "type": "prompt",
    "request": 7,
    "object_id": 0,
    "stamp": [1700000000, 123456789],
    "label": "cup",
    "clicks": [{"x": 10.5, "y": 20, "positive": True}],
}


def read(**fields: Any) -> Any:
    return parse(json.dumps(PROMPT | fields), SIZE)


def test_a_click_keeps_its_stamp_to_the_nanosecond() -> None:
    request = read()
    assert isinstance(request, Request) and isinstance(request.command, ApplyPrompt)
    assert request.number == 7 and request.command.object_id == 0
    assert request.command.stamp == Stamp(1700000000, 123456789)
    (click,) = request.command.prompt.clicks
    assert (click.x, click.y, click.positive, request.command.prompt.label) == (10.5, 20.0, True, "cup")


def test_a_box_and_a_mask_are_read() -> None:
    box = read(clicks=[], box=[1, 2, 30.5, 40]).command.prompt.box
    assert (box.x0, box.y0, box.x1, box.y1) == (1, 2, 30.5, 40)
    mask = read(clicks=[], mask={"width": 4, "height": 3, "runs": [5, 2, 11, 1]}).command.prompt.mask
    assert mask.shape == SIZE and mask.dtype == bool
    assert mask[120, 120] and mask[120, 200] and not mask[120, 300] and mask[239, 319]


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({"type": "remove", "object_id": 3}, RemoveObject(3)),
        ({"type": "select", "object_id": 3}, SelectObject(3)),
        ({"type": "enable", "enabled": False}, Enable(False)),
        ({"type": "reset"}, Reset()),
        ({"type": "restart"}, Restart()),
    ],
)
def test_commands_are_read(fields: dict[str, Any], command: Any) -> None:
    assert parse(json.dumps({"request": 1, **fields}), None) == Request(1, command)


def test_notices_need_no_request() -> None:
    assert parse('{"type": "drawn", "number": 5}', None) == Drawn(5)
    assert parse('{"type": "look", "looking": false}', None) == Look(False)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": "shutdown"}, "type is 'shutdown', expected prompt, remove"),
        ({"clicks": []}, "the prompt is empty, expected clicks, a box or a mask"),
        ({"clicks": "here"}, "clicks is 'here', expected a list"),
        ({"clicks": [[1, 2]]}, "a click is [1, 2], expected an object"),
        ({"clicks": [{"x": "1", "y": 2, "positive": True}]}, "x is '1', expected a number of pixels"),
        ({"clicks": [{"x": True, "y": 2, "positive": True}]}, "x is True, expected a number of pixels"),
        ({"clicks": [{"x": 1e300, "y": 2, "positive": True}]}, "x is 1e+300, expected a number of pixels"),
        ({"clicks": [{"x": 1, "y": 2, "positive": 1}]}, "positive is 1, expected true or false"),
        ({"clicks": PROMPT["clicks"] * 65}, "there are 65 clicks, expected at most 64"),
        ({"box": [1, 2, 3]}, "box has 3 numbers, expected 4"),
        ({"box": {"x": 1}}, "box is {'x': 1}, expected a list"),
        ({"object_id": -1}, "object_id is -1, expected a whole number"),
        ({"object_id": 1.5}, "object_id is 1.5, expected a whole number"),
        ({"object_id": 2**40}, "object_id is 1099511627776, expected a whole number from 0 to 4294967295"),
        ({"stamp": [1]}, "stamp is [1], expected the picture's [seconds, nanoseconds]"),
        ({"stamp": [1, 10**9]}, "stamp is [1, 1000000000], expected"),
        ({"stamp": [-1, 0]}, "stamp is [-1, 0], expected"),
        ({"label": "x" * 65}, "expected printable text of at most 64 characters"),
        ({"label": "two\nlines"}, "expected printable text"),
        ({"label": "\ud800"}, "expected printable text"),
        ({"label": 5}, "label is 5, expected printable text"),
        ({"mask": "all"}, "mask is 'all', expected an object"),
        ({"mask": {"width": 4, "height": 0, "runs": []}}, "height is 0, expected a whole number from 1"),
        ({"mask": {"width": 99999, "height": 9, "runs": []}}, "width is 99999, expected a whole number"),
        ({"mask": {"width": 4, "height": 3, "runs": [1]}}, "runs of mask are expected as pairs"),
        ({"mask": {"width": 4, "height": 3, "runs": [1, 2.5]}}, "runs of mask are expected as pairs"),
        ({"mask": {"width": 4, "height": 3, "runs": [10, 5]}}, "mask: runs have to be in order, inside the 12 pixels"),
        ({"mask": {"width": 4, "height": 3, "runs": [5, 2, 1, 1]}}, "mask: runs have to be in order"),
    ],
)
def test_what_is_wrong_is_named_with_the_requests_number(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(MessageError) as raised:
        read(**fields)
    assert expected in str(raised.value)
    assert raised.value.request == 7


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("9" * 100_000, "no JSON"),
        ('{"type": "drawn", "number": NaN}', "no JSON: NaN is no number"),
        ("[1]", "the message is [1], expected a JSON object"),
        ("null", "the message is None, expected a JSON object"),
        ('{"type": "reset"}', "request is None, expected a whole number"),
        ('{"type": "reset", "request": "1"}', "request is '1', expected a whole number"),
        ('{"type": ["reset"], "request": 1}', "type is ['reset'], expected"),
    ],
)
def test_what_is_no_request_is_refused(text: str, expected: str) -> None:
    with pytest.raises(MessageError, match="^") as raised:
        parse(text, SIZE)
    assert expected in str(raised.value)
    assert len(str(raised.value)) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*PROMPT, "box", "mask", "enabled", "looking", "number"]), JSON))
def test_any_json_is_understood_or_refused(fields: dict[str, Any]) -> None:
    try:
        parse(json.dumps(PROMPT | fields), SIZE)
    except MessageError as error:
        assert str(error)


def test_a_mask_before_the_first_picture_is_refused() -> None:
    with pytest.raises(MessageError, match="there is no image yet"):
        parse(json.dumps(PROMPT | {"mask": {"width": 4, "height": 3, "runs": [1, 1]}}), None)


def test_runs_of_a_picture_lie_where_32_bit_numbers_are_read() -> None:
    for label in ("", "a", "ab", "abc"):
        message = picture({"label": label}, np.arange(3, dtype="<u4").tobytes(), b"jpeg")
        length = int.from_bytes(message[:4], "little")
        assert length % 4 == 0
        assert json.loads(message[4 : 4 + length]) == {"label": label}
        assert message[4 + length :] == np.arange(3, dtype="<u4").tobytes() + b"jpeg"
