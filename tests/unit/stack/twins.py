"""Stand-ins for what is far away: a source of files that lives in memory."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from enricher.stack.lock import LockedArtifact

if TYPE_CHECKING:
    from collections.abc import Iterator


class MemorySource:
    """Gives files from memory and remembers what it was asked for.

    ``failures`` says for each file how often it fails before it succeeds; ``cut`` how often it
    ends early.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []
        self.failures: dict[str, int] = {}
        self.cut: dict[str, int] = {}

    def chunks(self, coordinates: str) -> Iterator[bytes]:
        """Give the content of a file in two pieces."""
        self.asked.append(coordinates)
        content = self.files[coordinates]
        if self.failures.get(coordinates, 0):
            self.failures[coordinates] -= 1
            raise ConnectionResetError("the line is down")
        yield content[: len(content) // 2]
        if self.cut.get(coordinates, 0):
            self.cut[coordinates] -= 1
            return
        yield content[len(content) // 2 :]


def locked(coordinates: str, content: bytes) -> LockedArtifact:
    """Write the lock entry of a file."""
    return LockedArtifact(coordinates, sha256(content).hexdigest(), len(content))


def ignore(message: str) -> None:
    """Take a report and do nothing with it."""
    del message
