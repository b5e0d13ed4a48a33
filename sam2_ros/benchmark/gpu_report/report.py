"""Runs the parts one after another and keeps the report up to date."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...files import replacing
from .document import as_json, as_markdown
from .parts import Part, Row


@dataclass(frozen=True)
class Outcome:
    """What became of a part."""

    part: Part
    rows: list[Row]
    seconds: float
    problem: str = ""  # why it is not complete


def write_report(parts: Sequence[Part], device: str, is_smoke: bool, folder: Path) -> list[Outcome]:
    """Run the parts; after each, `gpu_report.json` and `gpu_report.md` in the folder hold all that is known.

    Beside them is the output of each part, and its rows as they come.
    """
    folder.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    for part in parts:
        print(f"{part.title} (at most {part.limit:g} s)", flush=True)
        outcomes.append(run_part(part, device, is_smoke, folder))
        with replacing(folder / "gpu_report.json") as path:
            path.write_text(json.dumps(as_json(outcomes), indent=2) + "\n")
        with replacing(folder / "gpu_report.md") as path:
            path.write_text(as_markdown(outcomes))
        print(f"    {len(outcomes[-1].rows)} rows in {outcomes[-1].seconds:.0f} s", outcomes[-1].problem, flush=True)
    return outcomes


def run_part(part: Part, device: str, is_smoke: bool, folder: Path) -> Outcome:
    """Run a part in a process, which is killed with its children when the time is up; its rows until then are kept."""
    rows, log = folder / f"{part.name}.jsonl", folder / f"{part.name}.log"
    rows.write_text("")
    command = [sys.executable, "-m", f"{__package__}.part", part.name, "--device", device, "--rows", str(rows)]
    start = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            command + ["--smoke"] * is_smoke, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            process.wait(part.limit)
        except subprocess.TimeoutExpired:
            problem = f"stopped after {part.limit:g} s, its limit; see {log.name}"
        else:
            problem = _last_line(log) if process.returncode else ""
        finally:
            _kill(process)
    return Outcome(part, _whole_rows(rows), time.monotonic() - start, problem)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process and of those that it started."""
    with suppress(ProcessLookupError):  # all have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _whole_rows(file: Path) -> list[Row]:
    """Without the last line where the process was killed while writing it."""
    return [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return f"{lines[-1] if lines else 'it ended without a message'} (see {log.name})"
