"""The target enricher: what the call was about, and where that is written (identity.md §6).

Asked in this order, until one names something: CloudTrail's own ``resources``; the parameters of
the request, by the conventions of each service; the message of a refusal; the response, which
names what the call created; the details of a service's own event; the caller, where IAM takes the
user to be meant who does not name one. A refusal's ARN is added in any case: it proves which
account was probed, also where that account has no record of it. What was created is added too.

Names are as the record has them, ARNs are never made up. Parameters are read in the order of their
names, so that the same record gives the same answer however its JSON was ordered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from enricher.cloudtrail.arn import parse_arn
from enricher.cloudtrail.caller import HIDDEN
from enricher.enrichers.denials import DENIED, read_denial, verdict
from enricher.enrichers.fields import Field, keyword
from enricher.enrichers.interface import Contribution
from enricher.enrichers.outcome import stated_error
from enricher.enrichers.parameters import (
    CALLERS_OWN,
    CREATED,
    GENERIC_ENDS,
    NO_PATHS,
    NOT_TARGETS,
    REQUESTED,
)

if TYPE_CHECKING:
    from enricher.cloudtrail.record import Record
    from enricher.enrichers.interface import Context
    from enricher.enrichers.parameters import Paths

MOST_ARNS = 20
MOST_NAMES = 20
MOST_ACCOUNTS = 10
LONGEST_ARN = 2_048  # characters, as its mapping
LONGEST_NAME = 1_024
CUT = "target_cut"

_DEEPEST = 6
_MOST_VALUES = 256  # looked at in one request; real ones hold a few dozen
_ACCOUNT_DIGITS = 12

FIELDS = (
    Field(
        "target.arns",
        keyword(LONGEST_ARN),
        f"ARNs of what the call was about, {MOST_ARNS} at most",
        ["arn:aws:s3:::example-bucket"],
    ),
    Field(
        "target.account_ids",
        keyword(64),
        "the accounts that it lies in; where nothing says so, the account that got the record",
        ["111122223333"],
    ),
    Field(
        "target.names",
        keyword(LONGEST_NAME),
        f"names and ids, of the ARNs too, {MOST_NAMES} at most",
        ["example-bucket"],
    ),
    Field(
        "target.found_in",
        keyword(32),
        "where the first of them is written: `resources`, `requestParameters`, `errorMessage`; "
        "`responseElements`: the call created it; `serviceEventDetails` or `additionalEventData`: "
        "of a service's own event; `userIdentity`: a user about himself",
        "resources",
    ),
)


class _Values(NamedTuple):
    """What one part of the record names; ``values`` are ARNs and names, as they stand."""

    values: Sequence[str] = ()
    account_ids: Sequence[str] = ()


_SIGN_INS = frozenset({"signin", "sso", "sso-oauth"})  # they tell of a sign-in, not of a target
_NONE = _Values()
_NOTHING = Contribution(fields={})


class TargetEnricher:
    """Says what the call was about."""

    name = "target"
    version = 1
    fields = FIELDS
    reads = (
        "additionalEventData",
        "errorCode",
        "errorMessage",
        "eventName",
        "eventSource",
        "eventType",
        "recipientAccountId",
        "requestParameters",
        "resources",
        "responseElements",
        "serviceEventDetails",
        "userIdentity",
    )

    def enrich(self, context: Context) -> Contribution:
        """Name the target; nothing where the record names none."""
        record = context.record
        found_in, stated = _stated(record)
        refused = _refused(record)
        if refused is not None:
            found_in = found_in or "errorMessage"
            stated = _Values((*stated.values, refused), stated.account_ids)
        created = _created(record)
        if created:
            found_in = found_in or "responseElements"
            stated = _Values((*stated.values, *created), stated.account_ids)
        if found_in is None:
            found_in, others = _elsewhere(record)
            stated = _Values(others, stated.account_ids)
        return _contribution(record, found_in, stated) if found_in else _NOTHING


def _stated(record: Record) -> tuple[str | None, _Values]:
    """Ask CloudTrail's own list, else the request."""
    listed = _listed(record.raw.get("resources"))
    request = record.request
    if listed.values:
        if record.service == "kms":
            # The key is the resource; what it was used for is in the context (§6.1).
            context = request.get("encryptionContext")
            listed = _Values((*listed.values, *_arns_below(context)), listed.account_ids)
        return "resources", listed
    if not request:
        return None, listed
    asked = _asked(request, record.service)
    if not asked:
        return None, listed
    return "requestParameters", _Values(asked, listed.account_ids)


