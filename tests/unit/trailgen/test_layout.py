"""Log files: where they lie, what they are called, what is in them."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from enricher.cloudtrail import codec
from tools.trailgen.__main__ import main
from tools.trailgen.generate import generate
from tools.trailgen.plan import small_plan
from tools.trailgen.trail import write

if TYPE_CHECKING:
    from pathlib import Path

    from tools.trailgen.trail import Trail

NAME = re.compile(
    r"AWSLogs/(?P<organization>o-[a-z0-9]{10}/)?(?P<account>\d{12})/CloudTrail/"
    r"(?P<region>[a-z0-9-]+)/(?P<day>\d{4}/\d\d/\d\d)/"
    r"(?P=account)_CloudTrail_(?P=region)_(?P<time>\d{8}T\d{4}Z)_[A-Za-z0-9]{16}\.json\.gz"
)


@pytest.fixture(scope="module")
def trail() -> Trail:
    """A trail over some hours."""
    return generate(2, small_plan(300))


def test_every_record_is_in_one_file_of_its_account_and_region(trail: Trail) -> None:
    found = []
    for path, records in trail.files().items():
        match = NAME.fullmatch(path)
        assert match is not None
        for record in records:
            assert record["recipientAccountId"] == match["account"]
            assert record["awsRegion"] == match["region"]
        found += [record["eventID"] for record in records]
    assert sorted(found) == sorted(record["eventID"] for record in trail.records)


def test_files_arrive_some_minutes_late(trail: Trail) -> None:
    for path, records in trail.files().items():
        match = NAME.fullmatch(path)
        assert match is not None
        delivered = datetime.fromisoformat(match["time"])
        assert delivered.minute % 5 == 0
        assert match["day"] == f"{delivered:%Y/%m/%d}"
        for record in records:
            late = delivered - datetime.fromisoformat(record["eventTime"])
            assert timedelta(minutes=5) <= late <= timedelta(minutes=15)


def test_global_services_are_recorded_in_one_region(trail: Trail) -> None:
    regions = {
        record["awsRegion"]
        for record in trail.records
        if record["eventSource"] == "iam.amazonaws.com"
    }
    assert regions == {"us-east-1"}


def test_large_files_are_split() -> None:
    plan = replace(small_plan(200), largest=10, every=3_600)
    sizes = [len(records) for records in generate(2, plan).files().values()]
    assert max(sizes) == 10
    assert sum(sizes) >= 200


def test_a_single_account_s_trail_has_no_organization_folder() -> None:
    plan = replace(small_plan(40), organization_trail=False)
    for path in generate(2, plan).files():
        match = NAME.fullmatch(path)
        assert match is not None
        assert match["organization"] is None


def test_writing_twice_gives_the_same_bytes(trail: Trail, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        write(trail, tmp_path / name)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append(
            {path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in files}
        )
    assert contents[0] == contents[1]
    assert set(contents[0]) == {*trail.files(), "truth.json"}


def test_a_written_file_holds_its_records(trail: Trail, tmp_path: Path) -> None:
    write(trail, tmp_path)
    for path, records in trail.files().items():
        assert codec.loads(gzip.decompress((tmp_path / path).read_bytes())) == {"Records": records}
    told = codec.loads((tmp_path / "truth.json").read_bytes())
    assert list(told) == list(trail.truth)


def test_the_command_line_writes_a_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["load", str(tmp_path), "--events", "500", "--accounts", "4", "--seed", "1"])
    said = capsys.readouterr().out
    files = list(tmp_path.rglob("*.json.gz"))
    assert said.endswith(f" in {len(files)} log files\n")
    assert not (tmp_path / "truth.json").exists()
