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
    SCOPES,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from enricher.cloudtrail.arn import Arn
    from enricher.cloudtrail.record import Record
    from enricher.enrichers.interface import Context

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
        "of a service's own event; `userIdentity`: users about themselves",
        "resources",
    ),
)


_SIGN_INS = frozenset({"signin", "sso", "sso-oauth"})  # they tell of a sign-in, not of a target
_NOTHING = Contribution(fields={})
_NO_NOTES: frozenset[str] = frozenset()
_WAS_CUT = frozenset({CUT})
_FEW = 4  # as many values as most records name: such answers are kept


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
        """Name the target; nothing where the record names none.

        What it gives may be shared: copy before you change it.
        """
        record = context.record
        raw = record.raw
        values, accounts = _listed(raw.get("resources"))
        request = raw.get("requestParameters")
        found_in = where = None
        if values:
            found_in = "resources"
            if record.service == "kms" and isinstance(request, dict):
                # The key is the resource; what it was used for is in the context (§6.1).
                _collect_arns(request.get("encryptionContext"), values)
        elif request and isinstance(request, dict):
            values = _asked(request, record.service)
            found_in = "requestParameters" if values else None
        more: Sequence[str] = ()
        if record.error_code is not None or raw.get("errorMessage"):
            where, more = "errorMessage", _refused(record)
        elif raw.get("responseElements"):
            where, more = "responseElements", _created(record)
        if more:
            found_in = found_in or where
            values.extend(more)
        if found_in is None:
            found_in, values = _elsewhere(record)
        if found_in is None:
            return _NOTHING
        answer = _answer if len(values) <= _FEW else _answer.__wrapped__
        return answer(found_in, tuple(values), tuple(accounts), record.recipient)


def _listed(resources: object) -> tuple[list[str], list[str]]:
    """Read ``resources``: ARNs and accounts.

    An entry may lack its ARN, or hold the beginning of one only.
    """
    values: list[str] = []
    accounts: list[str] = []
    if not resources or not isinstance(resources, list):
        return values, accounts
    for entry in resources[:_MOST_VALUES]:
        if not isinstance(entry, dict):
            continue
        arn = entry.get("ARN") or entry.get("arn") or entry.get("ARNPrefix")
        if arn and isinstance(arn, str):
            values.append(arn)
        account = entry.get("accountId")
        if isinstance(account, str):
            accounts.append(account)
    return values, accounts


# --- the request --------------------------------------------------------------------------------


def _asked(request: Mapping[str, Any], service: str) -> list[str]:
    """Collect what a request names: by its service's conventions, else by how names end.

    ARNs are taken wherever they stand, save in filters.
    """
    paths = REQUESTED.get(service, NO_PATHS)
    found: list[str] = []
    spare: list[str] = []
    for name in sorted(request) if len(request) > 1 else request:
        value = request[name]
        if not value or name in SCOPES:
            continue
        if isinstance(value, str):
            if name in paths or value.startswith("arn:"):
                found.append(value)
            elif name.endswith(GENERIC_ENDS) and name not in NOT_TARGETS:
                spare.append(value)
        elif isinstance(value, (dict, list)):
            if name in paths:
                for path in paths[name]:
                    _follow(value, path, found)
            else:
                _guess(name, value, found if service == "ec2" else spare)
            _collect_arns(value, found)
    return found or spare


def _guess(name: str, value: object, found: list[str]) -> None:
    """Read what no convention knows: values by the parameter's name, and EC2's wrappers (§6.2)."""
    if name.endswith(GENERIC_ENDS) and name not in NOT_TARGETS:
        _follow(value, (), found)
    elif isinstance(value, dict):
        _unwrap(value, found)


def _follow(value: object, path: Sequence[str], found: list[str]) -> None:
    """Follow a path through objects; lists on the way are gone through, bounded."""
    if isinstance(value, str):
        if not path:
            found.append(value)
    elif isinstance(value, dict):
        if path:
            below = value.get(path[0])
            if below is None and path[0] == "items":
                below = value.get("item")  # EC2 spells it both ways
            _follow(below, path[1:], found)
    elif isinstance(value, list):
        for item in value[:_MOST_VALUES]:
            if not isinstance(item, list):
                _follow(item, path, found)


def _unwrap(value: Mapping[str, Any], found: list[str]) -> None:
    """Read ``xxxSet.items[].id`` and ``XxxRequest.XxxId.content``."""
    items = value.get("items") or value.get("item")
    for one in items[:_MOST_VALUES] if isinstance(items, list) else (value,):
        if isinstance(one, str):
            found.append(one)
        if not isinstance(one, dict):
            continue
        for name in sorted(one):
            if name.endswith(GENERIC_ENDS) and name not in NOT_TARGETS:
                inner = one[name]
                _follow(inner.get("content") if isinstance(inner, dict) else inner, (), found)


