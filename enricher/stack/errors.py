"""What can go wrong with the embedded stack."""

from __future__ import annotations

from enricher.errors import EnricherError, UnavailableError


class StackError(EnricherError):
    """The embedded stack cannot do what was asked; the message says what to change."""


class ServerStartError(StackError):
    """A server of the stack did not start.

    Attributes:
        server: Its name, e.g. ``opensearch``.
        reason: What happened, e.g. ``stopped at once with exit status 1``.
        log_path: The server's log.
        log_lines: The last lines of that log.
    """

    def __init__(self, server: str, reason: str, log_path: str, log_lines: tuple[str, ...]) -> None:
        super().__init__(server, reason, log_path, log_lines)
        self.server = server
        self.reason = reason
        self.log_path = log_path
        self.log_lines = log_lines

    def __str__(self) -> str:
        tail = "\n".join(f"  | {line}" for line in self.log_lines) or "  | (the log is empty)"
        return f"{self.server} {self.reason}. Last lines of {self.log_path}:\n{tail}"


class ChecksumError(StackError):
    """A downloaded file is not the one that the lock file names; it was removed.

    Attributes:
        coordinates: What was asked for.
        expected: SHA-256 in the lock file, hexadecimal.
        found: SHA-256 of what came, hexadecimal.
    """

    def __init__(self, coordinates: str, expected: str, found: str) -> None:
        super().__init__(coordinates, expected, found)
        self.coordinates = coordinates
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        return (
            f"{self.coordinates} has the wrong checksum and was removed: "
            f"the lock file says sha256 {self.expected}, the download has {self.found}"
        )


class DownloadError(UnavailableError):
    """A file could not be downloaded; what did arrive is kept for the next attempt.

    Attributes:
        coordinates: What was asked for.
        reason: What the network said.
    """

    def __init__(self, coordinates: str, reason: str) -> None:
        super().__init__(coordinates, reason)
        self.coordinates = coordinates
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot download {self.coordinates}: {self.reason}"
