"""Where CloudTrail puts its files, and what their names say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from enricher.cloudtrail.logfile import FileKind, LogFileName, kind_of, parse_path

NAME = "111122223333_CloudTrail_eu-west-1_20260302T0840Z_0WrUm42FJSH7Isn6.json.gz"
DELIVERED = datetime(2026, 3, 2, 8, 40, tzinfo=UTC)


def test_a_single_account_s_path_tells_account_region_and_time() -> None:
    path = f"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/02/{NAME}"
    assert parse_path(path) == LogFileName(
        account_id="111122223333", region="eu-west-1", delivered_at=DELIVERED
    )


@pytest.mark.parametrize("before", ["", "some/prefix/", "s3://bucket/prefix/", "/mnt/x y/"])
def test_an_organization_s_path_tells_the_organization_too(before: str) -> None:
    path = f"{before}AWSLogs/o-12e6ca41d6/111122223333/CloudTrail/eu-west-1/2026/03/02/{NAME}"
    assert parse_path(path) == LogFileName(
        organization_id="o-12e6ca41d6",
        account_id="111122223333",
        region="eu-west-1",
        delivered_at=DELIVERED,
    )


def test_a_name_alone_tells_account_region_and_time() -> None:
    assert parse_path(NAME) == LogFileName(
        account_id="111122223333", region="eu-west-1", delivered_at=DELIVERED
    )


def test_the_folder_counts_more_than_the_name() -> None:
    path = f"AWSLogs/444455556666/CloudTrail/us-east-1/2026/03/02/{NAME}"
    found = parse_path(path)
    assert (found.account_id, found.region) == ("444455556666", "us-east-1")


@pytest.mark.parametrize(
    ("name", "at"),
    [
        (
            "123837392027_CloudTrail_us-east-1_20230710T1205Z_1dM7GQM67kudSyGD.json.gz",
            datetime(2023, 7, 10, 12, 5, tzinfo=UTC),
        ),
        (
            "123837392027_CloudTrail_us-gov-west-1_20230710T1205Z_1dM7GQM67kudSyGD.json",
            datetime(2023, 7, 10, 12, 5, tzinfo=UTC),
        ),
        (
            "811596193553_CloudTrail_us-east-1-20201001T0000Z.json",
            datetime(2020, 10, 1, tzinfo=UTC),
        ),
    ],
)
def test_real_names_tell_when_they_were_delivered(name: str, at: datetime) -> None:
    assert parse_path(name).delivered_at == at


def test_a_time_that_is_none_is_left_out() -> None:
    name = "111122223333_CloudTrail_eu-west-1_20261302T0840Z_0WrUm42FJSH7Isn6.json.gz"
    assert parse_path(name) == LogFileName(account_id="111122223333", region="eu-west-1")


@pytest.mark.parametrize(
    "path",
    [
        "events.json",
        "",
        "AWSLogs/1234/CloudTrail/eu-west-1/events.json",
        "AWSLogs/111122223333/Config/eu-west-1/events.json",
    ],
)
def test_other_paths_tell_nothing(path: str) -> None:
    assert parse_path(path) == LogFileName()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (f"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/02/{NAME}", FileKind.LOG),
        (
            (
                "AWSLogs/123837392027/CloudTrail-Digest/us-east-1/2023/07/10/123837392027_"
                "CloudTrail-Digest_us-east-1_trail_us-east-1_20230710T120000Z.json.gz"
            ),
            FileKind.DIGEST,
        ),
        (
            (
                "AWSLogs/123837392027/CloudTrail-Insight/us-east-1/2023/07/10/"
                "123837392027_CloudTrail-Insight_us-east-1_20230710T1205Z_x.json.gz"
            ),
            FileKind.INSIGHT,
        ),
        ("events.json", FileKind.LOG),
        ("EVENTS.JSON.GZ", FileKind.LOG),
        ("events.jsonl", FileKind.LOG),
        ("events.jsonl.gz", FileKind.LOG),
        ("events.ndjson", FileKind.LOG),
        ("events.ndjson.gz", FileKind.LOG),
        ("events.gz", FileKind.OTHER),
        ("LICENSE", FileKind.OTHER),
        ("events.csv", FileKind.OTHER),
    ],
)
def test_a_path_tells_what_kind_of_file_it_is(path: str, kind: FileKind) -> None:
    assert kind_of(path) is kind
