"""Locations, selections, folders and where a listing goes on."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.errors import LogFileError
from enricher.pipeline.discover import (
    Checkpoint,
    Discovered,
    DiscoverServices,
    ListedPage,
    Place,
    Selection,
    classify,
    covers,
    day_folder,
    queue_listed,
    resume_after,
)
from enricher.pipeline.intake import Intake
from enricher.pipeline.locations import S3Location
from enricher.pipeline.ports import LogFileStat
from enricher.stores.checkpoints import MemoryCheckpoints
from enricher.stores.memory import MemoryEventIndex, MemoryTaskQueue, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REGION = "p/AWSLogs/o-abc/111122223333/CloudTrail/eu-west-1/"
LISTED_AT = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)
EVERYTHING = Selection()


# --- locations ----------------------------------------------------------------------------------


KEYS = st.lists(st.sampled_from([*"a/?&=% \nü", "?versionId="]), min_size=1).map("".join)


@given(st.text("ab-.", min_size=1), KEYS, st.none() | st.text("abc._-", min_size=1))
def test_a_location_reads_back(bucket: str, key: str, version: str | None) -> None:
    location = S3Location(bucket, key, version)
    assert S3Location.parse(str(location)) == location


def test_a_location_is_spelled_as_people_do() -> None:
    assert str(S3Location("b", "a/c.json.gz")) == "s3://b/a/c.json.gz"
    assert str(S3Location("b", "a", "v1")) == "s3://b/a?versionId=v1"
    assert S3Location.parse("s3://b") == S3Location("b", "")
    for wrong in ("s3://", "b/a", "s3:///a"):
        with pytest.raises(LogFileError):
            S3Location.parse(wrong)


# --- folders ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "place", "region_folder"),
    [
        ("", Place.OUTSIDE, None),
        ("p/q/", Place.OUTSIDE, None),
        ("MyAWSLogs/111122223333/", Place.OUTSIDE, None),
        ("AWSLogs/", Place.ABOVE_REGIONS, None),
        ("p/AWSLogs/o-abc/", Place.ABOVE_REGIONS, None),
        ("p/AWSLogs/o-abc/111122223333/", Place.ABOVE_REGIONS, None),
        ("AWSLogs/111122223333/CloudTrail/", Place.ABOVE_REGIONS, None),
        (REGION, Place.IN_REGION, REGION),
        (f"{REGION}2026/03/", Place.IN_REGION, REGION),
    ],
)
def test_a_folder_knows_its_place(folder: str, place: Place, region_folder: str | None) -> None:
    found = classify(folder, EVERYTHING)
    assert (found.place, found.refusal, found.region_folder) == (place, None, region_folder)


@pytest.mark.parametrize(
    ("folder", "refusal"),
    [
        ("AWSLogs/111122223333/CloudTrail-Digest/", "digest-folder"),
        ("AWSLogs/111122223333/CloudTrail-Insight/eu-west-1/", "insight-folder"),
        ("AWSLogs/111122223333/Config/", "other-service-folder"),
        ("AWSLogs/notes/", "other-folder"),
        ("AWSLogs/444455556666/", "account-not-selected"),
        ("AWSLogs/o-abc/444455556666/CloudTrail/eu-west-1/", "account-not-selected"),
        ("AWSLogs/111122223333/CloudTrail/us-east-1/2026/", "region-not-selected"),
    ],
)
def test_a_folder_that_is_not_entered_says_why(folder: str, refusal: str) -> None:
    wanted = Selection(accounts=frozenset({"111122223333"}), regions=frozenset({"eu-west-1"}))
    assert classify(folder, wanted).refusal == refusal


# --- selections ---------------------------------------------------------------------------------


def test_a_selection_refuses_by_the_name() -> None:
    name = f"{REGION}2026/03/02/111122223333_CloudTrail_eu-west-1_20260302T0835Z_x.json.gz"
    assert EVERYTHING.refusal("/any/thing.json") is None
    assert Selection(since=date(2026, 3, 2)).refusal(name) is None
    assert Selection(since=date(2026, 3, 3)).refusal(name) == "before-since"
    assert Selection(since=date(2026, 3, 3)).refusal("a.json") == "date-unknown"
    assert Selection(accounts=frozenset({"1"})).refusal(name) == "account-not-selected"
    assert Selection(accounts=frozenset({"1"})).refusal("a.json") == "account-unknown"
    assert Selection(regions=frozenset({"x"})).refusal(name) == "region-not-selected"
    assert Selection(regions=frozenset({"x"})).refusal("a.json") == "region-unknown"


# --- going on -----------------------------------------------------------------------------------


def test_a_day_begins_behind_its_folder() -> None:
    assert day_folder(REGION, date(2026, 3, 2)) == f"{REGION}2026/03/02/"
    assert day_folder(REGION, date(2026, 3, 2)) < f"{REGION}2026/03/02/1_x.json.gz"
    assert day_folder(REGION, date(2026, 3, 2)) > f"{REGION}2026/03/01/9_x.json.gz"


def test_an_old_listing_goes_on_where_it_broke_off() -> None:
    key = f"{REGION}2026/02/01/111122223333_CloudTrail_eu-west-1_20260201T0835Z_x.json.gz"
    assert resume_after(Checkpoint(key=key, at=LISTED_AT), REGION) == key


def test_a_recent_listing_goes_on_an_hour_before_it_was_made() -> None:
    """Files of the same five minutes sort at random; a late one may sort before the last seen."""
    key = f"{REGION}2026/03/02/111122223333_CloudTrail_eu-west-1_20260302T0025Z_x.json.gz"
    expected = f"{REGION}2026/03/01/111122223333_CloudTrail_eu-west-1_20260301T2330Z"
    assert resume_after(Checkpoint(key=key, at=LISTED_AT), REGION) == expected


@pytest.mark.parametrize(
    ("began", "wanted", "expected"),
    [
        (None, None, True),
        (None, date(2026, 3, 2), True),
        (date(2026, 3, 2), None, False),
        (date(2026, 3, 2), date(2026, 3, 1), False),
        (date(2026, 3, 2), date(2026, 3, 2), True),
        (date(2026, 3, 2), date(2026, 4, 1), True),
    ],
)
def test_a_checkpoint_counts_only_for_what_it_covers(
    began: date | None,
    wanted: date | None,
    expected: bool,  # noqa: FBT001
) -> None:
    assert covers(Checkpoint(key="k", at=LISTED_AT, since=began), wanted) is expected


class Listing:
    """A listing of two regions that are listed as one page each."""

    def __init__(self) -> None:
        self.began_behind: dict[str, str | None] = {}

    def list_log_files(
        self, location: str, selection: Selection, after: Callable[[str, str], str | None]
    ) -> Iterator[ListedPage]:
        del selection
        for region in ("a", "b"):
            folder = f"AWSLogs/111122223333/CloudTrail/{region}/"
            scope = f"{location}/{folder}"
            self.began_behind[region] = after(scope, folder)
            yield ListedPage(
                logs=[LogFileStat(location=f"{scope}1.json")],
                skipped={"d": "digest-file"},
                scope=scope,
                last_key="k",
            )


def test_pages_are_queued_and_remembered() -> None:
    queue, checkpoints, listing = MemoryTaskQueue(), MemoryCheckpoints(), Listing()
    services = DiscoverServices(
        listing=listing,
        checkpoints=checkpoints,
        intake=Intake(ledger=MemoryEventIndex(), queue=queue, clock=SystemClock()),
        clock=SystemClock(),
    )
    found = Discovered()
    queue_listed("s3://b", Selection(since=date(2026, 3, 2)), "run", services, found, resume=True)
    assert found.queued == len(queue.locations) == 2
    assert found.skipped == {"digest-file": 2}
    assert listing.began_behind == {"a": None, "b": None}
    assert {saved.since for saved in checkpoints.by_scope.values()} == {date(2026, 3, 2)}

    queue_listed("s3://b", Selection(since=date(2026, 3, 9)), "run", services, found, resume=True)
    assert all(listing.began_behind.values())
    # What was covered before is covered still.
    assert {saved.since for saved in checkpoints.by_scope.values()} == {date(2026, 3, 2)}

    queue_listed("s3://b", Selection(), "run", services, found, resume=True)
    assert listing.began_behind == {"a": None, "b": None}
    queue_listed("s3://b", Selection(), "run", services, found, resume=False)
    assert listing.began_behind == {"a": None, "b": None}
