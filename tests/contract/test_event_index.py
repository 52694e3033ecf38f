"""What every event index promises: documents are created once, found, and rewritten with care."""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from opensearchpy import OpenSearch

from enricher.cloudtrail import codec
from enricher.cloudtrail.record import Record
from enricher.cloudtrail.times import format_time
from enricher.errors import UnavailableError
from enricher.identity import keys
from enricher.identity.extract import facts_of
from enricher.pipeline.documents import Period, new_document
from enricher.pipeline.ports import (
    Document,
    OriginChange,
    QuarantineEntry,
    StoredEvent,
    WriteResult,
    Written,
)
from enricher.stores import templates
from enricher.stores.memory import MemoryEventIndex
from enricher.stores.opensearch import OpenSearchEventIndex
from enricher.stores.opensearch_ledger import RunTotals
from tools.trailgen.generate import generate
from tools.trailgen.plan import small_plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enricher.pipeline.ports import EventIndex

INDEX = "cloudtrail-events-2026.03"
OTHER_INDEX = "cloudtrail-events-2026.04"
ACCOUNT = "111122223333"
PRINCIPAL = "AROAEXAMPLE000000001:alice/with/slashes"
ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/alice"
AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
NOW = datetime(2026, 3, 3, tzinfo=UTC)
BULK_BYTES = 1 << 20
CREATED = WriteResult(Written.CREATED)
DUPLICATE = WriteResult(Written.DUPLICATE)

Json = dict[str, Any]


@pytest.fixture
def real(client: OpenSearch) -> OpenSearchEventIndex:
    """The real index, empty."""
    client.indices.delete(index="cloudtrail-*", params={"ignore_unavailable": "true"})
    templates.install(client, Period.MONTH)
    return OpenSearchEventIndex(client, bulk_bytes=BULK_BYTES)


@pytest.fixture(params=["memory", "opensearch"])
def index(request: pytest.FixtureRequest) -> EventIndex:
    """Each index in turn, empty."""
    if request.param == "memory":
        return MemoryEventIndex()
    found: OpenSearchEventIndex = request.getfixturevalue("real")
    return found


def document(name: str, enriched: Json | None = None, /, **fields: object) -> Document:
    """Give a document of that id."""
    record = {"eventID": name, "eventTime": "2026-03-02T08:00:00Z", **fields}
    return new_document(
        document_id=name,
        index=INDEX,
        body=codec.dumps(record),
        enriched={"state": "final", "origin": {"status": "resolved"}, **(enriched or {})},
        file="a.json.gz",
        at=NOW,
    )


def ids(events: Iterable[StoredEvent]) -> list[str]:
    """Give the ids of events, in order."""
    return sorted(event.id for event in events)


def stored(index: EventIndex) -> dict[str, StoredEvent]:
    """Give every event by its id."""
    return {event.id: event for event in index.every()}


def saying(event: StoredEvent, word: str) -> StoredEvent:
    """Give the event with another word in its enrichment."""
    return replace(event, source={**event.source, "enriched": {"state": "final", "notes": [word]}})


# --- create ---------------------------------------------------------------------------------------


def test_documents_are_created_once(index: EventIndex) -> None:
    assert index.create([document("1"), document("2")]) == [CREATED, CREATED]
    assert index.create([document("2"), document("3"), document("1")]) == [
        DUPLICATE,
        CREATED,
        DUPLICATE,
    ]
    assert ids(index.every()) == ["1", "2", "3"]


def test_a_document_that_is_there_stays_untouched(index: EventIndex) -> None:
    index.create([document("1", eventName="First")])
    before = stored(index)["1"]
    index.create([document("1", eventName="Second")])
    assert stored(index)["1"] == before


def test_one_id_twice_in_a_call_is_created_once(index: EventIndex) -> None:
    twice = [document("1", eventName="First"), document("1", eventName="Second")]
    assert index.create(twice) == [CREATED, DUPLICATE]
    assert stored(index)["1"].source["eventName"] == "First"


def test_no_documents_are_no_work(index: EventIndex) -> None:
    assert index.create([]) == []
    assert index.rewrite([]) == []


