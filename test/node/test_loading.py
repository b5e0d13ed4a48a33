"""Parameters become a tracker on the device that was asked for."""

import os

import torch

from sam2_ros.model import CONFIGS, seeded_model
from sam2_ros.node.loading import build_tracker, leave_a_core, warm_up
from sam2_ros.node.parameters import Parameters
from sam2_ros.tracking import TrackerConfig


def test_every_parameter_of_the_tracker_reaches_it(weights):
    parameters = Parameters(
        checkpoint=str(weights),
        image_size=128,
        device="cpu",
        precision="bfloat16",
        max_objects=3,
        max_prompted=2,
        history=5,
        lost_after=0.5,
        stamp_tolerance=0.25,
    )
    tracker = build_tracker(parameters)
    assert tracker.model.config.image_size == 128
    assert tracker.config == TrackerConfig(
        max_objects=3, max_prompted=2, history=5, lost_after=0.5, stamp_tolerance=0.25, precision="bfloat16"
    )


def test_warming_up_leaves_the_model_as_it_was():
    model = seeded_model(CONFIGS["nano"].resized(128))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    warm_up(model, TrackerConfig())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_one_core_is_left_to_the_rest_of_the_node_unless_the_environment_decides(monkeypatch):
    threads = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    leave_a_core()
    assert torch.get_num_threads() == threads
    monkeypatch.delenv("OMP_NUM_THREADS")
    leave_a_core()
    assert torch.get_num_threads() == max(1, len(os.sched_getaffinity(0)) - 1)
    torch.set_num_threads(threads)
