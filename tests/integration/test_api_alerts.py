"""Alerts and rules over the API: listed, acknowledged, closed, and tried."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from enricher.alerts.answers import RuleTrial
from tests.integration.api_house import (
    MADE_USER,
    RULES,
    SAMPLES,
    WAS_DENIED,
    open_house,
    records_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.stack import Endpoints
    from tests.integration.api_house import ApiHouse

Json = dict[str, Any]

NOBODY = "0" * 32


@pytest.fixture(scope="module")
def house(
    stack_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiHouse]:
    with open_house(stack_endpoints, tmp_path_factory.mktemp("alerts")) as found:
        found.ingest(SAMPLES)
        found.judge(RULES)
        yield found


@pytest.fixture(scope="module")
def truth(house: ApiHouse) -> list[Json]:
    return house.events()


def ids(house: ApiHouse, **query: str) -> set[str]:
    return {one["id"] for one in house.get("/v1/alerts", size=500, **query)["alerts"]}


def test_alerts_are_listed_page_by_page_and_by_what_they_are(
    house: ApiHouse, truth: list[Json]
) -> None:
    everything = house.get("/v1/alerts", size=500)["alerts"]
    assert {one["rule"]["id"] for one in everything} == {MADE_USER, WAS_DENIED}
    with house.client() as api:
        paged = list(api.alerts(size=2))
    assert [one.id for one in paged] == [one["id"] for one in everything]
    denied = [one for one in truth if one["enriched"]["outcome"]["status"] == "denied"]
    low = house.get("/v1/alerts", rule_id=WAS_DENIED)["alerts"]
    assert sum(one["count"] for one in low) == len(denied)
    assert {one["severity"] for one in house.get("/v1/alerts", level="medium")["alerts"]} == {
        "high"
    }
    one = everything[0]
    assert house.get(f"/v1/alerts/{one['id']}") == one
    assert one["id"] in ids(house, origin_id=one["origin"]["id"])
    assert one["id"] in ids(house, account_id=one["accounts"][0])
    assert not ids(house, origin_id="nobody")
    assert not ids(house, start=one["last_at"].replace("2026", "2027"))
    for status in ("open", "acknowledged", "closed"):
        assert ids(house, status=status) == {o["id"] for o in everything if o["status"] == status}


def test_who_acknowledges_and_closes_is_in_the_history(house: ApiHouse) -> None:
    (alert,) = house.get("/v1/alerts", rule_id=MADE_USER, size=1)["alerts"]
    path = f"/v1/alerts/{alert['id']}"
    said = "<b>asked</b> \x1b[31m bob"
    answers = [
        house.ask("POST", f"{path}/acknowledge", key="respond", json={"comment": said}),
        house.ask("POST", f"{path}/acknowledge", key="respond"),
        house.ask("POST", f"{path}/close", key="all", json={}),
    ]
    assert [one.status_code for one in answers] == [200, 200, 200]
    found = house.get(path)
    assert found["status"] == "closed"
    lines = [(one["what"], one["by"], one["after"].get("note")) for one in found["history"][-2:]]
    responder, admin = (house.keys[name].split("_")[1] for name in ("respond", "all"))
    assert lines == [("acknowledged", responder, said), ("closed", admin, None)]
    with house.client() as api:
        assert api.acknowledge_alert(alert["id"], "again").status == "acknowledged"
        assert api.close_alert(alert["id"]).status == "closed"
        assert api.alert(alert["id"]).history[-1].what == "closed"
    for body in ({"comment": ""}, {"comment": "x" * 3_000}, {"who": "me"}):
        assert house.ask("POST", f"{path}/close", json=body).status_code == 422


def test_rules_say_how_they_do(house: ApiHouse) -> None:
    found = house.get("/v1/rules")
    assert {one["id"]: one["level"] for one in found["rules"]} == {
        MADE_USER: "high",
        WAS_DENIED: "low",
    }
    assert {(one["enabled"], one["error"]) for one in found["rules"]} == {(True, None)}
    assert found["judged_until"]


def test_a_rule_is_tried_and_nothing_is_kept(house: ApiHouse, truth: list[Json]) -> None:
    records = records_of(truth)
    before = house.opensearch.indices.get(index="cloudtrail-*").keys()
    alerts = house.get("/v1/alerts", size=500)
    with house.client() as api:
        tried = api.test_rule(MADE_USER, RuleTrial(records=[*records[:900], {"eventTime": 1}]))
        made = [one for one in records[:900] if one["eventName"] == "CreateUser"]
        assert sum(one.count for one in tried.alerts) == len(made) > 0
        assert [one.position for one in tried.refused] == [len(records[:900])]
        start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
        indexed = api.test_rule(MADE_USER, RuleTrial(start=start, end=end))
        of_year = [one for one in truth if one["eventTime"].startswith("2026")]
        made = [one for one in of_year if one["eventName"] == "CreateUser"]
        assert sum(one.count for one in indexed.alerts) == len(made) > 0
        assert indexed.complete
        assert not api.test_rule(MADE_USER, RuleTrial(start=end)).alerts
    assert house.opensearch.indices.get(index="cloudtrail-*").keys() == before
    assert house.get("/v1/alerts", size=500) == alerts


def test_a_rule_that_is_not_there_cannot_be_tried(house: ApiHouse) -> None:
    answer = house.ask("POST", f"/v1/rules/{NOBODY}/test", json={"start": "2026-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:enricher:problem:no-such-rule")
    both = {"start": "2026-01-01T00:00:00Z", "records": [{}]}
    late: Json = {"end": "2026-01-01T00:00:00Z"}
    bodies: tuple[Json, ...] = ({}, both, late, {"records": []})
    for body in bodies:
        assert house.ask("POST", f"/v1/rules/{MADE_USER}/test", json=body).status_code == 422
