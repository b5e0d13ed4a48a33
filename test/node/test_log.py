"""Warnings of the tracker, such as that CUDA graphs are switched off, reach the node's log."""

import logging

from sam2_ros.node.log import RosLog


class Noted:
    """Stands for the logger of a node."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def error(self, text: str) -> None:
        self.lines.append(("error", text))

    def warning(self, text: str) -> None:
        self.lines.append(("warning", text))

    def info(self, text: str) -> None:
        self.lines.append(("info", text))


def test_records_keep_their_level_and_arguments() -> None:
    noted, logger = Noted(), logging.getLogger("sam2_ros.test_log")
    handler = RosLog(noted)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        logger.info("%d graphs", 3)
        logger.getChild("part").warning("switched off")
        logger.error("failed")
    finally:
        logger.removeHandler(handler)
    assert noted.lines == [("info", "3 graphs"), ("warning", "switched off"), ("error", "failed")]