def test_a_document_comes_back_as_it_was_written(index: EventIndex) -> None:
    fields = {
        "requestParameters": {"a": [1, "é", None, {"b": True}]},
        "readOnly": False,
        "somethingNew": {"x": [1.5]},
        "raw": {"eventID": "1", "odd": "…"},
    }
    one = document("1", {"chain": [], "waiting_for": ["issued/k"]}, **fields)
    index.create([one])
    event = stored(index)["1"]
    assert event.source == codec.loads(one.body)
    assert event.index == INDEX


def test_an_id_may_be_as_long_as_an_id_may_be(index: EventIndex) -> None:
    longest = "é" * 256
    assert (
        index.create([document(longest), document("a/b c?#:%"), document("x" * 512)])
        == [CREATED] * 3
    )
    assert ids(index.every()) == sorted([longest, "a/b c?#:%", "x" * 512])


def test_results_come_in_the_order_of_documents_however_many(index: EventIndex) -> None:
    documents = [document(f"{n:04}", padding="x" * 2_000) for n in range(1_500)]
    assert index.create(documents[::2]) == [CREATED] * 750
    assert index.create(documents) == [DUPLICATE, CREATED] * 750


# --- what depends on a key ------------------------------------------------------------------------

EVENT: Json = {
    "eventTime": "2026-03-02T09:00:00Z",
    "sharedEventID": "s-1",
    "requestID": "r-1",
    "vpcEndpointId": "vpce-1",
    "userIdentity": {
        "accountId": ACCOUNT,
        "principalId": PRINCIPAL,
        "arn": ARN,
        "accessKeyId": "ASIAEXAMPLE000000001",
        "invokedBy": "athena.amazonaws.com",
        "sessionContext": {
            "attributes": {"creationDate": "2026-03-02T08:00:00Z"},
            "signInSessionArn": "arn:aws:signin:::session/1",
        },
    },
    "responseElements": {
        "credentials": {"accessKeyId": "ASIAEXAMPLE000000002"},
        "assumedRoleUser": {"assumedRoleId": "AROAEXAMPLE000000002:bob"},
    },
}
ENRICHED: Json = {
    "state": "pending",
    "waiting_for": ["issued/other", "shared/other"],
    "origin": {"id": "AIDAEXAMPLE000000001", "evidence": ["proof-1", "proof-2"]},
    "chain": [{"via": "AssumeRole"}, {"via": "ConsoleLogin"}],
}
USED_AT = AT + timedelta(hours=1)
KEYS = {
    "waiting": "shared/other",
    "issued, used": keys.issued("ASIAEXAMPLE000000001"),
    "issued, handed out": keys.issued("ASIAEXAMPLE000000002"),
    "longterm": keys.long_term("ASIAEXAMPLE000000001"),
    "shared": keys.shared("s-1"),
    "request": keys.request("r-1"),
    "endpoint": keys.endpoint("vpce-1"),
    "signin": keys.sign_in("arn:aws:signin:::session/1"),
    "name": keys.name("AIDAEXAMPLE000000001"),
    "session": keys.session(ACCOUNT, PRINCIPAL, AT),
    "session, a second later": keys.session(ACCOUNT, PRINCIPAL, AT + timedelta(seconds=1)),
    "session, a second earlier": keys.session(ACCOUNT, PRINCIPAL, AT - timedelta(seconds=1)),
    "session, of that very record": keys.session(ACCOUNT, PRINCIPAL, USED_AT),
    "session, by arn": keys.session(ACCOUNT, ARN, AT),
    "session, issued by the record": keys.session(ACCOUNT, "AROAEXAMPLE000000002:bob", USED_AT),
    "onbehalf": keys.on_behalf(ACCOUNT, PRINCIPAL, AT),
    "oauth": keys.oauth(ACCOUNT, PRINCIPAL, AT),
    "idc": keys.portal(ACCOUNT, "Admin", AT),
    "used": keys.used(ACCOUNT, PRINCIPAL, AT),
    "began": keys.began(ACCOUNT, PRINCIPAL, AT),
}
OTHERS = {
    "issued": keys.issued("ASIAEXAMPLE000000003"),
    "session, two seconds away": keys.session(ACCOUNT, PRINCIPAL, AT + timedelta(seconds=2)),
    "session of another": keys.session(ACCOUNT, "AROAEXAMPLE000000009:eve", AT),
    "session elsewhere": keys.session("444455556666", PRINCIPAL, AT),
    "used on another day": keys.used(ACCOUNT, PRINCIPAL, AT - timedelta(days=1)),
    "began days ago": keys.began(ACCOUNT, PRINCIPAL, AT - timedelta(days=3)),
    "no key": "session/nonsense",
    "nothing": "",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_an_event_is_found_by_each_key_that_it_depends_on(index: EventIndex, key: str) -> None:
    index.create([document("1", ENRICHED, **EVENT), document("2")])
    assert ids(index.depending_on([key], [])) == ["1"]
    assert ids(index.depending_on(["issued/none", key, "shared/none"], [])) == ["1"]


@pytest.mark.parametrize("key", OTHERS.values(), ids=OTHERS)
def test_an_event_is_not_found_by_keys_of_others(index: EventIndex, key: str) -> None:
    index.create([document("1", ENRICHED, **EVENT), document("2")])
    assert ids(index.depending_on([key], [])) == []


def test_an_event_is_found_by_the_records_that_prove_it(index: EventIndex) -> None:
    index.create([document("1", ENRICHED, **EVENT), document("2")])
    assert ids(index.depending_on([], ["proof-2"])) == ["1"]
    assert ids(index.depending_on(["issued/none"], ["proof-0", "proof-1"])) == ["1"]
    assert ids(index.depending_on([], ["proof-3"])) == []
    assert ids(index.depending_on([], [])) == []


def test_an_event_is_found_once_however_many_keys_lead_to_it(index: EventIndex) -> None:
    index.create([document("1", ENRICHED, **EVENT)])
    names = [*KEYS.values(), *(keys.issued(f"ASIA{n:016}") for n in range(250))]
    found = list(index.depending_on(names, ["proof-1", "proof-2"]))
    assert [event.id for event in found] == ["1"]


@pytest.mark.parametrize("kind", ["session", "onbehalf", "idc", "used", "began", "issued"])
def test_any_number_of_keys_of_one_kind_may_be_asked_for(index: EventIndex, kind: str) -> None:
    """A cluster refuses more than 1,024 clauses; spans of time without events are none of them."""
    first, last = AT - timedelta(days=1), AT + timedelta(days=2_000)
    others = [
        document(
            at,
            eventTime=at,
            userIdentity={"sessionContext": {"attributes": {"creationDate": at}}},
        )
        for at in map(format_time, (first, last))
    ]
    index.create([document("1", ENRICHED, **EVENT), *others])
    times = (format_time(AT + timedelta(days=number + 10)) for number in range(1_500))
    names = [f"{kind}/{ACCOUNT}/AROAOTHER:somebody/{at}" for at in times]
    assert ids(index.depending_on(names, [])) == []
    assert ids(index.depending_on([*names, keys.session(ACCOUNT, PRINCIPAL, AT)], [])) == ["1"]


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-02T08:00:00.999Z",
        "2026-03-02T08:00:01.999Z",
        "2026-03-02 08:00:00.000",
        "20260302T080000Z",
        "2026-03-02T09:00:00+01:00",
    ],
)
def test_an_event_is_found_however_its_creation_time_is_written(
    index: EventIndex, written: str
) -> None:
    context = {"attributes": {"creationDate": written}}
    identity = {"accountId": ACCOUNT, "principalId": PRINCIPAL, "sessionContext": context}
    index.create([document("1", userIdentity=identity)])
    assert ids(index.depending_on([keys.session(ACCOUNT, PRINCIPAL, AT)], [])) == ["1"]


