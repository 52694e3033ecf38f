"""Records of the scenes that are easy to get wrong."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from tools.trailgen.generate import generate
from tools.trailgen.plan import Plan
from tools.trailgen.trail import document_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.trailgen.trail import Trail

Json = dict[str, Any]


def play(name: str, events: int = 60) -> Trail:
    """Act one kind of scene, over and over."""
    return generate(11, Plan(events=events, shares={name: 1}))


def named(trail: Trail, name: str) -> Iterator[Json]:
    """Give the records with an event name."""
    return (record for record in trail.records if record["eventName"] == name)


def shared(trail: Trail) -> list[list[Json]]:
    """Group the copies of one event."""
    groups: dict[str, list[Json]] = defaultdict(list)
    for record in trail.records:
        if "sharedEventID" in record and record["userIdentity"]["type"] != "AWSService":
            groups[record["sharedEventID"]].append(record)
    return list(groups.values())


def test_a_call_has_the_members_of_version_1_11_in_their_order() -> None:
    record = next(named(play("stolen_key"), "GetCallerIdentity"))
    assert list(record) == [
        "eventVersion",
        "userIdentity",
        "eventTime",
        "eventSource",
        "eventName",
        "awsRegion",
        "sourceIPAddress",
        "userAgent",
        "requestParameters",
        "responseElements",
        "requestID",
        "eventID",
        "readOnly",
        "eventType",
        "managementEvent",
        "recipientAccountId",
        "eventCategory",
        "tlsDetails",
    ]


def test_both_accounts_get_a_copy_of_a_role_assumed_across_accounts() -> None:
    for source, target in shared(play("role_chain", 200)):
        assert target["userIdentity"] == {
            "type": "AWSAccount",
            "principalId": source["userIdentity"]["principalId"],
            "accountId": source["recipientAccountId"],
        }
        for member in ("eventTime", "requestID", "requestParameters", "responseElements"):
            assert source[member] == target[member]
        assert source["eventID"] != target["eventID"]
        assert target["recipientAccountId"] == target["resources"][0]["accountId"]


def test_a_switch_of_role_issues_a_key_that_nobody_uses() -> None:
    trail = play("console_switch")
    switches = {record["eventTime"]: record for record in named(trail, "SwitchRole")}
    assert switches
    used = {record["userIdentity"].get("accessKeyId") for record in trail.records}
    for record in named(trail, "AssumeRole"):
        assert record["sourceIPAddress"] == record["userAgent"] == "AWS Internal"
        assert "tlsDetails" not in record
        assert record["responseElements"]["credentials"]["accessKeyId"] not in used
    for switch in switches.values():
        assert "accessKeyId" not in switch["userIdentity"]
        assert "sessionContext" not in switch["userIdentity"]
        assert switch["additionalEventData"]["SwitchFrom"].startswith("arn:aws:iam::")


def test_a_console_session_uses_many_keys_and_one_creation_time() -> None:
    trail = generate(11, Plan(events=60, shares={"console": 1}, calls=(20, 20)))
    login = next(named(trail, "ConsoleLogin"))
    session = [
        record["userIdentity"]["accessKeyId"]
        for record in trail.records
        if record["userIdentity"]
        .get("sessionContext", {})
        .get("attributes", {})
        .get("creationDate")
        == login["eventTime"]
    ]
    assert len(set(session)) > 3
    assert "accessKeyId" not in login["userIdentity"]
    assert "requestID" not in login


def test_the_s3_console_comes_through_an_endpoint_of_aws() -> None:
    trail = generate(11, Plan(events=200, shares={"console": 1}, calls=(20, 20)))
    for record in trail.records:
        if record["userAgent"].startswith("[S3Console"):
            assert record["vpcEndpointAccountId"] == "AWS Internal"
            assert "sessionCredentialFromConsole" not in record


def test_identity_center_uses_another_key_than_the_issued_one() -> None:
    trail = play("identity_center")
    issued = {
        record["responseElements"]["credentials"]["accessKeyId"]
        for record in named(trail, "AssumeRoleWithSAML")
    }
    used = {record["userIdentity"].get("accessKeyId") for record in trail.records}
    assert issued
    assert not issued & used
    seconds = {record["eventTime"] for record in named(trail, "AssumeRoleWithSAML")}
    assert {record["eventTime"] for record in named(trail, "GetRoleCredentials")} == seconds


def test_most_calls_of_an_identity_center_session_say_on_whose_behalf() -> None:
    trail = generate(11, Plan(events=200, shares={"identity_center": 1}, calls=(30, 30)))
    calls = [
        record
        for record in trail.records
        if "AWSReservedSSO_" in record["userIdentity"].get("arn", "")
    ]
    marked = [record for record in calls if "onBehalfOf" in record["userIdentity"]]
    assert 0.7 < len(marked) / len(calls) < 1.0
    for record in marked:
        truth = trail.truth[document_id(record)]
        assert record["eventID"] in truth.depends_on[0]
        assert record["userIdentity"]["onBehalfOf"]["userId"] == truth.origin.id


def test_a_recycled_key_is_issued_twice_to_different_sessions() -> None:
    trail = play("recycled_key")
    holders: dict[str, set[str]] = defaultdict(set)
    for record in named(trail, "AssumeRole"):
        response = record["responseElements"]
        key = response["credentials"]["accessKeyId"]
        holders[key].add(response["assumedRoleUser"]["assumedRoleId"])
    assert all(len(sessions) == 2 for sessions in holders.values())


def test_a_refused_assume_role_issues_nothing_and_stays_at_home() -> None:
    trail = play("refused")
    refusals = [record for record in named(trail, "AssumeRole") if "errorCode" in record]
    assert refusals
    for record in refusals:
        assert record["requestParameters"] is None
        assert record["responseElements"] is None
        assert record["recipientAccountId"] == record["userIdentity"]["accountId"]
        assert (
            "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::"
            in (record["errorMessage"])
        )


def test_an_instance_gets_its_credentials_twice() -> None:
    trail = play("instance")
    issuances: dict[tuple[str, str], int] = defaultdict(int)
    for record in named(trail, "AssumeRole"):
        if record["userIdentity"]["type"] == "AWSService":
            session = record["requestParameters"]["roleSessionName"]
            issuances[session, record["eventTime"]] += 1
    assert set(issuances.values()) == {2}


def test_forwarded_calls_carry_a_key_that_nobody_issued() -> None:
    trail = play("forward")
    issued = {
        (record["responseElements"] or {}).get("credentials", {}).get("accessKeyId")
        for record in trail.records
    }
    forwarded = [record for record in trail.records if "invokedBy" in record["userIdentity"]]
    assert forwarded
    for record in forwarded:
        assert record["userIdentity"]["accessKeyId"] not in issued
        assert record["sourceIPAddress"] == record["userIdentity"]["invokedBy"]
        assert trail.truth[document_id(record)].access_mode == "service"


def test_a_failed_sign_in_is_nobody_for_sure() -> None:
    trail = play("console_failed")
    failures = [
        record
        for record in named(trail, "ConsoleLogin")
        if record["responseElements"]["ConsoleLogin"] == "Failure"
    ]
    assert failures
    for record in failures:
        truth = trail.truth[document_id(record)]
        assert (truth.status, truth.session) == ("unknown", None)
        assert "errorCode" not in record
        assert "arn" not in record["userIdentity"]


def test_a_source_identity_stays_with_the_chain() -> None:
    trail = play("role_chain", 200)
    carrying = [
        record
        for record in trail.records
        if record["userIdentity"].get("sessionContext", {}).get("sourceIdentity")
    ]
    assert carrying
    for record in carrying:
        truth = trail.truth[document_id(record)]
        stated = record["userIdentity"]["sessionContext"]["sourceIdentity"]
        assert stated == truth.source_identity == truth.origin.name


def test_a_command_line_goes_on_in_the_console_session() -> None:
    trail = play("aws_login")
    grants = {record["userIdentity"]["arn"]: record for record in named(trail, "CreateOAuth2Token")}
    assert grants
    for grant in grants.values():
        assert "accessKeyId" not in grant["userIdentity"]
        assert grant["responseElements"] is None
    modes = {
        (truth.session, truth.access_mode)
        for record in trail.records
        if (truth := trail.truth[document_id(record)]).access_mode == "programmatic"
        and record["userAgent"].startswith("aws-cli/")
        and "sessionContext" in record["userIdentity"]
    }
    consoles = {truth.session for truth in trail.truth.values() if truth.access_mode == "console"}
    assert modes
    assert {session for session, _ in modes} <= consoles


def test_a_partner_shows_its_id_only() -> None:
    trail = play("partner")
    outside = [r for r in named(trail, "AssumeRole") if r["userIdentity"]["type"] == "AWSAccount"]
    assert any(record["userIdentity"]["accountId"] not in trail.account_ids for record in outside)
    assert {truth.status for truth in trail.truth.values()} == {"external"}
