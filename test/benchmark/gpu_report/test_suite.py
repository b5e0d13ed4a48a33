"""The tests that need a GPU are found and their outcomes are read."""

import importlib.util
from pathlib import Path

import pytest

from sam2_ros.benchmark.gpu_report import suite
from sam2_ros.benchmark.gpu_report.parts import SMOKE, LeftOutError

MARKED = "import pytest\n\n@pytest.mark.cuda\ndef test_{0}() -> None:\n    {1}\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(suite, "ROOT", tmp_path)
    (tmp_path / "setup.cfg").write_text("[tool:pytest]\nmarkers = cuda: needs a GPU\n")
    tests = tmp_path / "test"
    tests.mkdir()
    return tests


def test_every_file_with_the_marker_has_its_outcomes(repository: Path) -> None:
    (repository / "test_a.py").write_text(MARKED.format("works", "pass") + "\ndef test_else() -> None:\n    assert 0\n")
    skipped = MARKED.format("is_left_out", "pytest.skip('no')").replace("import pytest", "")
    (repository / "test_b.py").write_text(MARKED.format("fails", "assert 0") + skipped)
    (repository / "test_c.py").write_text("def test_unmarked() -> None:\n    assert 0\n")
    first, second = suite.rows("cpu", SMOKE)
    assert first == {"file": "test/test_a.py", "passed": 1, "skipped": 0, "failed": 0, "names": ""}
    assert second == {"file": "test/test_b.py", "passed": 0, "skipped": 1, "failed": 1, "names": "test_fails"}


def test_a_file_that_cannot_be_imported_counts_as_failed(repository: Path) -> None:
    (repository / "test_a.py").write_text("import nowhere\n\npytestmark = pytest.mark.cuda\n")
    (row,) = suite.rows("cpu", SMOKE)
    assert (row["passed"], row["failed"]) == (0, 1)


def test_without_tests_or_pytest_it_says_what_is_missing(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LeftOutError, match="no test with the marker cuda"):
        next(suite.rows("cpu", SMOKE))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LeftOutError, match="pytest is not installed"):
        next(suite.rows("cpu", SMOKE))


def test_this_repository_has_such_tests() -> None:
    assert Path("test/benchmark/test_stages.py") in [
        file.relative_to(suite.ROOT) for file in suite.cuda_files(suite.ROOT / "test")
    ]