def test_what_was_written_just_now_is_found(index: EventIndex) -> None:
    for number in range(5):
        index.create([document(str(number), ENRICHED, **EVENT)])
        assert len(ids(index.depending_on(["issued/other"], []))) == number + 1


def test_nothing_is_found_where_nothing_is(index: EventIndex) -> None:
    assert ids(index.depending_on(["issued/k"], ["proof"])) == []
    assert ids(index.every()) == []
    assert ids(index.pending()) == []
    assert ids(index.not_enriched()) == []


def test_more_events_than_a_page_are_all_found(index: EventIndex) -> None:
    names = [f"{number:04}" for number in range(2_300)]
    index.create([document(name, ENRICHED, **EVENT) for name in names])
    assert ids(index.depending_on(["issued/other"], [])) == names
    assert ids(index.every()) == names


def test_both_indices_find_the_same_events_for_every_key_of_a_trail(
    real: OpenSearchEventIndex,
) -> None:
    records = [Record(raw) for raw in generate(3, small_plan()).records]
    waiting = sorted({keyed.key for record in records for keyed in facts_of(record)})
    twin = MemoryEventIndex()
    documents = [
        new_document(
            document_id=record.document_id,
            index=INDEX,
            body=codec.dumps(record.raw),
            enriched={"state": "pending", "waiting_for": [waiting[number % len(waiting)]]},
            file="a.json.gz",
            at=NOW,
        )
        for number, record in enumerate(records)
    ]
    for index in (real, twin):
        assert index.create(documents) == [CREATED] * len(documents)
    for key in waiting:
        assert ids(real.depending_on([key], [])) == ids(twin.depending_on([key], [])), key


