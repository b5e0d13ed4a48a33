"""The tracker is built from the parameters."""

import os
from functools import partial
from pathlib import Path

import pytest
import torch

from sam2_ros.model import CompiledSam2, Network
from sam2_ros.node import loading
from sam2_ros.node.loading import _warm_up, build_tracker, reserve_executor_core
from sam2_ros.node.parameters import Parameters
from sam2_ros.tracking import TrackerConfig, TrackStateConfig, propagation
from sam2_ros.tracking.frame_step import Time
from sam2_ros.tracking.graphed_step import GraphedStep
from sam2_ros.tracking.memory_bank import MemoryBank
from sam2_ros.tracking.presets import PRESETS
from sam2_ros.tracking.warm_up import compiled


def test_every_parameter_of_the_tracker_reaches_it(weights: Path) -> None:
    parameters = Parameters(
        checkpoint=str(weights),
        image_size=128,
        device="cpu",
        precision="bfloat16",
        max_objects=3,
        max_prompted=2,
        history=5,
        occluded_after=0.1,
        lost_after=0.5,
        remove_after=2.0,
        vanish_below=0.6,
        appear_above=0.7,
        return_frames=5,
        memory_policy="motion_aware",
        stamp_tolerance=0.25,
        recent_memories=4,
        memory_pooling=2,
        encode_every=5,
        target_fps=12.0,
        cuda_graphs=False,
    )
    tracker = build_tracker(parameters)
    assert tracker.model.config.image_size == 128
    track_state = TrackStateConfig(
        occluded_after=0.1, lost_after=0.5, remove_after=2.0, vanish_below=0.6, appear_above=0.7, return_frames=5
    )
    assert tracker.config == TrackerConfig(
        max_objects=3,
        max_prompted=2,
        history=5,
        track_state=track_state,
        memory_policy="motion_aware",
        stamp_tolerance=0.25,
        catch_up_at_once=False,
        precision="bfloat16",
        recent_memories=4,
        memory_pooling=2,
        encode_every=5,
        target_fps=12.0,
        cuda_graphs=False,
    )


def test_a_preset_sets_the_parameters_that_are_0(weights: Path) -> None:
    config = build_tracker(
        Parameters(checkpoint=str(weights), image_size=64, device="cpu", preset="fast", encode_every=7)
    ).config
    fast = PRESETS["fast"]
    assert (config.recent_memories, config.memory_pooling, config.encode_every) == (
        fast.recent_memories,
        fast.memory_pooling,
        7,
    )


def test_the_default_preset_is_quality(weights: Path) -> None:
    config = build_tracker(Parameters(checkpoint=str(weights), image_size=64, device="cpu")).config
    plain = TrackerConfig()
    assert (config.recent_memories, config.memory_pooling, config.encode_every) == (
        plain.recent_memories,
        plain.memory_pooling,
        plain.encode_every,
    )


def test_contradicting_durations_are_refused() -> None:
    with pytest.raises(ValueError, match="occluded_after is 2 s and lost_after 1 s"):
        build_tracker(Parameters(occluded_after=2.0))


@pytest.mark.slow
def test_the_model_is_compiled_before_the_first_frame_with_progress_in_the_log(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "compiled", partial(compiled, backend="eager"))
    reports: list[str] = []
    parameters = Parameters(checkpoint=str(weights), image_size=64, device="cpu", max_objects=1, compile=True)
    tracker = build_tracker(parameters, reports.append)
    assert isinstance(tracker.model, CompiledSam2)
    warming_up = [report.partition(" (")[0] for report in reports if report.startswith("warming up")]
    assert warming_up == ["warming up for 1 object", "warming up for 2 objects"]
    assert reports[-1].startswith("warmed up in ")


def test_cuda_graphs_are_captured_with_progress_in_the_log(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def graphed_step(model: Network, bank: MemoryBank, config: TrackerConfig, time: Time) -> GraphedStep:
        return GraphedStep(model, bank, config, time, capture=lambda run: run)

    monkeypatch.setattr(propagation, "frame_step", graphed_step)
    monkeypatch.setattr(loading, "warm_up", lambda network, config: iter(()))
    reports: list[str] = []
    _warm_up(
        build_tracker(Parameters(checkpoint=str(weights), image_size=64, device="cpu", max_objects=3)), reports.append
    )
    assert [report.partition(" (")[0] for report in reports[:-1]] == [
        f"capturing CUDA graphs for {batch}" for batch in ("1 object", "2 objects", "4 objects")
    ]


def test_the_precision_is_reported_with_its_reason(weights: Path) -> None:
    reports: list[str] = []
    build_tracker(Parameters(checkpoint=str(weights), image_size=64, device="cpu"), reports.append)
    assert "precision is float32: on a CPU, bfloat16 is faster only for images of 384 pixels or more" in reports


@pytest.mark.slow
def test_a_missing_compiler_is_reported(weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    with pytest.raises(ValueError, match=r"no-such-compiler.*install a C\+\+ compiler .* or set compile to false"):
        build_tracker(Parameters(checkpoint=str(weights), image_size=64, device="cpu", compile=True))


def test_one_core_is_reserved_for_the_executor_unless_the_environment_sets_the_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    reserve_executor_core()
    assert torch.get_num_threads() == threads
    monkeypatch.delenv("OMP_NUM_THREADS")
    reserve_executor_core()
    assert torch.get_num_threads() == max(1, len(os.sched_getaffinity(0)) - 1)
    torch.set_num_threads(threads)
