"""Programs of the package in forks of a process that has imported PyTorch and ROS, which saves each of them seconds."""

import multiprocessing
import os
import runpy
import signal
import subprocess
from pathlib import Path

_SCRIPT = Path(__file__).with_name("forked_program.py")
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["sam2_ros.node.executable", "sam2_ros.node.tracker_node"])


class Fork:
    """What `subprocess.Popen` is to a program that was executed."""

    def __init__(self, log: Path, module: str, *arguments: str) -> None:
        names = {"log": str(log), "module": module, "arguments": arguments, "environment": dict(os.environ)}
        self._process = _context.Process(target=runpy.run_path, args=(str(_SCRIPT), names))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Its exit code once it has ended; negative: the signal that ended it."""
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(_SCRIPT), timeout)
        return code

    def send_signal(self, kind: signal.Signals) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, kind)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
