"""A download ends with the whole, verified file or with a clear message, whatever the server does on the way."""

import hashlib
import random
import resource
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sam2_ros.model.download import Download
from sam2_ros.model.fetch import DownloadError, fetch

CONTENT = random.Random(0).randbytes(1_000_000)


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    content: bytes = CONTENT
    drop_after: int = 0  # bytes of an answer after which the connection is cut, 0: never
    drops: int = 10**6  # how often that happens
    resumes: bool = True  # whether it honours Range
    status: int = 200
    ranges: list[str | None] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def do_GET(self) -> None:
        behaviour = self.behaviour
        behaviour.ranges.append(self.headers.get("Range"))
        if behaviour.status != 200:
            self.send_error(behaviour.status)
            return
        start = self._start() if behaviour.resumes else 0
        if start >= len(behaviour.content):
            self.send_error(416)
            return
        rest = behaviour.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if behaviour.drop_after and behaviour.drops > 0:
            behaviour.drops -= 1
            rest = rest[: behaviour.drop_after]
        self.wfile.write(rest)
        self.close_connection = True

    def _start(self) -> int:
        return int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour()


@pytest.fixture
def server(behaviour: Behaviour) -> Iterator[ThreadingHTTPServer]:
    """On this machine."""
    handler = type("BehavingHandler", (Handler,), {"behaviour": behaviour})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def download(server: ThreadingHTTPServer) -> Download:
    """What the server offers."""
    return Download(f"http://127.0.0.1:{server.server_port}/file.pt", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "file.pt"


def partial(target: Path) -> Path:
    return target.with_name("file.pt.partial")


def failure(download: Download, target: Path) -> str:
    with pytest.raises(DownloadError) as caught:
        fetch(download, target, pause=0)
    assert not target.exists()
    return str(caught.value)


def test_a_file_arrives_whole(download: Download, target: Path) -> None:
    assert fetch(download, target) == target
    assert target.read_bytes() == CONTENT
    assert not partial(target).exists()


def test_dropped_connections_are_taken_up_where_they_broke(
    behaviour: Behaviour, download: Download, target: Path
) -> None:
    behaviour.drop_after = 150_000  # seven connections, more than the tries that may bring nothing
    assert fetch(download, target, pause=0).read_bytes() == CONTENT
    assert len(behaviour.ranges) >= 7
    assert len(set(behaviour.ranges)) == len(behaviour.ranges)


def test_a_server_that_cannot_resume_is_asked_from_the_start(
    behaviour: Behaviour, download: Download, target: Path
) -> None:
    behaviour.resumes, behaviour.drop_after, behaviour.drops = False, 300_000, 2
    assert fetch(download, target, pause=0).read_bytes() == CONTENT


def test_what_an_earlier_command_left_is_not_fetched_again(
    behaviour: Behaviour, download: Download, target: Path
) -> None:
    target.parent.mkdir()
    partial(target).write_bytes(CONTENT[:700_000])
    fetch(download, target)
    assert behaviour.ranges == ["bytes=700000-"]
    assert target.read_bytes() == CONTENT


def test_what_an_earlier_command_left_may_be_everything(behaviour: Behaviour, download: Download, target: Path) -> None:
    target.parent.mkdir()
    partial(target).write_bytes(CONTENT)
    assert fetch(download, target).read_bytes() == CONTENT


def test_a_whole_file_is_left_alone(behaviour: Behaviour, download: Download, target: Path) -> None:
    fetch(download, target)
    fetch(download, target)
    assert len(behaviour.ranges) == 1


def test_a_damaged_file_is_fetched_anew(download: Download, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"cut off")
    assert fetch(download, target).read_bytes() == CONTENT


def test_damaged_content_is_refused_and_removed(behaviour: Behaviour, download: Download, target: Path) -> None:
    behaviour.content = CONTENT[:-1] + b"!"
    message = failure(download, target)
    assert download.sha256 in message and hashlib.sha256(behaviour.content).hexdigest() in message
    assert "run the command again" in message
    assert not partial(target).exists()


def test_an_answer_of_404_fails_at_once(behaviour: Behaviour, download: Download, target: Path) -> None:
    behaviour.status = 404
    assert f"{download.url} answered 404 Not Found" in failure(download, target)
    assert len(behaviour.ranges) == 1


def test_a_server_in_trouble_is_asked_several_times(behaviour: Behaviour, download: Download, target: Path) -> None:
    behaviour.status = 503
    assert "sent nothing 5 times in a row" in failure(download, target)
    assert len(behaviour.ranges) == 5


def test_a_server_that_stops_for_good_leaves_what_it_sent(
    behaviour: Behaviour, download: Download, target: Path
) -> None:
    behaviour.resumes, behaviour.drop_after = False, 300_000
    assert "resumes where it stopped" in failure(download, target)
    assert CONTENT.startswith(partial(target).read_bytes())
    assert partial(target).stat().st_size > 200_000


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://127.0.0.1:9/file.pt", r"cannot reach 127.0.0.1 \(Connection refused\)"),
        ("http://no-such-host.invalid/file.pt", r"cannot reach no-such-host.invalid \(.*(known|resolution)"),
    ],
)
def test_without_a_network_one_line_tells_so_at_once(
    url: str, problem: str, target: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DownloadError, match=problem) as caught:
        fetch(Download(url, ""), target, pause=1000.0)
    assert f"fetch {url} on another machine and copy it to {target}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_proxy_that_is_not_there_is_named(download: Download, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match="check the network and the proxy"):
        fetch(download, target, pause=1000.0)


def test_a_server_that_goes_away_half_way_is_waited_for(
    behaviour: Behaviour, server: ThreadingHTTPServer, download: Download, target: Path
) -> None:
    """It is restarted: for a moment its port refuses connections."""
    behaviour.drop_after, behaviour.drops = 300_000, 1

    def restart() -> None:
        while not behaviour.ranges:
            time.sleep(0.01)
        server.shutdown()
        server.server_close()
        time.sleep(0.3)
        again = ThreadingHTTPServer(server.server_address[:2], server.RequestHandlerClass)
        again.serve_forever(0.01)

    threading.Thread(target=restart, daemon=True).start()
    assert fetch(download, target, pause=0.1).read_bytes() == CONTENT


def test_a_full_disk_names_the_file_and_keeps_what_fits(download: Download, target: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            fetch(download, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(partial(target))
    assert partial(target).read_bytes() == CONTENT[:400_000]
    assert fetch(download, target).read_bytes() == CONTENT
