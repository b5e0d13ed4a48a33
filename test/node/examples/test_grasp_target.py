"""The grasp client beside the real node: a block that is hidden for a while."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sam2_ros.msg import Click

DISTANCE = 0.8  # metres, of the table's block


def test_it_waits_while_the_object_is_hidden_and_then_prints_where_to_grasp_it(
    table: Any, client: Callable[..., Any]
) -> None:
    table.robot.add(label="block", clicks=[Click(x=60.0, y=50.0)])
    hidden = lambda: table.robot.tracks[-1].tracks and not table.robot.tracks[-1].tracks[0].area  # noqa: E731
    table.show_until(hidden, "occlusion", hidden=True)
    process, out = client("grasp_target.py", "--label", "block")
    table.show_until(lambda: "waiting: it is not visible" in out.read_text(), f"waiting client: {out}", hidden=True)
    assert process.poll() is None
    table.show_until(lambda: process.poll() is not None, "answer of the client")
    assert process.returncode == 0, out.read_text()
    text = re.search(r"grasp object (\d+) at \((.*), (.*), (.*)\) m in optical; (\d+) points", out.read_text())
    assert text is not None, out.read_text()
    x, y, z = map(float, text.groups()[1:4])
    assert z == pytest.approx(DISTANCE, abs=1e-3)
    assert (x, y) == pytest.approx((0.0, (49.5 - 47.5) / 200 * DISTANCE), abs=0.02)
    assert int(text[5]) == pytest.approx(1600, rel=0.2)


def test_a_click_starts_the_object(table: Any, client: Callable[..., Any]) -> None:
    process, out = client("grasp_target.py", "--click", "60,50")
    table.show_until(lambda: process.poll() is not None, "answer of the client")
    assert process.returncode == 0 and f"{DISTANCE:.3f}) m in optical" in out.read_text(), out.read_text()
