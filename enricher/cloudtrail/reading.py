"""From the bytes of a log file to its records; faults come back as values, beside the records.

References:
    - CloudTrail User Guide, "CloudTrail log file examples": one JSON object, ``Records``, gzip.
    - identity.md §8.2 (other transports: one object, lists, lines, EventBridge's ``detail``).
"""

from __future__ import annotations

import codecs
import json
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from enricher.cloudtrail import codec
from enricher.errors import LogFileError, RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enricher.cloudtrail.codec import JsonObject

# Up to here a log file is parsed in one go, which is fastest; a larger one is read record by
# record, so that what is held does not grow with the file. CloudTrail's own files are far smaller.
WHOLE_BYTES = 16 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_INFLATE_STEP = 1 << 20
_HEAD_LINES = 100
# How many records' size an item may have before it is given up that its end will ever come.
_SLACK = 4
_SCANNER = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,]*")
_MORE_LINES = re.compile(rb"\n\s*\S")
_SELF_CONTAINED = frozenset('{["')
_FOLLOWED = re.compile(r"\s*[,\]]")
_LIST_START = re.compile(rb"\s*\[")
_RECORDS_START = re.compile(rb'\s*\{\s*"(Records|Events)"\s*:\s*\[')
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
    """What one file holds, in order: records with their positions, and what is none."""

    pieces: list[tuple[int, JsonObject] | RefusedRecord] = field(default_factory=list)

    @property
    def records(self) -> list[tuple[int, JsonObject]]:
        """The records, with their positions."""
        return [piece for piece in self.pieces if not isinstance(piece, RefusedRecord)]

    @property
    def refused(self) -> list[RefusedRecord]:
        """What is no record."""
        return [piece for piece in self.pieces if isinstance(piece, RefusedRecord)]


def read_log_file(
    chunks: Iterable[bytes],
    limits: InputLimits,
    *,
    expect_gzip: bool | None = None,
    whole_bytes: int = WHOLE_BYTES,
) -> Iterator[tuple[int, JsonObject] | RefusedRecord]:
    """Give a log file's records with their positions, and what is none, in order.

    A file may break off after some of its records were given; those are good.

    Args:
        chunks: The file's bytes.
        limits: What it may hold.
        expect_gzip: Whether the name says gzip; None decides by the content alone.
        whole_bytes: Inflated size up to which a file is parsed in one go.

    Raises:
        LogFileError: As `inflate` and `parse_log_file`.
    """
    inflated = inflate(chunks, limit=limits.inflated_bytes, expect_gzip=expect_gzip)
    head = bytearray()
    for chunk in inflated:
        head += chunk
        if len(head) > whole_bytes:
            return _streamed(bytes(head), inflated, limits)
    return iter(parse_log_file(bytes(head), limits).pieces)


