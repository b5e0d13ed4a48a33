"""Parameters become a tracker on the device that was asked for."""

import os

import pytest
import torch

from sam2_ros.model import CONFIGS, seeded_model
from sam2_ros.node.loading import build_tracker, choose_device, choose_precision, leave_a_core, warm_up
from sam2_ros.node.parameters import ParameterError, Parameters
from sam2_ros.tracking import TrackerConfig


def test_auto_takes_a_gpu_where_there_is_one():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


def test_a_gpu_that_is_not_there_is_refused_by_its_number():
    with pytest.raises(
        ParameterError, match="device is cuda:99, but PyTorch .* sees . CUDA devices: set device to auto"
    ):
        choose_device("cuda:99")


@pytest.mark.parametrize(("device", "precision"), [("cpu", "float32"), ("cuda:0", "bfloat16")])
def test_auto_takes_the_precision_that_is_fast_on_the_device(device, precision):
    assert choose_precision("auto", torch.device(device)) == precision
    assert choose_precision("float32", torch.device(device)) == "float32"


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
