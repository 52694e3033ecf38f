"""Where the files are that digest files name: in their bucket, or in a copy of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from enricher.pipeline.locations import SCHEME, S3Location

if TYPE_CHECKING:
    from enricher.cloudtrail.digest import S3Object

# ``CloudTrail-Digest/<region>/<Y>/<M>/<D>/<name>``: so much of a key must be left in a copy.
_PARTS_KEPT = 6


@dataclass(frozen=True, slots=True)
class InBucket:
    """Files lie where CloudTrail delivered them."""

    def location(self, place: S3Object) -> str:
        """Give where a file that a digest file names is read."""
        return str(S3Location(place.bucket, place.key))


@dataclass(frozen=True, slots=True)
class InCopy:
    """Files were copied from the bucket, below some folder, as they lay in it or below a prefix.

    Attributes:
        root: The folder of the copy; empty or ending in a slash.
        prefix: What it is a copy of; empty or ending in a slash.
    """

    root: str
    prefix: str

    def location(self, place: S3Object) -> str:
        """Give where a file that a digest file names is read; of buckets a copy knows nothing."""
        key = place.key.removeprefix(self.prefix) if self.prefix else place.key
        return f"{self.root}{key}"


Places = InBucket | InCopy


def places_of(location: str, stated: S3Object, *, copied: bool) -> Places | None:
    """Tell where the files are that a digest file names, by where it is itself.

    Args:
        location: Where the digest file was read.
        stated: Where it says it was delivered to.
        copied: Whether an object in S3 may be a copy; what is on disk always is.

    Returns:
        None where it does not lie where it belongs.
    """
    if location.startswith(SCHEME) and not copied:
        where = S3Location.parse(location)
        return InBucket() if (where.bucket, where.key) == (stated.bucket, stated.key) else None
    read, told = location.split("/"), stated.key.split("/")
    same = 0
    for mine, theirs in zip(reversed(read), reversed(told), strict=False):
        if mine != theirs:
            break
        same += 1
    if same < _PARTS_KEPT:
        return None
    return InCopy(_folder(read[: len(read) - same]), _folder(told[: len(told) - same]))


def _folder(parts: list[str]) -> str:
    return "".join(f"{part}/" for part in parts)
