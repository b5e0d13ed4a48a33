"""A Ray cluster on this machine, and processes of it that meet with an accident where a test wants it."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

# Recent versions ask for a token; a process decides that once, when it imports Ray.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = token_hex(32)

# Python runs this at its start. A process that opens a picture of the planned name carries out the plan, once.
_ACCIDENT = """
import os, signal, sys, time
from pathlib import Path

plan = Path({plan!r})

def carry_out(event, args):
    if event != "open" or not str(args[0]).endswith(".jpg") or not plan.exists():
        return
    name, driver = plan.read_text().split()
    if os.path.basename(args[0]) != name:
        return
    plan.rename(plan.with_suffix(".done"))
    if driver == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    os.kill(int(driver), signal.SIGTERM)
    time.sleep(600)

sys.addaudithook(carry_out)
"""


class Accident:
    """What happens to processes that have `python_path`."""

    def __init__(self, folder: Path) -> None:
        self.python_path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
        self._plan = folder / "plan"
        (folder / "sitecustomize.py").write_text(_ACCIDENT.format(plan=str(self._plan)))

    def kill_a_worker_at(self, name: str) -> None:
        """The first one that opens a picture of this name."""
        self._arrange(f"{name} 0")

    def stop_this_process_at(self, name: str) -> None:
        """By SIGTERM, when a worker opens a picture of this name; it waits then until it is killed."""
        self._arrange(f"{name} {os.getpid()}")

    def has_happened(self) -> bool:
        """Whether the plan was carried out."""
        return self._plan.with_suffix(".done").exists()

    def _arrange(self, plan: str) -> None:
        self._plan.with_suffix(".done").unlink(missing_ok=True)
        self._plan.write_text(plan)


@contextmanager
def running_cluster(accident: Accident) -> Iterator[str]:
    """Yield the address of a cluster with two CPUs; its processes end with the context."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:  # short: it holds sockets
        port = _free_port()
        options = ["--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}/ray"]
        command = ["start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}", *options]
        process = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", *command],
            env={**os.environ, "PYTHONPATH": accident.python_path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _wait_for(process, port)
            yield f"127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)  # ends the others, too
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=60)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Whoever connects then waits for the rest himself."""
    end = time.monotonic() + 120
    while True:
        assert process.poll() is None
        assert time.monotonic() < end
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
