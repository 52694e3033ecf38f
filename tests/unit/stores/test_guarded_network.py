"""Where a webhook may lead: nowhere but to public addresses, however they are spelt."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from typing import Any

import httpcore
import pytest

from enricher.alerts.errors import DeliveryError
from enricher.stores.guarded_network import Guard, GuardedNetwork, is_public

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",  # noqa: S104 - refused
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_others_may_not(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not Guard().permits(ip_address(address))


def test_what_is_allowed_may_be_reached_and_nothing_beside_it() -> None:
    guard = Guard((ip_network("10.1.2.0/24"), ip_network("fd00:1::/64")))
    assert guard.permits(ip_address("10.1.2.3"))
    assert guard.permits(ip_address("fd00:1::7"))
    assert not guard.permits(ip_address("10.1.3.3"))
    assert not guard.permits(ip_address("169.254.169.254"))


def _answering(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let names stand for these addresses, another list at each look-up."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: object) -> list[Any]:
        found = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_a_name_with_any_address_that_is_not_public_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _answering(monkeypatch, ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(DeliveryError, match="address-refused"):
        Guard().addresses("mixed.example", 443)


def test_a_name_is_looked_up_once_and_that_address_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that stands for this machine the second time has no second time."""
    asked = _answering(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    reached: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        reached.append(address)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", connect)
    network = GuardedNetwork(Guard(), 5)
    with pytest.raises(httpcore.ConnectError):
        network.connect_tcp("rebinding.example", 443)
    assert asked == ["rebinding.example"]
    assert reached == [("93.184.216.34", 443)]


def test_a_name_that_nobody_knows_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DeliveryError, match="name-unknown"):
        Guard().addresses("nowhere.example", 443)
