"""Which stored events may change when facts arrive under an evidence key (design §5, re-enrich).

Three ways to depend on a key: to wait for it, to rest on a record that states a fact under it, or
to be of the very credential, session or request that it speaks of. The conditions are data, so
that each index can ask for them in its own language.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from enricher.cloudtrail.times import SECOND, parse_time
from enricher.identity.windows import CONSOLE_SPAN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from enricher.pipeline.ports import StoredEvent

_ACCOUNT = "userIdentity.accountId"
_PRINCIPAL = "userIdentity.principalId"
_ARN = "userIdentity.arn"
_KEY_ID = "userIdentity.accessKeyId"
_CREATED = "userIdentity.sessionContext.attributes.creationDate"
_ISSUED_KEY = "responseElements.credentials.accessKeyId"
_HOLDER = "responseElements.assumedRoleUser.assumedRoleId"
WAITING = "enriched.waiting_for"
EVIDENCE = "enriched.origin.evidence"


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field holds one of these values."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The field's instant lies in [start, end]."""

    field: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there, or is not."""

    field: str
    present: bool = True


Condition: TypeAlias = OneOf | Between | Exists
Conjunction: TypeAlias = tuple[Condition, ...]


def conditions(keys: Sequence[str], event_ids: Iterable[str]) -> list[Conjunction]:
    """Give the alternatives under which an event depends on one of these keys or proofs."""
    told = conditions_told(keys, tuple(event_ids))
    return [*told, *(one for key in keys for one in conditions_of(key))]


def conditions_told(keys: Sequence[str], event_ids: Sequence[str]) -> list[Conjunction]:
    """Give the alternatives that one field tells, each for all keys or proofs together."""
    values: dict[str, list[str]] = {}
    for key in keys:
        kind, _, rest = key.partition("/")
        for name in _BY_FIELD.get(kind, ()):
            values.setdefault(name, []).append(rest)
    told = {WAITING: keys, EVIDENCE: event_ids, **values}
    return [(OneOf(name, tuple(some)),) for name, some in told.items() if some]


def conditions_of(key: str) -> list[Conjunction]:
    """Give the alternatives that a key needs for itself: none where a field tells it."""
    kind, _, rest = key.partition("/")
    return [] if kind in _BY_FIELD else _of_session(kind, rest)


_BY_FIELD: dict[str, tuple[str, ...]] = {
    "issued": (_KEY_ID, _ISSUED_KEY),
    "shared": ("sharedEventID",),
    "request": ("requestID",),
    "signin": ("userIdentity.sessionContext.signInSessionArn",),
    "longterm": (_KEY_ID,),
    "name": ("enriched.origin.id",),
    "endpoint": ("vpcEndpointId",),
}


def _of_session(kind: str, rest: str) -> list[Conjunction]:
    """Read ``<account>/<principal>/<time>``; principals may hold slashes, the ends do not."""
    account, _, tail = rest.partition("/")
    principal, _, time = tail.rpartition("/")
    at = parse_time(time)
    if at is None:
        return []
    holder = _ARN if principal.startswith("arn:") else _PRINCIPAL
    own = (OneOf(_ACCOUNT, (account,)), OneOf(holder, (principal,)))
    near = (at - SECOND, at + SECOND)
    day_end = at + timedelta(days=1)
    match kind:
        case "session" | "onbehalf" | "oauth":
            return [
                (*own, Between(_CREATED, *near)),
                (*own, Between("eventTime", *near)),
                (OneOf(_HOLDER, (principal,)), Between("eventTime", *near)),
            ]
        case "idc":
            return [(OneOf(_ACCOUNT, (account,)), Between(_CREATED, *near))]
        case "used":
            return [(*own, Exists("userIdentity.invokedBy"), Between(_CREATED, at, day_end))]
        case "began":
            that_day = Between("eventTime", at, day_end + CONSOLE_SPAN + CONSOLE_SPAN)
            via = OneOf("enriched.chain.via", ("RenewRole", "ConsoleLogin"))
            return [(*own, that_day, Exists(_CREATED, present=False)), (*own, that_day, via)]
        case _:
            return []


def depends(event: StoredEvent, keys: Sequence[str], event_ids: Iterable[str]) -> bool:
    """Whether a stored event depends on one of these keys."""
    return any(
        all(_holds(condition, event.source) for condition in conjunction)
        for conjunction in conditions(keys, event_ids)
    )


def _holds(condition: Condition, source: dict[str, Any]) -> bool:
    values = list(_values(source, condition.field.split(".")))
    match condition:
        case OneOf(_, wanted):
            return any(value in wanted for value in values)
        case Exists(_, present):
            return bool(values) is present
        case Between(_, start, end):
            instants = [parse_time(value) for value in values]
            return any(at is not None and start <= at <= end for at in instants)


def _values(node: Any, path: Sequence[str]) -> Iterable[Any]:  # noqa: ANN401 - any JSON value
    if isinstance(node, list):
        for item in node:
            yield from _values(item, path)
    elif not path:
        if node is not None:
            yield node
    elif isinstance(node, dict) and path[0] in node:
        yield from _values(node[path[0]], path[1:])
