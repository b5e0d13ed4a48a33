"""The example that labels a recorded session again with another model; nano takes the larger one's place."""

import csv
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from .recorded import PERIOD, SECOND, START, images, prompt

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "relabel_session.py"
APPLIED = "/sam2_tracker/applied_prompts"
Picture = Callable[..., np.ndarray]


def test_a_session_is_labelled_again_with_its_recorded_prompts_and_both_models_are_compared(
    write_bag: Callable[..., Path], picture: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [picture(("red", 80 + 2 * i, 100, 30), ("blue", 230, 130, 30)) for i in range(7)]
    session = write_bag(
        *images(frames),
        prompt([(80, 100)], START + SECOND // 20, stamp=START, object_id=3, label="red", topic=APPLIED),
        prompt([(230, 130)], START + 2 * PERIOD + SECOND // 20, stamp=START + 2 * PERIOD, object_id=5, topic=APPLIED),
        prompt([(90, 110)], START + 4 * PERIOD + SECOND // 20, stamp=START + 3 * PERIOD, object_id=3, topic=APPLIED),
    )
    out = tmp_path / "out"
    given = [str(session), "--topic", "/camera", "--model", "nano", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *given])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert ended.value.code == 0
    rows = list(csv.DictReader((out / "larger" / "report.csv").open()))
    assert [(row["object"], row["label"], row["first_frame"], row["visible"]) for row in rows] == [
        ("3", "red", "0", "7"),
        ("5", "", "2", "5"),
    ]
    assert json.loads((out / "live" / "label.json").read_text())["settings"]["model"][0] == "nano"
    scores = json.loads((out / "scores" / "scores.json").read_text())
    assert (scores["summary"]["objects"], scores["summary"]["mean"]) == (2, 1.0)
