"""Runs one part: python -m sam2_ros.benchmark.gpu_report.part NAME --device DEVICE --rows FILE [--smoke]

Each row is appended to the file as soon as it is measured, as a line of JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

from .parts import FULL, PARTS, SMOKE, LeftOutError


def main() -> None:
    """Ends with the reason in its last line where the part cannot run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=[part.name for part in PARTS])
    parser.add_argument("--device", required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args()
    part = importlib.import_module(f".{args.name}", __package__)
    try:
        with args.rows.open("a") as file:
            for row in part.rows(args.device, SMOKE if args.smoke else FULL):
                file.write(json.dumps(row) + "\n")
                file.flush()
    except LeftOutError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
