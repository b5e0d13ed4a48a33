"""Part: the tests that need a GPU, each file in a process of its own: an error of the device ends no other file."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from .parts import Extent, LeftOutError, Row

ROOT = Path(__file__).resolve().parents[3]
_MARKER = re.compile(r"^(\s*@|pytestmark\b).*\bpytest\.mark\.cuda\b", re.MULTILINE)  # of a test or of a file


def rows(device: str, extent: Extent) -> Iterator[Row]:
    """The outcomes in each file. Raises LeftOutError without pytest or without the tests."""
    if importlib.util.find_spec("pytest") is None:
        raise LeftOutError("pytest is not installed: pip install pytest, or carry it along")
    files = cuda_files(ROOT / "test")
    if not files:
        raise LeftOutError(f"{ROOT} has no test with the marker cuda: run this in a checkout of the repository")
    for file in files:
        yield {"file": str(file.relative_to(ROOT)), **_outcomes(file)}


def cuda_files(folder: Path) -> list[Path]:
    """Test files that have the marker."""
    return sorted(file for file in folder.rglob("test_*.py") if _MARKER.search(file.read_text()))


def _outcomes(file: Path) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        options = ["-q", "-m", "cuda", "-p", "no:cacheprovider", f"--junitxml={results}"]
        done = subprocess.run([sys.executable, "-m", "pytest", *options, str(file)], cwd=ROOT)
        if not results.exists():
            return {"problem": f"pytest ended with exit code {done.returncode}"}
        return read_outcomes(results)


def read_outcomes(results: Path) -> Row:
    """Counts, and the names of failed tests, from JUnit's XML."""
    cases = list(ElementTree.parse(results).iter("testcase"))
    failed = [case.get("name", "") for case in cases if {"failure", "error"} & {child.tag for child in case}]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return {
        "passed": len(cases) - len(failed) - skipped,
        "skipped": skipped,
        "failed": len(failed),
        "names": ", ".join(failed),
    }
