"""The source enricher: where the call came from, and whether that can be believed (§8.1).

A request through a VPC endpoint bears the private address that it had in the VPC of the endpoint's
owner, who chooses the VPC's addresses, public ones included: whoever holds stolen keys can call
from any address at all. So a public address is worth something only where no VPC endpoint stands
between, or where AWS itself or the account that got the record owns it.

References:
    - CloudTrail User Guide, "record contents": ``sourceIPAddress``, ``vpcEndpointId``,
      ``vpcEndpointAccountId``.
    - identity.md §8.1.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

from enricher.enrichers.fields import BOOLEAN, IP, Field, keyword, word
from enricher.enrichers.interface import Contribution
from enricher.identity import keys
from enricher.identity.model import present

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from enricher.cloudtrail.record import Record
    from enricher.enrichers.interface import Context
    from enricher.identity.evidence import Evidence

PUBLIC, PRIVATE, AWS_SERVICE, AWS_INTERNAL = "public", "private", "aws-service", "aws-internal"
_INTERNAL = "AWS Internal"
_SERVICE_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")
_LONGEST_HOST = 256
_LONGEST_ENDPOINT = 128

# Not ``is_private``: that counts ranges that are reserved for examples too.
_PRIVATE_4 = tuple(
    IPv4Network(net)
    for net in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
    )
)
_PRIVATE_6 = tuple(IPv6Network(net) for net in ("fc00::/7", "fe80::/10", "::1/128"))


FIELDS = (
    Field("source.ip", IP, "the address, where there is one", "203.0.113.20"),
    Field(
        "source.kind",
        word(16),
        "`public`, `private`, `aws-service`, `aws-internal` (AWS hides the host)",
        "public",
    ),
    Field(
        "source.service",
        keyword(256),
        "the AWS service that made the call",
        "cloudformation.amazonaws.com",
    ),
    Field(
        "source.vpc_endpoint",
        keyword(128),
        "the VPC endpoint that it came through",
        "vpce-0d985940f92611b87",
    ),
    Field(
        "source.spoofable",
        BOOLEAN,
        "a public address through a VPC endpoint that is neither AWS's nor this account's, whose "
        "owner chose the address; absent where there is no public address",
        False,
    ),
)


class SourceEnricher:
    """Says where the call came from, and whether the address can be believed."""

    name = "source"
    version = 1
    fields = FIELDS
    reads = (
        "recipientAccountId",
        "sourceIPAddress",
        "userIdentity",
        "vpcEndpointAccountId",
        "vpcEndpointId",
    )

    def enrich(self, context: Context) -> Contribution:
        """Say where the call came from. What it gives may be shared: copy before you change it.

        Waits for nothing: that an endpoint is AWS's own may be learned later, and then the events
        through it are enriched again; those of a customer's endpoint would wait in vain.
        """
        record = context.record
        source = record.source_ip[:_LONGEST_HOST]
        host = _host(source)
        endpoint = record.vpc_endpoint
        service = _serving(record) if host.kind == AWS_INTERNAL else host.service
        if endpoint is None and service is host.service:
            return host.contribution
        chosen = (
            endpoint is not None
            and host.kind == PUBLIC
            and not _is_trusted(endpoint, record, context.resolver.evidence)
        )
        return _through(source, service, (endpoint or "")[:_LONGEST_ENDPOINT], chosen)


class _Host(NamedTuple):
    """What ``sourceIPAddress`` says, and the answer where nothing else speaks."""

    ip: str | None
    kind: str | None
    service: str | None
    contribution: Contribution


@lru_cache(maxsize=65_536)
def _host(source: str) -> _Host:
    """Read ``sourceIPAddress``: an address, a service's host, ``AWS Internal``, or damage."""
    ip, kind, service = _read(source)
    fields: dict[str, Any] = present({"ip": ip, "kind": kind, "service": service})
    if kind == PUBLIC:
        fields["spoofable"] = False
    contribution = Contribution(fields={"source": fields} if fields else {})
    return _Host(ip, kind, service, contribution)


@lru_cache(maxsize=4_096)
def _through(source: str, service: str | None, endpoint: str, chosen: bool) -> Contribution:  # noqa: FBT001 - positional, for the cache
    host = _host(source)
    fields = dict(host.contribution.fields.get("source", {}))
    if service:
        fields["service"] = service
    if endpoint:
        fields["vpc_endpoint"] = endpoint
    if host.kind == PUBLIC:
        fields["spoofable"] = chosen
    return Contribution(fields={"source": fields} if fields else {})


def _read(source: str) -> tuple[str | None, str | None, str | None]:
    """Give address, kind and service."""
    if source.startswith(_INTERNAL):
        return None, AWS_INTERNAL, None
    lowered = source.lower()
    if lowered.endswith(_SERVICE_HOSTS):
        return None, AWS_SERVICE, lowered
    address = _address(source)
    if address is None or address.is_unspecified:
        return None, None, None
    return str(address), PRIVATE if _is_private(address) else PUBLIC, None


def _address(source: str) -> IPv4Address | IPv6Address | None:
    if "%" in source:  # a zone means something on one host only, and no index takes it
        return None
    try:
        address = ip_address(source)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _is_private(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        return any(address in net for net in _PRIVATE_6)
    return any(address in net for net in _PRIVATE_4)


def _serving(record: Record) -> str | None:
    """Name the service behind ``AWS Internal``, where the caller's identity names it."""
    invoked_by = record.caller.invoked_by
    return invoked_by if invoked_by and invoked_by.endswith(_SERVICE_HOSTS) else None


def _is_trusted(endpoint: str, record: Record, evidence: Evidence) -> bool:
    """Whether AWS owns the endpoint, as stamped or as learned, or the account of the record."""
    owner = record.vpc_endpoint_account
    if owner is not None and owner in (_INTERNAL, record.recipient):
        return True
    return bool(evidence.facts(keys.endpoint(endpoint)))
