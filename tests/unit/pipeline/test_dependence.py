"""Which stored events may change when facts arrive under an evidence key."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from enricher.identity import keys
from enricher.pipeline.dependence import (
    EVIDENCE,
    WAITING,
    Between,
    Exists,
    OneOf,
    conditions,
    depends,
)
from enricher.pipeline.ports import StoredEvent

ACCOUNT = "111122223333"
PRINCIPAL = "AROAEXAMPLE000000001:alice/with/slashes"
ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/alice"
AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "eventID": "e-1",
    "eventTime": "2026-03-02T09:00:00Z",
    "sharedEventID": "s-1",
    "requestID": "r-1",
    "vpcEndpointId": "vpce-1",
    "userIdentity": {
        "accountId": ACCOUNT,
        "principalId": PRINCIPAL,
        "arn": ARN,
        "accessKeyId": "ASIAEXAMPLE000000001",
        "sessionContext": {
            "attributes": {"creationDate": "2026-03-02T08:00:00Z"},
            "signInSessionArn": "arn:aws:signin:::session/1",
        },
    },
    "responseElements": {
        "credentials": {"accessKeyId": "ASIAEXAMPLE000000002"},
        "assumedRoleUser": {"assumedRoleId": "AROAEXAMPLE000000002:bob"},
    },
    "enriched": {
        "waiting_for": ["issued/other", "shared/other"],
        "origin": {"id": "AIDAEXAMPLE000000001", "evidence": ["proof-1", "proof-2"]},
        "chain": [{"via": "AssumeRole"}, {"via": "ConsoleLogin"}],
    },
}


def stored(**changes: object) -> StoredEvent:
    """Give the event, changed at these places; dots in names are written as two underscores."""
    source = copy.deepcopy(EVENT)
    for path, value in changes.items():
        *parents, name = path.split("__")
        node = source
        for parent in parents:
            node = node[parent]
        if value is None:
            del node[name]
        else:
            node[name] = value
    return StoredEvent(id="e-1", index="i", source=source, seq_no=0, primary_term=1)


@pytest.mark.parametrize(
    "key",
    [
        "issued/other",
        "shared/other",
        keys.issued("ASIAEXAMPLE000000001"),
        keys.issued("ASIAEXAMPLE000000002"),
        keys.long_term("ASIAEXAMPLE000000001"),
        keys.shared("s-1"),
        keys.request("r-1"),
        keys.endpoint("vpce-1"),
        keys.sign_in("arn:aws:signin:::session/1"),
        keys.name("AIDAEXAMPLE000000001"),
        keys.session(ACCOUNT, PRINCIPAL, AT),
        keys.session(ACCOUNT, PRINCIPAL, AT + timedelta(seconds=1)),
        keys.session(ACCOUNT, PRINCIPAL, AT - timedelta(seconds=1)),
        keys.session(ACCOUNT, PRINCIPAL, AT + timedelta(hours=1)),  # the event's own second
        keys.session(ACCOUNT, ARN, AT),
        keys.session(ACCOUNT, "AROAEXAMPLE000000002:bob", AT + timedelta(hours=1)),
        keys.on_behalf(ACCOUNT, PRINCIPAL, AT),
        keys.oauth(ACCOUNT, PRINCIPAL, AT),
        keys.portal(ACCOUNT, "Admin", AT),
        keys.began(ACCOUNT, PRINCIPAL, AT),
    ],
)
def test_an_event_depends_on_what_it_waits_for_and_on_what_speaks_of_it(key: str) -> None:
    assert depends(stored(), [key], ())
    assert depends(stored(), ["issued/none", key], ())


@pytest.mark.parametrize(
    "key",
    [
        keys.issued("ASIAEXAMPLE000000003"),
        keys.shared("s-2"),
        keys.request("r-2"),
        keys.endpoint("vpce-2"),
        keys.name("AIDAEXAMPLE000000002"),
        keys.session(ACCOUNT, PRINCIPAL, AT + timedelta(seconds=2)),
        keys.session(ACCOUNT, "AROAEXAMPLE000000009:eve", AT),
        keys.session("444455556666", PRINCIPAL, AT),
        keys.session(ACCOUNT, "AROAEXAMPLE000000002:bob", AT),
        keys.portal("444455556666", "Admin", AT),
        keys.portal(ACCOUNT, "Admin", AT + timedelta(seconds=5)),
        keys.used(ACCOUNT, PRINCIPAL, AT),  # no service acted for it
        keys.began(ACCOUNT, PRINCIPAL, AT - timedelta(days=3)),
        keys.began(ACCOUNT, PRINCIPAL, AT + timedelta(days=1)),
        "session/not-a-key",
        "session/1/2/never",
        f"unknown/{ACCOUNT}/{PRINCIPAL}/2026-03-02T08:00:00Z",
        "",
    ],
)
def test_an_event_does_not_depend_on_what_speaks_of_others(key: str) -> None:
    assert not depends(stored(), [key], ())


def test_an_event_depends_on_the_records_that_prove_its_origin() -> None:
    assert depends(stored(), [], ["proof-2"])
    assert depends(stored(), ["issued/none"], ["proof-0", "proof-1"])
    assert not depends(stored(), ["issued/none"], ["e-1"])


def test_forward_access_depends_on_the_keys_that_a_user_used_that_day() -> None:
    forwarded = stored(userIdentity__invokedBy="athena.amazonaws.com")
    assert depends(forwarded, [keys.used(ACCOUNT, PRINCIPAL, AT)], ())
    assert not depends(forwarded, [keys.used(ACCOUNT, PRINCIPAL, AT - timedelta(days=1))], ())


def test_an_event_without_creation_time_depends_on_what_began_that_day() -> None:
    lost = stored(userIdentity__sessionContext__attributes={}, enriched__chain=[])
    assert depends(lost, [keys.began(ACCOUNT, PRINCIPAL, AT)], ())
    with_date = stored(enriched__chain=[])
    assert not depends(with_date, [keys.began(ACCOUNT, PRINCIPAL, AT)], ())


def test_a_renewed_session_depends_on_what_began_before_it() -> None:
    renewed = stored(enriched__chain=[{"via": "RenewRole"}])
    assert depends(renewed, [keys.began(ACCOUNT, PRINCIPAL, AT - timedelta(days=1))], ())


@pytest.mark.parametrize(
    "written",
    ["2026-03-02T08:00:00.999Z", "2026-03-02 08:00:00.000", "20260302T080000Z", 1772438400000],
)
def test_a_creation_time_may_be_written_in_any_form(written: object) -> None:
    event = stored(userIdentity__sessionContext__attributes={"creationDate": written})
    assert depends(event, [keys.session(ACCOUNT, PRINCIPAL, AT)], ())


def test_an_event_that_holds_nothing_depends_on_nothing() -> None:
    bare = StoredEvent(id="1", index="i", source={}, seq_no=0, primary_term=1)
    assert not depends(bare, [keys.session(ACCOUNT, PRINCIPAL, AT), "issued/k"], ["proof-1"])


def test_misshapen_values_match_nothing() -> None:
    event = stored(userIdentity="text", responseElements=["text"], eventTime=["never"])
    assert not depends(event, [keys.session(ACCOUNT, PRINCIPAL, AT), "issued/k"], ())


def test_keys_of_one_field_are_asked_for_together() -> None:
    assert conditions(["issued/a", "issued/b", "longterm/c", "shared/s"], ["p"]) == [
        (OneOf(WAITING, ("issued/a", "issued/b", "longterm/c", "shared/s")),),
        (OneOf(EVIDENCE, ("p",)),),
        (OneOf("userIdentity.accessKeyId", ("a", "b", "c")),),
        (OneOf("responseElements.credentials.accessKeyId", ("a", "b")),),
        (OneOf("sharedEventID", ("s",)),),
    ]


def test_a_session_is_asked_for_by_account_principal_and_second() -> None:
    own = (
        OneOf("userIdentity.accountId", (ACCOUNT,)),
        OneOf("userIdentity.principalId", (PRINCIPAL,)),
    )
    near = (AT - timedelta(seconds=1), AT + timedelta(seconds=1))
    created = Between("userIdentity.sessionContext.attributes.creationDate", *near)
    holder = OneOf("responseElements.assumedRoleUser.assumedRoleId", (PRINCIPAL,))
    key = keys.session(ACCOUNT, PRINCIPAL, AT)
    assert conditions([key], []) == [
        (OneOf(WAITING, (key,)),),
        (*own, created),
        (*own, Between("eventTime", *near)),
        (holder, Between("eventTime", *near)),
    ]


def test_presence_and_absence_are_conditions_too() -> None:
    (_, (_, _, present, _)) = conditions([keys.used(ACCOUNT, PRINCIPAL, AT)], [])
    assert present == Exists("userIdentity.invokedBy")
