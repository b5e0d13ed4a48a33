"""The report's tables."""

from sam2_ros.benchmark.gpu_report.document import as_json, as_markdown
from sam2_ros.benchmark.gpu_report.parts import Part
from sam2_ros.benchmark.gpu_report.report import Outcome

PART = Part("speed", "Speed", 90)


def lines(outcome: Outcome) -> list[str]:
    return [line for line in as_markdown([outcome]).splitlines() if line]


def test_a_part_is_a_table_of_all_columns_of_its_rows() -> None:
    rows = [{"model": "a|b", "median (ms)": 1.23456}, {"model": "c", "memory (MB)": 4096.0}]
    assert lines(Outcome(PART, rows, 1.0)) == [
        "## Speed",
        "| model | median (ms) | memory (MB) |",
        "|-|-|-|",
        r"| a\|b | 1.235 |  |",
        "| c |  | 4096 |",
    ]


def test_stages_are_text_and_lists_are_left_to_the_json() -> None:
    rows = [{"stages": {"encode": 1.0, "decode": 0.25}, "ious": [0.5, 1.0]}]
    assert lines(Outcome(PART, rows, 1.0))[1:] == ["| stages |", "|-|", "| encode 1, decode 0.25 |"]
    assert as_json([Outcome(PART, rows, 1.0)])["speed"]["rows"] == rows


def test_a_part_that_is_not_complete_says_why() -> None:
    assert lines(Outcome(PART, [], 90.0, "stopped after 90 s")) == ["## Speed", "Not complete: stopped after 90 s"]
