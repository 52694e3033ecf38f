"""The geo enricher: where a database says that the source address is, and whose network it is.

Optional, with a database of the user's own. What it says is the database's claim about an address,
not evidence about a person. Documents end equal whatever the order of deliveries as long as the
database is the same; with a newer one they are enriched again (docs/how-to/enrichers.md).
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from enricher.enrichers.fields import LONG, Field, keyword
from enricher.enrichers.interface import Contribution
from enricher.identity.access import is_aws_endpoint
from enricher.identity.model import present

if TYPE_CHECKING:
    from collections.abc import Callable

    from enricher.enrichers.interface import Context


class Place(NamedTuple):
    """What a database says of an address; what it does not say is None.

    Attributes:
        country: ISO 3166-1 code of two letters.
        asn: Number of the autonomous system that announces it.
        as_organization: Whom that is registered to.
    """

    country: str | None = None
    city: str | None = None
    asn: int | None = None
    as_organization: str | None = None


Places: TypeAlias = "Callable[[str], Place]"
"""What is known of an address."""

_ADDRESSES = 65_536
_LONGEST_ADDRESS = 45  # characters, of IPv6 with an IPv4 address at its end
_NOTHING = Contribution(fields={})


def nowhere(_address: str) -> Place:
    """Know no address."""
    return Place()


class GeoEnricher:
    """Says where the source address of a record is.

    Nothing is said of private addresses and host names, nor of an address that came through a
    VPC endpoint which is not AWS's own: its owner chooses it (identity.md §8.1).
    """

    name = "geo"
    version = 1
    reads = ("eventSource", "sourceIPAddress", "vpcEndpointAccountId", "vpcEndpointId")
    fields = (
        Field("geo.country", keyword(2), "country of the source address, ISO 3166-1", "DE"),
        Field("geo.city", keyword(256), "its city, in English", "Berlin"),
        Field("geo.asn", LONG, "number of the autonomous system that announces it", 64496),
        Field(
            "geo.as_organization",
            keyword(256),
            "whom that autonomous system is registered to",
            "Example Net",
        ),
    )

    def __init__(self, places: Places) -> None:
        """Take what knows addresses; each is asked for once, as addresses recur."""
        self._places = places
        self._known = lru_cache(maxsize=_ADDRESSES)(self._say)

    def enrich(self, context: Context) -> Contribution:
        """Look the source address up."""
        record = context.record
        # Longer than any address spelled in full: a name, or an invention.
        if not 0 < len(record.source_ip) <= _LONGEST_ADDRESS:
            return _NOTHING
        if record.vpc_endpoint and not is_aws_endpoint(record, context.resolver.evidence):
            return _NOTHING
        return self._known(record.source_ip)

    def _say(self, address: str) -> Contribution:
        found = present(self._places(address)._asdict()) if is_public(address) else None
        return Contribution(fields={"geo": found}) if found else _NOTHING


def is_public(address: str) -> bool:
    """Whether a source address is one of the public internet; most others are host names."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
