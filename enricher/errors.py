"""What can go wrong, and what to do about it: the type decides, the reason is a slug.

A message never holds a value from a record: records hold secrets, and messages end in logs.
"""

from __future__ import annotations

from enum import StrEnum


class Disposition(StrEnum):
    """What the caller of something that failed is to do."""

    QUARANTINE = "quarantine"
    RETRY = "retry"
    STOP = "stop"


class EnricherError(Exception):
    """Root of the errors of this project."""

    disposition = Disposition.STOP


class RecordError(EnricherError):
    """One CloudTrail record cannot be taken; its neighbours are unaffected.

    Attributes:
        reason: A slug from a closed set, fit for a metric label, e.g. ``event-time-unreadable``.
        position: Index of the record in its log file, 0-based; None where there is none.
    """

    disposition = Disposition.QUARANTINE

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason, position)  # args rebuild the error when Celery pickles it
        self.reason = reason
        self.position = position


class LogFileError(EnricherError):
    """A whole log file cannot be read; other files go on.

    Attributes:
        reason: A slug from a closed set, e.g. ``gzip-truncated``.
    """

    disposition = Disposition.QUARANTINE

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnavailableError(EnricherError):
    """A server does not answer, or asks to slow down: the same call may succeed later."""

    disposition = Disposition.RETRY


class ConfigurationError(EnricherError):
    """Settings, environment or installation are wrong; the message says what to change."""


class SchemaMismatchError(EnricherError):
    """What is installed in OpenSearch does not fit this version or these settings."""
