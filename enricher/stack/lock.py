"""The lock file: which files make up the OpenSearch server, each with its checksum."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from enricher.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_FILE = Path(__file__).with_name("opensearch.lock.json")


@dataclass(frozen=True, slots=True)
class LockedArtifact:
    """One file to download.

    Attributes:
        coordinates: ``group:artifact:version``, or ``group:artifact:extension:version``.
        sha256: Hexadecimal, lower case.
        size: Bytes.
    """

    coordinates: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        if len(self.coordinates.split(":")) not in {3, 4}:
            raise StackError(f"not Maven coordinates: {self.coordinates}")
        if len(self.sha256) != hashlib.sha256().digest_size * 2:
            raise StackError(f"not a SHA-256 of {self.coordinates}: {self.sha256}")

    @property
    def file_name(self) -> str:
        """Name of the file, as the server expects it in its directories."""
        _, artifact, *extension, version = self.coordinates.split(":")
        return f"{artifact}-{version}.{extension[0] if extension else 'jar'}"


@dataclass(frozen=True, slots=True)
class LockedModule:
    """One directory under ``modules/`` of the server.

    Attributes:
        name: Its name, which other modules extend.
        description: One line for the descriptor.
        classname: The class that the server loads.
        extends: Names of the modules whose classes it sees.
        artifacts: Its jars that are not in ``lib/``.
    """

    name: str
    description: str
    classname: str
    extends: tuple[str, ...]
    artifacts: tuple[LockedArtifact, ...]


@dataclass(frozen=True, slots=True)
class LockedPlugin:
    """A plugin that comes as an archive.

    Attributes:
        name: Directory under ``plugins/``.
        archive: The zip file.
        beside: Jars that it needs and neither brings nor finds in ``lib/``.
    """

    name: str
    archive: LockedArtifact
    beside: tuple[LockedArtifact, ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """Everything that makes up the server.

    Attributes:
        opensearch: Version of the server.
        lib: Jars of the server itself.
        modules: Its modules.
        security: The Security plugin; downloaded only when asked for.
    """

    opensearch: str
    lib: tuple[LockedArtifact, ...]
    modules: tuple[LockedModule, ...]
    security: LockedPlugin

    def artifacts(self, *, security: bool = False) -> Iterator[LockedArtifact]:
        """Give every file that is needed, once per place where it goes."""
        yield from self.lib
        for module in self.modules:
            yield from module.artifacts
        if security:
            yield self.security.archive
            yield from self.security.beside

    def digest(self) -> str:
        """Identify this content: two locks that differ anywhere have other digests."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


def parse_lock(content: bytes) -> Lock:
    """Read the content of a lock file.

    Raises:
        StackError: It is not one.
    """
    try:
        return msgspec.json.decode(content, type=Lock, strict=True)
    except msgspec.DecodeError as err:
        raise StackError(f"the lock file of the server cannot be read: {err}") from err


def load_lock(path: Path = LOCK_FILE) -> Lock:
    """Read the lock file that comes with this package."""
    return parse_lock(path.read_bytes())