# --- what waits, what is raw ----------------------------------------------------------------------


def test_what_waits_is_found(index: EventIndex) -> None:
    index.create(
        [
            document("pending", {"state": "pending"}),
            document("final"),
            document("unresolved", {"state": "unresolved"}),
        ]
    )
    assert ids(index.pending()) == ["pending"]
    assert ids(index.pending(written_before=NOW + timedelta(seconds=1))) == ["pending"]
    assert ids(index.pending(written_before=NOW)) == []


def test_what_was_written_raw_is_found_by_its_file(index: EventIndex) -> None:
    raw = Document(
        id="raw",
        index=INDEX,
        body=codec.dumps(
            {
                "eventID": "raw",
                "eventTime": "2026-03-02T08:00:00Z",
                "enriched": {"state": "pending", "file": "b.json.gz", "at": format_time(NOW)},
            }
        ),
    )
    index.create([raw, document("pending", {"state": "pending"}), document("final")])
    assert ids(index.not_enriched()) == ["raw"]
    assert ids(index.of_file("b.json.gz")) == ["raw"]
    assert ids(index.of_file("a.json.gz")) == ["final", "pending"]
    assert ids(index.of_file("none.json.gz")) == []


def test_events_are_given_as_they_are_stored(index: EventIndex) -> None:
    documents = [document(f"{number}") for number in range(3)]
    index.create(documents[:2])
    assert ids(index.stored(documents)) == ["0", "1"]
    assert ids(index.stored([])) == []
    (event,) = index.stored(documents[:1])
    assert index.rewrite([saying(event, "now")]) == [True]
    assert index.rewrite([saying(event, "too late")]) == [False]
    (event,) = index.stored(documents[:1])
    assert event.source["enriched"]["notes"] == ["now"]


# --- rewrite --------------------------------------------------------------------------------------


def test_an_event_is_rewritten_as_a_whole(index: EventIndex) -> None:
    index.create([document("1"), document("2")])
    before = stored(index)
    again = saying(before["1"], "again")
    assert index.rewrite([again]) == [True]
    after = stored(index)
    assert after["1"].source == again.source
    assert after["1"].seq_no != before["1"].seq_no
    assert after["2"] == before["2"]


def test_an_event_that_somebody_else_rewrote_is_left_alone(index: EventIndex) -> None:
    index.create([document("1")])
    read = stored(index)["1"]
    assert index.rewrite([saying(read, "first")]) == [True]
    assert index.rewrite([saying(read, "second")]) == [False]
    assert stored(index)["1"].source["enriched"]["notes"] == ["first"]


def test_results_of_rewriting_come_in_order(index: EventIndex) -> None:
    index.create([document(str(number)) for number in range(6)])
    read = [event for _, event in sorted(stored(index).items())]
    index.rewrite([saying(event, "first") for event in read[::2]])
    assert index.rewrite([saying(event, "second") for event in read]) == [False, True] * 3


def test_more_events_than_a_page_are_rewritten(index: EventIndex) -> None:
    index.create([document(f"{number:04}") for number in range(2_300)])
    read = list(index.every())
    assert index.rewrite([saying(event, "again") for event in read]) == [True] * 2_300
    assert all(event.source["enriched"]["notes"] == ["again"] for event in index.every())


