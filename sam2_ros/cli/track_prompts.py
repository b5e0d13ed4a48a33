"""Converts the arguments of `sam2_ros track` to prompts for each frame."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sam2_ros.media.mask_files import read_mask
from sam2_ros.recordings.prompts import AtFrame, PlannedPrompt
from sam2_ros.tracking import Box, Click, Prompt, PromptError
from sam2_ros.tracking.mask_prompts import cover_warning
from sam2_ros.tracking.prompts import check_first_prompt, check_prompt


class InOrder(argparse.Action):
    """Collects options in the order of the command line, which argparse does not keep."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, option: str | None = None
    ) -> None:
        """Append the option's name and value to `prompts`."""
        namespace.prompts = [*getattr(namespace, "prompts", ()), (self.dest, value)]


def plan_prompts(arguments: Sequence[tuple[str, Any]], size: tuple[int, int], frames: int) -> list[PlannedPrompt]:
    """The prompts of all objects, by frame; objects are numbered in the order in which they start.

    `arguments` are (name, value) in the order of the command line. Raises PromptError for prompts that cannot be
    used on a video of so many frames of `size` (H, W).
    """
    collected = collect_prompts(arguments)
    if not collected:
        raise PromptError(
            "no prompt, expected at least one: give --click X,Y, --box X0,Y0,X1,Y1, --mask PNG or --text WORDS"
        )
    numbers: dict[int, int] = {}
    planned = []
    for (frame, object_), prompt in collected.items():
        check = check_prompt if object_ in numbers else check_first_prompt
        number = numbers.setdefault(object_, len(numbers) + 1)
        planned.append(PlannedPrompt(number, AtFrame(frame), _checked(check, prompt, frame, size)))
    last = max(frame for frame, _ in collected)
    if last >= frames:
        raise PromptError(f"a prompt is for frame {last}, but only frames 0 to {frames - 1} are tracked")
    return planned


def collect_prompts(arguments: Sequence[tuple[str, Any]]) -> dict[tuple[int, int], Prompt]:
    """Unchecked prompts by frame and object (1, 2, ...), in this order.

    Raises PromptError for an order of arguments that makes no sense.
    """
    prompts: dict[tuple[int, int], Prompt] = {}
    number, frame, label = 0, 0, ""
    unused: int | None = None  # frame of the last --at while no prompt follows it
    for option, value in arguments:
        if option == "object":
            _check_prompted(number, prompts)
            _check_used(unused)
            number, frame, label = number + 1, 0, value
        elif option == "at":
            _check_used(unused)
            frame = unused = value
        else:
            unused = None
            number = max(number, 1)  # the first object needs no --object
            key = (frame, number)
            prompts[key] = _extended(prompts.get(key, Prompt(label=label)), option, value)
    if prompts:
        _check_prompted(number, prompts)
        _check_used(unused)
    return dict(sorted(prompts.items()))


def _extended(prompt: Prompt, option: str, value: Any) -> Prompt:
    if option == "click":
        return replace(prompt, clicks=(*prompt.clicks, value))
    if getattr(prompt, option) is not None:
        raise PromptError(
            f"a second --{option} for one object on one frame, expected one: put --object or --at before it"
        )
    return replace(prompt, box=value) if option == "box" else replace(prompt, mask=read_mask(value))


def _checked(
    check: Callable[[Prompt, tuple[int, int]], Prompt], prompt: Prompt, frame: int, size: tuple[int, int]
) -> Prompt:
    try:
        checked = check(prompt, size)
    except PromptError as error:
        raise PromptError(f"frame {frame}: {error}") from None
    if warning := cover_warning(checked.mask):
        print(f"warning: frame {frame}: {warning}", file=sys.stderr)
    return checked


def _check_prompted(number: int, prompts: Iterable[tuple[int, int]]) -> None:
    if number and number not in {prompted for _, prompted in prompts}:
        raise PromptError(f"object {number} has no prompt, expected --click, --box or --mask after its --object")


def _check_used(frame: int | None) -> None:
    if frame is not None:
        raise PromptError(f"--at {frame} has no prompt, expected --click, --box or --mask after it")


def click(text: str) -> Click:
    """Parses X,Y or X,Y,0; raises argparse.ArgumentTypeError."""
    x, y, *sign = _numbers(text, (2, 3), "X,Y (on the object) or X,Y,0 (beside it)")
    if sign and sign[0] not in (0, 1):
        raise argparse.ArgumentTypeError(f"expected 1 (on the object) or 0 (beside it) after X,Y, not {text!r}")
    return Click(x, y, positive=sign != [0])


def box(text: str) -> Box:
    """Parses X0,Y0,X1,Y1; raises argparse.ArgumentTypeError."""
    return Box(*_numbers(text, (4,), "X0,Y0,X1,Y1 (left, top, right and bottom edge)"))


def _numbers(text: str, counts: tuple[int, ...], form: str) -> list[float]:
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in counts:
        raise argparse.ArgumentTypeError(f"expected {form} in pixels, not {text!r}")
    return numbers


def frame_number(text: str) -> int:
    """Parses a frame number of at least 0; raises argparse.ArgumentTypeError."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected the number of a frame from 0 on, not {text!r}")
    return int(text)
