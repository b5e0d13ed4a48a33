"""`--text` of `sam2_ros track` and `label`, with an OWLv2 that finds colours."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("transformers", reason="needs the extra `text`")

from sam2_ros import cli

from ..text.tiny_models import red_and_blue


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return red_and_blue(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 6 pictures with a red and a blue square."""
    folder = tmp_path_factory.mktemp("pictures")
    rgb = np.full((240, 320, 3), 120, np.uint8)
    rgb[32:96, 96:160], rgb[96:160, 160:224] = (220, 40, 40), (40, 60, 220)
    for i in range(6):
        cv2.imwrite(str(folder / f"{i}.png"), rgb[..., ::-1])
    return folder


def test_track_follows_what_the_words_name(pictures: Path, model: Path, tmp_path: Path) -> None:
    command = ["track", str(pictures), "--fps", "4", "--text", "red cup", "--text-model", str(model)]
    assert cli.main([*command, "--image-size", "256", "--device", "cpu", "--out", str(tmp_path / "out")]) == 0
    rows = list(csv.DictReader((tmp_path / "out" / "tracks.csv").open()))
    assert {row["label"] for row in rows} == {"red cup"}
    assert len(rows) == 4  # searched on frames 0 and 2, of which the second confirms the first


def test_label_follows_what_the_words_name(pictures: Path, model: Path, tmp_path: Path) -> None:
    command = ["label", str(pictures), "--fps", "4", "--text", "red cup. blue box", "--text-model", str(model)]
    command += ["--image-size", "256", "--device", "cpu", "--format", "coco", "--out", str(tmp_path / "out")]
    assert cli.main(command) == 0
    run = json.loads((tmp_path / "out" / "label.json").read_text())
    assert run["is_finished"] and len(run["objects"]) == 2
    assert cli.main(command) == 0  # complete already


def test_words_that_name_nothing_are_reported(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pictures").mkdir()
    rgb = np.full((240, 320, 3), 120, np.uint8)
    rgb[32:96, 96:160] = (220, 40, 40)
    for i in range(4):
        cv2.imwrite(str(tmp_path / "pictures" / f"{i}.png"), rgb[..., ::-1])
    command = ["label", str(tmp_path / "pictures"), "--fps", "4", "--text", "red cup. blue box", "--text-model"]
    command += [str(model), "--image-size", "256", "--device", "cpu", "--format", "coco"]
    assert cli.main([*command, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert "object 1 red cup: visible on" in printed.out
    assert 'warning: "blue box" was not found' in printed.err


def test_without_the_model_nothing_is_written(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["track", str(pictures), "--text", "red cup", "--text-model", "/nowhere", "--out", str(tmp_path / "out")]
    assert cli.main(command) != 0
    assert "there is no folder '/nowhere'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_empty_words_are_refused(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["track", str(pictures), "--text", " . "])
    assert "there are no words in ' . '" in capsys.readouterr().err