def test_an_event_read_after_it_was_rewritten_can_be_rewritten_again(index: EventIndex) -> None:
    index.create([document("1")])
    for word in ("one", "two", "three"):
        assert index.rewrite([saying(stored(index)["1"], word)]) == [True]
    assert stored(index)["1"].source["enriched"]["notes"] == ["three"]


# --- quarantine, ledger and audit -----------------------------------------------------------------


def entry(name: str, **changes: Any) -> QuarantineEntry:  # noqa: ANN401 - the entry's own fields
    """Give a quarantine entry of that id."""
    whole = QuarantineEntry(
        id=name,
        what="record",
        reason="record-too-deep",
        location="/logs/a.json.gz",
        position=7,
        event_id="e-1",
        document_id="d-1",
        detail="field eventName",
        verbatim='{"eventID":"e-1","eventTime":7}',
        at=NOW,
        run_id="run-1",
    )
    return replace(whole, **changes)


def kept(index: EventIndex, name: str) -> Json:
    """Give a quarantine entry as it is kept, without what is absent."""
    if isinstance(index, MemoryEventIndex):
        found = index.quarantine_entries[name]
        fields = {part: getattr(found, part) for part in QuarantineEntry.__dataclass_fields__}
        fields["at"] = format_time(found.at)
        return {part: value for part, value in fields.items() if value is not None}
    assert isinstance(index, OpenSearchEventIndex)
    (hit,) = index.quarantine_by_id(name)
    return hit


def test_what_was_refused_is_kept_whole(index: EventIndex) -> None:
    index.quarantine([entry("one")])
    assert kept(index, "one") == {
        "id": "one",
        "what": "record",
        "reason": "record-too-deep",
        "location": "/logs/a.json.gz",
        "position": 7,
        "event_id": "e-1",
        "document_id": "d-1",
        "detail": "field eventName",
        "verbatim": '{"eventID":"e-1","eventTime":7}',
        "at": "2026-03-03T00:00:00Z",
        "run_id": "run-1",
        "attempts": 0,
    }


def test_the_same_entry_twice_is_one_and_says_the_latest(index: EventIndex) -> None:
    index.quarantine([entry("one", reason="a"), entry("two", verbatim=None, position=None)])
    index.quarantine([entry("one", reason="b")])
    assert kept(index, "one")["reason"] == "b"
    assert "verbatim" not in kept(index, "two")


@pytest.mark.parametrize(
    "verbatim", ["", "null", "7", "[1]", '"text"', "{" * 300, "\x00\x1b[31m", "x" * 40_000]
)
def test_anything_can_be_kept_verbatim(index: EventIndex, verbatim: str) -> None:
    index.quarantine([entry("one", verbatim=verbatim)])
    assert kept(index, "one")["verbatim"] == verbatim


def test_the_ledger_joins_what_is_said_of_a_location(index: EventIndex) -> None:
    location = "/logs/" + "x" * 5_000
    assert index.file(location) is None
    first = {"location": location, "status": "failed", "reason": "x", "refusals": [{"count": 1}]}
    second: dict[str, Any] = {
        "location": location,
        "status": "ingested",
        "reason": None,
        "refusals": [],
    }
    index.save_files([{**first, "etag": "e"}, {"location": "/logs/b", "status": "queued"}])
    index.save_files([second])
    assert index.file(location) == {**second, "etag": "e"}
    assert index.file("/logs/b") == {"location": "/logs/b", "status": "queued"}
    assert index.file("/logs/other") is None


def change(document_id: str, revision: int = 2) -> OriginChange:
    """Give a change of what an event says."""
    return OriginChange(
        document_id=document_id,
        event_id="e-1",
        revision=revision,
        at=NOW,
        previous={"status": "unknown"},
        current={"status": "resolved", "id": "AIDAEXAMPLE000000001", "human": True},
    )


@pytest.mark.parametrize("document_id", ["e-1:1", "x" * 512, "é" * 256])
def test_what_an_event_said_before_is_kept_whatever_its_id(
    index: EventIndex, document_id: str
) -> None:
    index.audit([change(document_id), change(document_id, 3)])
    index.audit([change(document_id)])
    if isinstance(index, MemoryEventIndex):
        assert len(index.changes) == 2


