"""A CPU that other processes need, too: what the number of threads costs then, and how they wait for each other.

Each run is a process of its own, because OpenMP reads its settings when PyTorch is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HEADER = f"{'threads':>7}  {'waiting':8} {'load':5} {'median':>10} {'p99':>10}"

_LIMIT = 120.0  # seconds of a run
_WAITING = {"default": {}, "passive": {"OMP_WAIT_POLICY": "PASSIVE"}}
_SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # of the environment, that would change them
_BUSY = "while True: pass"


@dataclass(frozen=True)
class BusyRun:
    """One object is tracked with so many threads."""

    threads: int
    waiting: str  # for each other; one thread has none to wait for
    load: str  # idle: no other process; busy: one for each core
    median: float | None  # milliseconds per frame; None: it did not end in time
    p99: float | None

    def __str__(self) -> str:
        if self.median is None:
            return f"{self.threads:7}  {self.waiting:8} {self.load:5} did not end within {_LIMIT:g} s"
        return f"{self.threads:7}  {self.waiting:8} {self.load:5} {self.median:7.1f} ms {self.p99:7.1f} ms"


def measure_busy(options: Sequence[str]) -> Iterator[BusyRun]:
    """One thread, all cores but one, and all cores, without and with other work; `options` are the benchmark's.

    Raises ValueError with the benchmark's message where it refuses them.
    """
    cores = len(os.sched_getaffinity(0))
    for load, processes in (("idle", 0), ("busy", cores)):
        with _busy_processes(processes):
            yield _run(1, "none", load, options)
            for threads in sorted({cores - 1, cores} - {0, 1}):
                for waiting in _WAITING:
                    yield _run(threads, waiting, load, options)


@contextmanager
def _busy_processes(count: int) -> Iterator[None]:
    """So many processes that always need a core."""
    processes = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _run(threads: int, waiting: str, load: str, options: Sequence[str]) -> BusyRun:
    environment = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    environment |= {"OMP_NUM_THREADS": str(threads), **_WAITING.get(waiting, {})}
    with tempfile.TemporaryDirectory() as folder:
        numbers = Path(folder) / "numbers.json"
        command = [sys.executable, "-m", "sam2_ros", "benchmark", "--device", "cpu", "--objects", "1", *options]
        try:
            done = subprocess.run(
                [*command, "--json", str(numbers)], env=environment, timeout=_LIMIT, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            return BusyRun(threads, waiting, load, None, None)
        if done.returncode:
            raise ValueError(done.stderr.strip().splitlines()[-1].removeprefix("sam2_ros benchmark: "))
        (result,) = json.loads(numbers.read_text())["results"]
        return BusyRun(threads, waiting, load, result["median_ms"], result["p99_ms"])
