"""Hostile values in every field of a record stay text, whatever the API writes them into."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from markdown_it import MarkdownIt

from enricher.cloudtrail import codec
from tests.integration.api_house import ALL_TIME, open_house

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.stack import Endpoints
    from tests.integration.api_house import ApiHouse

Json = dict[str, Any]

HOSTILE = (
    "<script>alert(1)</script>",
    "=cmd|'/c calc'!A1",
    "@SUM(1+1)*cmd|'/c calc'!A0",
    "+1;=1+1",
    "\u202eexe.txt\u2066",
    "`</code>|<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "a\r\nSet-Cookie: x=y\r\n\r\n<b>",
    '"},{"a":"',
    "${jndi:ldap://x}{{7*7}}",
    "\x1b[2J\x00\x07",
)
NEVER_CHANGED = {"eventTime", "recipientAccountId", "creationDate", "eventType"}
RECORD: Json = {
    "eventVersion": "1.11",
    "eventTime": "2026-03-02T08:15:00Z",
    "userIdentity": {
        "type": "AssumedRole",
        "principalId": "AROACKCEVSQ6C2EXAMPLE:alice",
        "arn": "arn:aws:sts::111122223333:assumed-role/Admin/alice",
        "accountId": "111122223333",
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "userName": "alice",
        "invokedBy": "x",
        "sessionContext": {
            "attributes": {"creationDate": "2026-03-02T08:00:00Z", "mfaAuthenticated": "true"},
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROACKCEVSQ6C2EXAMPLE",
                "arn": "arn:aws:iam::111122223333:role/Admin",
                "accountId": "111122223333",
                "userName": "Admin",
            },
            "sourceIdentity": "x",
        },
    },
    "eventSource": "iam.amazonaws.com",
    "eventName": "CreateUser",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "x",
    "userAgent": "x",
    "errorCode": "AccessDenied",
    "errorMessage": "x",
    "requestParameters": {"userName": "x", "filterSet": {"items": [{"name": "x"}]}},
    "responseElements": {"credentials": {"accessKeyId": "x"}},
    "additionalEventData": {"x": "x"},
    "resources": [{"ARN": "x", "accountId": "x", "type": "x"}],
    "requestID": "x",
    "eventID": "x",
    "eventType": "AwsApiCall",
    "recipientAccountId": "111122223333",
    "sharedEventID": "x",
    "vpcEndpointId": "x",
    "tlsDetails": {"tlsVersion": "x", "cipherSuite": "x", "clientProvidedHostHeader": "x"},
}
FORMULA = re.compile(r"\s*[=+\-@]")
RENDER = MarkdownIt("gfm-like", {"linkify": False})


def every_text(value: Any, hostile: str, name: str = "") -> Any:  # noqa: ANN401 - any JSON value
    """Put a value into every text of a record but those that make it a record."""
    if isinstance(value, dict):
        return {key: every_text(child, hostile, key) for key, child in value.items()}
    if isinstance(value, list):
        return [every_text(child, hostile, name) for child in value]
    return value if name in NEVER_CHANGED else hostile


def kept_shape(hostile: str) -> Json:
    """Put a value where names are free, and leave what decides what kind of record it is."""
    changed = every_text(RECORD, hostile)
    caller = {**changed["userIdentity"], "type": "AssumedRole", "accountId": "111122223333"}
    return {**changed, "userIdentity": caller, "eventSource": "iam.amazonaws.com"}


RECORDS = [
    {**make(hostile), "eventID": f"{number}{kind}{hostile}"}
    for number, hostile in enumerate(HOSTILE)
    for kind, make in enumerate((lambda value: every_text(RECORD, value), kept_shape))
]


@pytest.fixture(scope="module")
def house(
    stack_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiHouse]:
    with open_house(stack_endpoints, tmp_path_factory.mktemp("api-hostile")) as found:
        found.ingest(found.write_log_file(RECORDS, "hostile"))
        yield found


@pytest.fixture(scope="module")
def answers(house: ApiHouse) -> dict[str, Any]:
    """Everything that can be asked of these records, by path."""
    found: dict[str, Any] = {}
    for record in RECORDS:
        answer = house.ask("POST", "/v1/triage", json={"event_id": record["eventID"]})
        assert answer.status_code == 200, answer.text
        found[f"triage {record['eventID']}"] = answer
        for session in answer.json()["sessions"]:
            path = f"/v1/sessions/{session['session_id']}"
            for more in ("", "/tree", "/summary", "/events", "/timeline"):
                found[path + more] = house.ask("GET", path + more)
            for how in ("csv", "markdown"):
                asked = house.ask("GET", f"{path}/summary", params={"format": how})
                found[f"{path}/summary {how}"] = asked
    for path in ("/v1/access-denied", "/v1/origins", "/v1/coverage"):
        found[path] = house.ask("GET", path, params=ALL_TIME)
    for hostile in HOSTILE:
        for how in ("csv", "markdown", "json"):
            parameters = {"access_key_id": hostile, "format": how}
            asked = house.ask("GET", "/v1/summary", params=parameters)
            found[f"/v1/summary {hostile} {how}"] = asked
        for name in ("arn", "id", "name"):
            asked = house.ask("GET", "/v1/principals", params={name: hostile})
            found[f"/v1/principals {name} {hostile}"] = asked
    return found


def test_every_record_is_indexed(house: ApiHouse) -> None:
    assert house.opensearch.count(index="cloudtrail-events-*")["count"] == len(RECORDS)


def test_every_question_is_answered(answers: dict[str, Any]) -> None:
    assert len(answers) > 100
    odd = {path: one.status_code for path, one in answers.items() if one.status_code >= 500}
    assert odd == {}
    assert sum(one.status_code == 200 for one in answers.values()) > 100


def test_no_browser_takes_an_answer_for_a_page(answers: dict[str, Any]) -> None:
    for answer in answers.values():
        kind = answer.headers["content-type"].partition(";")[0]
        assert kind in {
            *("application/json", "application/problem+json", "application/x-ndjson"),
            *("text/csv", "text/markdown"),
        }
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "set-cookie" not in answer.headers


def test_json_gives_back_what_was_logged(house: ApiHouse) -> None:
    for record in RECORDS:
        found = house.post("/v1/triage", {"event_id": record["eventID"]})
        calls = found["summary"]["not_read_only"] + found["summary"]["read_only"]
        assert record["eventName"] in {call["name"] for call in calls}


def test_no_cell_of_a_table_is_a_formula(answers: dict[str, Any]) -> None:
    tables = [one.text for path, one in answers.items() if path.endswith("csv")]
    assert len(tables) > 10
    for table in tables:
        for row in csv.reader(io.StringIO(table, newline="")):
            assert [cell for cell in row if FORMULA.match(cell)] == []
        assert _invisible(table.replace("\r\n", "")) == set()


def test_no_markup_comes_through_markdown(answers: dict[str, Any]) -> None:
    texts = [one.text for path, one in answers.items() if path.endswith("markdown")]
    assert len(texts) > 10
    for text in texts:
        rendered = RENDER.render(text)
        tags = re.findall(r"<(?!/?(?:h1|h2|table|thead|tbody|tr|th|td|code)\b)[^>]*", rendered)
        assert tags == []
        assert _invisible(text.replace("\n", "")) == set()


def test_messages_of_a_timeline_hold_nothing_invisible(answers: dict[str, Any]) -> None:
    texts = [one for path, one in answers.items() if path.endswith("/timeline")]
    lines = [codec.loads(line) for one in texts for line in one.content.splitlines()]
    assert lines
    assert [line["message"] for line in lines if _invisible(line["message"])] == []


def _invisible(text: str) -> set[str]:
    return {char for char in text if unicodedata.category(char) in {"Cc", "Cf"}}
