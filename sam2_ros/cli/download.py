"""`sam2_ros download`: downloads an official checkpoint to the cache, where `load_model` finds it."""

from __future__ import annotations

import argparse
from pathlib import Path

from sam2_ros.model.download import DOWNLOADS, cached_path
from sam2_ros.model.fetch import fetch


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser("download", help="download an official checkpoint and verify it")
    parser.add_argument("name", choices=DOWNLOADS, metavar="NAME", help=", ".join(DOWNLOADS))
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: a file in the cache")


def run(args: argparse.Namespace) -> int:
    """Download a checkpoint and print its path."""
    print(fetch(DOWNLOADS[args.name], args.output or cached_path(args.name)))
    return 0
