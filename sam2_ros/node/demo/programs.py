"""The processes of the demo: how they start, fail and end."""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1  # of Linux's prctl
_libc = ctypes.CDLL(None)
_STOPPING = 10.0  # seconds that a process may take to end
_TAIL = 30  # lines of a log that are shown


class DemoError(RuntimeError):
    """What ended the demo early; the message says what to do."""


@dataclass(frozen=True)
class Program:
    """A process of the demo, which prints into its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, name: str, module: str, ros_arguments: list[str], folder: Path) -> Program:
        """Runs a module of ours. Ctrl-C on the terminal does not reach it: the demo ends it, in order."""
        log = folder / f"{name}.log"
        command = [sys.executable, "-m", module, "--ros-args", *ros_arguments]
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_end_with_parent
            )
        return cls(name, process, log)

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll()

    def failure(self) -> DemoError:
        """That it failed, with the end of its log."""
        what = f"the {self.name} failed" if self.exit_code is None else f"the {self.name} ended ({self.exit_code})"
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL:]
        return DemoError("\n".join([f"{what}; the end of {self.log}:", *(f"    {line}" for line in lines)]))

    def stop(self) -> None:
        """Asks it to end, and ends it where it does not."""
        self.process.terminate()
        try:
            self.process.wait(_STOPPING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _end_with_parent() -> None:
    """In the child: it ends when the demo does, also when that is killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def ros_arguments(parameters: Mapping[str, Any], topics: Mapping[str, str]) -> list[str]:
    """Parameters and remappings as ROS reads them on a command line."""
    arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={_yaml(value)}")]
    return arguments + [part for name, topic in topics.items() for part in ("-r", f"{name}:={topic}")]


def _yaml(value: Any) -> str:
    """Quotes keep text from being taken for a number."""
    return str(value) if isinstance(value, (int, float)) else json.dumps(str(value))
