"""`sam2_ros segment` on small pictures, with random weights that answer with real masks."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from sam2_ros.cli import main, segment
from sam2_ros.media.pictures import read_picture, read_pictures
from sam2_ros.model import save_weights, seeded_model

SIZE = (60, 80)
CLICK = ["--click", "40,30"]
ALL = ["--everything", "--points-per-side", "3", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(seeded_model("nano", seed=1), path, torch.float32)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with three pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        picture = np.random.default_rng(i).integers(0, 100, (*SIZE, 3), np.uint8)
        cv2.circle(picture, (40, 30), 12, (40, 200, 240), -1)
        cv2.imwrite(str(folder / f"{i}.png"), picture)
    return folder


@pytest.fixture
def run(weights: Path, tmp_path: Path) -> Callable[..., int]:
    """Runs the command, into `out` beside the test's own files."""

    def run(*arguments: str | Path) -> int:
        model = ["--checkpoint", str(weights), "--image-size", "64", "--device", "cpu"]
        return main(["segment", *map(str, arguments), *model, "--out", str(tmp_path / "out")])

    return run


@pytest.fixture
def annotations(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    return lambda: json.loads((tmp_path / "out" / "annotations.json").read_text())


def complaints(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("sam2_ros segment: ")]


# ---- what it leaves behind


def test_leaves_a_mask_an_overlay_and_an_annotation(
    run: Callable[..., int], pictures: Path, tmp_path: Path, annotations: Callable[[], dict[str, Any]]
) -> None:
    assert run(pictures / "0.png", *CLICK) == 0
    labels = read_picture(tmp_path / "out" / "masks" / "0.png", cv2.IMREAD_UNCHANGED)
    assert labels is not None and labels.shape == SIZE and set(np.unique(labels)) == {0, 1}
    overlay = read_picture(tmp_path / "out" / "overlays" / "0.jpg")
    assert overlay is not None and overlay.shape == (*SIZE, 3)
    (annotation,) = annotations()["annotations"]
    x, y, width, height = cv2.boundingRect(labels)
    assert annotation["bbox"] == [x, y, width, height]
    assert annotation["area"] == (labels == 1).sum() and annotation["iscrowd"] == 0
    assert 0 <= annotation["predicted_iou"] <= 1
    assert annotations()["images"] == [{"id": 1, "file_name": str(pictures / "0.png"), "width": 80, "height": 60}]


def test_coco_reads_the_annotations(
    run: Callable[..., int], pictures: Path, tmp_path: Path, annotations: Callable[[], dict[str, Any]]
) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    assert run(pictures, "--object", "ball", *CLICK, "--object", "--box", "5,5,30,40") == 0
    read = coco.COCO(str(tmp_path / "out" / "annotations.json"))
    assert len(read.imgs) == 3 and len(read.anns) == 6
    assert {category["name"] for category in read.cats.values()} == {"ball", "object"}
    for image in read.imgs.values():
        ball, other = read.loadAnns(read.getAnnIds(image["id"]))
        labels = read_picture(tmp_path / "out" / "masks" / f"{Path(image['file_name']).stem}.png", cv2.IMREAD_UNCHANGED)
        assert labels is not None
        small, large = sorted((ball, other), key=lambda annotation: annotation["area"])
        number = {ball["id"]: 1, other["id"]: 2}
        inside, around = (read.annToMask(annotation).astype(bool) for annotation in (small, large))
        assert (labels[inside] == number[small["id"]]).all()
        assert (labels[around & ~inside] == number[large["id"]]).all()


def test_everything_is_found_without_prompts(
    run: Callable[..., int],
    pictures: Path,
    annotations: Callable[[], dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(pictures / "0.png", pictures / "1.png", *ALL) == 0
    found = annotations()["annotations"]
    assert {annotation["image_id"] for annotation in found} == {1, 2}
    assert f"{len(found)} objects in 2 pictures" in capsys.readouterr().out


def test_several_clicks_are_for_one_object(
    run: Callable[..., int], pictures: Path, annotations: Callable[[], dict[str, Any]]
) -> None:
    assert run(pictures / "0.png", *CLICK, "--click", "5,5,0", "--box", "20,10,60,50") == 0
    assert len(annotations()["annotations"]) == 1


def test_pictures_of_one_name_get_names_of_their_own(run: Callable[..., int], pictures: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(pictures / "0.jpg"), np.zeros((*SIZE, 3), np.uint8))
    assert run(pictures / "0.png", pictures / "0.jpg", pictures / "1.png", *CLICK) == 0
    assert {file.name for file in (tmp_path / "out" / "masks").iterdir()} == {"0.png.png", "0.jpg.png", "1.png"}


def test_an_earlier_run_is_replaced(run: Callable[..., int], pictures: Path, tmp_path: Path) -> None:
    assert run(pictures, *CLICK) == 0
    assert run(pictures / "1.png", *CLICK) == 0
    assert [file.name for file in (tmp_path / "out" / "masks").iterdir()] == ["1.png"]


def test_is_quiet_without_a_terminal(
    run: Callable[..., int], pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(pictures / "0.png", *CLICK) == 0
    assert capsys.readouterr().err == ""


# ---- what goes wrong


def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_written(
    run: Callable[..., int],
    pictures: Path,
    annotations: Callable[[], dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    (pictures / "1.png").write_bytes(b"no picture")
    assert run(pictures, *CLICK) == 1
    (complaint,) = complaints(capsys)
    assert f"{pictures / '1.png'} cannot be read" in complaint
    assert [Path(image["file_name"]).name for image in annotations()["images"]] == ["0.png", "2.png"]


def test_a_click_outside_is_named_with_its_picture(
    run: Callable[..., int], pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(pictures / "0.png", "--click", "90,10") == 1
    (complaint,) = complaints(capsys)
    assert f"{pictures / '0.png'}: click (90, 10) is outside the image" in complaint


def test_nothing_found_is_said_with_what_to_do(
    run: Callable[..., int],
    pictures: Path,
    annotations: Callable[[], dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(pictures / "0.png", "--everything", "--points-per-side", "2", "--pred-iou-thresh", "1") == 1
    (complaint,) = complaints(capsys)
    assert "nothing found; lower --pred-iou-thresh" in complaint
    assert annotations()["annotations"] == [] and len(annotations()["images"]) == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "nothing to segment, expected --everything, --click X,Y or --box"),
        ([*ALL, *CLICK], "--everything beside --click, expected one of them"),
        (["--object", "cup"], "nothing to segment"),
        (["--object", "cup", "--object", "dog", *CLICK], "object 1 has no prompt"),
    ],
)
def test_prompts_that_make_no_sense_are_refused(
    run: Callable[..., int],
    pictures: Path,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    problem: str,
) -> None:
    assert run(pictures, *arguments) == 1
    (complaint,) = complaints(capsys)
    assert problem in complaint
    assert not (tmp_path / "out").exists()


def test_what_is_no_picture_or_folder_of_them_is_refused(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "missing.png", *CLICK) == 1
    assert "missing.png does not exist" in complaints(capsys)[0]
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", *CLICK) == 1
    assert "has no pictures" in complaints(capsys)[0]


def test_inputs_and_files_of_others_are_not_overwritten(
    run: Callable[..., int], pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out" / "masks").mkdir(parents=True)
    mine = tmp_path / "out" / "masks" / "mine.png"
    mine.write_bytes((pictures / "0.png").read_bytes())
    assert run(pictures, *CLICK) == 1
    assert "is not from an earlier run" in complaints(capsys)[0]
    assert run(mine, *CLICK) == 1
    assert "would overwrite" in complaints(capsys)[0]
    assert mine.exists()


def test_ctrl_c_keeps_what_is_written(
    run: Callable[..., int],
    pictures: Path,
    annotations: Callable[[], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted_at_the_second(files: list[Path]) -> Iterator[np.ndarray]:
        if files[0].name == "1.png":
            signal.raise_signal(signal.SIGINT)
        return read_pictures(files)

    monkeypatch.setattr(segment, "read_pictures", interrupted_at_the_second)
    assert run(pictures, *ALL) == 128 + signal.SIGINT
    assert complaints(capsys) == ["sam2_ros segment: stopped by SIGINT after 1 of 3 pictures"]
    assert [Path(image["file_name"]).name for image in annotations()["images"]] == ["0.png"]
    assert annotations()["annotations"]
