"""Who may use the panel: programs on this machine, or whoever has the token; never the page of another site."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class Access:
    """Where the panel listens, and the token that it wants; none where only this machine reaches it."""

    host: str
    port: int
    token: str = ""

    @classmethod
    def to(cls, host: str, port: int) -> Access:
        """With a new token, unless `host` is this machine's loopback. Raises ValueError."""
        if not 0 <= port < 65536:
            raise ValueError(f"port is {port}, expected 1 to 65535, or 0 for any free one")
        if not host:
            raise ValueError(
                "host is empty, expected an address of this machine: 127.0.0.1, or 0.0.0.0 for all of them"
            )
        return cls(host, port, "" if is_loopback(host) else secrets.token_urlsafe(24))

    def accepts(self, token: str) -> bool:
        """Whether this is the token; takes the same time for every wrong one."""
        return hmac.compare_digest(token.encode(errors="replace"), self.token.encode())

    def addresses(self, port: int) -> list[str]:
        """What to open in a browser, with the token after #: browsers keep that part to themselves."""
        hosts = [self.host]
        if self.host in ("0.0.0.0", "::"):
            hosts = [*filter(None, (_own_address(),)), socket.gethostname()]
        fragment = f"/#{self.token}" if self.token else "/"
        return [f"http://{f'[{host}]' if ':' in host else host}:{port}{fragment}" for host in hosts]

    def refusal(self, headers: Mapping[str, str]) -> str:
        """Why a connection with these HTTP headers is refused; empty: it is not.

        A browser names the page that connects (Origin) and the address that it asked for (Host). Without a token, Host
        has to be this machine: else a page of another site could have its name lead here.
        """
        host = headers.get("Host", "")
        if not self.token and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return f"the address is {host}, expected 127.0.0.1 or localhost: for other machines set host to 0.0.0.0"
        origin = headers.get("Origin", "")
        if urlsplit(origin).netloc.lower() != host.lower() or not origin:
            return f"the page is from {origin or 'nowhere'}, expected http://{host}"
        return ""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _own_address() -> str:
    """The address by which this machine is reached in its network, empty where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            return ""
        return str(probe.getsockname()[0])
