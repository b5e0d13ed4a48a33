"""The reference's part of the report; runs where SAM2_REFERENCE names a checkout."""

import os
from dataclasses import replace

import pytest

from sam2_ros.benchmark.gpu_report import reference
from sam2_ros.benchmark.gpu_report.parts import SMOKE, LeftOutError


@pytest.mark.skipif(not os.environ.get("SAM2_REFERENCE"), reason="SAM2_REFERENCE names no checkout of the reference")
def test_both_are_measured_with_every_number_of_objects() -> None:
    one, two = reference.rows("cpu", replace(SMOKE, objects=(1, 2)))
    assert (one["objects"], two["objects"]) == (1, 2)
    assert one["times as fast"] == pytest.approx(one["reference median (ms)"] / one["ours median (ms)"])
    assert one["mean mask IoU"] > 0.99 and not one["most masks are empty or full"]


def test_without_a_checkout_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAM2_REFERENCE", raising=False)
    with pytest.raises(LeftOutError, match="set SAM2_REFERENCE"):
        next(reference.rows("cpu", SMOKE))
