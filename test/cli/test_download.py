"""`sam2_ros download` against a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sam2_ros.cli import main
from sam2_ros.model.download import DOWNLOADS, Download

NAME = "sam2.1_hiera_tiny"
CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that the server offers under NAME."""
    folder = tmp_path / "server"
    folder.mkdir()
    file = folder / f"{NAME}.pt"
    file.write_bytes(CONTENT)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{file.name}"
        monkeypatch.setitem(DOWNLOADS, NAME, Download(url, hashlib.sha256(CONTENT).hexdigest()))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("SAM2_ROS_CACHE", str(tmp_path / "cache"))
        yield file
        server.shutdown()


def test_a_checkpoint_is_written_to_the_cache_of_load_model(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download", NAME]) == 0
    target = tmp_path / "cache" / f"{NAME}.pt"
    assert target.read_bytes() == CONTENT
    captured = capsys.readouterr()
    assert captured.out.strip() == str(target)
    assert NAME in captured.err and "100%" in captured.err  # the progress bar


def test_a_checkpoint_is_written_to_the_given_output(published: Path, tmp_path: Path) -> None:
    assert main(["download", NAME, "--output", str(tmp_path / "tiny.pt")]) == 0
    assert (tmp_path / "tiny.pt").read_bytes() == CONTENT


def test_a_damaged_file_is_an_error(published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published.write_bytes(CONTENT[1:])
    assert main(["download", NAME]) == 1
    assert "expected " + hashlib.sha256(CONTENT).hexdigest() in capsys.readouterr().err
    assert not list((tmp_path / "cache").iterdir())


def test_a_missing_file_is_an_error(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published.unlink()
    assert main(["download", NAME]) == 1
    assert "answered 404" in capsys.readouterr().err