# --- what only the real index does ----------------------------------------------------------------


def audited(client: OpenSearch) -> list[Json]:
    """Give what is in the audit."""
    client.indices.refresh(index="cloudtrail-audit")
    hits = client.search(index="cloudtrail-audit", body={"sort": ["revision"]})["hits"]["hits"]
    return [hit["_source"] for hit in hits]


def test_a_change_is_in_the_audit_once(client: OpenSearch, real: OpenSearchEventIndex) -> None:
    real.audit([change("d-1"), change("d-1", 3)])
    real.audit([change("d-1")])
    one, two = audited(client)
    assert one == {
        "what": "origin-changed",
        "document_id": "d-1",
        "event_id": "e-1",
        "revision": 2,
        "at": "2026-03-03T00:00:00Z",
        "previous": {"status": "unknown"},
        "current": {"status": "resolved", "id": "AIDAEXAMPLE000000001", "human": True},
    }
    assert two["revision"] == 3


def test_a_document_that_breaks_the_mapping_is_refused_and_its_neighbours_are_not(
    real: OpenSearchEventIndex,
) -> None:
    documents = [
        document("1"),
        document("2", eventName={"secret": "AKIAEXAMPLE000000001"}),
        document("3", eventTime="yesterday, AKIAEXAMPLE000000001"),
        document("4", requestParameters={"policy": "x" * 33_000}),
        document("5"),
    ]
    one, two, three, four, five = real.create(documents)
    assert (one, five) == (CREATED, CREATED)
    for refused in (two, three, four):
        assert refused.written is Written.REFUSED
        assert refused.reason is not None
        assert "AKIA" not in f"{refused.reason}{refused.detail}"
    assert two.detail == "field eventName"
    assert three.detail == "field eventTime"
    assert ids(real.every()) == ["1", "5"]


def test_one_record_lives_in_the_index_of_its_time(real: OpenSearchEventIndex) -> None:
    real.create([document("1"), msgspec.structs.replace(document("2"), index=OTHER_INDEX)])
    assert {event.id: event.index for event in real.every()} == {"1": INDEX, "2": OTHER_INDEX}
    assert ids(real.depending_on([], [])) == []


def test_a_scan_gives_each_event_once_over_several_indices(real: OpenSearchEventIndex) -> None:
    names = [f"{number:04}" for number in range(1_203)]
    documents = [
        msgspec.structs.replace(
            document(name, eventName=name[-1]), index=(INDEX, OTHER_INDEX)[number % 2]
        )
        for number, name in enumerate(names)
    ]
    real.create(documents)
    assert ids(real.every()) == names
    assert ids(real.scan({"term": {"eventName": "7"}})) == [n for n in names if n[-1] == "7"]


def test_a_scan_that_is_given_up_leaves_nothing_open(
    real: OpenSearchEventIndex, client: OpenSearch
) -> None:
    real.create([document(str(number)) for number in range(3)])
    events = real.every()
    next(iter(events))
    events.close()  # type: ignore[attr-defined] # the real one is a generator
    opened = client.transport.perform_request("GET", "/_search/point_in_time/_all")
    assert opened["pits"] == []


def test_a_scan_shows_one_point_in_time(real: OpenSearchEventIndex) -> None:
    real.create([document(f"{number:04}") for number in range(1_001)])
    events = iter(real.every())
    next(events)
    real.create([document("late")])
    assert "late" not in [event.id for event in events]


def test_events_are_counted_by_state(real: OpenSearchEventIndex) -> None:
    real.create([document("1"), document("2"), document("3", {"state": "pending"})])
    assert real.states() == {"final": 2, "pending": 1}


def test_events_are_summed_up_by_the_files_that_delivered_them(real: OpenSearchEventIndex) -> None:
    origin = {"origin": {"status": "resolved", "rule": "L1", "kind": "iam_user"}}
    real.create([document("1", origin), document("2", origin), document("3", {"state": "pending"})])
    assert real.summarize(["a.json.gz", "none"]) == {
        "status": {"resolved": 3},
        "rule": {"L1": 2},
        "state": {"final": 2, "pending": 1},
        "kind": {"iam_user": 2},
    }
    assert real.summarize(["none"]) == {"status": {}, "rule": {}, "state": {}, "kind": {}}


