"""One CloudTrail record, read once: the fields that the rest of the project asks for.

References:
    - CloudTrail User Guide, "CloudTrail record contents for management, data, and network
      activity events".
    - identity.md §0.2 (spelling, empty values, event names with a version).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail.caller import flag, parse_caller
from enricher.cloudtrail.codec import digest
from enricher.cloudtrail.times import parse_time
from enricher.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from enricher.cloudtrail.caller import Caller
    from enricher.cloudtrail.codec import JsonObject

SIGN_IN_SOURCE = "signin.amazonaws.com"
_MAX_DOCUMENT_ID_BYTES = 512  # OpenSearch refuses a longer _id
_EVENT_TIME = re.compile(  # what the date mapping of eventTime reads too
    r"""
    \d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?   # CloudTrail's
    | \d{4}-\d{2}-\d{2}\ \d{2}:\d{2}:\d{2}(?:\.\d{3})?                             # Lake, Athena
    | \d{8}T\d{6}Z                                                                  # basic
    """,
    re.VERBOSE | re.ASCII,
)
_API_VERSION = re.compile(r"\d{8}(v\d+)?$")  # e.g. ListFunctions20150331
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".aws")
_PROXY_TAIL = re.compile(r"\.rproxy\..*$")  # a proxy's suffix, e.g. in a published page


class Record:
    """A view of one raw record; ``raw`` stays as delivered.

    Attributes:
        raw: The record itself; never changed.
        document_id: ``_id`` in OpenSearch: ``<eventID>:<recipientAccountId>`` (rulings 20).
        event_id: ``eventID``, or the document id where the record has none.
        event_name: Without an API version (``ListFunctions``, not ``ListFunctions20150331``).
        event_source: Lower case, without a proxy's suffix.
        service: The service behind it, the same in every partition, e.g. ``sts``.
        at: ``eventTime``, UTC, whole seconds.
        failed: It carries an error code or message, or is a sign-in that did not succeed.
    """

    __slots__ = (
        "at",
        "caller",
        "category",
        "document_id",
        "error_code",
        "event_id",
        "event_name",
        "event_source",
        "event_type",
        "extra",
        "failed",
        "from_console",
        "has_event_id",
        "raw",
        "recipient",
        "region",
        "request",
        "request_id",
        "response",
        "service",
        "service_details",
        "shared_event_id",
        "source_ip",
        "user_agent",
        "vpc_endpoint",
        "vpc_endpoint_account",
    )

    def __init__(self, raw: JsonObject, position: int | None = None) -> None:
        """Read a record.

        Raises:
            RecordError: ``not-an-object`` or ``event-time-unreadable``.
        """
        if not isinstance(raw, dict):
            raise RecordError("not-an-object", position)
        get = raw.get
        at = read_event_time(get("eventTime"))
        if at is None:
            raise RecordError("event-time-unreadable", position)
        self.raw = raw
        self.at: datetime = at
        self.event_name = clean_event_name(text(get("eventName")) or "")
        self.event_source = clean_event_source(text(get("eventSource")) or "")
        self.service = service_of(self.event_source)
        self.event_type = (text(get("eventType")) or "").lower()
        self.category = text(get("eventCategory"))
        self.region = text(get("awsRegion"))
        self.recipient = text(get("recipientAccountId"))
        self.request_id = text(get("requestID"))
        self.shared_event_id = text(get("sharedEventID")) if self.category != "Insight" else None
        self.error_code = text(get("errorCode"))
        self.user_agent = text(get("userAgent")) or ""
        self.source_ip = text(get("sourceIPAddress")) or ""
        self.vpc_endpoint = text(get("vpcEndpointId"))
        self.vpc_endpoint_account = text(get("vpcEndpointAccountId"))
        self.request: Mapping[str, Any] = mapping(get("requestParameters"))
        self.response: Mapping[str, Any] = mapping(get("responseElements"))
        self.extra: Mapping[str, Any] = mapping(get("additionalEventData"))
        self.service_details: Mapping[str, Any] = mapping(get("serviceEventDetails"))
        event_id = text(get("eventID")) or text(get("eventId"))
        self.has_event_id = event_id is not None
        self.document_id = self._document_id(event_id)
        self.event_id = event_id or self.document_id
        self.from_console = self._console_flag()
        self.failed = self._has_failed()
        self.caller: Caller = parse_caller(
            get("userIdentity"),
            region=self.region,
            from_console=self.from_console or self.event_type == "awsconsoleaction",
        )

    def _document_id(self, event_id: str | None) -> str:
        if event_id is None:
            return digest(self.raw)
        document_id = f"{event_id}:{self.recipient}" if self.recipient else event_id
        if len(document_id.encode()) > _MAX_DOCUMENT_ID_BYTES:
            return digest(self.raw)
        return document_id

    def _console_flag(self) -> bool:
        value = self.raw.get("sessionCredentialFromConsole")
        if value is None:
            context = mapping(mapping(self.raw.get("userIdentity")).get("sessionContext"))
            value = mapping(context.get("attributes")).get("sessionCredentialFromConsole")
        return flag(value) is True

    def _has_failed(self) -> bool:
        """Sign-in events fail without an error code (identity.md §1.4)."""
        if self.error_code is not None:
            return True
        if not self.event_type.startswith("awsconsolesignin"):
            return False
        outcome = self.response.get(self.event_name)
        return outcome == "Failure" or (outcome is None and bool(self.raw.get("errorMessage")))

    @property
    def foreign_source(self) -> bool:
        """Whether ``eventSource`` is no AWS host; such a record proves nothing (rulings 14)."""
        return bool(self.event_source) and not is_aws_host(self.event_source)

    @property
    def internal(self) -> bool:
        """Whether AWS itself made the call, with its host hidden (identity.md §8.1)."""
        return (
            self.source_ip.startswith("AWS Internal")
            or self.user_agent.startswith("AWS Internal")
            or self.caller.invoked_by == "AWS Internal"
        )


def read_event_time(value: object) -> datetime | None:
    """Read ``eventTime``; only text that OpenSearch's date mapping reads too is accepted."""
    if not isinstance(value, str) or not _EVENT_TIME.fullmatch(value):
        return None
    return parse_time(value)


def text(value: object) -> str | None:
    """Give a non-empty string, else None: empty means absent (identity.md §0.2)."""
    return value if isinstance(value, str) and value else None


def mapping(value: object) -> Mapping[str, Any]:
    """Give a JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


@lru_cache(maxsize=16_384)
def clean_event_name(name: str) -> str:
    """Drop the API version that some services append (identity.md §0.2, "eventName")."""
    return _API_VERSION.sub("", name) or name


@lru_cache(maxsize=4_096)
def clean_event_source(source: str) -> str:
    """Give the service's host, lower case, without a proxy's suffix (identity.md §0.1)."""
    return _PROXY_TAIL.sub("", source.lower())


@lru_cache(maxsize=4_096)
def is_aws_host(source: str) -> bool:
    """Whether the host lies under a domain of AWS (rulings 14); an absent source does not."""
    return source.endswith(_AWS_DOMAINS)


@lru_cache(maxsize=4_096)
def service_of(source: str) -> str:
    """Give the service's own name from its host, in every partition, e.g. ``sts``."""
    for domain in _AWS_DOMAINS:
        if source.endswith(domain):
            return source.removesuffix(domain).rpartition(".")[2]
    return source
