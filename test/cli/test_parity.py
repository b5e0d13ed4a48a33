"""`sam2_ros parity` prints differences and fails where there are any.

Where SAM2_REFERENCE names a checkout of the reference, the command runs against it; otherwise our own network takes its
place, unchanged or with a changed weight. test/parity compares with recorded outputs of the reference.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sam2_ros.cli import main, parity
from sam2_ros.media.video import VideoWriter
from sam2_ros.model import ModelConfig, Sam2, save_weights, seeded_model
from sam2_ros.parity import ours
from sam2_ros.parity.demo import demo_scenarios
from sam2_ros.parity.images import ImageOutputs, our_images
from sam2_ros.parity.scenarios import ModuleInputs, Scenario, VideoOutputs

CHECKOUT = os.environ.get("SAM2_REFERENCE")
QUICK = ["--models", "nano", "--image-size", "64", "--frames", "8"]


class StandIn:
    """Our own network in place of the reference."""

    noise = 0.0  # added to one weight

    def __init__(self, checkout: Path, config: ModelConfig) -> None:
        self.model = Sam2(config).eval()

    def load(self, model: Sam2) -> None:
        self.model.load_state_dict(model.state_dict())
        with torch.no_grad():
            self.model.get_parameter("memory_encoder.out_proj.bias").add_(self.noise)

    def modules(self, inputs: ModuleInputs) -> dict[str, Tensor]:
        return ours.modules(self.model, inputs)

    def track(self, scenario: Scenario) -> VideoOutputs:
        return ours.track(self.model, scenario)

    def images(self, rgb: np.ndarray) -> ImageOutputs:
        return our_images(self.model, rgb)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    stand_in = type("ChangedStandIn", (StandIn,), {})
    monkeypatch.setattr(parity, "Reference", stand_in)
    return stand_in


def run(*arguments: str) -> int:
    return main(["parity", "--reference", "checkout", *QUICK, *arguments])


def test_equal_networks_pass(stand_in: type[StandIn], capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    printed = capsys.readouterr().out
    assert "memory attention" in printed
    for video in (
        "click",
        "several clicks",
        "box",
        "mask",
        "later correction",
        "two objects",
        "late prompts",
        "absence",
    ):
        assert f"  {video} " in printed
    assert printed.splitlines()[-2].startswith("nano") and printed.splitlines()[-2].endswith(" equal")


def test_a_small_difference_fails_and_is_printed(stand_in: type[StandIn], capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.noise = 0.01
    assert run() == 1
    printed = capsys.readouterr().out
    assert "NOT EQUAL" in printed
    assert any("memory encoder" in line and "DIFFERS" in line for line in printed.splitlines())
    assert not any("trunk" in line and "DIFFERS" in line for line in printed.splitlines())


def shorten_demo(monkeypatch: pytest.MonkeyPatch, scenarios: int, frames: slice) -> None:
    """Uses fewer scenarios and frames of the demo clip, to save time."""
    monkeypatch.setattr(
        parity,
        "demo_scenarios",
        lambda size: [replace(whole, images=whole.images[frames]) for whole in demo_scenarios(size)[:scenarios]],
    )


def test_equal_but_empty_masks_fail(
    stand_in: type[StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shorten_demo(monkeypatch, scenarios=3, frames=slice(8))
    model = seeded_model("nano")
    for head in model.sam_mask_decoder.output_hypernetworks_mlps:
        head.get_parameter("layers.2.weight").zero_()
        head.get_parameter("layers.2.bias").zero_()
    save_weights(model, tmp_path / "empty.safetensors")
    assert run("--weights", str(tmp_path / "empty.safetensors")) == 1
    printed = capsys.readouterr().out
    assert "demo, click: most masks are empty or full; this proves nothing" in printed
    assert "DIFFERS" not in printed


def test_bundled_weights_track_the_demo_clip_through_its_absences(
    stand_in: type[StandIn], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shorten_demo(monkeypatch, scenarios=1, frames=slice(0, 150, 3))
    assert main(["parity", "--reference", "checkout", "--weights", "nano", "--image-size", "192"]) == 0
    printed = capsys.readouterr().out
    followed = [line.split() for line in printed.splitlines() if line.startswith("  demo, mask ")]
    assert [int(line[3]) for line in followed] == list(range(50))
    assert {float(line[7]) > 0 for line in followed} == {True, False}
    assert printed.splitlines()[-2].startswith("nano") and printed.splitlines()[-2].endswith(" equal")
    assert printed.splitlines()[-1].split() == ["limits", "1e-04", "inf", "0.990"]


def test_frames_are_read_from_a_video(
    stand_in: type[StandIn], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, rate=10.0) as writer:
        for i in range(24):
            writer.write(np.random.default_rng(i).integers(0, 255, (48, 64, 3), np.uint8))
    assert run("--video", str(path)) == 0


def test_a_video_that_is_too_short_is_refused(stand_in: type[StandIn], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--frames", "3") == 1
    assert "has 3 frames, expected at least 8" in capsys.readouterr().err


def test_a_folder_without_the_reference_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parity", "--reference", str(tmp_path), *QUICK]) == 1
    assert f"{tmp_path} is no checkout of facebookresearch/sam2" in capsys.readouterr().err


def test_libraries_that_the_reference_needs_are_named(tmp_path: Path) -> None:
    (tmp_path / "sam2").mkdir()
    (tmp_path / "sam2" / "__init__.py").touch()
    (tmp_path / "sam2" / "build_sam.py").write_text("import hydra.that_is_not_there")
    command = [sys.executable, "-m", "sam2_ros", "parity", "--reference", str(tmp_path), *QUICK]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert "the reference cannot be imported" in result.stderr and "pip install hydra-core" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(not CHECKOUT, reason="SAM2_REFERENCE names no checkout of facebookresearch/sam2")
def test_the_reference_itself_is_equal() -> None:
    assert main(["parity", "--reference", str(CHECKOUT), "--models", "nano"]) == 0
