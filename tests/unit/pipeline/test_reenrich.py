"""Resolve again what new evidence may change, and write only what did change."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from enricher.errors import UnavailableError
from enricher.pipeline.reenrich import enrich_again
from enricher.stores.memory import MemoryEventIndex
from tests.unit.pipeline.deliveries import ContestedIndex, Deliveries, log_file
from tests.unit.pipeline.test_offline import ACCOUNT, ASSUMED, KEY, USED

ISSUED = f"issued/{KEY}"
LATER = datetime(2026, 3, 4, tzinfo=UTC)


def late(*records: dict[str, Any], index: MemoryEventIndex | None = None) -> Deliveries:
    """Deliver the use of a credential first, then other records; work is left undone."""
    files = {f"{number}.json.gz": log_file([one]) for number, one in enumerate([USED, *records])}
    deliveries = Deliveries(files=files, index=index or MemoryEventIndex())
    for location in files:
        deliveries.ingest(location)
    deliveries.clock.at = LATER
    return deliveries


def test_late_evidence_is_written_on_the_event() -> None:
    deliveries = late(ASSUMED)
    used = deliveries.index.events[f"used:{ACCOUNT}"].source["enriched"]
    assert (used["state"], used["origin"]["status"]) == ("pending", "unknown")
    deliveries.drain()
    again = deliveries.index.events[f"used:{ACCOUNT}"].source
    assert again["enriched"]["origin"]["id"] == "AIDAEXAMPLE000000001"
    assert again["enriched"]["revision"] == 2
    assert again["enriched"]["at"] == "2026-03-04T00:00:00Z"
    assert again["enriched"]["file"] == "0.json.gz"
    del again["enriched"]
    assert again == USED


def test_what_did_not_change_is_not_written() -> None:
    deliveries = late(ASSUMED)
    deliveries.drain()
    before = copy.deepcopy(deliveries.index.events)
    report = enrich_again([ISSUED], deliveries.enriching)
    assert (report.seen, report.changed) == (2, 0)
    assert deliveries.index.events == before


def test_keys_that_nobody_depends_on_change_nothing() -> None:
    deliveries = late()
    report = enrich_again(["issued/ASIAOTHER", "name/x"], deliveries.enriching)
    assert (report.seen, report.changed) == (0, 0)


@pytest.mark.parametrize("times", [1, 4])
def test_an_event_that_somebody_else_rewrote_is_read_again(times: int) -> None:
    deliveries = late(ASSUMED, index=ContestedIndex(times))
    enrich_again([ISSUED], deliveries.enriching)
    used = deliveries.index.events[f"used:{ACCOUNT}"].source["enriched"]
    assert used["origin"]["id"] == "AIDAEXAMPLE000000001"
    assert used["revision"] == 2


def test_events_that_are_always_being_rewritten_are_tried_again_later() -> None:
    deliveries = late(ASSUMED, index=ContestedIndex(1_000))
    with pytest.raises(UnavailableError):
        enrich_again([ISSUED], deliveries.enriching)


def test_notes_on_the_shape_of_a_record_are_kept() -> None:
    odd = {**USED, "requestParameters": {"policy": "x" * 33_000}, "readOnly": "maybe"}
    files = {"0.json": log_file([odd]), "1.json": log_file([ASSUMED])}
    deliveries = Deliveries(files=files)
    deliveries.ingest_all()
    used = deliveries.index.events[f"used:{ACCOUNT}"].source
    assert used["enriched"]["revision"] == 2
    assert used["enriched"]["notes"] == ["oversize_value", "reshaped_value"]
    assert used["raw"] == odd
    assert deliveries.answers() == deliveries.explained()


def test_a_record_without_an_event_id_keeps_its_id() -> None:
    """It is the digest of the record as delivered, also where a token in it was redacted."""
    nameless = {name: value for name, value in ASSUMED.items() if name != "eventID"}
    created = {
        **USED,
        "eventName": "CreateAccessKey",
        "eventSource": "iam.amazonaws.com",
        "responseElements": {"accessKey": {"accessKeyId": "AKIAEXAMPLE000000001"}},
    }
    files = {"0.json": log_file([nameless]), "1.json": log_file([created])}
    deliveries = Deliveries(files=files)
    deliveries.ingest_all()
    (document_id,) = (name for name in deliveries.answers() if name != f"used:{ACCOUNT}")
    answer = deliveries.answers()[document_id]
    assert answer["credential"]["created_event"] == "used"
    assert answer["origin"]["evidence"] == [document_id]
    assert deliveries.answers() == deliveries.explained()


def _next() -> dict[str, Any]:
    """Give the identity that the second role's session has."""
    return {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE000000002:alice",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Next/alice",
        "accountId": ACCOUNT,
        "accessKeyId": "ASIAEXAMPLE000000002",
        "sessionContext": {"attributes": {"creationDate": "2026-03-02T08:10:00Z"}},
    }


def test_evidence_at_the_head_of_a_chain_reaches_its_end() -> None:
    first = {**ASSUMED, "eventID": "first"}
    second = {
        **USED,
        "eventID": "second",
        "eventName": "AssumeRole",
        "eventSource": "sts.amazonaws.com",
        "requestParameters": {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/Next"},
        "responseElements": {
            "credentials": {"accessKeyId": "ASIAEXAMPLE000000002"},
            "assumedRoleUser": {"assumedRoleId": "AROAEXAMPLE000000002:alice"},
        },
    }
    last = {**USED, "eventID": "last", "userIdentity": _next()}
    files = {f"{n}.json": log_file([one]) for n, one in enumerate([last, second, first])}
    deliveries = Deliveries(files=files)
    deliveries.ingest_all()
    answer = deliveries.answers()[f"last:{ACCOUNT}"]
    assert [hop["event_id"] for hop in answer["chain"]] == ["first", "second"]
    assert deliveries.answers() == deliveries.explained()
