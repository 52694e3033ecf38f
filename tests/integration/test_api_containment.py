"""Containment through the API: what a worker indexed becomes a plan, and the plan holds in AWS."""

from __future__ import annotations

import os
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from enricher.client import ApiClient, ApiError
from enricher.cloudtrail.times import format_time
from enricher.response.errors import NotIndexedError
from enricher.response.planning import Contained
from enricher.response.selecting import PrincipalName
from enricher.response.triage import Question
from tests.integration.api_house import open_house
from tests.integration.aws_house import ALLOW_ALL, DATA, EXTERNAL_ID, HOME, REGION, RESPONDER
from tests.integration.servers import until
from tests.policies import is_denied
from tests.unit.identity.stories import assume_role, call, record, role, user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.response.runs import Run
    from enricher.stack import Endpoints
    from tests.integration.api_house import ApiHouse
    from tests.integration.aws_house import Scene

Json = dict[str, Any]

PLAYBOOKS = (Path(__file__).parents[2] / "docs" / "soar.md").read_text()
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
CUT_OFF = [
    f"deny-all/{HOME}/user/alice",
    f"revoke-sessions/{HOME}/user/alice",
    f"deactivate-key/{HOME}/{{key}}",
    f"delete-login-profile/{HOME}/alice",
]
ROLES = [f"revoke-sessions/{HOME}/role/Admin", f"revoke-sessions/{DATA}/role/Deploy"]


@pytest.fixture(scope="module")
def house(
    stack_endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiHouse]:
    with open_house(stack_endpoints, tmp_path_factory.mktemp("api-containment")) as found:
        yield found


def what_was_logged(scene: Scene) -> list[Json]:
    """Write what CloudTrail logs of Alice's way to the other account, and of Bob's."""
    alice = _user("alice", scene.key_id)
    admin = role("Admin", "work", "08:00:00", key=_id(scene.admin), account=HOME)
    deploy = role("Deploy", "work", "08:10:00", key=_id(scene.deploy), account=DATA)
    bob = _user("bob", "AKIABOBBOBBOBBOB0001")
    of_bob = role("Deploy", "bob", "08:20:00", key="ASIABOBBOBBOBBOB0001", account=DATA)
    policy = "arn:aws:iam::aws:policy/AdministratorAccess"
    return [
        assume_role("e-1", "08:00:00", alice, admin),
        assume_role("e-2", "08:10:00", admin, deploy),
        call("e-3", "08:11:00", deploy),
        assume_role("e-4", "08:20:00", bob, of_bob),
        call("e-5", "08:21:00", of_bob),
        record(
            "e-6",
            "08:12:00",
            "iam:AttachUserPolicy",
            admin,
            requestParameters={"userName": "alice", "policyArn": policy},
        ),
    ]


def _user(name: str, key: str) -> Json:
    return user(name, key, accountId=HOME, arn=f"arn:aws:iam::{HOME}:user/{name}")


def _id(keys: dict[str, str]) -> str:
    return keys["aws_access_key_id"]


@pytest.fixture
def api(house: ApiHouse, scene: Scene) -> Iterator[ApiClient]:
    """The client of an API that may contain, in accounts where that was logged."""
    house.opensearch.delete_by_query(
        index="cloudtrail-events-*",
        body={"query": {"match_all": {}}},
        params={"refresh": "true", "ignore_unavailable": "true"},
    )
    house.redis.flushdb()
    house.ingest(house.write_log_file(what_was_logged(scene), _id(scene.deploy).lower()))
    own = {n: v for n, v in os.environ.items() if n.startswith("AWS_")}  # noqa: TID251 - the scene's
    allowed = {
        "ENRICHER_CONTAINMENT__ENABLED": "true",
        "ENRICHER_CONTAINMENT__ROLE_NAME": RESPONDER,
        "ENRICHER_CONTAINMENT__EXTERNAL_ID": EXTERNAL_ID,
        "ENRICHER_AWS__ENDPOINT_URL": scene.aws.endpoint,
        "ENRICHER_AWS__REGION": REGION,
    }
    with house.serving(**own, **allowed) as url, ApiClient(url, house.keys["all"]) as client:
        yield client


