"""Where a log file lies in S3, spelled as one string: a task's argument, a ledger's key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from enricher.errors import LogFileError

SCHEME = "s3://"
_LOCATION = re.compile(
    r"s3://(?P<bucket>[^/]+)/?(?P<key>.*?)(?:\?versionId=(?P<version>[^?]*))?", re.DOTALL
)
_VERSION = "?versionId="


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket, a key or prefix in it, and the version of the object where one is meant.

    Spelled ``s3://bucket/key`` or ``s3://bucket/key?versionId=…``; the key is not encoded.
    """

    bucket: str
    key: str
    version_id: str | None = None

    @classmethod
    def parse(cls, location: str) -> Self:
        """Read a location.

        Raises:
            LogFileError: ``location-invalid``.
        """
        found = _LOCATION.fullmatch(location)
        if found is None:
            raise LogFileError("location-invalid")
        return cls(found["bucket"], found["key"], found["version"] or None)

    def __str__(self) -> str:
        """Spell it; a key that itself ends like a version gets an empty one, and reads back."""
        spelled = f"{SCHEME}{self.bucket}/{self.key}"
        if self.version_id:
            return f"{spelled}{_VERSION}{self.version_id}"
        return f"{spelled}{_VERSION}" if _VERSION in self.key else spelled


def without_version(location: str) -> str:
    """Give a location as digest files name it: the object, whatever its version; a path as is."""
    if not location.startswith(SCHEME):
        return location
    where = S3Location.parse(location)
    return str(S3Location(where.bucket, where.key))
