"""Processes of the demo: start, failure and end."""

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
_STOP_TIMEOUT = 10.0  # seconds
_TAIL = 30  # lines of a log that are printed


class DemoError(RuntimeError):
    """An error that ends the demo."""


@dataclass(frozen=True)
class Program:
    """A process of the demo with a log file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, name: str, module: str, ros_arguments: list[str], folder: Path) -> Program:
        """Run a module of this package in a session of its own: Ctrl-C reaches the demo alone, which stops it."""
        log = folder / f"{name}.log"
        command = [sys.executable, "-m", module, "--ros-args", *ros_arguments]
        with log.open("wb") as file:
            process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_end_with_parent
            )
        return cls(name, process, log)

    @property
    def exit_code(self) -> int | None:
        """The exit code, None while the process runs."""
        return self.process.poll()

    def failure(self) -> DemoError:
        """An error that says that the process failed, with the end of its log."""
        what = f"the {self.name} failed" if self.exit_code is None else f"the {self.name} ended ({self.exit_code})"
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL:]
        return DemoError("\n".join([f"{what}; the end of {self.log}:", *(f"    {line}" for line in lines)]))

    def stop(self) -> None:
        """Terminate the process, and kill it after a timeout."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _end_with_parent() -> None:
    """In the child process: end with the demo, even if that is killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def ros_arguments(parameters: Mapping[str, Any], topics: Mapping[str, str]) -> list[str]:
    """Parameters and remappings as ROS arguments of a command line."""
    arguments = [part for name, value in parameters.items() for part in ("-p", f"{name}:={_yaml(value)}")]
    return arguments + [part for name, topic in topics.items() for part in ("-r", f"{name}:={topic}")]


def _yaml(value: Any) -> str:
    """A value in YAML; text is quoted, so that it is not parsed as a number."""
    return str(value) if isinstance(value, (int, float)) else json.dumps(str(value), ensure_ascii=False)
