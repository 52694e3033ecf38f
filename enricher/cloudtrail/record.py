"""One CloudTrail record, read once: the fields that the rest of the project asks for.

References:
    - CloudTrail User Guide, "CloudTrail record contents for management, data, and network
      activity events".
    - identity.md §0.2 (spelling, empty values, event names with a version).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from enricher.cloudtrail.caller import flag, parse_caller
from enricher.cloudtrail.codec import digest
from enricher.cloudtrail.times import parse_time
from enricher.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from enricher.cloudtrail.caller import Caller
    from enricher.cloudtrail.codec import JsonObject

_LONGEST_ID_BYTES = 512  # OpenSearch refuses a longer _id
_SURELY_SHORT = _LONGEST_ID_BYTES // 4  # characters; none takes more than four bytes
_EVENT_TIME = re.compile(  # what the date mapping of eventTime reads too
    r"""
    \d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?
        (?:Z|[+-](?:(?:0\d|1[0-7]):?[0-5]\d|18:?00))? # CloudTrail's
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
        foreign_source: ``eventSource`` is no AWS host; such a record proves nothing (rulings 14).
        from_console: It carries ``sessionCredentialFromConsole``.
        caller: Who signed the call.
    """

    __slots__ = (
        "at",
        "caller",
        "document_id",
        "error_code",
        "event_id",
        "event_name",
        "event_source",
        "event_type",
        "foreign_source",
        "from_console",
        "has_event_id",
        "raw",
        "service",
        "shared_event_id",
        "source_ip",
        "user_agent",
    )

    def __init__(
        self, raw: JsonObject, position: int | None = None, *, document_id: str | None = None
    ) -> None:
        """Read what nearly every use asks for; the rest is read when it is asked for.

        Args:
            raw: The record.
            position: Its place in its log file, for the error.
            document_id: The id that it was stored under: what is stored has lost its secrets, so
                that the id of a record without an event id cannot be found from it again.

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
        source = read_event_source(text(get("eventSource")) or "")
        self.event_source, self.service, self.foreign_source = source
        self.event_type = (text(get("eventType")) or "").lower()
        shared = text(get("sharedEventID"))
        # The two records of one Insight share an id too, and are no copies (identity.md §8.3).
        self.shared_event_id = shared if get("eventCategory") != "Insight" else None
        self.error_code = text(get("errorCode"))
        self.user_agent = text(get("userAgent")) or ""
        self.source_ip = text(get("sourceIPAddress")) or ""
        event_id = text(get("eventID")) or text(get("eventId"))
        self.has_event_id = event_id is not None
        self.document_id = document_id or self._document_id(event_id)
        self.event_id = event_id or self.document_id
        identity = get("userIdentity")
        self.from_console = self._console_flag(identity)
        self.caller: Caller = parse_caller(
            identity,
            region=get("awsRegion"),
            from_console=self.from_console or self.event_type == "awsconsoleaction",
        )

    @property
    def recipient(self) -> str | None:
        """The account that the record was delivered to."""
        return text(self.raw.get("recipientAccountId"))

    @property
    def request_id(self) -> str | None:
        """The request's id; copies of one call share it."""
        return text(self.raw.get("requestID"))

    @property
    def request(self) -> Mapping[str, Any]:
        """What was asked."""
        return mapping(self.raw.get("requestParameters"))

    @property
    def response(self) -> Mapping[str, Any]:
        """What was answered."""
        return mapping(self.raw.get("responseElements"))

    @property
    def extra(self) -> Mapping[str, Any]:
        """``additionalEventData``."""
        return mapping(self.raw.get("additionalEventData"))

    @property
    def service_details(self) -> Mapping[str, Any]:
        """``serviceEventDetails``."""
        return mapping(self.raw.get("serviceEventDetails"))

    @property
    def vpc_endpoint(self) -> str | None:
        """The VPC endpoint that the request came through."""
        return text(self.raw.get("vpcEndpointId"))

    @property
    def vpc_endpoint_account(self) -> str | None:
        """The account that owns the VPC endpoint."""
        return text(self.raw.get("vpcEndpointAccountId"))

    @property
    def failed(self) -> bool:
        """Whether it failed; sign-in events fail without an error code (identity.md §1.4)."""
        if self.error_code is not None:
            return True
        if not self.event_type.startswith("awsconsolesignin"):
            return False
        outcome = self.response.get(self.event_name)
        return outcome == "Failure" or (outcome is None and bool(self.raw.get("errorMessage")))

    def _document_id(self, event_id: str | None) -> str:
        if event_id is None:
            return digest(self.raw)
        recipient = self.recipient
        document_id = f"{event_id}:{recipient}" if recipient else event_id
        if len(document_id) > _SURELY_SHORT and len(document_id.encode()) > _LONGEST_ID_BYTES:
            return digest(self.raw)
        return document_id

    def _console_flag(self, identity: object) -> bool:
        value = self.raw.get("sessionCredentialFromConsole")
        if value is None:
            context = mapping(identity).get("sessionContext")
            if not isinstance(context, dict):
                return False
            value = mapping(context.get("attributes")).get("sessionCredentialFromConsole")
        return value is not None and flag(value) is True

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
    return _event_time(value) if isinstance(value, str) else None


@lru_cache(maxsize=65_536)
def _event_time(value: str) -> datetime | None:
    return parse_time(value) if _EVENT_TIME.fullmatch(value) else None


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


class EventSource(NamedTuple):
    """What ``eventSource`` says.

    Attributes:
        host: Lower case, without a proxy's suffix (identity.md §0.1).
        service: The service's own name, the same in every partition, e.g. ``sts``.
        foreign: The host lies under no domain of AWS (rulings 14); an absent one is not foreign.
    """

    host: str
    service: str
    foreign: bool


@lru_cache(maxsize=4_096)
def read_event_source(source: str) -> EventSource:
    """Read ``eventSource``, e.g. ``sts.amazonaws.com``."""
    host = _PROXY_TAIL.sub("", source.lower())
    for domain in _AWS_DOMAINS:
        if host.endswith(domain):
            return EventSource(host, host.removesuffix(domain).rpartition(".")[2], False)
    return EventSource(host, host, bool(host))
