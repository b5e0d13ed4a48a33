"""The command line: one module per command, each with `add_parser(subparsers)` and `run(args) -> int`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from sam2_ros.model import CheckpointError
from sam2_ros.model.download import DownloadError

COMMANDS = ("track", "evaluate", "train", "parity", "benchmark", "export", "download")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; what its user can put right is told in a line, without a traceback."""
    argv = sys.argv[1:] if argv is None else argv
    # A command is imported only when it is asked for: `download` needs neither OpenCV nor ROS.
    named = [name for name in COMMANDS if name in argv[:1]]
    commands = {name: _command(name) for name in named or COMMANDS}
    args = _parser(commands).parse_args(argv)
    try:
        return commands[args.command].run(args)
    except (CheckpointError, DownloadError, OSError, ValueError) as error:
        print(f"sam2_ros {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as a shell reports it


def _command(name: str) -> ModuleType:
    return importlib.import_module(f".{name}", __name__)


def _parser(commands: dict[str, ModuleType]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("sam2_ros", description="Follow any object in a camera stream with SAM 2.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in commands.values():
        module.add_parser(subparsers)
    return parser
