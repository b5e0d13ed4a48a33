"""Memory stays what it is, however long the stream. `sam2_ros benchmark --frames 10000` runs the same at length."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from sam2_ros.benchmark.measure import measure


def test_three_objects_leave_nothing_behind(tmp_path: Path) -> None:
    """In a process of its own: what other tests have freed would be taken, or given back, meanwhile."""
    run = "benchmark --objects 3 --frames 800 --warm-up 1000 --image-size 64 --json".split()
    subprocess.run([sys.executable, "-m", "sam2_ros", *run, tmp_path / "run.json"], check=True, timeout=300)
    (result,) = json.loads((tmp_path / "run.json").read_text())["results"]
    assert result["growth_mb"] < 2.0


def test_a_leak_would_show() -> None:
    kept = []

    def leak():
        while True:
            kept.append(np.ones((240, 320), np.uint8))
            yield {}

    assert measure({"leak": leak()}, frames=300, warm_up=100)["leak"].growth > 10.0
