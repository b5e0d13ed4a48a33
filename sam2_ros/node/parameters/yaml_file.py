"""config/track.yaml, generated from the parameter table."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator

from sam2_ros.node.parameters.table import TABLE, rule_of


def as_yaml() -> str:
    """The table as config/track.yaml, for people."""
    return "\n".join([*_wrapped(_HEADER, ""), "/**/sam2_tracker:", "  ros__parameters:", *_entries()]) + "\n"


_HEADER = (
    "The parameters of the node `sam2_tracker`, with their defaults. Those marked (live) can be changed at any time "
    "with `ros2 param set`; the others while the node is unconfigured. "
    "Written by `python3 -m sam2_ros.node.parameters`."
)


def _entries() -> Iterator[str]:
    for name, entry in TABLE.items():
        rule = rule_of(name)
        if rule.section:
            yield from ("", f"    # ---- {rule.section}")
        yield ""
        yield from _wrapped(f"{rule.description} (live)" if rule.at_run_time else rule.description, "    ")
        yield f"    {name}: {json.dumps(entry.default)}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 120, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
