"""The cache of downloaded files: verified, complete, fetched once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from enricher.stack.download import ATTEMPTS, ArtifactCache
from enricher.stack.errors import ChecksumError, DownloadError
from tests.unit.stack.twins import MemorySource, ignore, locked

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"group:one:1": b"first file", "group:two:2": b"second file"}
ONE, TWO = (locked(coordinates, content) for coordinates, content in FILES.items())
NO_WAIT = timedelta(0)


@pytest.fixture
def source() -> MemorySource:
    return MemorySource(dict(FILES))


@pytest.fixture
def cache(tmp_path: Path, source: MemorySource) -> ArtifactCache:
    return ArtifactCache(tmp_path / "artifacts", source, first_wait=NO_WAIT)


def test_files_arrive_with_their_content(cache: ArtifactCache) -> None:
    files = cache.fetch_all([ONE, TWO], ignore)
    assert files[ONE].read_bytes() == b"first file"
    assert files[TWO].read_bytes() == b"second file"
    assert files[ONE].name.endswith("-one-1.jar")


def test_a_file_that_is_named_twice_is_downloaded_once(
    cache: ArtifactCache, source: MemorySource
) -> None:
    cache.fetch_all([ONE, ONE], ignore)
    assert source.asked == ["group:one:1"]


def test_what_is_there_is_not_downloaded_again(
    tmp_path: Path, cache: ArtifactCache, source: MemorySource
) -> None:
    cache.fetch_all([ONE], ignore)
    reports: list[str] = []
    ArtifactCache(tmp_path / "artifacts", source).fetch_all([ONE], reports.append)
    assert source.asked == ["group:one:1"]
    assert reports == []


def test_a_wrong_checksum_is_an_error_and_leaves_no_file(
    tmp_path: Path, cache: ArtifactCache, source: MemorySource
) -> None:
    source.files["group:one:1"] = b"forged file"
    with pytest.raises(ChecksumError, match="group:one:1 has the wrong checksum") as caught:
        cache.fetch_all([ONE], ignore)
    assert caught.value.expected == ONE.sha256
    assert list((tmp_path / "artifacts").iterdir()) == []
    assert source.asked == ["group:one:1"]  # asking again would not help


def test_a_damaged_file_is_replaced(cache: ArtifactCache) -> None:
    path = cache.fetch_all([ONE], ignore)[ONE]
    path.write_bytes(b"first fail")
    assert cache.fetch_all([ONE], ignore)[ONE].read_bytes() == b"first file"


def test_a_line_that_breaks_is_tried_again(cache: ArtifactCache, source: MemorySource) -> None:
    source.failures["group:one:1"] = 1
    source.cut["group:one:1"] = 1
    assert cache.fetch_all([ONE], ignore)[ONE].read_bytes() == b"first file"
    assert len(source.asked) == 3


def test_a_line_that_stays_broken_is_an_error_in_the_end(
    tmp_path: Path, cache: ArtifactCache, source: MemorySource
) -> None:
    source.failures["group:one:1"] = 1000
    with pytest.raises(DownloadError, match="cannot download group:one:1: ConnectionResetError"):
        cache.fetch_all([ONE], ignore)
    assert len(source.asked) == ATTEMPTS
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_the_remains_of_a_killed_download_are_removed(tmp_path: Path, cache: ArtifactCache) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / ".part-abandoned").write_bytes(b"half")
    cache.fetch_all([ONE], ignore)
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == [cache.path(ONE).name]


def test_progress_is_reported_in_few_lines(tmp_path: Path) -> None:
    files = {f"group:a{number}:1": bytes(1000) for number in range(60)}
    reports: list[str] = []
    cache = ArtifactCache(tmp_path, MemorySource(files))
    cache.fetch_all([locked(name, content) for name, content in files.items()], reports.append)
    assert reports[0] == "Downloading 60 files, 0 MB, once"
    assert len(reports) == 11
