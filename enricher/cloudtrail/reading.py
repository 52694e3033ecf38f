"""From the bytes of a log file to its records; faults come back as values, beside the records.

References:
    - CloudTrail User Guide, "CloudTrail log file examples": one JSON object, ``Records``, gzip.
    - identity.md §8.2 (other transports: one object, lists, lines, EventBridge's ``detail``).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.errors import LogFileError, RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enricher.cloudtrail.codec import JsonObject

_GZIP_MAGIC = b"\x1f\x8b"
_INFLATE_STEP = 1 << 20
_MARKS = frozenset({"eventTime", "eventName", "eventSource", "eventID", "eventId", "userIdentity"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLimits:
    """What a log file may hold at most; beyond it is refused, never cut short in silence.

    Attributes:
        inflated_bytes: Size of one file after gunzip.
        record_bytes: Size of one record as compact JSON (AWS: 256 KB, 1 MB in Lake).
        depth: Nesting of one record.
        records: Records in one file.
    """

    inflated_bytes: int = 1 << 30
    record_bytes: int = 2 << 20
    depth: int = 100
    records: int = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRecord:
    """A piece of a log file that is no record: why, where, and what it was."""

    error: RecordError
    position: int
    verbatim: Any


@dataclass(slots=True)
class LogFileContent:
    """The records of one file, in order, with their positions."""

    records: list[tuple[int, JsonObject]] = field(default_factory=list)
    refused: list[RefusedRecord] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many pieces the file holds, records or not."""
        return len(self.records) + len(self.refused)


def inflate(chunks: Iterable[bytes], *, limit: int, expect_gzip: bool | None = None) -> bytes:
    """Give the file's content, gunzipped where it is gzip.

    Args:
        chunks: The file's bytes.
        limit: The largest size after gunzip: nothing beyond it is ever held in memory.
        expect_gzip: Whether the name says gzip; None decides by the content alone.

    Raises:
        LogFileError: ``file-empty``, ``not-gzip``, ``gzip-invalid``, ``gzip-truncated``,
            ``inflated-size-exceeded``.
    """
    source = iter(chunks)
    head = b""
    while len(head) < len(_GZIP_MAGIC) and (chunk := next(source, None)) is not None:
        head += chunk
    if not head:
        raise LogFileError("file-empty")
    if head.startswith(_GZIP_MAGIC):
        return _gunzip(head, source, limit)
    if expect_gzip:
        raise LogFileError("not-gzip")
    return _joined(head, source, limit)


def _joined(head: bytes, rest: Iterator[bytes], limit: int) -> bytes:
    content = bytearray(head)
    for chunk in rest:
        content += chunk
        if len(content) > limit:
            break
    if len(content) > limit:
        raise LogFileError("inflated-size-exceeded")
    return bytes(content)


def _gunzip(head: bytes, rest: Iterator[bytes], limit: int) -> bytes:
    content = bytearray()
    member = zlib.decompressobj(wbits=31)
    waiting = head
    try:
        while True:
            if member.eof:  # gzip files may be concatenated
                waiting = member.unused_data or waiting
                if not waiting:
                    waiting = next(rest, b"")
                    if not waiting:
                        break
                member = zlib.decompressobj(wbits=31)
            content += member.decompress(waiting, _INFLATE_STEP)
            if len(content) > limit:
                raise LogFileError("inflated-size-exceeded")
            waiting = member.unconsumed_tail
            if not waiting and not member.eof:
                waiting = next(rest, b"")
                if not waiting:
                    raise LogFileError("gzip-truncated")
    except zlib.error as err:
        raise LogFileError("gzip-invalid") from err
    return bytes(content)


def parse_log_file(content: bytes, limits: InputLimits) -> LogFileContent:
    """Take a log file apart: ``{"Records": […]}``, a list, one object, or a line for each.

    Raises:
        LogFileError: ``json-invalid``, ``records-not-a-list``, ``not-cloudtrail``,
            ``too-many-records``, ``file-empty``.
    """
    if not content.strip():
        raise LogFileError("file-empty")
    try:
        parsed = codec.loads(content)
    except codec.JSONDecodeError as err:
        found = _lines(content)
        if found is None:
            raise LogFileError("json-invalid") from err
        return _checked(found, limits)
    return _checked(enumerate(_records_in(parsed)), limits)


def _records_in(parsed: Any) -> list[Any]:  # noqa: ANN401 - any JSON value may come
    if isinstance(parsed, list):
        return parsed
    if not isinstance(parsed, dict):
        raise LogFileError("not-cloudtrail")
    for name in ("Records", "Events"):  # LookupEvents answers with Events
        if name in parsed:
            records = parsed[name]
            if not isinstance(records, list):
                raise LogFileError("records-not-a-list")
            return records
    if _MARKS.isdisjoint(_unwrap(parsed)):
        raise LogFileError("not-cloudtrail")
    return [parsed]


def _lines(content: bytes) -> Iterator[tuple[int, Any]] | None:
    """Read JSON lines, if that is what the content looks like."""
    lines = [line for line in content.splitlines() if line.strip()]
    if not lines or not any(_is_object_line(line) for line in lines[:100]):
        return None
    return ((number, _line_value(number, line)) for number, line in enumerate(lines))


def _is_object_line(line: bytes) -> bool:
    line = line.strip()
    if not (line.startswith(b"{") and line.endswith(b"}")):
        return False
    try:
        return isinstance(codec.loads(line), dict)
    except codec.JSONDecodeError:
        return False


def _line_value(number: int, line: bytes) -> Any:  # noqa: ANN401 - any JSON value may come
    try:
        return codec.loads(line)
    except codec.JSONDecodeError:
        text = line.decode("utf-8", "backslashreplace")
        return RefusedRecord(
            error=RecordError("json-invalid", number), position=number, verbatim=text
        )


def _unwrap(value: JsonObject) -> JsonObject:
    """Take the record out of EventBridge's envelope or of a LookupEvents answer."""
    detail = value.get("detail")
    if isinstance(detail, dict) and "detail-type" in value:
        return detail
    inner = value.get("CloudTrailEvent")
    if isinstance(inner, str):
        try:
            parsed = codec.loads(inner)
        except codec.JSONDecodeError:
            return value
        return parsed if isinstance(parsed, dict) else value
    return value


def _checked(found: Iterable[tuple[int, Any]], limits: InputLimits) -> LogFileContent:
    content = LogFileContent()
    for position, value in found:
        if content.total >= limits.records:
            raise LogFileError("too-many-records")
        if isinstance(value, RefusedRecord):
            content.refused.append(value)
        elif isinstance(value, dict):
            content.records.append((position, _unwrap(value)))
        else:
            error = RecordError("not-an-object", position)
            content.refused.append(RefusedRecord(error=error, position=position, verbatim=value))
    return content
