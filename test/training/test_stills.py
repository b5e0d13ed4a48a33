"""Pictures with masks are read from every layout; what cannot be used is named, left out and counted."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as run_lengths

from sam2_ros.optional import MissingLibraryError
from sam2_ros.synthetic.still_clip import MAX_OBJECTS
from sam2_ros.synthetic.stills import Still
from sam2_ros.training.davis import DatasetError
from sam2_ros.training.stills import read_stills

HEIGHT, WIDTH = 90, 120
BOXES = ((10, 10, 30, 40), (60, 20, 40, 50))  # left, upper, width, height
STILLS = [folder / "shared/data/real/stills" for folder in Path(__file__).resolve().parents[3:]]


def box_mask(box: tuple[int, int, int, int]) -> np.ndarray:
    left, upper, width, height = box
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[upper : upper + height, left : left + width] = True
    return mask


def write_picture(file: Path) -> None:
    picture = np.full((HEIGHT, WIDTH, 3), 80, np.uint8)
    for number, box in enumerate(BOXES):
        picture[box_mask(box)] = (40, 40, 240) if number == 0 else (240, 40, 40)  # red and blue in BGR
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), picture, [cv2.IMWRITE_JPEG_QUALITY, 98])


def write_indexed(folder: Path, name: str = "one") -> None:
    write_picture(folder / "JPEGImages" / f"{name}.jpg")
    labels = sum((number * box_mask(box).astype(np.uint8) for number, box in ((2, BOXES[0]), (7, BOXES[1]))))
    (folder / "Annotations").mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "Annotations" / f"{name}.png"), labels)


def encoded(mask: np.ndarray) -> dict[str, object]:
    packed = run_lengths.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": packed["size"], "counts": packed["counts"].decode()}


def write_sa1b(folder: Path, name: str = "sa_1", masks: list[np.ndarray] | None = None) -> None:
    write_picture(folder / f"{name}.jpg")
    masks = [box_mask(box) for box in BOXES] if masks is None else masks
    content = {
        "image": {"image_id": 1, "width": WIDTH, "height": HEIGHT, "file_name": f"{name}.jpg"},
        "annotations": [{"id": i, "segmentation": encoded(mask)} for i, mask in enumerate(masks)],
    }
    (folder / f"{name}.json").write_text(json.dumps(content))


def uncompressed(mask: np.ndarray) -> dict[str, object]:
    """COCO's other run-length form: the lengths as numbers, column by column."""
    flat = np.concatenate([[0], mask.flatten(order="F").astype(int), [0]])
    changes = np.flatnonzero(np.diff(flat))
    ends = [0, *changes.tolist(), mask.size] if mask.flat[-1] == 0 else [0, *changes.tolist()]
    return {"size": [HEIGHT, WIDTH], "counts": np.diff(ends).tolist()}


def write_coco(root: Path, segmentations: list[object] | None = None, pictures: str = "val") -> Path:
    write_picture(root / pictures / "000001.jpg")
    left, upper, width, height = BOXES[0]
    polygon = [left, upper, left + width, upper, left + width, upper + height, left, upper + height]
    segmentations = [[polygon], uncompressed(box_mask(BOXES[1]))] if segmentations is None else segmentations
    crowd = {"image_id": 9, "iscrowd": 1, "segmentation": encoded(np.ones((HEIGHT, WIDTH), bool))}
    content = {
        "images": [
            {"id": 9, "file_name": "000001.jpg", "height": HEIGHT, "width": WIDTH},
            {"id": 10, "file_name": "unlabelled.jpg", "height": 5, "width": 5},
        ],
        "annotations": [{"image_id": 9, "iscrowd": 0, "segmentation": each} for each in segmentations] + [crowd],
    }
    file = root / "annotations" / "instances_val.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content))
    return file


def read_one(path: Path) -> Still:
    stills = read_stills(path)
    assert stills is not None and len(stills) == 1
    return stills.read(0, np.random.default_rng(0))


@pytest.mark.parametrize("layout", ["indexed", "sa1b", "coco"])
def test_every_layout_gives_the_same_objects(layout: str, tmp_path: Path) -> None:
    path = tmp_path
    if layout == "indexed":
        write_indexed(tmp_path)
    elif layout == "sa1b":
        write_sa1b(tmp_path)
    else:
        path = write_coco(tmp_path)
    still = read_one(path)
    assert still.image.shape == (HEIGHT, WIDTH, 3)
    assert {mask.tobytes() for mask in still.masks} == {box_mask(box).tobytes() for box in BOXES}
    for mask in still.masks:
        red, _, blue = still.image[mask].mean(axis=0)
        assert red > 200 > 100 > blue if mask[20, 20] else blue > 200 > 100 > red


@pytest.mark.parametrize("pictures", ["val", "images", "images/val", "annotations", "annotations/images"])
def test_the_pictures_of_a_coco_file_are_found_where_they_usually_are(pictures: str, tmp_path: Path) -> None:
    assert len(read_one(write_coco(tmp_path, pictures=pictures)).masks) == 2


def test_without_its_pictures_a_coco_file_is_refused(tmp_path: Path) -> None:
    file = write_coco(tmp_path)
    (tmp_path / "val" / "000001.jpg").unlink()
    with pytest.raises(DatasetError, match="the pictures of .*instances_val.json, as 000001.jpg, are in none of"):
        read_stills(file)


def test_unusable_instances_of_a_coco_file_are_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = encoded(box_mask(BOXES[0]))
    wrong: list[object] = ["text", [], [[1, 2]], 5, {"size": [5, 5], "counts": "11"}, {"counts": []}, None]
    still = read_one(write_coco(tmp_path, [*wrong, good]))
    assert [mask.tobytes() for mask in still.masks] == [box_mask(BOXES[0]).tobytes()]
    assert caplog.text.count("skipped instance") == len(wrong)


