"""Sources of samples are mixed by weight; pictures become samples with one object or more."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sam2_ros.synthetic.clip import Clip
from sam2_ros.synthetic.davis_writer import write_clip
from sam2_ros.training.batches import TrainingBatch, training_batches
from sam2_ros.training.data import Sample, SampleSpec, draw
from sam2_ros.training.davis import DatasetError
from sam2_ros.training.davis_clips import DavisClips
from sam2_ros.training.recipe import BatchSpec, Recipe, Stage
from sam2_ros.training.sources import Source, WeightedClips, open_data, parse_source
from sam2_ros.training.still_clips import StillClips
from sam2_ros.training.stills import read_stills

SPEC = SampleSpec(length=4, size=64, max_objects=2)


def write_stills(folder: Path, count: int = 3, labelled: int = 1) -> None:
    """Pictures of two red boxes, of which `labelled` have a mask."""
    for part in ("JPEGImages", "Annotations"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        picture, labels = np.full((90, 140, 3), 30 * number, np.uint8), np.zeros((90, 140), np.uint8)
        for label, left in ((1, 10), (2, 80)):
            picture[20:70, left : left + 45] = (20, 20, 240)
            if label <= labelled:
                labels[20:70, left : left + 45] = label
        cv2.imwrite(str(folder / "JPEGImages" / f"{number}.jpg"), picture)
        cv2.imwrite(str(folder / "Annotations" / f"{number}.png"), labels)


def write_recording(folder: Path) -> None:
    frames, labels = np.full((8, 64, 64, 3), 90, np.uint8), np.zeros((8, 64, 64), np.uint8)
    frames[:, 10:50, 12:52], labels[:, 10:50, 12:52] = (250, 0, 0), 1
    write_clip(folder, "still", Clip(frames, labels))


def still_clips(folder: Path) -> StillClips:
    stills = read_stills(folder)
    assert stills is not None
    return StillClips(stills)


def same(one: Sample, other: Sample) -> bool:
    return np.array_equal(one.frames, other.frames) and np.array_equal(one.masks, other.masks)


class OneColour:
    """Samples of one colour, with absences or without."""

    bytes_to_write = 5

    def __init__(self, colour: int, has_absences: bool = True) -> None:
        self.colour = colour
        self.has_absences = has_absences

    def sample(self, rng: np.random.Generator, spec: SampleSpec, absence: bool) -> Sample | None:
        rng.random()
        if absence and not self.has_absences:
            return None
        shape = (spec.length, spec.size, spec.size)
        return Sample(
            np.full((*shape, 3), self.colour, np.uint8), np.ones((1, *shape), bool), np.ones((1, spec.length), bool)
        )


@pytest.mark.parametrize("absence", [False, True])
def test_samples_come_from_each_source_as_often_as_its_weight_says(absence: bool) -> None:
    mixed = WeightedClips([(OneColour(1), 1), (OneColour(2, has_absences=False), 3)])
    rng = np.random.default_rng(0)
    colours = [mixed.sample(rng, SampleSpec(1, 2, 1), absence).frames.flat[0] for _ in range(2000)]
    assert np.mean(np.array(colours) == 2) == pytest.approx(0.75, abs=0.03)
    assert mixed.bytes_to_write == 10


def test_data_without_a_single_object_is_refused() -> None:
    class Empty(OneColour):
        def sample(self, rng: np.random.Generator, spec: SampleSpec, absence: bool) -> None:
            return None

    with pytest.raises(DatasetError, match="samples of 4 frames had an object"):
        draw(Empty(1), np.random.default_rng(0), SPEC)


def test_a_source_is_a_path_with_or_without_a_weight(tmp_path: Path) -> None:
    assert parse_source("a/b") == Source(Path("a/b"), 1)
    assert parse_source("a/b=2.5") == Source(Path("a/b"), 2.5)
    assert parse_source("synthetic=3") == Source(None, 3)
    assert parse_source("./synthetic") == Source(Path("synthetic"), 1)
    (tmp_path / "x=3").mkdir()
    assert parse_source(str(tmp_path / "x=3")) == Source(tmp_path / "x=3", 1)
    for text in ("a=2", "synthetic", "a/b", str(tmp_path / "x=3")):
        assert parse_source(str(parse_source(text))) == parse_source(text)


@pytest.mark.parametrize("text", ["a=0", "a=-1", "a=b", "=2", "a=", "a=nan"])
def test_a_weight_is_a_number_above_0(text: str) -> None:
    with pytest.raises(ValueError, match="expected PATH or PATH=WEIGHT with a weight above 0, not"):
        parse_source(text)


def test_the_layout_is_found_out(tmp_path: Path) -> None:
    write_stills(tmp_path / "stills")
    write_recording(tmp_path / "recordings")
    assert isinstance(open_data(tmp_path / "stills", 4, 64), StillClips)
    assert isinstance(open_data(tmp_path / "recordings", 4, 64), DavisClips)
    with pytest.raises(DatasetError, match="none does not exist"):
        open_data(tmp_path / "none", 4, 64)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="empty has no layout that can be trained on; expected JPEGImages/"):
        open_data(tmp_path / "empty", 4, 64)


@pytest.mark.parametrize("length", [1, 4])
def test_a_sample_of_stills_is_a_function_of_its_generator(length: int, tmp_path: Path) -> None:
    write_stills(tmp_path)
    spec = SampleSpec(length, 64, 2)
    one, again = (draw(still_clips(tmp_path), np.random.default_rng(5), spec) for _ in range(2))
    assert same(one, again)
    assert not same(one, draw(still_clips(tmp_path), np.random.default_rng(6), spec))


def test_an_object_without_a_mask_is_in_the_picture_but_not_among_the_objects(tmp_path: Path) -> None:
    """Only the labelled object of a picture has losses: the other one is neither an object nor is it cut out."""
    write_stills(tmp_path, labelled=1)
    stills = read_stills(tmp_path)
    assert stills is not None
    still = stills.read(0, np.random.default_rng(0))
    assert len(still.masks) == 1 and still.image[45, 100, 0] > 200  # the other box is there
    clips = still_clips(tmp_path)
    rng = np.random.default_rng(0)
    for _ in range(10):
        assert len(draw(clips, rng, SampleSpec(1, 64, max_objects=1)).masks) == 1


@pytest.mark.parametrize("most", [1, 2])
def test_samples_have_the_asked_number_of_objects_and_of_frames(most: int, tmp_path: Path) -> None:
    write_stills(tmp_path, labelled=2)
    clips, rng = still_clips(tmp_path), np.random.default_rng(0)
    counts = set()
    for _ in range(15):
        sample = draw(clips, rng, SampleSpec(4, 64, most))
        assert sample.frames.shape == (4, 64, 64, 3) and sample.masks.shape[1:] == (4, 64, 64)
        assert sample.visible[:, 0].all()
        assert not sample.masks[~sample.visible].any()
        counts.add(len(sample.masks))
    assert max(counts) == most


def test_with_an_absence_the_first_object_mostly_leaves(tmp_path: Path) -> None:
    write_stills(tmp_path)
    clips, rng = still_clips(tmp_path), np.random.default_rng(0)
    left = [not draw(clips, rng, SampleSpec(6, 64, 1), absence=True).visible[0].all() for _ in range(30)]
    assert sum(left) >= 12


def test_unusable_pictures_are_named_once_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_stills(tmp_path)
    (tmp_path / "JPEGImages" / "1.jpg").write_text("no picture")
    clips, rng = still_clips(tmp_path), np.random.default_rng(0)
    for _ in range(10):
        draw(clips, rng, SPEC)
    assert clips.skipped == 1
    assert caplog.text.count("1.jpg (1 so far)") == 1
    # A resumed training, which has not met the broken picture yet, draws the same samples.
    assert same(*(draw(each, np.random.default_rng(9), SPEC) for each in (clips, still_clips(tmp_path))))


def test_pictures_of_which_none_can_be_used_are_refused(tmp_path: Path) -> None:
    write_stills(tmp_path, count=2)
    for number in range(2):
        (tmp_path / "Annotations" / f"{number}.png").write_text("no mask")
    with pytest.raises(DatasetError, match="none of 100 pictures drawn can be used; the last one: .*cannot be read"):
        draw(still_clips(tmp_path), np.random.default_rng(0), SPEC)


def test_whole_objects_are_cut_out_for_the_synthetic_generator(tmp_path: Path) -> None:
    write_stills(tmp_path, labelled=2)
    cut_outs = still_clips(tmp_path).cut_outs(seed=1, count=3)
    assert len(cut_outs) == 6
    for cut_out in cut_outs:
        assert cut_out.shape == (128, 128, 4) and cut_out.dtype == np.uint8
        assert cut_out[64, 64, 3] == 255 and cut_out[0, 0, 3] == 0
        assert cut_out[cut_out[..., 3] == 255][:, 0].min() > 180  # red


def test_worker_processes_and_resumed_trainings_draw_the_same_batches(tmp_path: Path) -> None:
    write_stills(tmp_path / "stills")
    write_recording(tmp_path / "recordings")
    stage = Stage(4, 64, (BatchSpec(1, 2), BatchSpec(3, 1)), absence_rate=0.5)
    recipe = Recipe("short", "nano", (stage,), learning_rate=1e-3)

    def batches(step: int, workers: int) -> list[TrainingBatch]:
        sources = [(open_data(tmp_path / name, 3, 64), weight) for name, weight in (("stills", 3), ("recordings", 1))]
        return list(training_batches(recipe, WeightedClips(sources), step, num_workers=workers))

    whole = batches(0, 0)
    for others, expected in ((batches(0, 2), whole), (batches(2, 0), whole[2:])):
        assert len(others) == len(expected)
        for one, other in zip(others, expected):
            assert all(torch.equal(*pair) for pair in zip(one.clips, other.clips))
