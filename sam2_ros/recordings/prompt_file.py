"""Prompts from a YAML file:

    objects:
      - label: cup                        # may be left out
        topic: /camera/image_raw          # the camera, where there are several
        recording: drive_01               # name of the file or folder, where there are several
        prompts:                          # in pixels: x to the right, y down
          - frame: 0                      # from 0; or `stamp`: seconds, as in the image's header
            clicks: [[320, 240], [350, 260, 0]]   # with 0: beside the object
          - stamp: "1700000012.345678901"
            box: [300, 200, 400, 310]     # left, top, right, bottom; may be given with clicks
          - frame: 90
            mask: cup.png                 # beside this file; alone

All prompts of an object on one frame belong in one entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from sam2_ros.media.mask_files import read_mask
from sam2_ros.optional import require
from sam2_ros.tracking.types import Prompt, PromptError

from .prompts import AtFrame, AtStamp, PlannedPrompt

_NANOSECONDS = 1_000_000_000
_LATEST = 2**31  # seconds that a stamp of ROS can hold


class PromptFileError(ValueError):
    """A file of prompts that cannot be used; the message says where and why."""


@dataclass(frozen=True)
class PromptedObject:
    """An object of the file: its camera's topic ("": the only one) and its prompts."""

    topic: str
    prompts: tuple[PlannedPrompt, ...]
    masks: tuple[Path, ...] = ()  # files
    recording: str = ""  # name ("": the only one)


def read_prompt_file(file: Path) -> list[PromptedObject]:
    """Every object, numbered from 1. Raises PromptFileError, OSError."""
    yaml = require("yaml", "reading prompts from a file", "recordings")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PromptFileError(f"{file} is no YAML: {' '.join(str(error).split())}") from error
    try:
        objects = _list(_mapping(content, "the file", {"objects"}), "the file", "objects")
        return [_object(number, entry, file.parent) for number, entry in enumerate(objects, start=1)]
    except (PromptFileError, PromptError, TypeError) as error:
        raise PromptFileError(f"{file}: {error}") from error


def prompts_for(objects: Sequence[PromptedObject], topic: str, topics: Sequence[str]) -> list[PlannedPrompt]:
    """The prompts for one of these topics ("" for a video). Raises PromptFileError for an object of no known topic."""
    for number, entry in enumerate(objects, start=1):
        if not entry.topic and len(topics) > 1:
            raise PromptFileError(f"object {number} has no topic, expected one of {', '.join(topics)}")
        if entry.topic and entry.topic not in topics:
            listed = ", ".join(filter(None, topics)) or "none, for this is no bag"
            raise PromptFileError(f"object {number} has the topic {entry.topic}, the topics given by --topic: {listed}")
    return [prompt for entry in objects if entry.topic in ("", topic) for prompt in entry.prompts]


def _object(number: int, entry: Any, folder: Path) -> PromptedObject:
    where = f"object {number}"
    given = _mapping(entry, where, {"label", "topic", "recording", "prompts"})
    label, topic, recording = (_text(given, where, name) for name in ("label", "topic", "recording"))
    prompts = [
        PlannedPrompt(number, *_prompt(prompt, f"{where}, prompt {index}", label, folder))
        for index, prompt in enumerate(_list(given, where, "prompts"), start=1)
    ]
    moments = [prompt.moment for prompt in prompts]
    if repeated := next((moment for moment in moments if moments.count(moment) > 1), None):
        raise PromptFileError(f"{where} has two prompts for {repeated}: put them into one")
    masks = tuple(folder / prompt["mask"] for prompt in given["prompts"] if "mask" in prompt)
    return PromptedObject(topic, tuple(prompts), masks, recording)


def _prompt(entry: Any, where: str, label: str, folder: Path) -> tuple[AtFrame | AtStamp, Prompt]:
    given = _mapping(entry, where, {"frame", "stamp", "clicks", "box", "mask"})
    if not {"clicks", "box", "mask"} & given.keys():
        raise PromptFileError(f"{where} has no clicks, box or mask, expected one of them")
    if "mask" in given and len({"clicks", "box"} & given.keys()):
        raise PromptFileError(f"{where} has a mask beside clicks or a box, expected a mask alone")
    moment = _moment(given, where)
    try:
        mask = read_mask(folder / _text(given, where, "mask")) if "mask" in given else None
        return moment, Prompt(given.get("clicks", ()), given.get("box"), mask, label)
    except (PromptError, TypeError) as error:
        raise PromptFileError(f"{where}: {error}") from error


def _moment(given: Mapping[str, Any], where: str) -> AtFrame | AtStamp:
    if ("frame" in given) == ("stamp" in given):
        problem = "both frame and stamp" if "frame" in given else "neither frame nor stamp"
        raise PromptFileError(f"{where} has {problem}, expected one of them")
    if "frame" in given:
        frame = given["frame"]
        if not isinstance(frame, int) or isinstance(frame, bool) or frame < 0:
            raise PromptFileError(f"{where}: frame is {frame!r}, expected a number from 0 on")
        return AtFrame(frame)
    try:
        seconds = Decimal(str(given["stamp"]))
    except InvalidOperation:
        seconds = Decimal("NaN")
    if not (seconds.is_finite() and 0 <= seconds < _LATEST):
        raise PromptFileError(f"{where}: stamp is {given['stamp']!r}, expected seconds, such as 12.5")
    return AtStamp(int(seconds * _NANOSECONDS))


def _mapping(entry: Any, where: str, names: set[str]) -> Mapping[str, Any]:
    if not isinstance(entry, dict):
        raise PromptFileError(f"{where} is {_shown(entry)}, expected {', '.join(sorted(names))}")
    if unknown := [str(name) for name in entry if name not in names]:
        raise PromptFileError(f"{where} has an unknown {', '.join(unknown)}, expected {', '.join(sorted(names))}")
    return entry


def _list(given: Mapping[str, Any], where: str, name: str) -> Iterator[Any]:
    entries = given.get(name)
    if not isinstance(entries, list) or not entries:
        raise PromptFileError(f"{name} of {where} is {_shown(entries)}, expected a list with at least one entry")
    return iter(entries)


def _text(given: Mapping[str, Any], where: str, name: str) -> str:
    text = given.get(name, "")
    if not isinstance(text, str):
        raise PromptFileError(f"{where}: {name} is {text!r}, expected text: put it into quotes")
    return text


def _shown(entry: Any) -> str:
    return "missing" if entry is None else f"{str(entry)[:40]!r}"
