"""From the bytes of a log file to its records."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from enricher.cloudtrail import codec
from enricher.cloudtrail.reading import InputLimits, RefusedRecord, parse_log_file, read_log_file
from enricher.cloudtrail.reading import inflate as inflate_in_pieces
from enricher.errors import LogFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ONE: dict[str, Any] = {"eventID": "1", "eventTime": "2026-03-02T08:00:00Z"}
TWO: dict[str, Any] = {"eventID": "2", "eventTime": "2026-03-02T08:00:01Z"}
BRIDGED = {"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": ONE}
LOOKED_UP = {"EventId": "1", "CloudTrailEvent": codec.dumps(ONE).decode()}
LIMITS = InputLimits()
MIB = 1 << 20


def refused(call: Callable[[], object]) -> str:
    """Give the reason for which a file is refused."""
    with pytest.raises(LogFileError) as error:
        call()
    return error.value.reason


def inflate(chunks: Iterable[bytes], *, limit: int, expect_gzip: bool | None = None) -> bytes:
    """Give what a file inflates to, in one piece."""
    return b"".join(inflate_in_pieces(chunks, limit=limit, expect_gzip=expect_gzip))


# --- inflate ------------------------------------------------------------------------------------


def test_a_gzip_file_is_inflated() -> None:
    packed = gzip.compress(b"content")
    assert inflate([packed], limit=100) == b"content"
    assert inflate([packed], limit=100, expect_gzip=True) == b"content"


def test_a_plain_file_is_taken_as_it_is() -> None:
    assert inflate([b"con", b"", b"tent"], limit=100) == b"content"
    assert inflate([b"content"], limit=100, expect_gzip=False) == b"content"


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_the_size_of_the_pieces_does_not_matter(size: int) -> None:
    packed = gzip.compress(bytes(range(256)) * 40) + gzip.compress(b"more")
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert inflate(pieces, limit=MIB) == bytes(range(256)) * 40 + b"more"


def test_concatenated_gzip_members_are_one_file() -> None:
    members = [gzip.compress(b"one "), gzip.compress(b""), gzip.compress(b"two")]
    assert inflate([b"".join(members)], limit=100) == b"one two"
    assert inflate(members, limit=100) == b"one two"


@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]])
def test_an_empty_file_is_refused(chunks: list[bytes]) -> None:
    assert refused(lambda: inflate(chunks, limit=100)) == "file-empty"
    assert refused(lambda: inflate(chunks, limit=100, expect_gzip=True)) == "file-empty"


def test_a_file_whose_name_says_gzip_and_is_not_is_refused() -> None:
    assert refused(lambda: inflate([b'{"Records":[]}'], limit=100, expect_gzip=True)) == "not-gzip"


@pytest.mark.parametrize("kept", [2, 10, 15, -9, -8, -1])
def test_a_truncated_gzip_file_is_refused(kept: int) -> None:
    packed = gzip.compress(b"content of some length, content of some length")
    assert refused(lambda: inflate([packed[:kept]], limit=100)) == "gzip-truncated"


def test_a_truncated_second_member_is_refused() -> None:
    packed = gzip.compress(b"one") + gzip.compress(b"two")[:-4]
    assert refused(lambda: inflate([packed], limit=100)) == "gzip-truncated"


def test_a_gzip_file_with_a_wrong_checksum_is_refused() -> None:
    packed = bytearray(gzip.compress(b"content"))
    packed[-6] ^= 1
    assert refused(lambda: inflate([bytes(packed)], limit=100)) == "gzip-invalid"


def test_bytes_behind_a_gzip_member_that_are_no_gzip_are_refused() -> None:
    packed = gzip.compress(b"content") + b"something else"
    assert refused(lambda: inflate([packed], limit=100)) == "gzip-invalid"


def test_a_file_may_be_as_large_as_the_limit() -> None:
    assert inflate([b"x" * 100], limit=100) == b"x" * 100
    assert inflate([gzip.compress(b"x" * 100)], limit=100) == b"x" * 100


@pytest.mark.parametrize("chunks", [[b"x" * 101], [b"x" * 60] * 3])
def test_a_plain_file_beyond_the_limit_is_refused(chunks: list[bytes]) -> None:
    assert refused(lambda: inflate(chunks, limit=100)) == "inflated-size-exceeded"


def test_a_gzip_bomb_is_refused_before_it_is_inflated() -> None:
    bomb = gzip.compress(bytes(200 * MIB), compresslevel=9)
    assert len(bomb) < MIB
    tracemalloc.start()
    try:
        reason = refused(lambda: inflate([bomb], limit=2 * MIB))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reason == "inflated-size-exceeded"
    assert peak < 20 * MIB


# --- forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"Records": [ONE, TWO]}, id="cloudtrail"),
        pytest.param({"Events": [ONE, TWO]}, id="lookup-events-with-plain-records"),
        pytest.param({"Events": [LOOKED_UP, TWO]}, id="lookup-events"),
        pytest.param([ONE, TWO], id="list"),
        pytest.param([BRIDGED, TWO], id="list-of-eventbridge"),
        pytest.param({"Records": [BRIDGED, TWO]}, id="records-of-eventbridge"),
    ],
)
def test_each_form_gives_the_same_records(content: object) -> None:
    parsed = parse_log_file(codec.dumps(content), LIMITS)
    assert parsed.records == [(0, ONE), (1, TWO)]
    assert parsed.refused == []
    assert len(parsed.pieces) == 2


@pytest.mark.parametrize("content", [ONE, BRIDGED, LOOKED_UP])
def test_one_object_is_one_record(content: object) -> None:
    assert parse_log_file(codec.dumps(content), LIMITS).records == [(0, ONE)]


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\n\n", "\n  \n"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_lines_are_records(separator: str, end: str) -> None:
    content = separator.join(codec.dumps(value).decode() for value in (BRIDGED, TWO, LOOKED_UP))
    parsed = parse_log_file((content + end).encode(), LIMITS)
    assert parsed.records == [(0, ONE), (1, TWO), (2, ONE)]


def test_no_records_are_no_fault() -> None:
    assert len(parse_log_file(b'{"Records":[]}', LIMITS).pieces) == 0
    assert len(parse_log_file(b"[]", LIMITS).pieces) == 0


@pytest.mark.parametrize(
    "wrapped",
    [
        {"eventTime": "x", "detail": {"eventID": "1"}},
        {"eventTime": "x", "detail-type": "x", "detail": "no object"},
        {"eventTime": "x", "CloudTrailEvent": "no JSON"},
        {"eventTime": "x", "CloudTrailEvent": "[1]"},
        {"eventTime": "x", "CloudTrailEvent": {"eventID": "1"}},
    ],
)
def test_what_only_looks_like_an_envelope_is_the_record(wrapped: dict[str, Any]) -> None:
    assert parse_log_file(codec.dumps(wrapped), LIMITS).records == [(0, wrapped)]


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b" ", b"\n\n"])
def test_a_file_without_content_is_refused(content: bytes) -> None:
    assert refused(lambda: parse_log_file(content, LIMITS)) == "file-empty"


@pytest.mark.parametrize(
    "content",
    [
        b'{"Records":[{"eventID":"1"}',
        b'{"Records":[{"eventID":"1"},',
        b"no JSON at all",
        b"no JSON\nat all",
        b"\xff\xfe\x00",
        b"{",
        b"{}}",
        b"{\n  broken\n}",
    ],
)
def test_content_that_is_no_json_is_refused(content: bytes) -> None:
    assert refused(lambda: parse_log_file(content, LIMITS)) == "json-invalid"


@pytest.mark.parametrize("name", ["Records", "Events"])
@pytest.mark.parametrize("records", [None, {}, "text", 7])
def test_records_that_are_no_list_are_refused(name: str, records: object) -> None:
    content = codec.dumps({name: records})
    assert refused(lambda: parse_log_file(content, LIMITS)) == "records-not-a-list"


@pytest.mark.parametrize("content", [{}, {"name": "package"}, 7, "text", None, True])
def test_json_of_another_kind_is_not_cloudtrail(content: object) -> None:
    assert refused(lambda: parse_log_file(codec.dumps(content), LIMITS)) == "not-cloudtrail"


def test_records_that_are_no_objects_are_refused_with_their_place() -> None:
    parsed = parse_log_file(codec.dumps({"Records": [ONE, None, "text", 7, [ONE], TWO]}), LIMITS)
    assert parsed.records == [(0, ONE), (5, TWO)]
    assert [(r.position, r.error.position, r.error.reason, r.verbatim) for r in parsed.refused] == [
        (1, 1, "not-an-object", None),
        (2, 2, "not-an-object", "text"),
        (3, 3, "not-an-object", 7),
        (4, 4, "not-an-object", [ONE]),
    ]
    assert len(parsed.pieces) == 6


def test_a_bad_line_does_not_cost_its_neighbours() -> None:
    lines = [codec.dumps(ONE), b'{"eventID":', b"7", b"\xff", codec.dumps(TWO)]
    parsed = parse_log_file(b"\n".join(lines), LIMITS)
    assert parsed.records == [(0, ONE), (4, TWO)]
    assert [(r.position, r.error.reason, r.verbatim) for r in parsed.refused] == [
        (1, "json-invalid", '{"eventID":'),
        (2, "not-an-object", 7),
        (3, "json-invalid", "\\xff"),
    ]


def test_a_first_line_that_is_bad_does_not_cost_the_others() -> None:
    content = b"# exported\n" + codec.dumps(ONE) + b"\n" + codec.dumps(TWO)
    parsed = parse_log_file(content, LIMITS)
    assert parsed.records == [(1, ONE), (2, TWO)]
    assert [r.position for r in parsed.refused] == [0]


def test_the_number_of_records_is_limited() -> None:
    limits = InputLimits(records=2)
    assert len(parse_log_file(codec.dumps([ONE, TWO]), limits).pieces) == 2
    too_many = codec.dumps([ONE, 7, TWO])
    assert refused(lambda: parse_log_file(too_many, limits)) == "too-many-records"
    lines = b"\n".join([codec.dumps(ONE)] * 3)
    assert refused(lambda: parse_log_file(lines, limits)) == "too-many-records"


def test_nesting_beyond_the_codec_is_a_fault_of_the_file() -> None:
    content = b'{"Records":[' + b"[" * 2_000 + b"]" * 2_000 + b"]}"
    assert refused(lambda: parse_log_file(content, LIMITS)) == "json-invalid"


# --- large files --------------------------------------------------------------------------------


def pieces_of(content: bytes, limits: InputLimits = LIMITS, *, whole_bytes: int = 0) -> list[Any]:
    """Read a file as if it were large, in chunks that cut records anywhere."""
    head = [content[:60]]  # what tells the form
    chunks = head + [content[start : start + 7] for start in range(60, len(content), 7)]
    return list(read_log_file(chunks, limits, whole_bytes=whole_bytes))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(codec.dumps({"Records": [ONE, 7, BRIDGED]}), id="cloudtrail"),
        pytest.param(b' \n{ "Events" : [' + codec.dumps(LOOKED_UP) + b"]}", id="lookup-events"),
        pytest.param(codec.dumps([ONE, None, TWO]), id="list"),
        pytest.param(codec.dumps(ONE) + b"\n\nno JSON\n" + codec.dumps(TWO), id="lines"),
        pytest.param(codec.dumps({"version": "1", "Records": [ONE, TWO]}), id="records-later"),
        pytest.param(codec.dumps(ONE), id="one"),
        pytest.param(b'{"Records":[]}', id="none"),
        pytest.param(gzip.compress(codec.dumps({"Records": [ONE, 7.5, TWO]})), id="gzip"),
    ],
)
def test_a_large_file_gives_what_a_small_one_gives(content: bytes) -> None:
    small = pieces_of(content, whole_bytes=MIB)
    assert shown(pieces_of(content)) == shown(small)


def shown(pieces: list[Any]) -> list[Any]:
    """Give pieces in a form that can be compared."""
    return [
        (piece.position, piece.error.reason, piece.verbatim)
        if isinstance(piece, RefusedRecord)
        else piece
        for piece in pieces
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"Records": 7}', "records-not-a-list"),
        (b'{"Records": {"item": [{}]}}', "records-not-a-list"),
        (b'{"name": "package"}', "not-cloudtrail"),
        (b"no JSON at all", "json-invalid"),
        (b"   ", "file-empty"),
    ],
)
def test_a_large_file_is_refused_as_a_small_one(content: bytes, reason: str) -> None:
    assert refused(lambda: pieces_of(content)) == reason


@pytest.mark.parametrize("end", [b"", b",", b",{", b"] , 7}", b"]", b",NaN"], ids=repr)
def test_a_large_file_that_breaks_off_gives_what_came_before(end: bytes) -> None:
    content = codec.dumps({"Records": [ONE, TWO]}).removesuffix(b"]}") + end
    given: list[Any] = []

    def read() -> None:
        for piece in read_log_file([content], LIMITS, whole_bytes=0):
            given.append(piece)  # noqa: PERF402 - what was given before the break counts

    assert refused(read) == "json-invalid"
    assert given == [(0, ONE), (1, TWO)]


@pytest.mark.parametrize("item", [b'"\xff"', b'"\\ud800"', b"1e999", b"NaN", b'{"a": NaN}'])
def test_a_bad_item_of_a_large_file_does_not_cost_its_neighbours(item: bytes) -> None:
    content = b'{"Records":[' + b",".join((codec.dumps(ONE), item, codec.dumps(TWO))) + b"]}"
    first, bad, second = pieces_of(content)
    assert (first, second) == ((0, ONE), (2, TWO))
    assert (bad.position, bad.error.reason) == (1, "json-invalid")


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_nesting_in_a_large_file_is_a_fault_of_the_file(depth: int) -> None:
    content = b'{"Records":[' + b"[" * depth + b"]" * depth + b"]}"
    assert refused(lambda: list(read_log_file([content], LIMITS, whole_bytes=0))) == "json-invalid"


def test_an_item_that_never_ends_is_not_read_for_ever() -> None:
    limits = InputLimits(record_bytes=1_000)
    chunks = iter([b'{"Records":[{"a":"', *([b"x" * 1_000] * 100)])
    assert refused(lambda: list(read_log_file(chunks, limits, whole_bytes=0))) == "json-invalid"
    assert len(list(chunks)) > 90


def test_the_number_of_records_of_a_large_file_is_limited() -> None:
    content = codec.dumps([ONE, TWO, ONE])
    assert refused(lambda: pieces_of(content, InputLimits(records=2))) == "too-many-records"


def test_a_large_file_is_not_held_in_memory() -> None:
    def chunks() -> Iterable[bytes]:
        yield b'{"Records":['
        for number in range(20_000):
            record = {**ONE, "padding": "x" * 1_000, "eventID": str(number)}
            yield (b"," if number else b"") + codec.dumps(record)
        yield b"]}"

    tracemalloc.start()
    try:
        count = sum(1 for _ in read_log_file(chunks(), LIMITS, whole_bytes=MIB))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 10 * MIB
