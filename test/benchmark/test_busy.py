"""Numbers of threads are measured with and without other processes on all cores."""

import os
import subprocess

import pytest

from sam2_ros.benchmark import busy
from sam2_ros.benchmark.busy import BusyRun, measure_busy

SHORT = ["--image-size", "64", "--frames", "2", "--warm-up", "1"]


def test_a_run_has_its_threads_and_its_way_of_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setenv("GOMP_SPINCOUNT", "17")
    settings = []

    def run(command: list[str], env: dict[str, str], **_: object) -> None:
        settings.append((int(env["OMP_NUM_THREADS"]), env.get("OMP_WAIT_POLICY"), env.get("GOMP_SPINCOUNT")))
        raise subprocess.TimeoutExpired(command, 1.0)

    monkeypatch.setattr(subprocess, "run", run)
    runs = list(measure_busy(SHORT))
    counts = [(1, None, None), (2, None, None), (2, "PASSIVE", None), (3, None, None), (3, "PASSIVE", None)]
    assert settings == 2 * counts
    assert [run.load for run in runs] == 5 * ["idle"] + 5 * ["busy"]
    assert str(runs[0]).endswith("did not end within 120 s")


def test_a_run_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "_LIMIT", 600.0)
    run = next(measure_busy(SHORT))
    assert (run.threads, run.waiting, run.load) == (1, "none", "idle")
    assert run.median and run.p99 and 0 < run.median <= run.p99
    assert str(run).split()[2:5] == ["idle", f"{run.median:.1f}", "ms"]


def test_the_processes_end_with_the_measurement() -> None:
    started: list[subprocess.Popen[bytes]] = []
    with pytest.MonkeyPatch.context() as patch:
        popen = subprocess.Popen

        def start(command: list[str]) -> subprocess.Popen[bytes]:
            started.append(popen(command))
            return started[-1]

        patch.setattr(subprocess, "Popen", start)
        with pytest.raises(KeyboardInterrupt), busy._busy_processes(2):
            assert [process.poll() for process in started] == [None, None]
            raise KeyboardInterrupt
    assert all(process.poll() is not None for process in started)


def test_options_that_the_benchmark_refuses_are_named() -> None:
    with pytest.raises(ValueError, match="^image_size is 100"):
        next(measure_busy(["--image-size", "100"]))


def test_a_line_has_the_columns_of_the_header() -> None:
    assert len(str(BusyRun(2, "passive", "busy", 123.4, 1234.5))) == len(busy.HEADER)