def may_act(scene: Scene) -> list[bool]:
    return [scene.may_act(keys) for keys in (scene.alice, scene.admin, scene.deploy)]


def statuses(run: Run) -> dict[str, str]:
    return {result.step_id: result.status.value for result in run.results}


def test_from_a_stolen_key_to_a_plan_that_holds_and_back(
    api: ApiClient, house: ApiHouse, scene: Scene
) -> None:
    before = scene.everything()
    plan = api.make_plan(Contained(access_key_id=_id(scene.deploy)))
    required = [one.format(key=scene.key_id) for one in CUT_OFF] + ROLES
    assert [step.id for step in plan.steps if not step.optional] == required
    assert plan.origin["name"] == "alice"
    assert (plan.subject["kind"], plan.notes) == ("session", ())
    deploy = next(step for step in plan.steps if step.id == ROLES[1])
    assert (deploy.also_hits.origins, deploy.also_hits.names) == (1, ("bob",))
    assert set(deploy.evidence) == {"e-2", "e-3"}
    assert [step.id for step in plan.steps if step.action == "detach-policy"] != []
    assert api.plan(plan.id) == plan
    text = api.plan_text(plan.id)
    assert text.startswith(f"Containment plan {plan.id} of session ")
    assert "aws iam put-role-policy --role-name Deploy" in text

    looked = api.apply_plan(plan.id)
    assert (looked.dry_run, looked.changed, looked.holding, looked.failed) == (True, (), (), ())
    assert {one for one, word in statuses(looked).items() if word == "would-apply"} == set(required)
    assert scene.everything() == before
    assert may_act(scene) == [True] * 3

    done = api.apply_plan(plan.id, dry_run=False)
    assert (done.changed, done.holding, done.failed) == (tuple(required), tuple(required), ())
    assert may_act(scene) == [False] * 3
    kept = list(scene.inline(DATA, "Role", "Deploy").values())
    for moved, denied in ((-60, True), (60, False)):
        issued = format_time(datetime.now(tz=UTC) + timedelta(minutes=moved))
        assert is_denied(kept, "s3:GetObject", aws__TokenIssueTime=issued) is denied
    there = scene.everything()
    again = api.apply_plan(plan.id, dry_run=False)
    assert (again.changed, again.holding) == ((), done.holding)
    assert scene.everything() == there

    back = api.undo_plan(plan.id)
    assert "would-undo" in statuses(back).values()
    assert scene.everything() == there
    undone = api.undo_plan(plan.id, dry_run=False)
    assert undone.failed == ()
    assert undone.holding == (f"delete-login-profile/{HOME}/alice",)  # its password is lost
    assert scene.everything() == before
    assert may_act(scene) == [True] * 3
    _check_the_audit(api, house, plan.id)


def _check_the_audit(api: ApiClient, house: ApiHouse, plan_id: str) -> None:
    """See that each call and each step is there, once, with who it was."""
    actor = house.keys["all"].split("_")[1]

    def listed() -> bool:
        return [(one.id, one.actor) for one in api.plans(1).plans] == [(plan_id, actor)]

    until(listed, "the plan is listed")
    house.opensearch.indices.refresh(index="cloudtrail-audit")
    body = {"size": 1_000, "query": {"term": {"plan_id": plan_id}}, "sort": ["at"]}
    hits = house.opensearch.search(index="cloudtrail-audit", body=body)["hits"]["hits"]
    noted = [hit["_source"] for hit in hits if "actor" in hit["_source"]]
    assert {one["actor"] for one in noted} == {actor}
    applied = [one for one in noted if one["what"] == "containment-apply"]
    # Times are of whole seconds: those of one second come in any order.
    assert Counter(one["status"] for one in applied if not one["dry_run"]) == {
        "applied": 6,
        "holds": 6,
    }
    assert {one["status"] for one in noted if one["what"] == "containment-undo"} >= {"undone"}
    calls = [one["route"] for one in house.get("/v1/audit", most=50)["calls"]]
    for call_ in ("", "/{plan_id}", "/{plan_id}/apply", "/{plan_id}/undo"):
        assert f"/v1/containment/plans{call_}" in calls


