"""`label.json`: what a folder of labels was made from, and whether it is complete, so that a run can be repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from sam2_ros.files import replacing

from .outputs.writer import NAMES
from .prompts import PlannedPrompt

FILE, SUMMARY = "label.json", "label_summary.csv"  # the latter of several recordings


class OutputFolderError(ValueError):
    """A folder that cannot take the labels; the message says why and what to do."""


@dataclass(frozen=True)
class Run:
    """One stream's labels."""

    settings: Mapping[str, Any]  # everything that the labels depend on
    is_finished: bool = False
    frames: int = 0
    objects: list[str] = field(default_factory=list)  # a line for each
    problems: list[str] = field(default_factory=list)
    is_partial: bool = False  # a prompt was not used, or the recording could not be read to its end


def read_run(folder: Path) -> Run | None:
    """The run that a folder belongs to. Raises OutputFolderError for files of somebody else."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        known = {entry.name for entry in fields(Run)}
        return Run(**content) if content.keys() == known else Run(settings=content["settings"])  # of another version
    except FileNotFoundError:
        if folder.exists() and not folder.is_dir():
            raise OutputFolderError(f"--out {folder} is a file, expected a folder: choose another name") from None
    except (ValueError, AttributeError, KeyError):
        raise _foreign(folder / FILE) from None
    for name in NAMES:
        if (folder / name).exists():
            raise _foreign(folder / name)
    return None


def finished_run(folder: Path, wanted: Run) -> Run | None:
    """The run that a folder belongs to, if it did the same, completely. Raises OutputFolderError."""
    run = read_run(folder)
    return run if run and run.is_finished and run.settings == wanted.settings else None


def write_run(folder: Path, run: Run) -> None:
    """Wholly or not at all. Raises OSError that names the file."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / FILE) as partial:
        partial.write_text(json.dumps(vars(run), indent=2) + "\n", encoding="utf-8")


def check_apart(folder: Path, inputs: Iterable[Path]) -> None:
    """Raises OutputFolderError where labels in this folder would overwrite one of these files or folders."""
    written = {(folder / name).resolve() for name in (*NAMES, FILE)}
    for file in inputs:
        if written & {file.resolve(), *file.resolve().parents}:
            raise OutputFolderError(f"labels in --out {folder} would overwrite {file}, an input: choose another folder")


def identity_of(path: Path) -> list[list[str | int]]:
    """A recording's files with their sizes and times, by which a changed one is noticed."""
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def digest_of(prompts: Iterable[PlannedPrompt]) -> str:
    """Of prompts and their masks."""
    digest = hashlib.sha256()
    for planned in prompts:
        prompt = planned.prompt
        digest.update(repr((planned.object, planned.moment, prompt.clicks, prompt.box, prompt.label)).encode())
        if prompt.mask is not None:
            digest.update(repr(prompt.mask.shape).encode() + np.packbits(prompt.mask).tobytes())
    return digest.hexdigest()


def _foreign(file: Path) -> OutputFolderError:
    return OutputFolderError(f"{file} exists and is not from an earlier run: move it, or choose another --out")
