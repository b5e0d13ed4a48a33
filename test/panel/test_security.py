"""Who may use the panel."""

from pathlib import Path

import pytest

from sam2_ros.panel.security import Access, is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_recognised(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_other_machines_need_a_token_that_is_new_each_time() -> None:
    assert Access.to("127.0.0.1", 8080).token == ""
    tokens = {Access.to(host, 8080).token for host in ("0.0.0.0", "0.0.0.0", "::", "192.168.1.5")}
    assert len(tokens) == 4 and all(len(token) == 32 for token in tokens)


def test_only_the_token_is_accepted() -> None:
    access = Access.to("0.0.0.0", 8080)
    assert access.accepts(access.token)
    for wrong in ("", "guess", access.token[:-1], access.token + "x", "ä" * 32, "\ud800"):
        assert not access.accepts(wrong)
    assert Access.to("127.0.0.1", 8080).accepts("")


def test_addresses_carry_the_token_where_servers_and_logs_do_not_see_it() -> None:
    access = Access.to("0.0.0.0", 0)
    addresses = access.addresses(8123)
    assert addresses and all(address.endswith(f":8123/#{access.token}") for address in addresses)
    assert Access.to("127.0.0.1", 0).addresses(8123) == ["http://127.0.0.1:8123/"]
    assert Access.to("::1", 0).addresses(8123) == ["http://[::1]:8123/"]


LOCAL, OPEN = Access.to("127.0.0.1", 8080), Access.to("0.0.0.0", 8080)


@pytest.mark.parametrize(
    ("access", "host", "origin", "reason"),
    [
        (LOCAL, "127.0.0.1:8080", "http://127.0.0.1:8080", ""),
        (LOCAL, "localhost:9000", "http://localhost:9000", ""),  # through ssh -L 9000:localhost:8080
        (LOCAL, "[::1]:8080", "http://[::1]:8080", ""),
        (OPEN, "robot:8080", "http://robot:8080", ""),
        (OPEN, "robot:8080", "https://robot:8080", ""),  # behind a proxy
        (LOCAL, "127.0.0.1:8080", "http://evil.example", "the page is from http://evil.example"),
        (LOCAL, "127.0.0.1:8080", "http://127.0.0.1:9999", "the page is from http://127.0.0.1:9999"),
        (LOCAL, "127.0.0.1:8080", "null", "the page is from null"),
        (LOCAL, "127.0.0.1:8080", "", "the page is from nowhere"),
        (LOCAL, "evil.example:8080", "http://evil.example:8080", "the address is evil.example:8080"),  # DNS rebinding
        (LOCAL, "", "", "the address is "),
        (OPEN, "robot:8080", "http://robot:8080.evil.example", "the page is from"),
        (OPEN, "robot:8080", "http://robot", "the page is from http://robot"),
    ],
)
def test_a_page_of_another_site_is_refused(access: Access, host: str, origin: str, reason: str) -> None:
    said = access.refusal({"Host": host, "Origin": origin})
    assert said.startswith(reason) if reason else said == ""


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [("127.0.0.1", 65536, "port is 65536"), ("127.0.0.1", -1, "port is -1"), ("", 8080, "host is empty")],
)
def test_an_impossible_address_is_refused(host: str, port: int, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Access.to(host, port)


def test_the_page_names_no_external_address() -> None:
    for file in (Path(__file__).resolve().parents[2] / "sam2_ros" / "panel" / "static").iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")  # a name, which nothing loads
        assert "http://" not in text and "https://" not in text, file
