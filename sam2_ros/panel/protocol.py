"""The messages between server and page: checks those of a browser, writes those for it.

A browser sends JSON. It gets JSON, and each picture as one binary message: the length of a JSON header (4 bytes, little
endian), the header, the runs of the label image, a JPEG.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sam2_ros.panel.masks import mask_of_runs, resized
from sam2_ros.panel.types import (
    NANOSECONDS,
    ApplyPrompt,
    Command,
    CommandError,
    Enable,
    Event,
    Outcome,
    RemoveObject,
    Reset,
    Restart,
    SelectObject,
    Stamp,
    Status,
)
from sam2_ros.tracking.prompts import MAX_CLICKS
from sam2_ros.tracking.types import Box, Click, Prompt

MAX_MESSAGE = 256 * 1024  # bytes
MAX_LABEL = 64  # characters
_MAX_MASK = 4096  # side in pixels
_MAX_ID = 2**32 - 1
_MAX_REQUEST = 2**53  # integers that JavaScript keeps exactly


class MessageError(ValueError):
    """A message that is not understood; the text says what was expected."""

    def __init__(self, text: str, request: int | None = None) -> None:
        super().__init__(text)
        self.request = request


@dataclass(frozen=True)
class Request:
    """A command that a browser wants to be answered."""

    number: int
    command: Command


@dataclass(frozen=True)
class Drawn:
    """A browser has drawn the picture of this number."""

    number: int


@dataclass(frozen=True)
class Look:
    """Whether a browser shows the page, or hides it behind another one."""

    is_looking: bool


# ---- from the browser


def parse(text: str, image_size: tuple[int, int] | None) -> Request | Drawn | Look:
    """The message; masks are scaled to `image_size` (H, W), that of the camera's images. Raises MessageError."""
    try:
        message = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"the message is no JSON: {error}") from None
    if not isinstance(message, dict):
        raise MessageError(f"the message is {_shown(message)}, expected a JSON object with a type")
    kind = message.get("type")
    if kind == "drawn":
        return Drawn(_integer(message, "number", 0, _MAX_REQUEST))
    if kind == "look":
        return Look(_boolean(message, "looking"))
    number = _integer(message, "request", 0, _MAX_REQUEST)
    try:
        return Request(number, _command(kind, message, image_size))
    except MessageError as error:
        raise MessageError(str(error), number) from None


def _command(kind: Any, message: Mapping[str, Any], image_size: tuple[int, int] | None) -> Command:
    if kind == "prompt":
        return _apply_prompt(message, image_size)
    if kind == "remove":
        return RemoveObject(_integer(message, "object_id", 1, _MAX_ID))
    if kind == "select":
        return SelectObject(_integer(message, "object_id", 1, _MAX_ID))
    if kind == "enable":
        return Enable(_boolean(message, "enabled"))
    if kind == "reset":
        return Reset()
    if kind == "restart":
        return Restart()
    raise MessageError(
        f"type is {_shown(kind)}, expected prompt, remove, select, enable, reset, restart, drawn or look"
    )


def _apply_prompt(message: Mapping[str, Any], image_size: tuple[int, int] | None) -> ApplyPrompt:
    clicks = _list(message, "clicks")
    if len(clicks) > MAX_CLICKS:
        raise MessageError(f"there are {len(clicks)} clicks, expected at most {MAX_CLICKS}")
    box, mask = message.get("box"), message.get("mask")
    if not clicks and box is None and mask is None:
        raise MessageError("the prompt is empty, expected clicks, a box or a mask")
    prompt = Prompt(
        clicks=tuple(_click(click) for click in clicks),
        box=None if box is None else _box(message),
        mask=None if mask is None else _mask(mask, image_size),
        label=_label(message.get("label", "")),
    )
    return ApplyPrompt(prompt, _integer(message, "object_id", 0, _MAX_ID), _stamp(message))


def _click(click: Any) -> Click:
    if not isinstance(click, dict):
        raise MessageError(f"a click is {_shown(click)}, expected an object with x, y and positive")
    return Click(_number(click, "x"), _number(click, "y"), _boolean(click, "positive"))


