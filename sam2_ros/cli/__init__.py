"""The command line: one module per command, each with `add_parser(subparsers)` and `run(args) -> int`."""

from __future__ import annotations

import argparse
import importlib
import io
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from .interruption import Terminated, raise_terminated

COMMANDS = ("panel", "track", "segment", "label", "evaluate", "train", "parity", "benchmark", "export", "download")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Errors that the user can correct are one line, without a traceback."""
    argv = sys.argv[1:] if argv is None else argv
    before = signal.signal(signal.SIGTERM, raise_terminated)
    try:
        return _run(argv)
    except Terminated:
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # as a shell reports it
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(argv: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be valid UTF-8
    # Imported here because PyTorch takes seconds to import, in which Ctrl-C has to be handled already.
    from sam2_ros.files import error_text
    from sam2_ros.model import CheckpointError
    from sam2_ros.model.fetch import DownloadError

    # Only the requested command is imported: `download` needs neither OpenCV nor ROS.
    requested = [name for name in COMMANDS if name in argv[:1]]
    commands = {name: _command(name) for name in requested or COMMANDS}
    args = _parser(commands).parse_args(argv)
    try:
        exit_status: int = commands[args.command].run(args)
        return exit_status
    except (CheckpointError, DownloadError, OSError, ValueError) as error:
        problem = error_text(error)
    print(f"sam2_ros {args.command}: {problem}", file=sys.stderr)
    return 1


def _command(name: str) -> ModuleType:
    return importlib.import_module(f".{name}", __name__)


def _parser(commands: dict[str, ModuleType]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("sam2_ros", description="Track any object in a camera stream with SAM 2.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in commands.values():
        module.add_parser(subparsers)
    return parser
