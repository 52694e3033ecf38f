"""Each case comes out as it says, in any order of its records, whatever stands beside them."""

from __future__ import annotations

import copy
import functools
import hashlib
import os
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from enricher.enrichers.oracle import enrich_all
from tests.cases.case_files import (
    case_names,
    document_id,
    forbidden,
    load_case,
    mismatches,
    value_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.cases.case_files import Case, Record

    Enriched = dict[str, Any]

HERE = Path(__file__).parent
VARIABLE = "ENRICHER_TEST_CASES"
SHARED = os.environ.get(VARIABLE)  # noqa: TID251 - where other people's cases lie is no setting
ELSEWHERE = Path(SHARED) if SHARED else HERE.parents[2] / "shared" / "cases"
FOLDERS = (HERE, ELSEWHERE)
CASES = [
    pytest.param(folder, name, id=name if folder == HERE else f"elsewhere-{name}")
    for folder in FOLDERS
    for name in case_names(folder)
]
SHUFFLES = 5
VOLATILE = {"at", "revision", "file"}  # left out when documents are compared (design §4)
RELATED = {
    "root_session_of": "enriched.session.root_id",
    "parent_session_of": "enriched.session.parent_id",
    "issued_session_of": "enriched.session.issued_id",
    "continues_session_of": "enriched.session.continues",
}
SESSION_ID = "enriched.session.id"

every_case = pytest.mark.parametrize(("folder", "name"), CASES)


def enrich(records: Iterable[Record], *, window_closed: bool = True) -> dict[str, Enriched]:
    """Enrich records and give each document's enrichment."""
    events = enrich_all(records, window_closed=window_closed)
    found = {event.document_id: event.enriched for event in events}
    assert len(found) == len(events)
    return found


@functools.cache
def outcome(folder: Path, name: str) -> tuple[Case, dict[str, Enriched]]:
    """Load a case and enrich its records in the given order."""
    case = load_case(folder, name)
    return case, enrich(case.records)


@every_case
def test_case_comes_out_as_it_says(folder: Path, name: str) -> None:
    case, events = outcome(folder, name)
    wrong = [
        f"{label(case, document)}: {line}"
        for document, expected in case.events.items()
        for line in mismatches(events[document], expected)
    ]
    wrong += [
        f"{label(case, document)}: {line}"
        for document, never in case.never.items()
        for line in forbidden(events[document], never)
    ]
    wrong += unrelated(case, events)
    wrong += ungrouped(case, events)
    wrong += [
        f"{label(case, document)}: evidence lacks {event_id}"
        for document, wanted in case.evidence.items()
        for event_id in wanted
        if event_id not in (value_at(events[document], "enriched.origin.evidence") or [])
    ]
    assert not wrong, "\n".join([case.what, *wrong])
    assert events.keys() == {document_id(record) for record in case.records}
    assert case.documents in {None, len(events)}


@every_case
def test_case_with_the_window_open(folder: Path, name: str) -> None:
    case = outcome(folder, name)[0]
    events = enrich(case.records, window_closed=False)
    wrong = [
        f"{label(case, document)}: {line}"
        for document, expected in case.open_events.items()
        for line in mismatches(events[document], expected)
    ]
    assert not wrong, "\n".join([case.what, *wrong])


@every_case
@pytest.mark.parametrize("seed", range(SHUFFLES))
def test_order_changes_nothing(folder: Path, name: str, seed: int) -> None:
    case, events = outcome(folder, name)
    records = list(case.records)
    random.Random(seed).shuffle(records)  # noqa: S311 - the same orders every time
    assert_unchanged(events, records)


@every_case
def test_reversed_order_changes_nothing(folder: Path, name: str) -> None:
    case, events = outcome(folder, name)
    assert_unchanged(events, list(reversed(case.records)))


@every_case
def test_repetition_changes_nothing(folder: Path, name: str) -> None:
    case, events = outcome(folder, name)
    assert_unchanged(events, [*case.records, *copy.deepcopy(case.records)])


@every_case
def test_failed_issuances_change_nothing(folder: Path, name: str) -> None:
    case, events = outcome(folder, name)
    failures = [failed for record in case.records for failed in failures_of(record)]
    assert_unchanged(events, [*failures, *case.records])


@every_case
def test_strangers_change_nothing(folder: Path, name: str) -> None:
    case, events = outcome(folder, name)
    assert_unchanged(events, [*map(as_stranger, case.records), *case.records])


@every_case
def test_what_is_asserted_is_proven(folder: Path, name: str) -> None:
    case, events = outcome(folder, name)
    known = {document.partition(":")[0] for document in map(document_id, case.records)}
    for document, enriched in events.items():
        origin, chain = enriched["origin"], enriched.get("chain", [])
        if chain and origin["status"] in {"resolved", "external"}:
            assert origin.get("evidence"), label(case, document)
        assert known.issuperset(origin.get("evidence", ())), label(case, document)
        for hop in chain:
            assert hop["event_id"] in known, label(case, document)


@every_case
def test_session_is_known_from_the_record_alone(folder: Path, name: str) -> None:
    case, events = outcome(folder, name)
    for record in case.records:
        document = document_id(record)
        alone = enrich([record])[document]
        assert value_at(alone, SESSION_ID) == value_at(events[document], SESSION_ID)


@every_case
def test_records_are_left_as_they_were(folder: Path, name: str) -> None:
    case = outcome(folder, name)[0]
    before = orjson.dumps(case.records)
    enrich(case.records)
    assert orjson.dumps(case.records) == before


def test_cases_from_elsewhere_are_found() -> None:
    if not case_names(ELSEWHERE):
        if SHARED:
            pytest.fail(f"{VARIABLE} names a folder without cases")
        pytest.skip(f"no cases beside the checkout, and {VARIABLE} is not set")


def assert_unchanged(events: Mapping[str, Enriched], records: Iterable[Record]) -> None:
    again = enrich(records)
    for document, enriched in events.items():
        assert lasting(again[document]) == lasting(enriched)


def lasting(enriched: Enriched) -> Enriched:
    return {key: value for key, value in enriched.items() if key not in VOLATILE}


def unrelated(case: Case, events: Mapping[str, Enriched]) -> list[str]:
    """Name the sessions that are not root, parent or issue of the one they should be."""
    wrong = []
    for relation, pairs in case.pairs.items():
        for document, other in pairs.items():
            actual = value_at(events[document], RELATED[relation])
            if actual is None or actual != value_at(events[other], SESSION_ID):
                wrong.append(f"{label(case, document)}: {relation} {label(case, other)}: {actual}")
    return wrong


def ungrouped(case: Case, events: Mapping[str, Enriched]) -> list[str]:
    """Name the groups that do not share their session or credential, or wrongly do."""
    wrong = []
    for relation, groups in case.groups.items():
        path = SESSION_ID if relation.endswith("session") else "enriched.session.credential_id"
        wanted: Callable[[int], int] = (lambda _: 1) if relation.startswith("same") else int
        for group in groups:
            values = [value_at(events[document], path) for document in group]
            if None in values or len(set(values)) != wanted(len(group)):
                wrong.append(f"{relation} {[label(case, document) for document in group]}")
    return wrong


def label(case: Case, document: str) -> str:
    """Name an event so that it is found in its case."""
    record = next(record for record in case.records if document_id(record) == document)
    return f"{record['eventName']} {record['eventTime'][11:19]} {document[:8]}"


ISSUING = re.compile(
    r"AssumeRo.*|Get(Session|Federation|Signin|DelegatedAccess)Token|GetRoleCredentials|Federate"
    r"|GetCredentialsForIdentity|Create(Session|AccessKey|OAuth2Token|User|Role)"
)
SIGN_IN = re.compile(r"ConsoleLogin|SwitchRole|RenewRole")


def failures_of(record: Record) -> list[Record]:
    """Give the record as it would be had the call failed, if it issues or begins anything."""
    name = record["eventName"]
    failed = dict(record) | {"eventID": disguise_uuid(str(record.get("eventID")), "failed")}
    failed.pop("sharedEventID", None)
    if SIGN_IN.fullmatch(name):
        response = {name: "Failure"}
        return [failed | {"responseElements": response, "errorMessage": "Failed authentication"}]
    if ISSUING.fullmatch(name):
        failed |= {"requestParameters": None, "responseElements": None}
        return [failed | {"errorCode": "AccessDenied", "errorMessage": "Access denied"}]
    return []


UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
UNIQUE_ID = re.compile(r"\b(AIDA|AROA|AKIA|ASIA)([A-Z0-9]{12,})")
ACCOUNT = re.compile(r"(?<![0-9a-zA-Z-])\d{12}(?![0-9a-zA-Z-])")


def as_stranger(record: Record) -> Record:
    """Tell the same story of other accounts, ids and keys, with the same names and times."""
    text = orjson.dumps(record).decode()
    text = UUID.sub(lambda found: disguise_uuid(found[0], "stranger"), text)
    text = UNIQUE_ID.sub(lambda found: found[1] + digest(found[2], "stranger")[:16].upper(), text)
    text = ACCOUNT.sub(lambda found: f"5{int(digest(found[0], 'stranger'), 16):011}"[:12], text)
    stranger: dict[str, Any] = orjson.loads(text)
    return stranger


def disguise_uuid(value: str, salt: str) -> str:
    found = digest(value, salt)
    return "-".join((found[:8], found[8:12], found[12:16], found[16:20], found[20:32]))


def digest(value: str, salt: str) -> str:
    return hashlib.sha256(f"{salt}/{value}".encode()).hexdigest()