def _box(message: Mapping[str, Any]) -> Box:
    edges = _list(message, "box")
    if len(edges) != 4:
        raise MessageError(f"box has {len(edges)} numbers, expected 4: left, top, right and bottom edge")
    return Box(*(_number({"an edge of box": edge}, "an edge of box") for edge in edges))


def _mask(mask: Any, image_size: tuple[int, int] | None) -> Any:
    if not isinstance(mask, dict):
        raise MessageError(f"mask is {_shown(mask)}, expected an object with width, height and runs")
    if image_size is None:
        raise MessageError("there is no image yet that the mask could belong to: wait for a picture")
    size = _integer(mask, "height", 1, _MAX_MASK), _integer(mask, "width", 1, _MAX_MASK)
    runs = _list(mask, "runs")
    if len(runs) % 2 or not all(type(number) is int and 0 <= number < 2**32 for number in runs):
        raise MessageError("runs of mask are expected as pairs of whole numbers: start and length")
    try:
        return resized(mask_of_runs(runs, size), image_size)
    except ValueError as error:
        raise MessageError(f"mask: {error}") from None


def _label(label: Any) -> str:
    if not isinstance(label, str) or len(label) > MAX_LABEL or not label.isprintable():
        raise MessageError(f"label is {_shown(label)}, expected printable text of at most {MAX_LABEL} characters")
    return label


def _stamp(message: Mapping[str, Any]) -> Stamp:
    stamp = _list(message, "stamp")
    limits = (2**31, NANOSECONDS)
    if len(stamp) != 2 or not all(type(part) is int and 0 <= part < limit for part, limit in zip(stamp, limits)):
        raise MessageError(f"stamp is {_shown(stamp)}, expected the picture's [seconds, nanoseconds]")
    return Stamp(*stamp)


def _number(message: Mapping[str, Any], name: str) -> float:
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e9 < value < 1e9:
        raise MessageError(f"{name} is {_shown(value)}, expected a number of pixels")
    return float(value)


def _integer(message: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = message.get(name)
    if type(value) is not int or not low <= value <= high:
        raise MessageError(f"{name} is {_shown(value)}, expected a whole number from {low} to {high}")
    return value


def _boolean(message: Mapping[str, Any], name: str) -> bool:
    value = message.get(name)
    if not isinstance(value, bool):
        raise MessageError(f"{name} is {_shown(value)}, expected true or false")
    return value


def _list(message: Mapping[str, Any], name: str) -> list[Any]:
    value = message.get(name, [])
    if not isinstance(value, list):
        raise MessageError(f"{name} is {_shown(value)}, expected a list")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


# ---- to the browser


def hello(name: str, can_restart: bool, palette: list[str], events: list[Event]) -> str:
    """The first message: what the page cannot know. `events` are the newest, oldest first."""
    return _json("hello", name=name, can_restart=can_restart, palette=palette, events=[asdict(e) for e in events])


def status(status: Status) -> str:
    """How the tracker does."""
    return _json("status", **asdict(status))


def event(event: Event) -> str:
    """What happened."""
    return _json("event", **asdict(event))


def done(request: int, outcome: Outcome) -> str:
    """The answer to a request that was carried out."""
    return _json("reply", request=request, ok=True, **asdict(outcome))


def refused(request: int | None, reason: CommandError | MessageError | str) -> str:
    """The answer to a request that was not carried out; None for a message whose number is unknown."""
    return _json("reply", request=request, ok=False, object_id=0, message=str(reason))


def waiting(request: int, reason: str) -> str:
    """A request takes longer than a second; its answer follows."""
    return _json("waiting", request=request, message=reason)


def _json(type_: str, **fields: Any) -> str:
    return json.dumps({"type": type_, **fields}, separators=(",", ":"))


def picture(header: dict[str, Any], runs: bytes, jpeg: bytes) -> bytes:
    """A picture with its header, which holds no NaN, for one binary message."""
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)  # the runs are read as 32-bit numbers in place
    return len(text).to_bytes(4, "little") + text + runs + jpeg