def _listed(resources: object) -> _Values:
    """Read ``resources``; an entry may lack its ARN, or hold the beginning of one only."""
    if not isinstance(resources, list) or not resources:
        return _NONE
    values: list[str] = []
    accounts: list[str] = []
    for entry in resources[:_MOST_VALUES]:
        if not isinstance(entry, dict):
            continue
        arn = entry.get("ARN") or entry.get("arn") or entry.get("ARNPrefix")
        if isinstance(arn, str):
            values.append(arn)
        account = entry.get("accountId")
        if isinstance(account, str):
            accounts.append(account)
    return _Values(values, accounts)


# --- the request --------------------------------------------------------------------------------


def _asked(request: Mapping[str, Any], service: str) -> list[str]:
    """Collect what a request names: by its service's conventions, else by how names end.

    ARNs are taken wherever they stand.
    """
    paths = REQUESTED.get(service, NO_PATHS)
    found: list[str] = []
    spare: list[str] = []
    for name in sorted(request) if len(request) > 1 else request:
        value = request[name]
        if isinstance(value, str):
            if name in paths or value.startswith("arn:"):
                found.append(value)
            elif name.endswith(GENERIC_ENDS) and name not in NOT_TARGETS:
                spare.append(value)
        elif isinstance(value, (dict, list)):
            if name in paths:
                for path in paths[name]:
                    found.extend(_along(value, path))
            elif name.endswith(GENERIC_ENDS) and name not in NOT_TARGETS:
                spare.extend(_along(value, ()))
            else:
                (found if service == "ec2" else spare).extend(_wrapped(value))
            found.extend(_arns_below(value))
    return found or spare


def _along(value: object, path: Sequence[str]) -> Iterator[str]:
    """Follow a path through objects; lists on the way are gone through, bounded."""
    if isinstance(value, list):
        for item in value[:_MOST_VALUES]:
            if not isinstance(item, list):
                yield from _along(item, path)
    elif isinstance(value, dict):
        if path:
            below = value.get(path[0])
            if below is None and path[0] == "items":
                below = value.get("item")  # EC2 spells it both ways
            yield from _along(below, path[1:])
    elif isinstance(value, str) and not path:
        yield value


def _wrapped(value: object) -> Iterator[str]:
    """Read EC2's wrappers: ``xxxSet.items[].id``, ``XxxRequest.XxxId.content`` (§6.2)."""
    if not isinstance(value, dict):
        return
    items = value.get("items") or value.get("item")
    for one in items[:_MOST_VALUES] if isinstance(items, list) else (value,):
        if isinstance(one, str):
            yield one
        if not isinstance(one, dict):
            continue
        for name in sorted(one):
            if name.endswith(GENERIC_ENDS) and name not in NOT_TARGETS:
                inner = one[name]
                yield from _along(inner.get("content") if isinstance(inner, dict) else inner, ())


def _arns_below(value: object) -> Iterator[str]:
    """Find ARNs at any depth, breadth first, bounded in depth and number."""
    level = [value]
    seen = 0
    for _ in range(_DEEPEST):
        below: list[object] = []
        for node in level:
            children: Iterable[object] = ()
            if isinstance(node, dict):
                children = [node[name] for name in sorted(node)]
            elif isinstance(node, list):
                children = node
            for child in children:
                seen += 1
                if seen > _MOST_VALUES:
                    return
                if isinstance(child, str):
                    if child.startswith("arn:"):
                        yield child
                elif isinstance(child, (dict, list)):
                    below.append(child)
        if not below:
            return
        level = below


# --- refusals and responses ---------------------------------------------------------------------


