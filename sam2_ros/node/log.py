"""What the node logs: how often a message is repeated, and the warnings of Python's packages."""

from __future__ import annotations

import logging
from typing import Any

THROTTLE_PERIOD = 5.0  # seconds, for throttle_duration_sec of warnings that would repeat with every image


class RosLog(logging.Handler):
    """Passes the records of a Python logger on to the node's."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log a line."""
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)
