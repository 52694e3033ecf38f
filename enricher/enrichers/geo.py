"""The geo enricher: where a database says that the source address is, and whose network it is.

Optional, with a database of the user's own. What it says is the database's claim about an address,
not evidence about a person. Documents end equal whatever the order of deliveries as long as the
database is the same; with a newer one they are enriched again (docs/how-to/enrichers.md).
"""

from __future__ import annotations

import ipaddress
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
        """Take what knows addresses."""
        self._places = places

    def enrich(self, context: Context) -> Contribution:
        """Look the source address up."""
        record = context.record
        if not is_public(record.source_ip):
            return _NOTHING
        if record.vpc_endpoint and not is_aws_endpoint(record, context.resolver.evidence):
            return _NOTHING
        found = present(self._places(record.source_ip)._asdict())
        return Contribution(fields={"geo": found}) if found else _NOTHING


def is_public(address: str) -> bool:
    """Whether a source address is one of the public internet; most others are host names."""
    if not address or not (address[0].isdigit() or ":" in address):
        return False
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
