"""Checkpoints are read whatever their parameters are called."""

from pathlib import Path

import torch

from sam2_ros.model import CONFIGS, Sam2
from sam2_ros.model.checkpoint_names import official_names

NAMES = Path(__file__).parent / "names"


def test_weights_saved_before_the_official_names_are_translated() -> None:
    pairs = [line.split() for line in (NAMES / "former.txt").read_text().splitlines()]
    former = {name: torch.tensor(i) for i, (name, _) in enumerate(pairs)}
    translated = official_names(former)
    assert {name: int(value) for name, value in translated.items()} == {name: i for i, (_, name) in enumerate(pairs)}
    with torch.device("meta"):
        assert translated.keys() == Sam2(CONFIGS["nano"]).state_dict().keys()
