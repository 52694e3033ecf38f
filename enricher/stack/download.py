"""Downloading what the lock file names, with its checksum verified, into a shared cache."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from enricher.stack.errors import ChecksumError, DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from enricher.stack.lock import LockedArtifact

PARALLEL_DOWNLOADS = 8
ATTEMPTS = 4
CONNECT_TIMEOUT_S = 15
READ_TIMEOUT_S = 30
CHUNK_BYTES = 1 << 16
REPORTS = 10
PART_PREFIX = ".part-"


class Source(Protocol):
    """Where files come from."""

    def chunks(self, coordinates: str) -> Iterator[bytes]:
        """Give the content of a file piece by piece.

        Raises:
            OSError: The network, or the other side, failed.
        """
        ...


class MavenCentral:
    """The public repository, as the ``maven-artifact`` library knows it.

    The library's own ``download`` prints and can neither time out nor resume, so only its knowledge
    of the repository (address, layout, requests) is used.
    """

    def chunks(self, coordinates: str) -> Iterator[bytes]:
        """Give the content of a file piece by piece."""
        # Here, since it takes long to import and only the first start of all needs it.
        from maven_artifact import Artifact, Downloader  # noqa: PLC0415 - see above

        downloader = Downloader()
        url = downloader.resolver.uri_for_artifact(Artifact.parse(coordinates))
        timeout = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
        request = downloader.requestor.request  # codespell:ignore requestor
        with request(url, _raise, stream=True, timeout=timeout) as response:
            yield from response.iter_content(chunk_size=CHUNK_BYTES)


class ArtifactCache:
    """Downloaded files, named by their content, so that any number of checkouts can share them.

    One process at a time may fetch into it; the caller sees to that.
    """

    def __init__(
        self,
        directory: Path,
        source: Source | None = None,
        *,
        first_wait: timedelta = timedelta(seconds=1),
    ) -> None:
        """Use ``directory``, which need not exist.

        Args:
            directory: Where the files are kept.
            source: Where files come from; the public repository by default.
            first_wait: Before a failed download is tried again; doubled each time.
        """
        self._directory = directory
        self._source = source or MavenCentral()
        self._first_wait_s = first_wait.total_seconds()
        self._stop = threading.Event()

    def path(self, artifact: LockedArtifact) -> Path:
        """Say where a file is, or would be."""
        return self._directory / f"{artifact.sha256[:16]}-{artifact.file_name}"

    def fetch_all(
        self, artifacts: Iterable[LockedArtifact], report: Callable[[str], None]
    ) -> dict[LockedArtifact, Path]:
        """Have every file at hand; download those that are missing or damaged.

        Raises:
            ChecksumError: A file is not what the lock file says; it was removed.
            DownloadError: The network failed, several times.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        for part in self._directory.glob(f"{PART_PREFIX}*"):  # of a download that was killed
            part.unlink(missing_ok=True)
        wanted = dict.fromkeys(artifacts)
        missing = [artifact for artifact in wanted if not _is_intact(self.path(artifact), artifact)]
        if missing:
            self._download_all(missing, report)
        return {artifact: self.path(artifact) for artifact in wanted}

    def _download_all(self, missing: list[LockedArtifact], report: Callable[[str], None]) -> None:
        total_bytes = sum(artifact.size for artifact in missing)
        report(f"Downloading {len(missing)} files, {total_bytes / 1e6:.0f} MB, once")
        self._stop.clear()
        pool = ThreadPoolExecutor(PARALLEL_DOWNLOADS, thread_name_prefix="download")
        # The largest first: the last ones to finish are then small.
        by_size = sorted(missing, key=lambda artifact: -artifact.size)
        try:
            futures = {pool.submit(self._download, artifact): artifact for artifact in by_size}
            done_bytes = 0
            for future in as_completed(futures):
                future.result()
                before, done_bytes = done_bytes, done_bytes + futures[future].size
                if before * REPORTS // total_bytes < done_bytes * REPORTS // total_bytes:
                    report(f"Downloaded {done_bytes / 1e6:.0f} of {total_bytes / 1e6:.0f} MB")
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)

    def _download(self, artifact: LockedArtifact) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._download_once(artifact)
            except OSError as err:
                if attempt == ATTEMPTS or self._stop.is_set():
                    raise DownloadError(
                        artifact.coordinates, f"{type(err).__name__}: {err}"
                    ) from err
                self._stop.wait(self._first_wait_s * 2 ** (attempt - 1))
        return None

    def _download_once(self, artifact: LockedArtifact) -> None:
        digest = hashlib.sha256()
        descriptor, name = tempfile.mkstemp(prefix=PART_PREFIX, dir=self._directory)
        part = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in self._source.chunks(artifact.coordinates):
                    if self._stop.is_set():
                        raise DownloadError(artifact.coordinates, "stopped")
                    digest.update(chunk)
                    file.write(chunk)
                if file.tell() < artifact.size:
                    raise ConnectionError(f"it ended after {file.tell()} of {artifact.size} bytes")
            if digest.hexdigest() != artifact.sha256:
                raise ChecksumError(artifact.coordinates, artifact.sha256, digest.hexdigest())
            part.replace(self.path(artifact))
        finally:
            part.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_intact(path: Path, artifact: LockedArtifact) -> bool:
    try:
        return path.stat().st_size == artifact.size and sha256_of(path) == artifact.sha256
    except FileNotFoundError:
        return False


def _raise(_url: str, err: Exception) -> None:
    raise err
