"""The reference as a variant; runs where SAM2_REFERENCE names a checkout."""

import os
from pathlib import Path

import pytest

from sam2_ros.benchmark.measure import measure
from sam2_ros.benchmark.ours import our_steps
from sam2_ros.benchmark.workload import synthetic_frames, workload
from sam2_ros.model import seeded_model
from sam2_ros.model.config import named_config

CHECKOUT = os.environ.get("SAM2_REFERENCE")
pytestmark = pytest.mark.skipif(not CHECKOUT, reason="SAM2_REFERENCE names no checkout of facebookresearch/sam2")

WORK = workload(synthetic_frames((96, 128), 4), objects=2)


def test_masks_and_stages_are_the_same_as_ours() -> None:
    from sam2_ros.benchmark.reference import StreamingReference

    model = seeded_model(named_config("nano", 128))
    theirs = StreamingReference(Path(str(CHECKOUT)), model).steps(WORK, "float32", frames=20)
    variants = {"ours": our_steps(model, WORK, "float32"), "theirs": theirs}
    measured = measure(variants, frames=18, warm_up=2, baseline="theirs")
    agreement = measured["ours"].agreement
    assert agreement is not None and not agreement.is_trivial
    assert agreement.mean_iou > 0.999 and agreement.min_iou > 0.99
    stages = measured["theirs"].stages
    assert stages.keys() == {"encode", "read_memory", "decode", "write_memory", "masks"}
    assert stages.keys() <= measured["ours"].stages.keys()


def test_the_video_ends_and_masks_have_the_size_of_the_frame() -> None:
    from sam2_ros.benchmark.reference import StreamingReference

    reference = StreamingReference(Path(str(CHECKOUT)), seeded_model(named_config("nano", 64)))
    steps = list(reference.steps(WORK, "bfloat16", frames=3))
    assert [tuple(step.logits.shape) for step in steps] == [(2, 1, 96, 128)] * 3