def test_a_part_that_fails_is_said_exactly(api: ApiClient, scene: Scene) -> None:
    scene.aws.enforce(on=False)
    scene.aws.admin(DATA).delete_role_policy(RoleName=RESPONDER, PolicyName="own")
    scene.aws.enforce(on=True)
    plan = api.make_plan(Contained(principal=PrincipalName(name="alice")))
    assert plan.subject == {"kind": "origin", "id": "AIDAALICE"}
    done = api.apply_plan(plan.id, dry_run=False)
    held = [one.format(key=scene.key_id) for one in CUT_OFF] + ROLES[:1]
    assert (list(done.holding), list(done.failed)) == (held, ROLES[1:])
    (failed,) = [one for one in done.results if one.step_id == ROLES[1]]
    assert failed.reason == "iam:GetRolePolicy AccessDenied"
    assert may_act(scene) == [False, False, True]
    scene.aws.enforce(on=False)
    scene.aws.admin(DATA).put_role_policy(
        RoleName=RESPONDER, PolicyName="own", PolicyDocument=ALLOW_ALL
    )
    scene.aws.enforce(on=True)
    assert api.apply_plan(plan.id, dry_run=False).changed == (ROLES[1],)
    assert may_act(scene) == [False] * 3


def test_what_cannot_be_planned_or_applied_says_why(
    api: ApiClient, house: ApiHouse, scene: Scene
) -> None:
    with pytest.raises(NotIndexedError):
        api.make_plan(Contained(origin_id="AIDANOBODY"))
    with pytest.raises(ApiError, match="several origins"):
        api.make_plan(Contained(principal=PrincipalName(name="Deploy")))
    plan = api.make_plan(Contained(origin_id="AIDAALICE"))
    with pytest.raises(ApiError, match="does not have") as caught:
        api.apply_plan(plan.id, include=["deny-all/1/role/Other"])
    assert caught.value.status == 422
    for what in ("apply", "undo"):
        path = f"/v1/containment/plans/{plan.id}/{what}"
        # Not allowed by the settings of this one; by those of the other, not to this key.
        answer = house.ask("POST", path, json={"dry_run": False})
        assert (answer.status_code, answer.json()["type"]) == (
            409,
            "urn:enricher:problem:containment-off",
        )
        there = str(api._http.base_url).rstrip("/") + path
        for key in ("read", "admin"):
            headers = {"X-API-Key": house.keys[key]}
            refused = httpx.post(there, json={"dry_run": False}, headers=headers)
            assert refused.status_code == 403
    _check_triage(api)
    assert may_act(scene) == [True] * 3
    session = api.session(str(api.event("e-3").event.session_id))
    _check_what_is_documented(api, house, session.session_id)
    assert may_act(scene) == [False] * 3


def _check_triage(api: ApiClient) -> None:
    """See that triage gives plans, and that nothing is kept of them."""
    before = len(api.plans().plans)
    found = api.triage(Question(event_id="e-3")).containment
    assert found is not None
    assert found.subject["kind"] == "session"
    assert [step.id for step in found.steps if not step.optional][-2:] == ROLES
    with pytest.raises(ApiError, match="no such plan"):
        api.apply_plan(found.id)
    of_bob = api.triage(Question(principal=PrincipalName(name="bob"))).containment
    assert of_bob is not None
    assert of_bob.origin["name"] == "bob"
    everybody = api.triage(Question(principal=PrincipalName(name="Deploy"))).containment
    assert everybody is None
    assert len(api.plans().plans) == before


def _check_what_is_documented(api: ApiClient, house: ApiHouse, session_id: str) -> None:
    """Let the documented playbook contain a session: first nobody agrees, then somebody does."""
    (contain,) = [one for one in SNIPPET.findall(PLAYBOOKS) if "def contain(" in one]
    space: Json = {}
    exec(contain, space)  # noqa: S102 - our own documentation
    shown: list[str] = []

    def approved(text: str) -> bool:
        shown.append(text)
        return len(shown) > 1

    there = (session_id, str(api._http.base_url), house.keys["all"], approved)
    assert space["contain"](*there) == {}
    assert f"revoke-sessions/{DATA}/role/Deploy" in shown[0]
    assert space["contain"](*there) == {}
