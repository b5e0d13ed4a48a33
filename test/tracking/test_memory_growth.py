"""Memory stays what it is, however long the stream. `sam2_ros benchmark --frames 10000` runs the same at length."""

import numpy as np

from sam2_ros.benchmark.measure import drawn_frames, measure, our_steps, workload
from sam2_ros.model import seeded_model
from sam2_ros.model.config import named_config


def test_three_objects_leave_nothing_behind() -> None:
    model = seeded_model(named_config("nano", 64), seed=1)
    work = workload(drawn_frames(), objects=3)
    measurement = measure({"ours": our_steps(model, work, "float32")}, frames=500, warm_up=100)["ours"]
    assert abs(measurement.growth) < 2.0  # megabytes


def test_a_leak_would_show() -> None:
    kept = []

    def leak():
        while True:
            kept.append(np.ones((240, 320), np.uint8))
            yield {}

    assert measure({"leak": leak()}, frames=300, warm_up=100)["leak"].growth > 10.0