def test_a_coco_file_without_a_usable_instance_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="instances_val.json has no object with a segmentation"):
        read_stills(write_coco(tmp_path, ["text"]))


def test_pictures_without_a_mask_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_indexed(tmp_path)
    write_picture(tmp_path / "JPEGImages" / "two.jpg")
    assert len(read_one(tmp_path).masks) == 2
    assert "skipped 1 pictures" in caplog.text


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"images": [], "annotations": []}', '{"images": 1}'])
def test_another_json_file_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DatasetError, match="a.json"):
        read_stills(tmp_path / "a.json")


def test_a_whole_and_its_part_are_not_chosen_together_and_the_whole_keeps_its_pixels(tmp_path: Path) -> None:
    whole, part = box_mask((10, 10, 80, 60)), box_mask((20, 20, 30, 30))
    write_sa1b(tmp_path, masks=[whole, part])
    stills = read_stills(tmp_path)
    assert stills is not None
    found = [stills.read(0, np.random.default_rng(seed)).masks for seed in range(20)]
    assert {len(masks) for masks in found} == {1}
    assert {masks[0].tobytes() for masks in found} == {whole.tobytes(), part.tobytes()}


def test_of_many_objects_some_are_chosen(tmp_path: Path) -> None:
    write_sa1b(tmp_path, masks=[box_mask((22 * i, 22 * j, 21, 21)) for i in range(5) for j in range(4)])
    stills = read_stills(tmp_path)
    assert stills is not None
    chosen = [stills.read(0, np.random.default_rng(seed)).masks for seed in range(10)]
    assert {len(masks) for masks in chosen} == {MAX_OBJECTS}
    assert len({masks[0].tobytes() for masks in chosen}) > 4


def test_void_pixels_are_no_object_and_a_black_and_white_mask_is_one(tmp_path: Path) -> None:
    write_indexed(tmp_path)
    file = tmp_path / "Annotations" / "one.png"
    labels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    assert labels is not None
    cv2.imwrite(str(file), np.where(labels == 7, 255, labels))
    assert len(read_one(tmp_path).masks) == 1
    cv2.imwrite(str(file), np.where(labels > 0, 255, 0).astype(np.uint8))
    (mask,) = read_one(tmp_path).masks
    assert np.array_equal(mask, labels > 0)


def test_a_large_picture_is_reduced_with_its_masks(tmp_path: Path) -> None:
    write_indexed(tmp_path)
    for file, interpolation in (("JPEGImages/one.jpg", cv2.INTER_LINEAR), ("Annotations/one.png", cv2.INTER_NEAREST)):
        image = cv2.imread(str(tmp_path / file), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(tmp_path / file), cv2.resize(image, (1920, 1440), interpolation=interpolation))
    still = read_one(tmp_path)
    assert still.image.shape == (720, 960, 3) and still.masks.shape == (2, 720, 960)
    assert sum(mask.mean() for mask in still.masks) == pytest.approx(sum(box_mask(b).mean() for b in BOXES), abs=0.005)


def break_picture(folder: Path) -> str:
    (folder / "JPEGImages" / "one.jpg").write_text("no picture")
    return "one.jpg is not an image"


def break_mask(folder: Path) -> str:
    (folder / "Annotations" / "one.png").write_bytes(b"\x89PNG")
    return "one.png cannot be read"


def change_size(folder: Path) -> str:
    cv2.imwrite(str(folder / "Annotations" / "one.png"), np.ones((50, 50), np.uint8))
    return r"one.png has a mask of 50x50, .*one.jpg is 120x90"


def shrink_object(folder: Path) -> str:
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[:5, :5] = 1
    cv2.imwrite(str(folder / "Annotations" / "one.png"), labels)
    return "one.jpg has no object of 400 pixels or more"


@pytest.mark.parametrize("spoil", [break_picture, break_mask, change_size, shrink_object])
def test_an_unusable_picture_is_named(spoil, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write_indexed(tmp_path)
    reason = spoil(tmp_path)
    with pytest.raises(DatasetError, match=reason):
        read_one(tmp_path)


def test_a_broken_annotation_of_sa1b_is_named(tmp_path: Path) -> None:
    write_sa1b(tmp_path)
    for content in ("{", "[]", '{"annotations": [{"segmentation": {"size": [90, 120], "counts": 5}}]}'):
        (tmp_path / "sa_1.json").write_text(content)
        with pytest.raises(DatasetError, match="mask|sa_1.json"):
            read_one(tmp_path)


def test_another_folder_is_of_no_such_layout(tmp_path: Path) -> None:
    assert read_stills(tmp_path) is None
    (tmp_path / "JPEGImages" / "video").mkdir(parents=True)
    assert read_stills(tmp_path) is None


def test_without_pycocotools_one_line_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sa1b(tmp_path)
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(MissingLibraryError, match="reading SA-1B needs pycocotools: pip install -e"):
        read_stills(tmp_path)


@pytest.mark.skipif(not any(map(Path.is_dir, STILLS)), reason="the photographs are not part of the repository")
def test_the_shared_photographs_can_be_read() -> None:
    stills = read_stills(next(folder for folder in STILLS if folder.is_dir()))
    assert stills is not None and len(stills) > 1000
    usable = 0
    for index in range(0, len(stills), 50):
        try:
            usable += len(stills.read(index, np.random.default_rng(0)).masks) > 0
        except DatasetError as error:
            assert "no object of" in str(error)
    assert usable > 15
