"""The computed memory is that of a tracker's tensors."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from sam2_ros.benchmark import footprint as module
from sam2_ros.benchmark.footprint import footprint
from sam2_ros.benchmark.memory import MEGABYTE
from sam2_ros.model import seeded_model
from sam2_ros.model.config import named_config
from sam2_ros.tracking import Box, Prompt, StreamingTracker, TrackerConfig

NANO = named_config("nano", 64)
CONFIG = TrackerConfig(max_objects=2, history=3)


def test_the_tensors_of_a_tracker_with_full_buffers_are_counted() -> None:
    model = seeded_model(NANO)
    tracker = StreamingTracker(model, CONFIG)
    for index in range(CONFIG.history):
        tracker.step(np.zeros((48, 64, 3), np.uint8), index / 10)
        if index == 0:
            for _ in range(CONFIG.max_objects):
                tracker.add(Prompt(box=Box(10, 10, 30, 30)))
    computed = footprint(NANO, CONFIG)
    features = [x for index in range(CONFIG.history) for x in tracker.encoded(index / 10).features]
    masks = [output.mask_logits for frame in tracker._frames for output in frame.outputs.values()]
    bank = [x for x in vars(tracker._propagation._bank).values() if isinstance(x, torch.Tensor)]
    assert computed.features == sum(x.nbytes for x in features)
    assert computed.masks == sum(x.nbytes for x in masks)
    assert computed.bank == sum(x.nbytes for x in bank) > 0
    assert computed.parameters >= sum(x.nbytes for x in model.parameters())
    assert computed.total == computed.parameters + computed.bank + computed.features + computed.masks


def test_half_the_precision_halves_the_features_alone() -> None:
    full, half = footprint(NANO, CONFIG), footprint(NANO, replace(CONFIG, precision="bfloat16"))
    assert half == replace(full, features=full.features // 2)


def test_the_table_has_a_line_for_every_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["footprint", "--max-objects", "4", "--history", "8", "--image-size", "512"])
    module.main()
    header, _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [
        *(f"`sam2.1_hiera_{size}`" for size in ("tiny", "small", "base_plus", "large")),
        "`nano`",
    ]
    tiny = footprint(
        named_config("sam2.1_hiera_tiny", 512), TrackerConfig(max_objects=4, history=8, precision="bfloat16")
    )
    assert lines[0].count("|") == header.count("|")
    assert f" {tiny.bank / MEGABYTE:.0f} MB " in lines[0] and lines[0].endswith(f" {tiny.total / MEGABYTE:.0f} MB |")
