"""Fetches a file over the network so that only a whole, verified one is ever seen."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from .download import Download

_CHUNK = 1 << 16  # bytes
_TIMEOUT = (10.0, 30.0)  # seconds to connect, and without a byte
_ATTEMPTS = 5  # in a row without a new byte


class DownloadError(RuntimeError):
    """A file that could not be fetched; what has arrived of it is kept for the next try."""


class _UnreachableError(Exception):
    """No connection to the server could be made."""


def fetch(download: Download, target: Path, pause: float = 1.0) -> Path:
    """Bring a file to `target`, resuming what an earlier try left in `target`.partial.

    A target that is whole already is left alone. `pause` is the wait in seconds before a dropped connection is
    resumed, doubled for each time without a new byte. Raises DownloadError when the server cannot be reached (at once,
    unless it was reached before), answers with an error, or the file is not the expected one; OSError that names the
    file if it cannot be written.
    """
    if target.exists() and _sha256(target) == download.sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    _complete(download.url, partial, target, pause)
    digest = _sha256(partial)
    if digest != download.sha256:
        partial.unlink()
        raise DownloadError(
            f"{download.url} has SHA-256 {digest}, expected {download.sha256}; the damaged file was removed, run "
            "the command again"
        )
    partial.replace(target)
    return target


def _complete(url: str, partial: Path, target: Path, pause: float) -> None:
    """Fetch what `partial` lacks, in as many connections as it takes."""
    is_reached, failures = False, 0
    while True:
        have = _size(partial)
        try:
            if _receive(url, partial, have):
                return
            is_reached = True
        except _UnreachableError as error:
            if not is_reached:
                raise DownloadError(
                    f"cannot reach {urlsplit(url).hostname} ({error}); check the network and the proxy (HTTPS_PROXY), "
                    f"or fetch {url} on another machine and copy it to {target}"
                ) from error
        failures = 0 if _size(partial) > have else failures + 1
        if failures == _ATTEMPTS:
            raise DownloadError(
                f"{url} sent nothing {failures} times in a row; check the network, then run the same command again: "
                "it resumes where it stopped"
            )
        time.sleep(min(pause * 2**failures, 30.0))


def _receive(url: str, partial: Path, have: int) -> bool:
    """Append what `partial` lacks after `have` bytes; False where the connection broke on the way."""
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                return have > 0
            if 400 <= answer.status_code < 500:
                raise DownloadError(
                    f"{url} answered {answer.status_code} {answer.reason}; check the address and your proxy"
                )
            answer.raise_for_status()
            resumed = answer.status_code == requests.codes.partial_content
            rest = int(answer.headers.get("Content-Length", 0))
            start = have if resumed else 0
            _append(answer, partial, start, rest)
            return _size(partial) == start + rest
    except requests.exceptions.RequestException as error:
        if _is_unreachable(error):
            raise _UnreachableError(_reason(error)) from error
        tqdm.write(f"connection to {url} broke ({_reason(error)}); resuming", file=sys.stderr)
        return False


def _is_unreachable(error: requests.exceptions.RequestException) -> bool:
    """Whether no connection was made, so that a retry at once would fail alike."""
    kinds = (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError)
    return isinstance(error, kinds) or any(
        isinstance(cause, (socket.gaierror, ConnectionRefusedError))
        or (isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH))
        for cause in _causes(error)
    )


def _reason(error: BaseException) -> str:
    """The operating system's words for what went wrong, without those of the layers above."""
    deepest = _causes(error)[-1]
    return str(getattr(deepest, "strerror", None) or deepest)


def _causes(error: BaseException) -> list[BaseException]:
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    return causes


def _append(answer: requests.Response, partial: Path, start: int, rest: int) -> None:
    bar = tqdm(total=start + rest, initial=start, unit="B", unit_scale=True, desc=partial.stem)
    with bar, partial.open("ab" if start else "wb", buffering=0) as file:
        for chunk in answer.iter_content(_CHUNK):
            unwritten = memoryview(chunk)
            try:
                while unwritten:
                    unwritten = unwritten[file.write(unwritten) :]
            except OSError as error:
                raise OSError(error.errno, error.strerror, os.fspath(partial)) from error
            bar.update(len(chunk))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
