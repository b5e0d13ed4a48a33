"""Runs one part: python -m sam2_ros.benchmark.gpu_report.part NAME --device DEVICE --rows FILE [--smoke]

Each row is appended to the file as soon as it is measured, as a line of JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
from pathlib import Path

from .parts import FULL, PARTS, SMOKE, LeftOutError, Row


class Warnings(logging.Handler):
    """Keeps the package's warnings, such as that CUDA graphs are switched off."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self._messages.append(record.getMessage())

    def taken(self) -> Row:
        """A cell with the messages since the last call; none where there were none."""
        messages, self._messages = self._messages, []
        return {"warnings": "; ".join(messages)} if messages else {}


def main() -> None:
    """Ends with the reason in its last line where the part cannot run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=[part.name for part in PARTS])
    parser.add_argument("--device", required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    part = importlib.import_module(f".{args.name}", __package__)
    warnings = Warnings()
    logging.getLogger("sam2_ros").addHandler(warnings)
    try:
        with args.rows.open("a") as file:
            for row in part.rows(args.device, SMOKE if args.smoke else FULL):
                file.write(json.dumps({**row, **warnings.taken()}) + "\n")
                file.flush()
    except LeftOutError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
