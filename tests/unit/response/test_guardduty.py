"""Findings as AWS writes them: in every wrapping, with what may be missing."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enricher.response.errors import QuestionError
from enricher.response.guardduty import parse_finding

Json = dict[str, Any]


def finding(**changes: object) -> Json:
    return {
        "schemaVersion": "2.0",
        "accountId": "012345678901",
        "region": "us-east-1",
        "id": "bbedbdd944d7fa220a8f10fe73276617",
        "type": "Discovery:IAMUser/AnomalousBehavior",
        "severity": 8,
        "title": "User AssumedRole : admin is anomalously invoking APIs.",
        "resource": {
            "resourceType": "AccessKey",
            "accessKeyDetails": {
                "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
                "principalId": "AROAB2GAA12IOELQVVWIJ:itadmin",
                "userType": "AssumedRole",
                "userName": "admin",
            },
        },
        "service": {
            "action": {
                "actionType": "AWS_API_CALL",
                "awsApiCallAction": {
                    "api": "ListUsers",
                    "remoteIpDetails": {"ipAddressV4": "21.86.48.7"},
                },
            },
            "eventFirstSeen": "2021-08-25T17:40:23Z",
            "eventLastSeen": "2021-08-25T17:58:35.000Z",
        },
        **changes,
    }


def pascal(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Spell names as GetFindings does."""
    if isinstance(value, dict):
        return {f"{name[:1].upper()}{name[1:]}": pascal(child) for name, child in value.items()}
    return [pascal(one) for one in value] if isinstance(value, list) else value


WRAPPINGS: dict[str, Any] = {
    "bare": finding(),
    "EventBridge": {"source": "aws.guardduty", "detail-type": "x", "detail": finding()},
    "GetFindings": {"Findings": [pascal(finding())]},
    "GetFindings, one": pascal(finding()),
    "EventBridge with a finding of GetFindings": {
        "source": "aws.guardduty",
        "detail": pascal(finding()),
    },
    "list": [finding()],
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_finding_is_read_in_every_wrapping(wrapping: str) -> None:
    found = parse_finding(WRAPPINGS[wrapping])
    assert found.access_key_id == "ASIAIOSFODNN7EXAMPLE"
    assert found.principal_id == "AROAB2GAA12IOELQVVWIJ:itadmin"
    assert found.account_id == "012345678901"
    assert found.type == "Discovery:IAMUser/AnomalousBehavior"
    assert found.severity == 8.0
    assert (found.api, found.source_ip) == ("ListUsers", "21.86.48.7")
    assert found.first_seen == datetime(2021, 8, 25, 17, 40, 23, tzinfo=UTC)
    assert found.last_seen == datetime(2021, 8, 25, 17, 58, 35, tzinfo=UTC)


def test_a_principal_alone_is_enough() -> None:
    found = parse_finding({"resource": {"accessKeyDetails": {"principalId": "AIDAEXAMPLE"}}})
    assert (found.access_key_id, found.principal_id) == (None, "AIDAEXAMPLE")
    assert (found.first_seen, found.source_ip, found.severity) == (None, None, None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "no GuardDuty finding"),
        ([], "no GuardDuty finding"),
        ("text", "no GuardDuty finding"),
        ({"source": "aws.s3", "detail": finding()}, "not GuardDuty's"),
        ({"Findings": [finding(), finding()]}, "one finding at a time"),
        ({"resource": {"instanceDetails": {}}}, "neither an access key nor a principal"),
        (
            finding(
                resource={
                    "accessKeyDetails": {
                        "accessKeyId": "GeneratedFindingAccessKeyId",
                        "principalId": "GeneratedFindingPrincipalId",
                    }
                }
            ),
            "neither an access key nor a principal",
        ),
        ({"resource": "x"}, "neither an access key nor a principal"),
    ],
)
def test_what_is_no_finding_says_what_to_do(body: object, said: str) -> None:
    with pytest.raises(QuestionError, match=said):
        parse_finding(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda child: st.lists(child, max_size=3) | st.dictionaries(st.text(), child, max_size=3),
)


@given(
    st.sampled_from(["severity", "resource", "service", "id", "title", "detail", "findings"]), JSON
)
def test_nothing_but_an_error_of_ours_comes_of_odd_values(name: str, value: object) -> None:
    with suppress(QuestionError):
        found = parse_finding({**finding(), name: value})
        assert found.access_key_id or found.principal_id
