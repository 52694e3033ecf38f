"""Records as CloudTrail writes them, version 1.11.

References:
    - AWS CloudTrail User Guide, "CloudTrail record contents for management, data, and network
      activity events": members and their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tools.trailgen.organization import GLOBAL_REGION
from tools.trailgen.times import stamp

Json = dict[str, Any]

_GLOBAL_SERVICES = frozenset({"iam", "organizations", "route53", "cloudfront"})


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked for, and what the service answered.

    Attributes:
        service: Its endpoint prefix, e.g. ``s3``.
        name: ``eventName``.
        request: ``requestParameters``.
        response: ``responseElements``.
        resources: ``resources``; left out of the record when empty.
        host: Host header; by default the service's regional endpoint.
        additional: ``additionalEventData``.
        details: ``serviceEventDetails``.
        error: ``errorCode`` and ``errorMessage``.
        read_only: ``readOnly``.
        event_type: ``eventType``.
        data: Whether it is a data event, e.g. S3 GetObject.
        with_request_id: Sign-in records have no ``requestID``.
    """

    service: str
    name: str
    request: Json | None = None
    response: Json | None = None
    resources: tuple[Json, ...] = ()
    host: str | None = None
    additional: Json | None = None
    details: Json | None = None
    error: tuple[str, str] | None = None
    read_only: bool = True
    event_type: str = "AwsApiCall"
    data: bool = False
    with_request_id: bool = True

    def region(self, session_region: str) -> str:
        """Say where the call is recorded; global services record in one region."""
        return GLOBAL_REGION if self.service in _GLOBAL_SERVICES else session_region


@dataclass(frozen=True, slots=True)
class Client:
    """How the call reached AWS.

    Attributes:
        ip: ``sourceIPAddress``: an address, a service's name, or ``AWS Internal``.
        agent: ``userAgent``.
        tls: Whether ``tlsDetails`` are written; never for calls made inside AWS.
        from_console: Whether ``sessionCredentialFromConsole`` is written.
        endpoint: Id and owner of the VPC endpoint that it came through.
    """

    ip: str
    agent: str
    tls: bool = True
    from_console: bool = False
    endpoint: tuple[str, str] | None = None


AWS_INTERNAL = Client("AWS Internal", "AWS Internal", tls=False)


@lru_cache(maxsize=256)
def service_client(principal: str) -> Client:
    """Give the client of an AWS service: its name stands for address and agent."""
    return Client(principal, principal, tls=False)


@dataclass(frozen=True, slots=True)
class Place:
    """When and where a record is written, and under which ids.

    Attributes:
        account_id: ``recipientAccountId``.
        request_id: None to draw none.
        shared_id: ``sharedEventID``, equal in all copies of one event.
    """

    at: int
    region: str
    account_id: str
    event_id: str
    request_id: str | None = None
    shared_id: str | None = None


def record(call: Call, client: Client, identity: Json, place: Place) -> Json:
    """Write one record; its parts may be shared with other records, so treat it as frozen."""
    written: Json = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": stamp(place.at),
        "eventSource": f"{call.service}.amazonaws.com",
        "eventName": call.name,
        "awsRegion": place.region,
        "sourceIPAddress": client.ip,
        "userAgent": client.agent,
    }
    if call.error is not None:
        code, message = call.error
        if code:
            written["errorCode"] = code
        written["errorMessage"] = message
    written["requestParameters"] = call.request
    written["responseElements"] = call.response
    if call.additional is not None:
        written["additionalEventData"] = call.additional
    if place.request_id is not None:
        written["requestID"] = place.request_id
    written["eventID"] = place.event_id
    written["readOnly"] = call.read_only
    if call.resources:
        written["resources"] = list(call.resources)
    written["eventType"] = call.event_type
    written["managementEvent"] = not call.data
    written["recipientAccountId"] = place.account_id
    if place.shared_id is not None:
        written["sharedEventID"] = place.shared_id
    if call.details is not None:
        written["serviceEventDetails"] = call.details
    _add_channel(written, call, client, place.region)
    return written


def _add_channel(written: Json, call: Call, client: Client, region: str) -> None:
    if client.endpoint is not None:
        written["vpcEndpointId"], written["vpcEndpointAccountId"] = client.endpoint
    written["eventCategory"] = "Data" if call.data else "Management"
    if client.tls:
        written["tlsDetails"] = _tls(call.host or _host(call.service, region))
    if client.from_console:
        written["sessionCredentialFromConsole"] = "true"


@lru_cache(maxsize=1_024)
def _host(service: str, region: str) -> str:
    if service in _GLOBAL_SERVICES:
        return f"{service}.amazonaws.com"
    return f"{service}.{region}.amazonaws.com"


@lru_cache(maxsize=4_096)
def _tls(host: str) -> Json:
    return {
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "clientProvidedHostHeader": host,
    }
