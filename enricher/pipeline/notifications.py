"""What a message says of new log files: S3's, SNS's, EventBridge's and CloudTrail's own forms.

References:
    - S3 User Guide, "Event message structure" and "EventBridge mapping" (only the former encodes
      keys as in a query string).
    - SNS Developer Guide, "Raw message delivery".
    - CloudTrail User Guide, "Configuring Amazon SNS notifications for CloudTrail".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from enricher.cloudtrail import codec
from enricher.cloudtrail.logfile import FileKind, kind_of
from enricher.errors import Disposition, EnricherError
from enricher.pipeline.locations import S3Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_MOST_WRAPPINGS = 3  # e.g. an EventBridge event, sent to a topic, that a queue subscribed to
_VALIDATION = "CloudTrail validation message"  # sent once, when a trail gets its topic
_CREATED = "ObjectCreated:"


class NotificationError(EnricherError):
    """A message cannot be understood; other messages go on.

    Attributes:
        reason: A slug from a closed set, e.g. ``not-json``.
    """

    disposition = Disposition.QUARANTINE

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What one message says.

    Attributes:
        logs: Locations of log files, in order.
        ignored: How many other things it told of, by reason.
    """

    logs: tuple[str, ...] = ()
    ignored: Counter[str] = field(default_factory=Counter)


def parse_notification(body: str) -> Notification:
    """Read one message.

    Raises:
        NotificationError: If it is none of the known forms; nothing of it is taken then.
    """
    content = _object(body)
    for _ in range(_MOST_WRAPPINGS):
        if content.get("Type") != "Notification":
            return _read(content)
        message = content.get("Message")
        if not isinstance(message, str):
            raise NotificationError("message-missing")
        if message.startswith(_VALIDATION):
            return Notification(ignored=Counter({"test-event": 1}))
        content = _object(message)
    raise NotificationError("wrapped-too-often")


def _object(text: str) -> Mapping[str, Any]:
    try:
        content = codec.loads(text)
    except codec.JSONDecodeError as err:
        raise NotificationError("not-json") from err
    if not isinstance(content, dict):
        raise NotificationError("not-a-notification")
    return content


def _read(content: Mapping[str, Any]) -> Notification:
    if content.get("Event") == "s3:TestEvent":
        return Notification(ignored=Counter({"test-event": 1}))
    if "s3ObjectKey" in content:
        return _sorted_out(_of_cloudtrail(content))
    if content.get("source") == "aws.s3":
        if content.get("detail-type") != "Object Created":
            return Notification(ignored=Counter({"other-event": 1}))
        return _sorted_out([_of_event_bridge(content)])
    records = content.get("Records")
    if not isinstance(records, list) or not records:
        raise NotificationError("not-a-notification")
    created = [location for record in records if (location := _of_s3(record)) is not None]
    found = _sorted_out(created)
    if len(created) < len(records):
        found.ignored["other-event"] += len(records) - len(created)
    return found


def _of_cloudtrail(content: Mapping[str, Any]) -> Iterator[S3Location]:
    keys = content["s3ObjectKey"]
    for key in keys if isinstance(keys, list) else [keys]:
        yield _location(content.get("s3Bucket"), key)


def _of_event_bridge(content: Mapping[str, Any]) -> S3Location:
    bucket, thing = _member(content, "detail", "bucket"), _member(content, "detail", "object")
    return _location(bucket.get("name"), thing.get("key"), thing.get("version-id"))


def _of_s3(record: object) -> S3Location | None:
    """Read one record; None where it tells of something other than a new object."""
    if not isinstance(record, dict) or record.get("eventSource") != "aws:s3":
        raise NotificationError("not-a-notification")
    name = record.get("eventName")
    if not isinstance(name, str):
        raise NotificationError("not-a-notification")
    if not name.removeprefix("s3:").startswith(_CREATED):
        return None
    bucket, thing = _member(record, "s3", "bucket"), _member(record, "s3", "object")
    key = thing.get("key")
    decoded = unquote_plus(key) if isinstance(key, str) else None
    return _location(bucket.get("name"), decoded, thing.get("versionId"))


def _member(content: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        member = content.get(name)
        if not isinstance(member, dict):
            raise NotificationError("object-missing")
        content = member
    return content


def _location(bucket: object, key: object, version: object = None) -> S3Location:
    if not (isinstance(bucket, str) and bucket and "/" not in bucket):
        raise NotificationError("bucket-missing")
    if not (isinstance(key, str) and key):
        raise NotificationError("key-missing")
    # Without versioning S3 spells the version "null", or not at all.
    known = isinstance(version, str) and version not in {"", "null"} and "?" not in version
    return S3Location(bucket, key, str(version) if known else None)


def _sorted_out(locations: Iterable[S3Location]) -> Notification:
    logs: list[str] = []
    ignored: Counter[str] = Counter()
    for location in locations:
        match kind_of(location.key):
            case FileKind.LOG:
                logs.append(str(location))
            case FileKind.OTHER:
                ignored["not-json"] += 1
            case FileKind.DIGEST | FileKind.INSIGHT as kind:
                ignored[f"{kind.value}-file"] += 1
    return Notification(logs=tuple(dict.fromkeys(logs)), ignored=ignored)
