"""File names need not be valid UTF-8; what a library cannot open under such a name is refused in one line."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sam2_ros.cli import main
from sam2_ros.model import save_weights, seeded_model
from sam2_ros.synthetic.davis_writer import write_sequence

ODD = os.fsdecode(b"caf\xe9")


def test_a_data_set_may_have_any_name(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), np.uint8)
    labels = np.zeros((48, 64), np.uint8)
    labels[10:30, 20:40] = 1
    write_sequence(tmp_path / "set", "clip", list(frames), dict.fromkeys(range(3), labels))
    (tmp_path / "set").rename(tmp_path / ODD)
    save_weights(seeded_model("nano", seed=1), tmp_path / "random.safetensors", torch.float32)
    options = ["--checkpoint", "random.safetensors", "--image-size", "64", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, "-m", "sam2_ros", "evaluate", ODD, "--out", ODD + "/out", *options],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert any((tmp_path / ODD / "out").iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ["track", "video.mp4", "--checkpoint", ODD],
        ["track", "video.mp4", "--object", ODD],
        ["evaluate", "folder", "--checkpoint", ODD],
        ["benchmark", "--checkpoint", ODD],
        ["export", "--out", ODD],
    ],
)
def test_a_name_that_a_library_cannot_open_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert "the name 'caf\\udce9' is not valid UTF-8, rename it" in capsys.readouterr().err