def inflate(
    chunks: Iterable[bytes], *, limit: int, expect_gzip: bool | None = None
) -> Iterator[bytes]:
    """Give the file's content in pieces, gunzipped where it is gzip.

    Args:
        chunks: The file's bytes.
        limit: The largest size after gunzip: nothing beyond it is ever inflated.
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
    is_gzip = head.startswith(_GZIP_MAGIC)
    if expect_gzip and not is_gzip:
        raise LogFileError("not-gzip")
    size = 0
    for piece in _gunzip(head, source) if is_gzip else _chain(head, source):
        size += len(piece)
        if size > limit:
            raise LogFileError("inflated-size-exceeded")
        yield piece


def _chain(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


def _gunzip(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    waiting = head
    try:
        while True:
            if member.eof:  # gzip files may be concatenated
                waiting = member.unused_data or waiting
                if not waiting:
                    waiting = next(rest, b"")
                    if not waiting:
                        return
                member = zlib.decompressobj(wbits=31)
            yield member.decompress(waiting, _INFLATE_STEP)
            waiting = member.unconsumed_tail
            if not waiting and not member.eof:
                waiting = next(rest, b"")
                if not waiting:
                    raise LogFileError("gzip-truncated")
    except zlib.error as err:
        raise LogFileError("gzip-invalid") from err


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
        if not _has_object_lines(content):
            raise LogFileError("json-invalid") from err
        found = _line_values(content.splitlines())
    else:
        found = enumerate(_records_in(parsed))
    return LogFileContent(list(_checked(found, limits)))


def _streamed(
    head: bytes, rest: Iterator[bytes], limits: InputLimits
) -> Iterator[tuple[int, JsonObject] | RefusedRecord]:
    """Read a large file record by record, in the shapes that grow by appending records.

    Any other shape is held whole, up to the limit of the inflated size.
    """
    start = _RECORDS_START.match(head) or _LIST_START.match(head)
    if start is not None:
        return _checked(_items(start[0], head[start.end() :], rest, limits), limits)
    if _MORE_LINES.search(head) and _has_object_lines(head):
        return _checked(_line_values(_split_lines(head, rest)), limits)
    return iter(parse_log_file(b"".join((head, *rest)), limits).pieces)


def _items(
    opening: bytes, head: bytes, rest: Iterator[bytes], limits: InputLimits
) -> Iterator[tuple[int, Any]]:
    """Give the items of a JSON list one by one.

    The scanner finds where an item ends, then the codec reads it, so that the same record means
    the same in a file of any size. Bytes that are no UTF-8 are handed through to the codec, which
    refuses the item that holds them.
    """
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    position = 0
    text = decode(head)
    at = _skip(text, 0)
    while not text.startswith("]", at):
        end = _end_of_item(text, at)
        if end is not None:
            yield position, _value(position, text[at:end].encode("utf-8", "surrogateescape"))
            position += 1
            at = _skip(text, end)
        elif (more := next(rest, None)) is None or len(text) - at > _SLACK * limits.record_bytes:
            raise LogFileError("json-invalid")
        else:
            text = text[at:] + decode(more)
            at = _skip(text, 0)
    _check_frame(opening + text[at:].encode("utf-8", "surrogateescape"), rest)


def _skip(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return found.end() if found else at


def _end_of_item(text: str, at: int) -> int | None:
    """Say where the item ends that begins there; None where more text is needed to tell."""
    try:
        _, end = _SCANNER.raw_decode(text, at)
    except json.JSONDecodeError:
        return None
    except RecursionError as err:
        raise LogFileError("json-invalid") from err
    # A bare number may go on in the next piece; only what follows it says that it is whole.
    return end if text[at] in _SELF_CONTAINED or _FOLLOWED.match(text, end) else None


def _check_frame(frame: bytes, rest: Iterator[bytes]) -> None:
    """See that what is around the items is JSON; this also reads the file to its end."""
    try:
        codec.loads(b"".join((frame, *rest)))
    except codec.JSONDecodeError as err:
        raise LogFileError("json-invalid") from err


def _split_lines(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for chunk in _chain(head, rest):
        *lines, held = (held + chunk).split(b"\n")
        yield from lines
    yield held


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


def _has_object_lines(content: bytes) -> bool:
    """Tell whether the content looks like JSON lines."""
    lines = (line for line in content.splitlines() if line.strip())
    return any(_is_object_line(line) for line, _ in zip(lines, range(_HEAD_LINES), strict=False))


def _is_object_line(line: bytes) -> bool:
    line = line.strip()
    if not (line.startswith(b"{") and line.endswith(b"}")):
        return False
    try:
        return isinstance(codec.loads(line), dict)
    except codec.JSONDecodeError:
        return False


def _line_values(lines: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    filled = (line for line in lines if line.strip())
    return ((number, _value(number, line)) for number, line in enumerate(filled))


def _value(number: int, text: bytes) -> Any:  # noqa: ANN401 - any JSON value may come
    try:
        return codec.loads(text)
    except codec.JSONDecodeError:
        verbatim = text.decode("utf-8", "backslashreplace")
        return RefusedRecord(
            error=RecordError("json-invalid", number), position=number, verbatim=verbatim
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


def _checked(
    found: Iterable[tuple[int, Any]], limits: InputLimits
) -> Iterator[tuple[int, JsonObject] | RefusedRecord]:
    for count, (position, value) in enumerate(found):
        if count >= limits.records:
            raise LogFileError("too-many-records")
        if isinstance(value, RefusedRecord):
            yield value
        elif isinstance(value, dict):
            yield position, _unwrap(value)
        else:
            error = RecordError("not-an-object", position)
            yield RefusedRecord(error=error, position=position, verbatim=value)