def test_the_ledger_adds_up_a_run(real: OpenSearchEventIndex) -> None:
    run = uuid.uuid4().hex
    numbers = {"records": 3, "indexed": 1, "duplicate": 1, "quarantined": 1}
    entries = [
        {"location": f"/{name}", "run_id": run, "status": "ingested", **numbers} for name in "ca"
    ]
    queued = {"location": "/b", "run_id": run, "status": "queued"}
    other = {"location": "/d", "run_id": "other", "status": "failed", **numbers}
    real.save_files([*entries, queued, other])
    assert list(real.locations_of_run(run)) == ["/a", "/b", "/c"]
    assert list(real.locations_of_run("none")) == []
    assert real.run_totals(run) == RunTotals(
        files=3,
        records=6,
        indexed=2,
        duplicate=2,
        quarantined=2,
        by_status={"ingested": 2, "queued": 1},
    )


def test_the_ledger_knows_what_was_queued_and_has_not_ended(index: EventIndex) -> None:
    def queued(name: str, at: datetime, status: str = "queued") -> dict[str, Any]:
        return {"location": f"/still/{name}", "status": status, "queued_at": format_time(at)}

    early, late = NOW - timedelta(hours=1), NOW
    index.save_files([queued("a", early), queued("b", late), queued("c", early, "ingested")])
    found = [one["location"] for one in index.still_queued(NOW)]
    assert [location for location in found if location.startswith("/still/")] == ["/still/a"]


def test_the_quarantine_is_listed_newest_first(real: OpenSearchEventIndex) -> None:
    real.quarantine(
        [
            entry("aa1", at=AT),
            entry("aa2", at=NOW, reason="json-invalid"),
            entry("bb1", at=NOW + timedelta(seconds=1), run_id="run-2"),
        ]
    )
    entries, total = real.quarantine_entries({}, 2)
    assert ([one["id"] for one in entries], total) == (["bb1", "aa2"], 3)
    entries, total = real.quarantine_entries({"run_id": "run-1", "reason": "json-invalid"}, 10)
    assert ([one["id"] for one in entries], total) == (["aa2"], 1)
    assert sorted(one["id"] for one in real.quarantine_by_id("aa")) == ["aa1", "aa2"]
    assert real.quarantine_by_id("zz") == []


def test_a_file_of_which_much_is_refused_fits_into_the_quarantine(
    real: OpenSearchEventIndex,
) -> None:
    """A node takes requests of at most 100 MB."""
    real.quarantine([entry(f"large-{n:02}", verbatim="x" * 4_900_000) for n in range(22)])
    _, total = real.quarantine_entries({}, 0)
    assert total == 22


def test_many_large_events_are_rewritten(real: OpenSearchEventIndex, client: OpenSearch) -> None:
    """A node takes requests of at most 100 MB."""
    names = [f"large-{number:02}" for number in range(55)]
    real.create([document(name, raw={"text": "x" * 1_900_000}) for name in names])
    read = []
    for name in names:
        found = client.get(index=INDEX, id=name)
        term = found["_primary_term"]
        read.append(
            StoredEvent(
                id=name,
                index=INDEX,
                source=found["_source"],
                seq_no=found["_seq_no"],
                primary_term=term,
            )
        )
    assert real.rewrite([saying(event, "again") for event in read]) == [True] * 55


def test_a_node_that_does_not_answer_is_unavailable() -> None:
    with closing(OpenSearch("http://127.0.0.1:1", max_retries=0)) as nobody:
        away = OpenSearchEventIndex(nobody, bulk_bytes=BULK_BYTES)
        event = StoredEvent(id="1", index=INDEX, source={}, seq_no=0, primary_term=1)
        calls = (
            lambda: away.create([document("1")]),
            lambda: list(away.depending_on(["issued/k"], [])),
            lambda: list(away.every()),
            lambda: list(away.pending()),
            lambda: away.rewrite([event]),
            lambda: away.quarantine([entry("1")]),
            lambda: away.audit([change("1")]),
            lambda: away.save_files([{"location": "/a"}]),
            lambda: away.file("/a"),
        )
        for call in calls:
            with pytest.raises(UnavailableError):
                call()
