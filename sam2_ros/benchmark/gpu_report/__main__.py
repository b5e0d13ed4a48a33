"""python -m sam2_ros.benchmark.gpu_report, or `make gpu-report`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from .parts import PARTS
from .report import write_report

_NAMES = [part.name for part in PARTS]


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(
        "gpu_report", description="Measures this GPU in seven minutes and writes gpu_report.json and gpu_report.md."
    )
    parser.add_argument("--output", type=Path, default=Path("gpu_report"), metavar="DIR", help="default: gpu_report")
    parser.add_argument("--device", default="cuda", help="default: cuda")
    parser.add_argument("--parts", nargs="+", choices=_NAMES, default=_NAMES, help="only these (default: all)")
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="time limit of each part (default: its own)")
    parser.add_argument("--smoke", action="store_true", help="small networks and few frames: does every part run?")
    args = parser.parse_args()
    parts = [replace(part, limit=args.limit or part.limit) for part in PARTS if part.name in args.parts]
    write_report(parts, args.device, args.smoke, args.output)
    print((args.output / "gpu_report.md").read_text())


if __name__ == "__main__":
    main()
