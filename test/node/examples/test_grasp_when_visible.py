"""The client of the action ~/track_object beside the real node: a block that is hidden for a while."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sam2_ros.msg import Click

DISTANCE = 0.8  # metres, of the table's block


def test_it_waits_while_the_object_is_hidden_and_then_prints_where_to_grasp_it(
    table: Any, client: Callable[..., Any]
) -> None:
    tracked = table.robot.add(clicks=[Click(x=60.0, y=50.0)]).object_id
    hidden = lambda: table.robot.tracks[-1].tracks and not table.robot.tracks[-1].tracks[0].area  # noqa: E731
    table.show_until(hidden, "occlusion", hidden=True)
    process, out = client("grasp_when_visible.py", "--object", str(tracked))
    table.show_until(lambda: "waiting: not seen" in out.read_text(), "waiting client", hidden=True)
    assert process.poll() is None
    table.show_until(lambda: process.poll() is not None, "answer of the client")
    assert process.returncode == 0, out.read_text()
    text = re.search(r"grasp at \((.*), (.*), (.*)\) m in optical", out.read_text())
    assert text is not None, out.read_text()
    x, y, z = map(float, text.groups())
    assert z == pytest.approx(DISTANCE, abs=1e-3)
    assert (x, y) == pytest.approx((0.0, (49.5 - 47.5) / 200 * DISTANCE), abs=0.02)
    table.show()
    assert [track.id for track in table.robot.tracks[-1].tracks] == [tracked]


def test_a_click_starts_the_object(table: Any, client: Callable[..., Any]) -> None:
    process, out = client("grasp_when_visible.py", "--click", "60,50")
    table.show_until(lambda: process.poll() is not None, "answer of the client")
    assert process.returncode == 0 and f"{DISTANCE:.3f}) m in optical" in out.read_text(), out.read_text()


def test_it_says_why_there_is_no_grasp(table: Any, client: Callable[..., Any]) -> None:
    process, out = client("grasp_when_visible.py", "--object", "99")
    table.robot.wait_for(lambda: process.poll() is not None, "answer of the client")
    assert process.returncode == 1
    assert "no grasp: there is no object 99; the objects are: none" in out.read_text()
