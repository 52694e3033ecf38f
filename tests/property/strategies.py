"""What the properties are tried on: whole trails of invented organizations, and damaged records."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

from enricher.cloudtrail import codec
from enricher.enrichers.catalogue import catalogue
from enricher.enrichers.parameters import CREATED, REQUESTED
from tools.trailgen.generate import generate
from tools.trailgen.plan import EVERY_SCENE, Plan

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from tools.trailgen.trail import Trail

Json = dict[str, Any]


@dataclass(frozen=True)
class Story:
    """A trail by its seed and plan: what is printed of a failure makes the same trail again."""

    seed: int
    plan: Plan

    @cached_property
    def trail(self) -> Trail:
        """The trail, with its truth."""
        return generate(self.seed, self.plan)


def stories(*, events: int = 60) -> st.SearchStrategy[Story]:
    """Draw a trail: of a few kinds of scene, so that a failure is small, or of all of them."""
    every = sorted(EVERY_SCENE)
    return st.builds(Story, seeds, plans(events, st.just(every) | st.lists(scenes, min_size=1)))


def plans(events: int, names: st.SearchStrategy[list[str]]) -> st.SearchStrategy[Plan]:
    """Draw a plan with these kinds of scene."""
    return st.builds(
        Plan,
        events=st.just(events),
        accounts=st.integers(1, 5),
        people=st.integers(1, 3),
        machines=st.integers(1, 3),
        roles=st.integers(1, 3),
        regions=st.integers(1, 5),
        chain_depth=st.integers(1, 6),
        hours=st.integers(1, 26),
        calls=st.sampled_from([(1, 1), (1, 3), (2, 8)]),
        shares=names.map(lambda drawn: {name: EVERY_SCENE[name] for name in drawn}),
    )


seeds = st.integers(0, 1 << 20)
scenes = st.sampled_from(sorted(EVERY_SCENE))


# --- JSON, and records that are not what they should be ----------------------------------------

_NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False, allow_infinity=False)
_SCALARS = st.none() | st.booleans() | _NUMBERS | st.text(max_size=20)

# Values that mean something somewhere, also where they do not belong.
TELLING = (
    "",
    "HIDDEN_DUE_TO_SECURITY_REASONS",
    "AWS Internal",
    "ec2.amazonaws.com",
    "arn:aws:iam::111122223333:role/Admin",
    "arn:aws:sts::111122223333:assumed-role/Admin",
    "arn:aws:sts::111122223333:assumed-role/Admin/alice",
    "arn:aws:",
    ":",
    "AROAEXAMPLE:",
    "AIDAEXAMPLE",
    "AKIAEXAMPLE",
    "anonymous",
    "AWSReservedSSO_",
    "2026-03-02T06:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "Mar 2, 2026, 6:00:00 AM",
    "Success",
    "Failure",
    "true",
)


def json_values() -> st.SearchStrategy[Any]:
    """Draw any JSON value."""
    return st.recursive(
        _SCALARS | st.sampled_from(TELLING),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3)
        ),
        max_leaves=6,
    )


_TEXTS = st.sampled_from(TELLING)


def json_records() -> st.SearchStrategy[Json]:
    """Draw JSON objects under CloudTrail's names, whatever their values are."""
    identity = st.dictionaries(
        st.sampled_from(
            (
                "type",
                "principalId",
                "arn",
                "accountId",
                "accessKeyId",
                "userName",
                "invokedBy",
                "sessionContext",
                "onBehalfOf",
                "inScopeOf",
                "identityProvider",
            )
        ),
        st.sampled_from(("IAMUser", "AssumedRole", "Root", "SAMLUser", "AWSAccount", *TELLING))
        | json_values(),
    )
    return st.dictionaries(
        st.sampled_from(
            (
                "eventTime",
                "eventName",
                "eventSource",
                "eventType",
                "eventID",
                "recipientAccountId",
                "sharedEventID",
                "requestID",
                "errorCode",
                "errorMessage",
                "readOnly",
                "resources",
                "userAgent",
                "sourceIPAddress",
                "requestParameters",
                "responseElements",
                "additionalEventData",
                "serviceEventDetails",
                "tlsDetails",
                "sessionCredentialFromConsole",
                "vpcEndpointId",
                "vpcEndpointAccountId",
            )
        )
        | st.text(max_size=12),
        _TEXTS | json_values(),
    ).flatmap(lambda record: identity.map(lambda caller: {**record, "userIdentity": caller}))


# What identity is read from; damage elsewhere would seldom show.
_SPEAKING = (
    "userIdentity",
    "eventTime",
    "eventName",
    "eventSource",
    "eventType",
    "eventID",
    "recipientAccountId",
    "sharedEventID",
    "requestID",
    "errorCode",
    "errorMessage",
    "readOnly",
    "resources",
    "requestParameters",
    "responseElements",
    "additionalEventData",
    "serviceEventDetails",
    "sourceIPAddress",
    "userAgent",
    "vpcEndpointId",
    "vpcEndpointAccountId",
)


class Damage(NamedTuple):
    """One thing that went wrong with one member of one record; numbers count modulo."""

    what: str
    record: int
    member: int
    other: int
    value: Any


def damages(*, most: int = 12) -> st.SearchStrategy[list[Damage]]:
    """Draw damage: members lost, of another type, or with another record's value."""
    numbers = st.integers(0, 1 << 16)
    what = st.sampled_from(("lose", "retype", "mix", "mix"))
    damage = st.builds(Damage, what, numbers, numbers, numbers, json_values())
    return st.lists(damage, min_size=1, max_size=most)


