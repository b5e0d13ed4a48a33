"""Parameters that are given, but that the node does not have: misspelt ones, and ones meant for other nodes.

rclpy does not tell whether a value was given for this node or by a wildcard (`/**:`) for all. So a name stops the node
only where it differs from a known one by a slip of the pen; any other is ignored.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

from sam2_ros.node.parameters.values import ParameterError

_OF_ROS = ("use_sim_time", "start_type_description_service")
_SHORT = 8  # letters, below which other words are as near as slips: mode and model
_LONG = 14  # letters, from which on two slips count as one name
_SIMILAR = 0.83  # ratio of matching letters, from which on a known name is mentioned


def report(given: Collection[str], known: Collection[str]) -> str:
    """What is ignored, in one line; empty: nothing. Raises ParameterError for a misspelt name."""
    ignored = []
    for name in sorted(given):
        if name in known or name in _OF_ROS or name.startswith("qos_overrides."):
            continue
        if meant := slip(name, known):
            raise ParameterError(f"there is no parameter {name}, did you mean {meant}?")
        similar = _similar(name, known)
        ignored.append(f"{name} (similar: {similar})" if similar else name)
    return f"unknown parameters are ignored: {', '.join(ignored)}" if ignored else ""


def slip(name: str, known: Collection[str]) -> str:
    """The known name that an unknown one is a misspelling of; empty: none."""
    return next((other for other in known if _is_slip(name, other)), "")


def _is_slip(name: str, known: str) -> bool:
    """Whether the names differ in case or separators alone, in the order of words, or in a few letters."""
    if _letters(name) == _letters(known) or sorted(_words(name)) == sorted(_words(known)):
        return True
    length = max(len(name), len(known))
    return length >= _SHORT and _different_letters(name, known) <= (2 if length < _LONG else 3)


def _similar(name: str, known: Collection[str]) -> str:
    """A known name that may have been meant; empty: none."""
    words = _words(name)
    if longer := [other for other in known if _words(other)[-len(words) :] == words]:
        return longer[0]
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=_SIMILAR)), "")


def _different_letters(one: str, other: str) -> int:
    """How many letters of both have no counterpart: a letter that is left out counts once, a wrong one twice."""
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    return len(one) + len(other) - 2 * sum(block.size for block in matcher.get_matching_blocks())


def _words(name: str) -> list[str]:
    return name.lower().replace("-", "_").split("_")


def _letters(name: str) -> str:
    return "".join(_words(name))
