"""Parts of the pages that are made from the code: interfaces, parameters and the command line."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WIDTH = "100"  # columns of the command line's help
_WITHOUT_COMMANDS = "`sam2_ros --help` and `sam2_ros COMMAND --help` list all options."


def pages(root: Path, with_commands: bool) -> dict[str, str]:
    """Text by the name of its file. `root` is the repository; commands need PyTorch, NumPy and OpenCV."""
    return {
        "actions.md": "\n".join(interfaces(root / "action")),
        "messages.md": "\n".join(interfaces(root / "msg")),
        "services.md": "\n".join(interfaces(root / "srv")),
        "parameters.md": "\n".join(parameters()),
        "commands.md": "\n".join(commands()) if with_commands else _WITHOUT_COMMANDS,
        "model_card.md": (root / "sam2_ros" / "weights" / "README.md").read_text(encoding="utf-8"),
        "changelog.rst": (root / "CHANGELOG.rst").read_text(encoding="utf-8"),
    }


def interfaces(folder: Path) -> Iterator[str]:
    """Every definition of a folder, under the name of its type."""
    for file in sorted(folder.iterdir()):
        yield f"### sam2_ros/{file.stem}\n"
        yield f"```text\n{file.read_text(encoding='utf-8').rstrip()}\n```\n"


def parameters() -> Iterator[str]:
    """A table for each section of the node's parameters."""
    from sam2_ros.node.parameters.table import TABLE, rule_of

    for name, entry in TABLE.items():
        rule = rule_of(name)
        if rule.section:
            title, _, remark = rule.section.partition(": ")
            yield f"\n## {title[:1].upper()}{title[1:]}\n"
            if remark:
                yield f"{_cell(remark[:1].upper() + remark[1:])}.\n"
            yield "| parameter | default | values | |"
            yield "|-|-|-|-|"
        live = " **Live.**" if rule.at_run_time else ""
        meaning = _cell(rule.description) + live
        yield f"| `{name}` | {_code(entry.default)} | {_values(rule, entry.default)} | {meaning} |"


def _values(rule: Any, default: Any) -> str:
    if rule.choices:
        return ", ".join(map(_code, rule.choices))
    if rule.expected:
        return _cell(rule.expected)
    if rule.limits:
        low, high = rule.limits
        return f"{low:g} to {high:g}"
    return "true, false" if isinstance(default, bool) else "text"


def _code(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if text else "empty"


def _cell(text: str) -> str:
    """Without what Markdown would take for markup, outside of code."""
    parts = text.split("`")
    parts[::2] = (
        part.replace("|", r"\|").replace("_", r"\_").replace("*", r"\*").replace("~", r"\~") for part in parts[::2]
    )
    return "`".join(parts)


def commands() -> Iterator[str]:
    """What `sam2_ros COMMAND --help` prints, for every command."""
    from sam2_ros import cli

    os.environ["COLUMNS"] = WIDTH
    subparsers = argparse.ArgumentParser("sam2_ros").add_subparsers()
    for name in cli.COMMANDS:
        importlib.import_module(f"sam2_ros.cli.{name}").add_parser(subparsers)
        yield f"## {name}\n"
        yield f"```text\n{subparsers.choices[name].format_help().rstrip()}\n```\n"
