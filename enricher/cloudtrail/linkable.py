"""What linking needs of records, and whether those at hand have it: asked before a backfill.

A pipeline that drops, hashes or masks a field does so on every document, so a field counts as
lacking when no record has it that ought to. One that only some lack is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from enricher.cloudtrail.codec import JsonObject
from enricher.cloudtrail.record import mapping, read_event_source, text
from enricher.cloudtrail.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Successful calls that answer with a credential (identity.md §1.1).
ISSUING = (
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "GetFederationToken",
    "GetSessionToken",
)
# As AWS writes them (IAM User Guide, "IAM identifiers"); a hash has lower case, a mask has stars.
_KEY_ID = re.compile(r"A[A-Z0-9]{15,127}")
_UNIQUE_ID = re.compile(r"[A-Z0-9]{4,}(:.*)?|.*:.*", re.DOTALL)
_WITH_SESSION = frozenset({"AssumedRole", "FederatedUser"})
_WITH_ID = frozenset({"AssumedRole", "FederatedUser", "IAMUser", "Root"})


class Shortfall(NamedTuple):
    """A field that linking needs and that records lack.

    Attributes:
        field: Its path in a CloudTrail record.
        lacking, of: How many records lack it, of how many that ought to have it.
        remedy: What to do about it.
    """

    field: str
    lacking: int
    of: int
    remedy: str

    @property
    def everywhere(self) -> bool:
        """No record has it."""
        return self.lacking == self.of


def shortfalls(records: Sequence[JsonObject]) -> list[Shortfall]:
    """Give the fields that linking needs and that some or all of these records lack."""
    found = []
    for need in _NEEDS:
        ought = [record for record in records if need.ought(record)]
        lacking = sum(not need.has(record) for record in ought)
        if lacking:
            found.append(Shortfall(need.field, lacking, len(ought), need.remedy))
    return found


def issues(record: Mapping[str, Any]) -> bool:
    """Whether a record is of a successful call that answers with a credential."""
    source = read_event_source(text(record.get("eventSource")) or "")
    succeeded = text(record.get("errorCode")) is None
    return record.get("eventName") in ISSUING and source.service == "sts" and succeeded


# --- the needs ------------------------------------------------------------------------------------

_Test = Callable[[JsonObject], bool]

_KEEP = "let the pipeline keep it, and load the documents again"
_PLAIN = "let the pipeline write it as it is, neither hashed nor masked"


@dataclass(frozen=True, slots=True)
class _Need:
    field: str
    ought: _Test
    has: _Test
    remedy: str = _KEEP


def _identity(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(record.get("userIdentity"))


def _of_type(types: frozenset[str]) -> _Test:
    return lambda record: _identity(record).get("type") in types


def _own_session(record: JsonObject) -> bool:
    """A session that acts itself: a service that acts for one may leave its key out."""
    return _identity(record).get("type") in _WITH_SESSION and "invokedBy" not in _identity(record)


def _key_id(record: JsonObject) -> str | None:
    return text(_identity(record).get("accessKeyId"))


def _issued_key(record: JsonObject) -> str | None:
    credentials = mapping(mapping(record.get("responseElements")).get("credentials"))
    return text(credentials.get("accessKeyId"))


def _created_at(record: JsonObject) -> object:
    context = mapping(_identity(record).get("sessionContext"))
    return parse_time(mapping(context.get("attributes")).get("creationDate"))


def _always(record: JsonObject) -> bool:  # noqa: ARG001 - every record ought to
    return True


_NEEDS = (
    _Need("eventID", _always, lambda r: bool(text(r.get("eventID")) or text(r.get("eventId")))),
    _Need("eventName", _always, lambda r: text(r.get("eventName")) is not None),
    _Need("eventSource", _always, lambda r: text(r.get("eventSource")) is not None),
    _Need("userIdentity.type", _always, lambda r: text(_identity(r).get("type")) is not None),
    _Need(
        "userIdentity.principalId",
        _of_type(_WITH_ID),
        lambda r: text(_identity(r).get("principalId")) is not None,
    ),
    _Need(
        "userIdentity.principalId",
        lambda r: text(_identity(r).get("principalId")) is not None and _of_type(_WITH_ID)(r),
        lambda r: _UNIQUE_ID.fullmatch(_identity(r)["principalId"]) is not None,
        _PLAIN,
    ),
    _Need("userIdentity.accessKeyId", _own_session, lambda r: _key_id(r) is not None),
    _Need(
        "userIdentity.accessKeyId",
        lambda r: _key_id(r) is not None,
        lambda r: _KEY_ID.fullmatch(_key_id(r) or "") is not None,
        _PLAIN,
    ),
    _Need(
        "userIdentity.sessionContext.attributes.creationDate",
        _own_session,
        lambda r: _created_at(r) is not None,
    ),
    _Need("responseElements.credentials.accessKeyId", issues, lambda r: _issued_key(r) is not None),
    _Need(
        "responseElements.credentials.accessKeyId",
        lambda r: issues(r) and _issued_key(r) is not None,
        lambda r: _KEY_ID.fullmatch(_issued_key(r) or "") is not None,
        _PLAIN,
    ),
)
