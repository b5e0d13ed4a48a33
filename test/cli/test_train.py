"""The command `sam2_ros train`; a training on synthetic clips is in test_evaluate.py."""

import json
import shlex
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as run_lengths
from safetensors.torch import load_file

from sam2_ros import cli
from sam2_ros.cli import main
from sam2_ros.media.video import VideoWriter
from sam2_ros.synthetic import pictures
from sam2_ros.synthetic.clip import Clip
from sam2_ros.synthetic.davis_writer import write_clip
from sam2_ros.training import engine
from sam2_ros.training.recipe import RECIPES, BatchSpec, Recipe, Stage

FRAMES = 8
BUNDLED = Path(cli.__file__).parents[1] / "weights" / "nano.safetensors"


def write_davis(folder: Path, name: str = "still") -> None:
    frames, labels = np.full((FRAMES, 64, 64, 3), 90, np.uint8), np.zeros((FRAMES, 64, 64), np.uint8)
    frames[:, 10:50, 12:52], labels[:, 10:50, 12:52] = (250, 0, 0), 1
    write_clip(folder, name, Clip(frames, labels))


def write_sav(folder: Path) -> None:
    folder.mkdir()
    with VideoWriter(folder / "still.mp4", 24) as video:
        for _ in range(4 * FRAMES):
            video.write(np.full((64, 64, 3), 90, np.uint8))
    packed = run_lengths.encode(np.asfortranarray(np.eye(64, dtype=np.uint8).cumsum(axis=0, dtype=np.uint8)))
    mask = {"size": packed["size"], "counts": packed["counts"].decode()}
    (folder / "still_manual.json").write_text(json.dumps({"masklet": [[mask]] * FRAMES}))


@pytest.mark.parametrize("write", [write_davis, write_sav])
def test_recordings_replace_synthetic_clips(
    write: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "recordings")
    short = Recipe("nano", "nano", (Stage(1, 64, (BatchSpec(2, 1),)),), learning_rate=1e-3)
    monkeypatch.setitem(RECIPES, "nano", short)
    out = tmp_path / "run"
    command = ["train", "nano", "--data", str(tmp_path / "recordings"), "--out", str(out), "--device", "cpu"]
    assert main(command) == 0
    assert (out / "nano.safetensors").exists() and not (out / "clips").exists()


def test_the_bundled_weights_are_fine_tuned_on_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        write_davis(tmp_path / "recordings", name)
    short = replace(RECIPES["finetune_nano"], stages=(Stage(3, 64, (BatchSpec(4, 2),)),))
    monkeypatch.setitem(RECIPES, "finetune_nano", short)
    out = tmp_path / "run"
    command = ["train", "finetune_nano", "--data", str(tmp_path / "recordings"), "--checkpoint", str(BUNDLED)]
    assert main([*command, "--out", str(out), "--device", "cpu"]) == 0
    before, after = load_file(BUNDLED), load_file(out / "nano.safetensors")
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert any(key.startswith("sam_mask_decoder.") for key in moved)
    assert not any(key.startswith("image_encoder.trunk.") for key in moved)
    assert all((before[key].float() - after[key].float()).abs().max() < 0.01 for key in moved)


def write_stills(folder: Path) -> None:
    picture, labels = np.full((80, 100, 3), 90, np.uint8), np.zeros((80, 100), np.uint8)
    picture[20:60, 30:70], labels[20:60, 30:70] = (0, 0, 250), 1
    for part, ending, image in (("JPEGImages", "jpg", picture), ("Annotations", "png", labels)):
        (folder / part).mkdir(parents=True)
        cv2.imwrite(str(folder / part / f"box.{ending}"), image)