def _refused(record: Record) -> str | None:
    """Give what a refusal was about, as its message has it: an ARN, or a bare name."""
    code, message = stated_error(record)
    if message is None or verdict(code, message) != DENIED:
        return None
    resource = read_denial(message).resource
    return None if resource == "*" else resource


def _created(record: Record) -> list[str]:
    """Give what the call created, as the response has it."""
    paths: Paths = CREATED.get(record.service, NO_PATHS)
    if not paths or record.error_code is not None:
        return []
    response = record.response
    return [
        value
        for first, rests in paths.items()
        if first in response
        for rest in rests
        for value in _along(response[first], rest)
    ]


def _elsewhere(record: Record) -> tuple[str | None, Sequence[str]]:
    """Ask what services write of their own events, and who asked about nobody but himself."""
    if record.event_type == "awsserviceevent" and record.service not in _SIGN_INS:
        for name in ("serviceEventDetails", "additionalEventData"):
            details = record.raw.get(name)
            told = _asked(details, record.service) if isinstance(details, dict) else []
            if told:
                return name, told
    caller = record.caller
    if (
        record.event_name in CALLERS_OWN.get(record.service, ())
        and caller.type == "IAMUser"
        and caller.arn
        and record.error_code is None
    ):
        return "userIdentity", (caller.arn,)
    return None, ()


# --- the answer ---------------------------------------------------------------------------------


def _contribution(record: Record, found_in: str, stated: _Values) -> Contribution:
    arns: dict[str, None] = {}
    names: dict[str, None] = {}
    accounts = dict.fromkeys(filter(_is_account, stated.account_ids))
    for value in stated.values:
        parsed = _parsed(value) if len(value) <= LONGEST_ARN else None
        if parsed is None:
            if 0 < len(value) <= LONGEST_NAME and value != HIDDEN:
                names[value] = None
            continue
        arns[value] = None
        if parsed.name:
            names[parsed.name] = None
        if parsed.account_id:
            accounts[parsed.account_id] = None
    if not arns and not names:
        return _NOTHING
    if not accounts and record.recipient and _is_account(record.recipient):
        accounts[record.recipient] = None
    cut = len(arns) > MOST_ARNS or len(names) > MOST_NAMES or len(accounts) > MOST_ACCOUNTS
    target: dict[str, Any] = {"found_in": found_in}
    if arns:
        target["arns"] = list(arns)[:MOST_ARNS]
    if accounts:
        target["account_ids"] = list(accounts)[:MOST_ACCOUNTS]
    if names:
        target["names"] = list(names)[:MOST_NAMES]
    if cut:
        return Contribution(fields={"target": target}, notes=frozenset({CUT}))
    return Contribution(fields={"target": target})


class _Named(NamedTuple):
    """What an ARN says of its target: a name, and its account if it has one."""

    name: str | None
    account_id: str | None


@lru_cache(maxsize=16_384)
def _parsed(value: str) -> _Named | None:
    """Read an ARN; None where the text is none."""
    arn = parse_arn(value)
    if arn is None:
        return None
    name = _name_of(arn.service, arn.resource)
    return _Named(
        name=name if name and len(name) <= LONGEST_NAME and name.strip("*") else None,
        account_id=arn.account_id if _is_account(arn.account_id) else None,
    )


def _name_of(service: str, resource: str) -> str:
    """Give what people call it: IAM's paths and the words before the name left out.

    ``user/path/alice`` → ``alice``, ``assumed-role/Admin/alice`` → ``Admin/alice``,
    ``function:name`` → ``name``, ``log-group:/a/b:*`` → ``/a/b``, a bucket and its key stay.
    """
    if service == "s3":
        return resource.removesuffix("/*")
    kind, slash, rest = resource.partition("/")
    if ":" in kind or not slash:
        _, colon, rest = resource.partition(":")
        return rest.removesuffix(":*") if colon else resource
    if service == "iam":
        return rest.rpartition("/")[2]
    return rest


def _is_account(value: str) -> bool:
    return len(value) == _ACCOUNT_DIGITS and value.isascii() and value.isdigit()