def damaged(records: Sequence[Json], damage: Sequence[Damage]) -> list[Json]:
    """Give a copy of the records with that damage."""
    found: list[Json] = codec.loads(codec.dumps(records))  # nothing shared any more
    for one in damage:
        record = found[one.record % len(found)]
        places = _places({name: record[name] for name in _SPEAKING if name in record})
        if places:
            _break(record, places[one.member % len(places)], one, found)
    return found


def _break(record: Json, place: Sequence[str], damage: Damage, others: Sequence[Json]) -> None:
    *way, last = place
    parent = record
    for name in way:
        parent = parent[name]
    if damage.what == "lose":
        del parent[last]
    elif damage.what == "retype":
        parent[last] = damage.value
    else:  # a value of the same name from elsewhere: ids and times that contradict each other
        known = [value for other in others for value in _named(other, last)]
        parent[last] = copy.deepcopy(known[damage.other % len(known)])


def _places(node: Json, way: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """List the ways to all members of objects."""
    found = []
    for name, value in node.items():
        found.append((*way, name))
        if isinstance(value, dict):
            found += _places(value, (*way, name))
    return found


def _named(node: Any, name: str) -> list[Any]:  # noqa: ANN401 - any JSON value
    if isinstance(node, list):
        return [value for item in node for value in _named(item, name)]
    if not isinstance(node, dict):
        return []
    own = [node[name]] if name in node else []
    return own + [value for item in node.values() for value in _named(item, name)]


# --- calls whose members the enrichers speak of, with values of any kind ------------------------

_SERVICES = st.sampled_from(sorted({entry.service for entry in catalogue().entries}))
_PARAMETERS = sorted(
    {
        *(name for paths in (*REQUESTED.values(), *CREATED.values()) for name in paths),
        *(path[0] for entry in catalogue().entries for path, _ in entry.when),
        "encryptionContext",
        "eventSelectors",
        "policyDocument",
        "taskPolicyArn",
        "userData",
    }
)
_POLICIES = st.sampled_from(
    (
        '{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}',
        '{"Statement":"Deny"}',
        '{"Statement":[[1],{"Action":{}}]}',
        "[" * 5_000,
    )
)
_MESSAGES = st.sampled_from(
    (
        "User: x is not authorized to perform: s3:Get on resource: arn:aws:s3:::b because no ",
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        "with an explicit deny in a service control policy: arn:",
        "because no identity-based policy allows the s3:GetObject action",
        "Encoded authorization failure message: AAAA",
        "authorization id: 0f0e0d0c-0b0a-4908-8706-050403020100",
    )
)
_CALLERS = st.sampled_from(
    (
        {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/alice"},
        {"accountId": "111122223333", "invokedBy": "ec2.amazonaws.com"},
    )
)
_ADDRESSES = st.ip_addresses().map(str) | st.sampled_from(("fe80::1%x", "::ffff:1.2.3.4", "1.2"))


@st.composite
def known_calls(draw: st.DrawFn) -> Json:
    """Draw records of calls that the catalogue knows, with parameters that the conventions know."""
    service = draw(_SERVICES)
    names = sorted({name for one in catalogue().entries for name in one.names})
    values = _TEXTS | _POLICIES | _ADDRESSES | json_values()
    parameters = st.dictionaries(st.sampled_from(_PARAMETERS), values, max_size=4)
    members = {
        "requestParameters": parameters | json_values(),
        "responseElements": parameters | json_values(),
        "resources": st.lists(
            st.dictionaries(
                st.sampled_from(("ARN", "arn", "ARNPrefix", "accountId", "type")), values
            )
        )
        | json_values(),
        "errorCode": st.sampled_from(("AccessDenied", "Client.DryRunOperation", "x")) | values,
        "errorMessage": st.lists(_MESSAGES | st.text(max_size=8)).map(" ".join) | values,
        "readOnly": values,
        "sourceIPAddress": _ADDRESSES | values,
        "vpcEndpointId": values,
        "vpcEndpointAccountId": values,
        "eventType": st.sampled_from(("AwsApiCall", "AwsServiceEvent", "AwsConsoleSignIn")),
        "userIdentity": _CALLERS | json_values(),
        "serviceEventDetails": parameters | json_values(),
        "additionalEventData": parameters | json_values(),
    }
    chosen = draw(st.fixed_dictionaries({}, optional=members))
    event_name = draw(st.sampled_from(names)).replace("*", draw(st.text(max_size=3)))
    return {
        "eventTime": "2026-03-02T06:00:00Z",
        "eventSource": f"{service}.amazonaws.com",
        "eventName": event_name,
        "recipientAccountId": draw(st.sampled_from(("111122223333", "", "x"))),
        **chosen,
    }


# --- deliveries ---------------------------------------------------------------------------------


def delivered(trail: Trail, rng: random.Random) -> list[Json]:
    """Deliver a trail's log files in any order, some of them twice, each in any order."""
    files = list(trail.files().values())
    files += rng.sample(files, rng.randrange(len(files) + 1))
    rng.shuffle(files)
    found = []
    for records in files:
        of_file: list[Json] = codec.loads(codec.dumps(records))
        rng.shuffle(of_file)
        found += of_file
    return found
