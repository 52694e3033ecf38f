"""What digest files say is kept beside what became of the log files, and marked on the events."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from opensearchpy import OpenSearch

from enricher.cloudtrail import codec
from enricher.errors import UnavailableError
from enricher.pipeline.documents import Period, new_document
from enricher.pipeline.integrity import Integrity, integrity_of, keep, mark_integrity
from enricher.pipeline.ports import DigestedFile, DigestStatus, IngestedFile
from enricher.stores import templates
from enricher.stores.memory import MemoryEventIndex
from enricher.stores.opensearch import OpenSearchEventIndex

INDEX = "cloudtrail-events-2026.03"
NOW = datetime(2026, 3, 3, tzinfo=UTC)
LOG = (
    "s3://b/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/02/"
    "111122223333_CloudTrail_eu-west-1_20260302T0835Z_x.json.gz"
)
VERSION = f"{LOG}?versionId=v1"
RIGHT, WRONG = "aa" * 32, "bb" * 32

EventIndex = MemoryEventIndex | OpenSearchEventIndex


@pytest.fixture
def real(client: OpenSearch) -> OpenSearchEventIndex:
    client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
    templates.install(client, Period.MONTH)
    return OpenSearchEventIndex(client, bulk_bytes=1 << 20)


@pytest.fixture(params=["memory", "opensearch"])
def index(request: pytest.FixtureRequest) -> EventIndex:
    """Each index in turn, empty."""
    if request.param == "memory":
        return MemoryEventIndex()
    found: OpenSearchEventIndex = request.getfixturevalue("real")
    return found


def digested(location: str = LOG, status: DigestStatus = DigestStatus.VALID) -> DigestedFile:
    return DigestedFile(
        location=location, sha256=RIGHT, status=status, digest="s3://b/d.json.gz", verified_at=NOW
    )


DIGEST = {
    "status": "valid",
    "file": "s3://b/d.json.gz",
    "sha256": RIGHT,
    "verified_at": "2026-03-03T00:00:00Z",
}


def ingest(
    index: EventIndex, location: str, sha256: str | None = RIGHT, *names: str, said: str = ""
) -> None:
    """Write events of a log file, and its ledger entry."""
    documents = [
        new_document(
            document_id=name,
            index=INDEX,
            body=codec.dumps({"eventID": name, "eventTime": "2026-03-02T08:00:00Z"}),
            enriched={"state": "final", **({"integrity": said} if said else {})},
            file=location,
            at=NOW,
        )
        for name in names
    ]
    index.create(documents)
    hashed = {"content_sha256": sha256} if sha256 else {}
    entry = {"location": location, "status": "ingested", "records": len(names), **hashed}
    index.save_files([entry])


def integrity(index: EventIndex) -> dict[str, Any]:
    return {event.id: event.source["enriched"].get("integrity") for event in index.every()}


# --- the ledger ---------------------------------------------------------------------------------


def test_a_log_file_that_was_promised_is_in_the_ledger(index: EventIndex) -> None:
    assert index.save_digests([digested()]) == []
    assert index.file(LOG) == {
        "location": LOG,
        "status": "missing",
        "reason": "not-ingested",
        "account_id": "111122223333",
        "region": "eu-west-1",
        "delivered_at": "2026-03-02T08:35:00Z",
        "digest": DIGEST,
    }
    index.save_digests([digested("/gone.json.gz", DigestStatus.MISSING)])
    gone = index.file("/gone.json.gz") or {}
    assert (gone["status"], gone["reason"]) == ("missing", "not-delivered")


def test_an_entry_keeps_everything_else(index: EventIndex) -> None:
    ingest(index, LOG)
    before = index.file(LOG) or {}
    for status in (DigestStatus.CHANGED, DigestStatus.VALID):
        found = index.save_digests([digested(status=status), digested("/other")])
        assert found == [IngestedFile(LOG, LOG, RIGHT)]
    assert index.file(LOG) == {**before, "digest": DIGEST}


def test_a_log_file_that_was_ingested_by_its_version_was_ingested(index: EventIndex) -> None:
    ingest(index, VERSION, WRONG)
    ingest(index, f"{LOG}?versionId=v2", None)
    found = index.save_digests([digested()])
    assert sorted(found, key=str) == [
        IngestedFile(VERSION, LOG, WRONG),
        IngestedFile(f"{LOG}?versionId=v2", LOG, None),
    ]
    assert index.file(LOG) is None
    assert (index.file(VERSION) or {})["digest"] == DIGEST


def test_a_promise_is_kept_by_any_version(index: EventIndex) -> None:
    index.save_digests([digested()])
    index.adopt_digest(VERSION)  # before it is ingested there is nobody to adopt it
    assert index.digests_of([LOG]) == {LOG: RIGHT}
    ingest(index, VERSION)
    assert index.digests_of([VERSION]) == {VERSION: RIGHT}
    index.adopt_digest(VERSION)
    assert index.file(LOG) is None
    assert (index.file(VERSION) or {})["digest"] == DIGEST
    assert index.digests_of([VERSION, LOG]) == {VERSION: RIGHT}
    index.adopt_digest(VERSION)  # again changes nothing
    assert (index.file(VERSION) or {})["digest"] == DIGEST


def test_a_promise_that_was_kept_unnoticed_is_cleared_by_verifying(index: EventIndex) -> None:
    index.save_digests([digested()])
    ingest(index, VERSION)
    assert index.save_digests([digested()]) == [IngestedFile(VERSION, LOG, RIGHT)]
    assert index.file(LOG) is None


def test_an_object_that_was_ingested_itself_keeps_its_entry(index: EventIndex) -> None:
    ingest(index, LOG)
    ingest(index, VERSION)
    assert len(index.save_digests([digested()])) == 2
    index.adopt_digest(VERSION)
    for location in (LOG, VERSION):
        assert (index.file(location) or {})["digest"] == DIGEST


def test_what_a_digest_says_is_found_by_location(index: EventIndex) -> None:
    assert index.digests_of([LOG]) == {}
    index.save_digests([digested(), digested("/a")])
    ingest(index, "/never-digested")
    assert index.digests_of([LOG, "/a", "/b", "/never-digested"]) == {LOG: RIGHT, "/a": RIGHT}
    assert index.digests_of([]) == {}
    assert index.save_digests([]) == []


def test_many_at_once_are_saved(index: EventIndex) -> None:
    files = [digested(f"s3://b/{number:04}.json.gz") for number in range(700)]
    ingest(index, files[650].location)
    assert index.save_digests(files) == [
        IngestedFile(files[650].location, files[650].location, RIGHT)
    ]
    assert len(index.digests_of([file.location for file in files])) == 700


# --- the events ---------------------------------------------------------------------------------


def test_what_was_read_is_compared_with_what_was_signed() -> None:
    assert integrity_of(None, RIGHT) is None
    assert integrity_of(RIGHT, RIGHT) is Integrity.VALID
    assert integrity_of(RIGHT, WRONG) is Integrity.CHANGED


def test_events_are_marked_by_their_log_file(index: EventIndex) -> None:
    ingest(index, LOG, RIGHT, "1", "2")
    ingest(index, "/other", RIGHT, "3")
    before = {event.id: event for event in index.every()}
    assert index.mark_integrity([LOG], "valid") == 2
    assert integrity(index) == {"1": "valid", "2": "valid", "3": None}
    assert index.mark_integrity([LOG], "valid") == 0
    assert index.mark_integrity([LOG, "/other", "/none"], "changed") == 3
    assert set(integrity(index).values()) == {"changed"}
    for event in index.every():
        marked = {**before[event.id].source["enriched"], "integrity": "changed"}
        assert event.source == {**before[event.id].source, "enriched": marked}


def test_events_are_marked_by_what_was_ingested(index: EventIndex) -> None:
    """What lies in the bucket now may have been put back, or changed since."""
    ingest(index, LOG, RIGHT, "as signed")
    ingest(index, "/a", WRONG, "not as signed")
    ingest(index, "/b", None, "not noted, valid now")
    ingest(index, "/c", None, "not noted, gone now")
    ingest(index, "/d", RIGHT, "as signed, gone now")
    ingest(index, VERSION, WRONG, "a version")
    keep(
        [
            digested(status=DigestStatus.CHANGED),
            digested("/a"),
            digested("/b"),
            digested("/c", DigestStatus.MISSING),
            digested("/d", DigestStatus.MISSING),
        ],
        index,
    )
    assert integrity(index) == {
        "as signed": "valid",
        "not as signed": "changed",
        "not noted, valid now": "valid",
        "not noted, gone now": None,
        "as signed, gone now": "valid",
        "a version": "changed",
    }


@pytest.mark.parametrize("location", [LOG, VERSION])
def test_a_log_file_that_is_ingested_after_it_was_verified_is_marked(
    index: EventIndex, location: str
) -> None:
    """The digest file was noted while the log file's events were being written."""
    ingest(index, location, WRONG, "1")
    mark_integrity({location: WRONG}, index)
    assert integrity(index) == {"1": None}
    index.save_digests([digested()])
    mark_integrity({location: WRONG}, index)
    assert integrity(index) == {"1": "changed"}


