"""Connections to addresses that somebody else chose: only where they may go, only for so long.

The address that is checked is the one that is connected to: a name is looked up once, by us, so a
name that answers otherwise the second time gains nothing. What is refused is everything that is not
a public address: this machine, private and link-local networks, the metadata services of clouds.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import httpcore

from enricher.alerts.errors import DeliveryError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Sequence
    from ipaddress import IPv4Network, IPv6Network

Address = IPv4Address | IPv6Address
REFUSED = "address-refused"
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last bits
_COMPATIBLE = ipaddress.IPv6Network("::/96")
# A public address that within Azure is the host: Microsoft, "What is IP address 168.63.129.16?"
_HOSTS = frozenset({ipaddress.IPv4Address("168.63.129.16")})


def is_public(address: Address) -> bool:
    """Say whether an address is somewhere on the internet, whatever way it is written in."""
    inner = _within(address)
    if inner is not None:
        return is_public(inner)
    if isinstance(address, IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not address.is_multicast and address not in _HOSTS


def _within(address: Address) -> IPv4Address | None:
    """Give the IPv4 address that an IPv6 address leads to, where it does."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:
        return address.teredo[1]
    if address in _TRANSLATED or address in _COMPATIBLE:
        return IPv4Address(address.packed[-4:])
    return None


@dataclass(frozen=True, slots=True)
class Guard:
    """Where connections may go.

    Attributes:
        allowed: Networks that are not public and may be reached all the same.
    """

    allowed: Sequence[IPv4Network | IPv6Network] = ()

    def permits(self, address: Address) -> bool:
        """Say whether an address may be connected to."""
        return is_public(address) or any(address in network for network in self.allowed)

    def addresses(self, host: str, port: int) -> list[str]:
        """Look a name up.

        Raises:
            DeliveryError: If there is no such name, or any of its addresses may not be reached: a
                name that stands for both kinds is not to be trusted.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as err:
            raise DeliveryError("name-unknown") from err
        names = list(dict.fromkeys(str(one[4][0]) for one in found))
        if not all(self.permits(ipaddress.ip_address(one.partition("%")[0])) for one in names):
            raise DeliveryError(REFUSED)
        return names


class GuardedNetwork(httpcore.NetworkBackend):
    """The network of one exchange: guarded, and over at an instant.

    Args:
        guard: Where it may go.
        seconds: How long all of it may take.
    """

    def __init__(self, guard: Guard, seconds: float) -> None:
        self._guard = guard
        self._until = time.monotonic() + seconds
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - one end for all
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of a name's addresses that answers."""
        error: httpcore.ConnectError | None = None
        for address in self._guard.addresses(host, port):
            try:
                stream = self._network.connect_tcp(
                    address, port, left(self._until), local_address, socket_options
                )
            except httpcore.ConnectError as err:
                error = err
            else:
                return _TimedStream(stream, self._until)
        raise error or httpcore.ConnectError("no address")


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every step ends in time: many slow steps are no slower than one."""

    def __init__(self, stream: httpcore.NetworkStream, until: float) -> None:
        self._stream, self._until = stream, until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, left(self._until))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, left(self._until))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - one end for all
    ) -> httpcore.NetworkStream:
        inner = self._stream.start_tls(ssl_context, server_hostname, left(self._until))
        return _TimedStream(inner, self._until)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's own
        return self._stream.get_extra_info(info)


def left(until: float) -> float:
    """Give the seconds that are left.

    Raises:
        httpcore.ReadTimeout: If there are none.
    """
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout("the exchange took too long")
    return seconds
