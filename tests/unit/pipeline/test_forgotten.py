"""Evidence that is away, files that kill their worker, changes that are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from enricher.cloudtrail import codec
from enricher.cloudtrail.reading import InputLimits
from enricher.enrichers.registry import built_in
from enricher.errors import UnavailableError
from enricher.pipeline.documents import Period
from enricher.pipeline.ingest import MOST_ATTEMPTS, IngestServices, ingest_log_files
from enricher.pipeline.reenrich import EnrichServices, enrich_again
from enricher.pipeline.upkeep import rebuild_evidence, reconcile
from enricher.stores.memory import (
    MemoryAttempts,
    MemoryEventIndex,
    MemoryEvidenceStore,
    MemoryLogFiles,
    MemoryTaskQueue,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from enricher.identity.evidence import Loaded
    from enricher.identity.facts import Keyed
    from enricher.pipeline.ledger import FileReport

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
WINDOW = timedelta(hours=24)
ROLE = "arn:aws:iam::444455556666:role/Deploy"
HOLDER = "AROAEXAMPLEDEPLOY0001:ci"


def record(event_id: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any CloudTrail field
    return {
        "eventVersion": "1.11",
        "eventID": event_id,
        "eventTime": "2026-03-02T10:00:00Z",
        "eventType": "AwsApiCall",
        "awsRegion": "eu-west-1",
        "recipientAccountId": "444455556666",
        **fields,
    }


ISSUED = record(
    "issued",
    eventSource="sts.amazonaws.com",
    eventName="AssumeRole",
    userIdentity={
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLEALICE00001",
        "arn": "arn:aws:iam::444455556666:user/alice",
        "accountId": "444455556666",
        "accessKeyId": "AKIAEXAMPLEALICE00001",
        "userName": "alice",
    },
    requestParameters={"roleArn": ROLE, "roleSessionName": "ci"},
    responseElements={
        "credentials": {
            "accessKeyId": "ASIAEXAMPLEISSUED0001",
            "expiration": "Mar 2, 2026, 11:00:00 AM",
        },
        "assumedRoleUser": {
            "assumedRoleId": HOLDER,
            "arn": "arn:aws:sts::444455556666:assumed-role/Deploy/ci",
        },
    },
)
USED = record(
    "used",
    eventTime="2026-03-02T10:05:00Z",
    eventSource="s3.amazonaws.com",
    eventName="DeleteBucket",
    userIdentity={
        "type": "AssumedRole",
        "principalId": HOLDER,
        "arn": "arn:aws:sts::444455556666:assumed-role/Deploy/ci",
        "accountId": "444455556666",
        "accessKeyId": "ASIAEXAMPLEISSUED0001",
        "sessionContext": {
            "attributes": {"creationDate": "2026-03-02T10:00:00Z", "mfaAuthenticated": "false"},
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLEDEPLOY0001",
                "arn": ROLE,
                "accountId": "444455556666",
                "userName": "Deploy",
            },
        },
    },
)


class FixedClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


class EvidenceThatComesAndGoes(MemoryEvidenceStore):
    """An evidence store that can be away."""

    away = False

    def publish(self, keyed: Iterable[Keyed]) -> set[str]:
        self._answer()
        return super().publish(keyed)

    def read(self, keys: Sequence[str]) -> list[Loaded]:
        self._answer()
        return super().read(keys)

    def _answer(self) -> None:
        if self.away:
            raise UnavailableError("away")


def ingest(location: str, house: House) -> FileReport:
    (report,) = ingest_log_files([location], "run", house.ingesting)
    return report


class House:
    """Memory twins, put together as the bootstrap does it."""

    def __init__(self, *records: dict[str, Any]) -> None:
        files = {one["eventID"]: codec.dumps({"Records": [one]}) for one in records}
        self.clock = FixedClock()
        self.store = EvidenceThatComesAndGoes()
        self.index = MemoryEventIndex()
        self.queue = MemoryTaskQueue()
        self.attempts = MemoryAttempts()
        self.ingesting = IngestServices(
            source=MemoryLogFiles(files),
            index=self.index,
            store=self.store,
            queue=self.queue,
            attempts=self.attempts,
            clock=self.clock,
            limits=InputLimits(),
            period=Period.MONTH,
            enrichers=built_in(),
            batch_records=100,
        )
        self.enriching = EnrichServices(
            index=self.index,
            store=self.store,
            queue=self.queue,
            clock=self.clock,
            enrichers=built_in(),
            batch_records=100,
        )

    def origin(self, event_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.enriched(event_id)["origin"]
        return found

    def enriched(self, event_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.index.events[f"{event_id}:444455556666"].source["enriched"]
        return found


def test_raw_events_go_in_while_the_evidence_is_away_and_are_enriched_by_the_next_attempt() -> None:
    house = House(USED)
    house.store.away = True

    with pytest.raises(UnavailableError):
        ingest("used", house)

    assert house.enriched("used")["state"] == "pending"
    assert "origin" not in house.enriched("used")
    house.store.away = False
    report = ingest("used", house)
    assert report.duplicate == 1
    assert house.origin("used")["reason"] == "issuer-not-seen"


def test_servers_that_are_away_again_and_again_are_no_fault_of_the_file() -> None:
    house = House(USED)
    house.store.away = True
    for _ in range(MOST_ATTEMPTS + 2):
        with pytest.raises(UnavailableError):
            ingest("used", house)
    house.store.away = False

    assert ingest("used", house).status == "ingested"


def test_reconciling_enriches_what_was_left_raw() -> None:
    house = House(USED)
    house.store.away = True
    with pytest.raises(UnavailableError):
        ingest("used", house)
    house.store.away = False

    report = reconcile(house.enriching, WINDOW)

    assert (report.raw, report.awaited, report.closed) == (1, 0, 0)
    assert house.origin("used")["status"] == "unknown"


def test_reconciling_finds_evidence_whose_arrival_went_unnoticed() -> None:
    house = House(USED, ISSUED)
    ingest("used", house)
    ingest("issued", house)
    house.queue.keys.clear()  # the wake-up is lost

    report = reconcile(house.enriching, WINDOW)

    assert report.awaited == 1
    assert house.origin("used")["name"] == "alice"


def test_a_window_that_is_over_ends_the_waiting_and_late_evidence_is_still_taken() -> None:
    house = House(USED, ISSUED)
    ingest("used", house)
    assert house.enriched("used")["state"] == "pending"
    house.clock.at = NOW + WINDOW + timedelta(seconds=1)

    assert reconcile(house.enriching, WINDOW).closed == 1

    assert house.enriched("used")["state"] == "unresolved"
    assert "waiting_for" not in house.enriched("used")
    ingest("issued", house)
    for keys in house.queue.keys:
        enrich_again(keys, house.enriching)
    assert house.enriched("used")["state"] == "final"
    assert house.origin("used")["name"] == "alice"


def test_the_former_origin_is_kept_when_an_event_names_another() -> None:
    house = House(USED, ISSUED)
    ingest("used", house)
    ingest("issued", house)

    for keys in house.queue.keys:
        enrich_again(keys, house.enriching)

    assert house.enriched("used")["revision"] == 2
    change = house.index.changes["used:444455556666", 2]
    assert change.previous["kind"] == "unknown_issuer"
    assert change.current["id"] == "AIDAEXAMPLEALICE00001"


def test_rebuilt_evidence_is_the_evidence_that_was_lost() -> None:
    house = House(USED, ISSUED)
    for location in ("issued", "used"):
        ingest(location, house)
    before = {
        key: loaded.facts
        for key in ("issued/ASIAEXAMPLEISSUED0001",)
        for loaded in house.store.read([key])
    }
    fresh = MemoryEvidenceStore()
    services = EnrichServices(
        index=house.index,
        store=fresh,
        queue=house.queue,
        clock=house.clock,
        batch_records=1,
        enrichers=built_in(),
    )

    assert rebuild_evidence(services) == 2

    after = {key: loaded.facts for key in before for loaded in fresh.read([key])}
    assert after == before


def test_a_file_that_kills_its_worker_again_and_again_is_quarantined() -> None:
    house = House(USED)
    for _ in range(MOST_ATTEMPTS):
        house.attempts.begin(["used"])

    report = ingest("used", house)

    assert (report.status, report.reason) == ("failed", "kills-its-worker")
    assert [entry.reason for entry in house.index.quarantine_entries.values()] == [
        "kills-its-worker"
    ]
    assert ingest("used", house).indexed == 1
