"""Where CloudTrail puts its files, and what their names say.

References:
    - CloudTrail User Guide, "Finding your CloudTrail log files" and "CloudTrail log file names".
    - identity.md §8.2: ``[prefix/]AWSLogs/[o-<orgid>/]<account>/CloudTrail/<region>/<Y>/<M>/<D>/…``
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from enricher.cloudtrail.times import parse_time

if TYPE_CHECKING:
    from datetime import datetime


class FileKind(StrEnum):
    """What a file is, by its name."""

    LOG = "log"
    DIGEST = "digest"
    INSIGHT = "insight"
    OTHER = "other"


_ENDINGS = (".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_KINDS = (
    (FileKind.DIGEST, "CloudTrail-Digest"),
    (FileKind.INSIGHT, "CloudTrail-Insight"),
)
_LAYOUT = re.compile(
    r"AWSLogs/(?:(?P<organization>o-[a-z0-9]+)/)?(?P<account>\d{12})/CloudTrail/(?P<region>[a-z0-9-]+)/"
)
_NAME = (
    re.compile(  # e.g. 123456789012_CloudTrail_us-east-1_20230710T1205Z_1dM7GQM67kudSyGD.json.gz
        r"(?P<account>\d{12})_CloudTrail_(?P<region>[a-z0-9-]+)[_-](?P<time>\d{8}T\d{4})Z?(?:_|\.)"
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFileName:
    """What a path says of a log file; nothing in it is proof of what the file holds.

    Attributes:
        delivered_at: The time in the name: delivery, rounded to five minutes, UTC.
    """

    organization_id: str | None = None
    account_id: str | None = None
    region: str | None = None
    delivered_at: datetime | None = None


def kind_of(path: str) -> FileKind:
    """Tell log files from digest files, Insight files and everything else, by the path."""
    for kind, word in _KINDS:
        if word in path:
            return kind
    return FileKind.LOG if path.lower().endswith(_ENDINGS) else FileKind.OTHER


def says_gzip(path: str) -> bool | None:
    """Tell whether a name promises gzip; None where it leaves that to the content."""
    return True if path.lower().endswith(".gz") else None


def parse_path(path: str) -> LogFileName:
    """Read account, region and delivery time from a path or key, as far as it tells them."""
    layout, name = _LAYOUT.search(path), _NAME.search(path.rpartition("/")[2])
    time = f"{name['time']}00Z" if name else None
    return LogFileName(
        organization_id=layout["organization"] if layout else None,
        account_id=_group(layout, name, "account"),
        region=_group(layout, name, "region"),
        delivered_at=parse_time(time) if time else None,
    )


def _group(layout: re.Match[str] | None, name: re.Match[str] | None, group: str) -> str | None:
    found = layout or name
    return found[group] if found else None