def test_nothing_is_marked_where_nothing_is(index: EventIndex) -> None:
    assert index.mark_integrity([LOG], "valid") == 0


# --- what only the real index does --------------------------------------------------------------


def test_marking_and_rewriting_at_the_same_time_lose_nothing(real: OpenSearchEventIndex) -> None:
    names = [f"{number:03}" for number in range(400)]
    ingest(real, LOG, RIGHT, *names)
    stop = threading.Event()
    failures: list[BaseException] = []
    rewritten: dict[str, int] = {}

    def rewrite() -> None:
        try:
            round_number = 0
            while not stop.is_set():
                round_number += 1
                for event in [one for one in real.every() if int(one.id) % 20 == 0]:
                    enriched = {**event.source["enriched"], "revision": round_number + 1}
                    new = replace(event, source={**event.source, "enriched": enriched})
                    if real.rewrite([new]) == [True]:
                        rewritten[event.id] = round_number + 1
        except BaseException as err:  # noqa: BLE001 - told by the test
            failures.append(err)

    thread = threading.Thread(target=rewrite)
    thread.start()
    try:
        for word in ("valid", "changed") * 5:
            _mark(real, word)
        deadline = time.monotonic() + 60
        while not rewritten and not failures and time.monotonic() < deadline:
            _mark(real, "changed")
    finally:
        stop.set()
        thread.join()
    assert failures == []
    events = list(real.every())
    assert {event.source["enriched"]["integrity"] for event in events} == {"changed"}
    revisions = {one.id: one.source["enriched"]["revision"] for one in events}
    assert rewritten
    assert {_id: revisions[_id] for _id in rewritten} == rewritten


def _mark(real: OpenSearchEventIndex, word: str) -> None:
    """Mark, once more where the others were faster each time."""
    try:
        real.mark_integrity([LOG], word)
    except UnavailableError:
        real.mark_integrity([LOG], word)


def test_log_files_that_are_missing_are_listed(real: OpenSearchEventIndex) -> None:
    ingest(real, "/in")
    real.save_digests([digested("/in"), digested("/out")])
    entries, total = real.ledger("missing", 10)
    assert ([one["location"] for one in entries], total) == (["/out"], 1)
    assert sum(one["files"] for one in real.lag(NOW)) == 1


def test_marking_needs_a_node_that_answers() -> None:
    with closing(OpenSearch("http://127.0.0.1:1", max_retries=0)) as nobody:
        away = OpenSearchEventIndex(nobody, bulk_bytes=1 << 20)
        for call in (
            lambda: away.mark_integrity([LOG], "valid"),
            lambda: away.save_digests([digested()]),
            lambda: away.digests_of([LOG]),
            lambda: away.adopt_digest(VERSION),
        ):
            with pytest.raises(UnavailableError):
                call()
