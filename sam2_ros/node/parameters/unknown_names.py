"""Parameter overrides that the node does not have: misspelled names, and names meant for other nodes.

rclpy does not say whether a value was set for this node or by a wildcard (`/**:`) for all nodes. So only a name that is
probably a misspelling of a known one stops the node; all others are ignored.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

from sam2_ros.node.parameters.values import ParameterError

_OF_ROS = ("use_sim_time", "start_type_description_service")
_SHORT = 8  # letters; shorter names are as similar to other words as to misspellings: mode and model
_LONG = 14  # letters; longer names may have two mistakes
_SIMILAR = 0.83  # ratio of matching letters from which a known name is suggested


def warning(names: Collection[str], known: Collection[str]) -> str:
    """Which names are ignored; empty: none. Raises ParameterError for a misspelled name."""
    ignored = []
    for name in sorted(names):
        if name in known or name in _OF_ROS or name.startswith("qos_overrides."):
            continue
        if intended := misspelled(name, known):
            raise ParameterError(f"there is no parameter {name}, did you mean {intended}?")
        similar = _similar(name, known)
        ignored.append(f"{name} (similar: {similar})" if similar else name)
    return f"unknown parameters are ignored: {', '.join(ignored)}" if ignored else ""


def misspelled(name: str, known: Collection[str]) -> str:
    """The known name of which this is a misspelling; empty: none."""
    return next((other for other in known if _is_misspelled(name, other)), "")


def _is_misspelled(name: str, known: str) -> bool:
    """Whether the names differ only in case or separators, in the order of words, or in a few letters."""
    if _letters(name) == _letters(known) or sorted(_words(name)) == sorted(_words(known)):
        return True
    length = max(len(name), len(known))
    return length >= _SHORT and _different_letters(name, known) <= (2 if length < _LONG else 3)


def _similar(name: str, known: Collection[str]) -> str:
    """A known name that may have been intended; empty: none."""
    words = _words(name)
    if longer := [other for other in known if _words(other)[-len(words) :] == words]:
        return longer[0]
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=_SIMILAR)), "")


def _different_letters(one: str, other: str) -> int:
    """Number of letters of both without a counterpart: a missing letter counts once, a wrong one twice."""
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    return len(one) + len(other) - 2 * sum(block.size for block in matcher.get_matching_blocks())


def _words(name: str) -> list[str]:
    return name.lower().replace("-", "_").split("_")


def _letters(name: str) -> str:
    return "".join(_words(name))
