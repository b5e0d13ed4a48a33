"""The network gives the reference's numbers.

Recorded from facebookresearch/sam2, commit 2b90b9f, with
    sam2_ros parity --reference DIR --record test/parity/golden.npz
Models are nano-sized with seeded weights; frames are drawn from integers.
"""

from pathlib import Path

import numpy as np
import pytest

from sam2_ros.model import seeded_model
from sam2_ros.parity import golden, ours

GOLDEN = np.load(Path(__file__).with_name("golden.npz"))
MODULE_LIMIT = 1e-4  # of the largest value, as the command `parity` demands
LOGITS_LIMIT = 1e-3
VIDEOS = [
    *("click", "several clicks", "box", "mask", "later correction", "two objects"),
    *("prompted corrections", "late prompts"),
]


@pytest.fixture(scope="module", params=golden.SMALL)
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def asked(version: str) -> golden.Questions:
    questions = golden.questions(golden.SMALL[version])
    questions.model.encode_image = ours.EncodeOnce(questions.model.encode_image)
    return questions


def distance(answer: np.ndarray, recorded: np.ndarray) -> float:
    """Of two samples, relative to the largest value of the recorded one."""
    return float(np.abs(answer - recorded).max() / recorded[0])


def check_video(answer: np.ndarray, recorded: np.ndarray) -> None:
    assert answer.shape == recorded.shape
    assert ((answer[:, 0] > 0) == (recorded[:, 0] > 0)).all()
    assert answer[:, 0] == pytest.approx(recorded[:, 0], rel=LOGITS_LIMIT, abs=LOGITS_LIMIT)
    assert max(distance(a[1:], b[1:]) for a, b in zip(answer, recorded)) <= LOGITS_LIMIT


def test_every_module_answers_like_the_reference(version: str, asked: golden.Questions) -> None:
    answers = ours.modules(asked.model, asked.inputs)
    assert len(answers) > 40
    far = {
        name: distance(golden.sample(answer), GOLDEN[f"{version}/{name}"])
        for name, answer in answers.items()
        if distance(golden.sample(answer), GOLDEN[f"{version}/{name}"]) > MODULE_LIMIT
    }
    assert not far


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_is_tracked_like_by_the_reference(version: str, asked: golden.Questions, name: str) -> None:
    (scenario,) = [scenario for scenario in asked.videos if scenario.name == name]
    check_video(golden.sample_video(ours.track(asked.model, scenario)), GOLDEN[f"{version}/{name}"])


def test_an_object_leaves_and_returns_like_in_the_reference(version: str) -> None:
    asked = golden.questions(golden.SMALL[version])
    ours.shift_occlusion(asked.model, float(GOLDEN[f"{version}/shift"]))
    recorded = GOLDEN[f"{version}/{asked.absence.name}"]
    assert 2 <= (recorded[:, 0] > 0).sum() <= len(recorded) - 2
    check_video(golden.sample_video(ours.track(asked.model, asked.absence)), recorded)


def test_the_videos_are_those_that_are_recorded(asked: golden.Questions) -> None:
    assert [scenario.name for scenario in asked.videos] == VIDEOS


def test_other_weights_are_told_apart(version: str, asked: golden.Questions) -> None:
    stranger = seeded_model(golden.SMALL[version], seed=1)
    answers = ours.modules(stranger, asked.inputs)
    for name in ("neck stride 16", "memory attention", "decoder choice, click", "memory encoder, tracked"):
        assert distance(golden.sample(answers[name]), GOLDEN[f"{version}/{name}"]) > 100 * MODULE_LIMIT