def test_pictures_recordings_and_synthetic_clips_are_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pictures, "BUNDLED", ())
    write_stills(tmp_path / "stills")
    write_davis(tmp_path / "clips")
    stage = Stage(6, 64, (BatchSpec(1, 2), BatchSpec(2, 1)), absence_rate=0.5)
    short = Recipe("nano", "nano", (stage,), learning_rate=1e-3, synthetic_clips=2, clip_frames=4, clip_size=96)
    monkeypatch.setitem(RECIPES, "nano", short)
    out = tmp_path / "run"
    data = [f"--data={tmp_path / 'stills'}=3", f"--data={tmp_path / 'clips'}", "--data=synthetic=2"]
    assert main(["train", "nano", *data, "--out", str(out), "--device", "cpu"]) == 0
    shown = capsys.readouterr().err
    assert "stills=3: 1 pictures with masks" in shown and "clips: 1 clips, 0 sequences skipped" in shown
    assert (out / "nano.safetensors").exists() and (out / "clips").exists()


def test_the_command_that_continues_names_all_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stills(tmp_path / "stills")
    write_davis(tmp_path / "clips")
    short = Recipe("nano", "nano", (Stage(2, 64, (BatchSpec(1, 1),)),), learning_rate=1e-3)
    monkeypatch.setitem(RECIPES, "nano", short)
    step = engine._step

    def stopped_step(*args: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return step(*args)

    data = ["--data", f"{tmp_path / 'stills'}=3", "--data", str(tmp_path / "clips")]
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_step", stopped_step)
        assert main(["train", "nano", *data, "--out", str(tmp_path / "run"), "--device", "cpu"]) == 130
    line = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(line.split("continue with: ")[1])[3:7] == data


@pytest.mark.parametrize("weight", ["0", "-1", "much", "inf"])
def test_a_weight_that_is_no_number_above_0_is_refused(weight: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "nano", "--data", f"pictures={weight}"])
    assert "expected PATH or PATH=WEIGHT with a weight above 0" in capsys.readouterr().err


def test_data_that_does_not_exist_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "nano", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "run")]) == 1
    assert "none does not exist; expected a folder of pictures or videos" in capsys.readouterr().err


def test_a_folder_without_recordings_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "nano", "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 1
    assert "has no layout that can be trained on; expected JPEGImages/ and Annotations/" in capsys.readouterr().err


def test_a_missing_folder_of_pictures_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "nano", "--pictures", str(tmp_path / "none"), "--out", str(tmp_path / "run")]
    assert main(command) == 1
    assert "none is not a folder; expected one with pictures" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.needs_checkpoint])
def test_a_fine_tuning_recipe_requires_a_checkpoint(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", name, "--out", str(tmp_path)]) == 1
    assert f"{name} starts from trained weights: give them with --checkpoint" in capsys.readouterr().err


def test_a_later_stage_requires_a_checkpoint_and_has_to_exist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "nano", "--first-stage", "2", "--out", str(tmp_path)]) == 1
    assert "stage 2 starts from trained weights: give them with --checkpoint" in capsys.readouterr().err
    assert main(["train", "nano", "--first-stage", "99", "--out", str(tmp_path)]) == 1
    assert "--first-stage 99 is too high" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nano_on_a_gpu", "was removed; to continue from weights: `nano --checkpoint FILE --first-stage 9`"),
        ("huge", "expected one of nano, finetune_nano, finetune_tiny, not 'huge'"),
    ],
)
def test_an_unknown_recipe_is_refused(name: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", name])
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_state_and_one_line_says_how_to_continue(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pictures, "BUNDLED", ())
    short = Recipe("nano", "nano", (Stage(2, 64, (BatchSpec(1, 1),)),), learning_rate=1e-3, synthetic_clips=2)
    monkeypatch.setitem(RECIPES, "nano", short)
    step = engine._step

    def stopped_step(*args: Any) -> Any:
        signal.raise_signal(number)
        return step(*args)

    out = tmp_path / "a run"
    with monkeypatch.context() as patch:
        patch.setattr(engine, "_step", stopped_step)
        assert main(["train", "nano", "--out", str(out), "--device", "cpu"]) == 128 + number
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"stopped after step 1 of 2, saved in {out / 'state.pt'}; continue with: sam2_ros train")
    command = shlex.split(line.split("continue with: ")[1])
    assert main(command[1:]) == 0
    assert (out / "nano.safetensors").exists()
