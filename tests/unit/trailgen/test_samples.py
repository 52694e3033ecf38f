"""The samples: fresh, and telling the story that their page promises."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from enricher.cloudtrail import codec
from tools.trailgen.__main__ import main
from tools.trailgen.samples import SEED
from tools.trailgen.story import tell
from tools.trailgen.trail import document_id

if TYPE_CHECKING:
    from tools.trailgen.trail import Trail

SAMPLES = Path(__file__).parents[3] / "samples"

Contents = dict[str, bytes]


def contents(directory: Path) -> Contents:
    """Read all files of a directory; log files are inflated, since deflating may differ."""
    return {
        path.relative_to(directory).as_posix(): (
            gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        )
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def committed() -> Contents:
    """The samples as they are committed."""
    return contents(SAMPLES)


@pytest.fixture(scope="module")
def story() -> tuple[Trail, dict[str, str]]:
    """The story as it is told."""
    return tell(SEED)


@pytest.fixture(scope="module")
def events(story: tuple[Trail, dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Records by event id."""
    return {record["eventID"]: record for record in story[0].records}


def test_samples_are_fresh(committed: Contents, tmp_path: Path) -> None:
    main(["samples", str(tmp_path)])
    assert contents(tmp_path) == committed, "run: python -m tools.trailgen samples samples"


def test_log_files_are_gzip_without_name_or_time() -> None:
    for path in SAMPLES.rglob("*.json.gz"):
        assert path.read_bytes()[3:8] == bytes(5)  # flags and time are nought


def test_samples_are_a_small_day(story: tuple[Trail, dict[str, str]]) -> None:
    trail, _ = story
    assert 250 <= len(trail.records) <= 450
    assert 25 <= len(trail.files()) <= 45
    assert {record["recipientAccountId"] for record in trail.records} == set(trail.account_ids)
    assert len({record["awsRegion"] for record in trail.records}) == 3
    assert {record["eventTime"][:10] for record in trail.records} == {"2026-03-02"}


def test_page_asks_about_events_that_exist(committed: Contents) -> None:
    asked = re.findall(r"`([0-9a-f-]{36})`", committed["README.md"].decode())
    told = codec.loads(committed["truth.json"])
    known = {name.partition(":")[0] for name in told}
    assert len(asked) >= 5
    assert set(asked) <= known


def test_every_kind_of_actor_is_in_the_story(story: tuple[Trail, dict[str, str]]) -> None:
    kinds = {truth.origin.kind for truth in story[0].truth.values()}
    assert kinds == {
        "iam_user",
        "root",
        "oidc_subject",
        "idc_user",
        "ec2_instance",
        "lambda_function",
        "workload",
        "aws_service",
    }


HIGHLIGHTS = {  # title: event name, who it was, hops from there
    "alice is denied a secret in the third account": ("GetSecretValue", "alice", 2),
    "alice creates an access key for a machine": ("CreateAccessKey", "alice", 1),
    "a pipeline deploys to production": (
        "UpdateService",
        "repo:example-org/orders:ref:refs/heads/main",
        1,
    ),
    "an instance reads from S3": ("GetObject", "i-0a1b2c3d4e5f60718", 1),
    "bob, through a switched role, creates a user": ("CreateUser", "bob", 1),
    "a stolen key asks who it is": ("GetCallerIdentity", "ci-runner", 0),
    "dave, as root of the data account, clears a bucket policy": ("DeleteBucketPolicy", "dave", 2),
}


def test_highlights_are_what_they_say(
    story: tuple[Trail, dict[str, str]], events: dict[str, dict[str, Any]]
) -> None:
    trail, highlights = story
    told = {}
    for title, event_id in highlights.items():
        record = events[event_id]
        truth = trail.truth[document_id(record)]
        told[title] = (record["eventName"], truth.origin.name, len(truth.chain))
    assert told == HIGHLIGHTS


def test_bobs_investigation_has_the_four_records_of_a_switch(
    story: tuple[Trail, dict[str, str]], events: dict[str, dict[str, Any]]
) -> None:
    trail, highlights = story
    created = events[highlights["bob, through a switched role, creates a user"]]
    since = created["userIdentity"]["sessionContext"]["attributes"]["creationDate"]
    switch = [
        (record["eventName"], record["userIdentity"]["type"])
        for record in trail.records
        if record["eventTime"] == since and record["eventName"] in {"AssumeRole", "SwitchRole"}
    ]
    assert sorted(switch) == [
        ("AssumeRole", "AWSAccount"),
        ("AssumeRole", "IAMUser"),
        ("SwitchRole", "AssumedRole"),
    ]