def _collect_arns(value: object, found: list[str]) -> None:
    """Find ARNs at any depth, breadth first, bounded in depth and number."""
    level = [value]
    left = _MOST_VALUES
    for _ in range(_DEEPEST):
        below: list[object] = []
        for node in level:
            for child in _children(node):
                left -= 1
                if left < 0:
                    return
                if isinstance(child, str):
                    if child.startswith("arn:"):
                        found.append(child)
                elif child and isinstance(child, (dict, list)):
                    below.append(child)
        if not below:
            return
        level = below


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return [node[name] for name in sorted(node)] if len(node) > 1 else node.values()
    return node if isinstance(node, list) else ()


# --- refusals and responses ---------------------------------------------------------------------


def _refused(record: Record) -> Sequence[str]:
    """Give what a refusal was about, as its message has it: an ARN, or a bare name."""
    code, message = stated_error(record)
    if message is None or verdict(code, message) != DENIED:
        return ()
    resource = read_denial(message).resource
    return () if resource is None or resource == "*" else (resource,)


def _created(record: Record) -> Sequence[str]:
    """Give what the call created, as the response has it."""
    response = record.raw.get("responseElements")
    if not isinstance(response, dict):
        return ()
    found: list[str] = []
    for first, paths in CREATED.get(record.service, NO_PATHS).items():
        if first in response:
            for path in paths:
                _follow(response[first], path, found)
    return found


def _elsewhere(record: Record) -> tuple[str | None, list[str]]:
    """Ask what services write of their own events, and who asked about nobody but themselves."""
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
        return "userIdentity", [caller.arn]
    return None, []


# --- the answer ---------------------------------------------------------------------------------


@lru_cache(maxsize=4_096)
def _answer(
    found_in: str, values: Sequence[str], account_ids: Sequence[str], recipient: str | None
) -> Contribution:
    """Sort values into ARNs, names and accounts, each once, in order of appearance."""
    arns: dict[str, None] = {}
    names: dict[str, None] = {}
    accounts = dict.fromkeys(filter(_is_account, account_ids))
    for value in values:
        read = _read(value) if len(value) <= LONGEST_ARN else _TOO_LONG
        if read.arn:
            arns[value] = None
        if read.name:
            names[read.name] = None
        if read.account_id:
            accounts[read.account_id] = None
    if not arns and not names:
        return _NOTHING
    if not accounts and recipient and _is_account(recipient):
        accounts[recipient] = None
    target: dict[str, Any] = {"found_in": found_in}
    cut = False
    for field, found, most in (
        ("arns", arns, MOST_ARNS),
        ("account_ids", accounts, MOST_ACCOUNTS),
        ("names", names, MOST_NAMES),
    ):
        if found:
            target[field] = list(found)[:most]
            cut = cut or len(found) > most
    return Contribution(fields={"target": target}, notes=_WAS_CUT if cut else _NO_NOTES)


class _Read(NamedTuple):
    """What one value says: whether it is an ARN, a name, and an account if it holds one."""

    arn: bool = False
    name: str | None = None
    account_id: str | None = None


_TOO_LONG = _Read()


@lru_cache(maxsize=16_384)
def _read(value: str) -> _Read:
    arn = parse_arn(value)
    name = _name_of(arn.service, arn.resource) if arn else value
    if not name.strip("*") or len(name) > LONGEST_NAME or name == HIDDEN:
        return _Read(arn=arn is not None, account_id=_account_of(arn))
    return _Read(arn=arn is not None, name=name, account_id=_account_of(arn))


def _account_of(arn: Arn | None) -> str | None:
    return arn.account_id if arn and _is_account(arn.account_id) else None


def _name_of(service: str, resource: str) -> str:
    """Give what people call it: IAM's paths and the words before the name left out.

    ``user/path/alice`` → ``alice``, ``assumed-role/Admin/alice`` → ``Admin/alice``,
    ``function:name`` → ``name``, ``log-group:/a/b:*`` → ``/a/b``, a bucket and its key stay.
    """
    if service == "s3":
        return resource.removesuffix("/*")
    kind, slash, rest = resource.partition("/")
    if ":" in kind or not slash:
        _, colon, name = resource.partition(":")
        return name.removesuffix(":*") if colon else resource
    if service == "iam":
        return rest.rpartition("/")[2]
    return rest


def _is_account(value: str) -> bool:
    return len(value) == _ACCOUNT_DIGITS and value.isascii() and value.isdigit()
