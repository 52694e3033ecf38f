"""A client of the API: every call as a method, every answer as what it is.

with ApiClient("http://127.0.0.1:8480", api_key="enr_…") as api:
found = api.triage_guardduty(finding)
print(found.origin, found.sessions[0].chain_text)
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from enricher.alerts.answers import AlertsPage, Rules, RuleTested
from enricher.alerts.shown import AlertShown
from enricher.errors import EnricherError, UnavailableError
from enricher.response.denials import AccessDenied
from enricher.response.errors import NotIndexedError
from enricher.response.lineage import CredentialLineage, EventLineage, Principals
from enricher.response.origins import Coverage, Origins
from enricher.response.plans import plan_of
from enricher.response.runs import KeptPlans, Run
from enricher.response.sessions import EventsPage, Session, SessionTree
from enricher.response.summary import Summary
from enricher.response.triage import Triage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from enricher.alerts.answers import RuleTrial
    from enricher.response.models import Event
    from enricher.response.planning import Contained
    from enricher.response.plans import Plan
    from enricher.response.triage import Question

_Answer = TypeVar("_Answer", bound=BaseModel)
_TIMEOUT_SECONDS = 60
_RUN_SECONDS = 600  # a plan of many accounts takes some calls of AWS for each step
_TOO_MANY, _AWAY = 429, 503
_PLANS = "/v1/containment/plans"
_NOT_INDEXED = "urn:enricher:problem:not-indexed"


class ApiError(EnricherError):
    """The API did not answer what was asked; the message says why, as the API does.

    Attributes:
        status: HTTP status.
        kind: What kind of problem, e.g. ``urn:enricher:problem:scope-missing``.
    """

    def __init__(self, reason: str, status: int, kind: str) -> None:
        super().__init__(reason, status, kind)
        self.reason = reason
        self.status = status
        self.kind = kind

    def __str__(self) -> str:
        """Say what the API said."""
        return self.reason


class ApiClient:
    """Asks one API with one key.

    Args:
        url: Where it is, e.g. ``https://enricher.example.org``.
        api_key: Key, or token of the identity provider.
        ca_file: Certificates of authorities to trust, PEM; None for the usual ones.
    """

    def __init__(self, url: str, api_key: str, ca_file: Path | None = None) -> None:
        trusted = ssl.create_default_context(cafile=ca_file)
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=_TIMEOUT_SECONDS,
            verify=trusted,
        )

    def __enter__(self) -> Self:
        """Use it for some calls."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def event(self, event_id: str) -> EventLineage:
        """Who was behind an event."""
        return self._get(EventLineage, f"/v1/events/{_part(event_id)}")

    def credential(self, access_key_id: str) -> CredentialLineage:
        """What is behind an access key."""
        return self._get(CredentialLineage, f"/v1/credentials/{_part(access_key_id)}")

    def principals(self, **name: str) -> Principals:
        """What a principal did: named by ``arn``, ``id`` or ``name``."""
        return self._get(Principals, "/v1/principals", name)

    def session(self, session_id: str) -> Session:
        """One session."""
        return self._get(Session, f"/v1/sessions/{_part(session_id)}")

    def session_tree(self, session_id: str) -> SessionTree:
        """All that a session's origin led to."""
        return self._get(SessionTree, f"/v1/sessions/{_part(session_id)}/tree")

    def session_summary(self, session_id: str) -> Summary:
        """What was done in a session."""
        return self._get(Summary, f"/v1/sessions/{_part(session_id)}/summary")

    def session_events(self, session_id: str, size: int = 500) -> Iterator[Event]:
        """The events of a session in order of time, asked for page by page."""
        parameters: dict[str, str] = {"size": str(size)}
        path = f"/v1/sessions/{_part(session_id)}/events"
        while True:
            page = self._get(EventsPage, path, parameters)
            yield from page.events
            if page.next is None:
                return
            parameters["after"] = page.next

    def summary(self, **query: str) -> Summary:
        """What was done: by ``access_key_id``, ``arn``, ``id``, ``name`` or ``ip``."""
        return self._get(Summary, "/v1/summary", query)

    def triage(self, question: Question) -> Triage:
        """Everything about something suspicious."""
        return self._post(Triage, "/v1/triage", question.model_dump(mode="json", exclude_none=True))

    def triage_guardduty(self, finding: Mapping[str, Any]) -> Triage:
        """Everything about a GuardDuty finding, as AWS writes it."""
        return self._post(Triage, "/v1/triage/guardduty", finding)

    def access_denied(self, **query: str) -> AccessDenied:
        """Who was refused what; of the last day without ``start`` and ``end``."""
        return self._get(AccessDenied, "/v1/access-denied", query)

    def origins(self, **query: str) -> Origins:
        """Who is active; of the last day without ``start`` and ``end``."""
        return self._get(Origins, "/v1/origins", query)

    def coverage(self, **query: str) -> Coverage:
        """How much is resolved; of the last day without ``start`` and ``end``."""
        return self._get(Coverage, "/v1/coverage", query)

    def alerts(self, size: int = 100, **query: str) -> Iterator[AlertShown]:
        """Alerts, newest first, page by page; narrowed as the API's ``listAlerts`` says."""
        parameters: dict[str, str] = {"size": str(size), **query}
        while True:
            page = self._get(AlertsPage, "/v1/alerts", parameters)
            yield from page.alerts
            if page.next is None:
                return
            parameters["after"] = page.next

    def alert(self, alert_id: str) -> AlertShown:
        """One alert, with its history."""
        return self._get(AlertShown, f"/v1/alerts/{_part(alert_id)}")

    def acknowledge_alert(self, alert_id: str, comment: str | None = None) -> AlertShown:
        """Say that somebody looks after an alert."""
        path = f"/v1/alerts/{_part(alert_id)}/acknowledge"
        return self._post(AlertShown, path, {"comment": comment})

    def close_alert(self, alert_id: str, comment: str | None = None) -> AlertShown:
        """Say that nothing is left to do about an alert."""
        return self._post(AlertShown, f"/v1/alerts/{_part(alert_id)}/close", {"comment": comment})

    def rules(self) -> Rules:
        """Installed rules, and how they do."""
        return self._get(Rules, "/v1/rules")

    def test_rule(self, rule_id: str, trial: RuleTrial) -> RuleTested:
        """Which alerts a rule would raise by records, or by what is indexed of a time."""
        body = trial.model_dump(mode="json", exclude_none=True)
        return self._post(RuleTested, f"/v1/rules/{_part(rule_id)}/test", body)

    def enrich(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Records with what the evidence says of them; one that is refused has a reason instead."""
        content = self._asked("POST", "/v1/enrich", json={"Records": records}).json()
        found: list[dict[str, Any]] = content["records"]
        return found

    def make_plan(self, wanted: Contained) -> Plan:
        """Plan what contains an origin or session; it is kept, and nothing is changed in AWS."""
        body = wanted.model_dump(mode="json", exclude_none=True)
        return _plan(self._asked("POST", _PLANS, json=body))

    def plans(self, most: int = 100) -> KeptPlans:
        """The newest plans that were kept."""
        return self._get(KeptPlans, _PLANS, {"most": str(most)})

    def plan(self, plan_id: str) -> Plan:
        """One plan, as it was kept."""
        return _plan(self._asked("GET", f"{_PLANS}/{_part(plan_id)}"))

    def plan_text(self, plan_id: str) -> str:
        """One plan as plain text, to read and to print."""
        path = f"{_PLANS}/{_part(plan_id)}"
        return self._asked("GET", path, params={"format": "text"}).text

    def apply_plan(
        self, plan_id: str, *, dry_run: bool = True, include: Collection[str] = ()
    ) -> Run:
        """Look what a plan would do; do it where ``dry_run`` is False.

        Args:
            plan_id: Which plan.
            dry_run: Only look.
            include: Ids of optional steps to apply too.
        """
        return self._run(plan_id, "apply", {"dry_run": dry_run, "include": list(include)})

    def undo_plan(self, plan_id: str, *, dry_run: bool = True) -> Run:
        """Look what of a plan would be taken back; take it back where ``dry_run`` is False."""
        return self._run(plan_id, "undo", {"dry_run": dry_run})

    def _run(self, plan_id: str, what: str, body: Mapping[str, Any]) -> Run:
        path = f"{_PLANS}/{_part(plan_id)}/{what}"
        return _read(Run, self._asked("POST", path, json=body, timeout=_RUN_SECONDS))

    def _get(
        self, kind: type[_Answer], path: str, query: Mapping[str, str] | None = None
    ) -> _Answer:
        return _read(kind, self._asked("GET", path, params=query))

    def _post(self, kind: type[_Answer], path: str, body: object) -> _Answer:
        return _read(kind, self._asked("POST", path, json=body))

    def _asked(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        try:
            answer = self._http.request(method, path, **more)
        except httpx.HTTPError as err:
            raise UnavailableError(f"the API does not answer: {type(err).__name__}") from err
        if answer.is_success:
            return answer
        reason, kind = _problem(answer)
        if kind == _NOT_INDEXED:
            raise NotIndexedError(reason)
        if answer.status_code in (_TOO_MANY, _AWAY):
            raise UnavailableError(f"the API asks to come again later: {reason}")
        raise ApiError(reason, answer.status_code, kind)


def _part(value: str) -> str:
    return quote(value, safe="")


def _read(kind: type[_Answer], answer: httpx.Response) -> _Answer:
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as err:
        raise ApiError(
            "the API is of another version: its answer is not understood", answer.status_code, ""
        ) from err


def _plan(answer: httpx.Response) -> Plan:
    """Read a plan, and see that it is what its id says."""
    try:
        plan = plan_of(answer.json())
    except ValueError:
        plan = None
    if plan is None:
        raise ApiError(
            "the API is of another version, or the plan is not what its id says",
            answer.status_code,
            "",
        )
    return plan


def _problem(answer: httpx.Response) -> tuple[str, str]:
    try:
        content = answer.json()
        return str(content["detail"]), str(content["type"])
    except (ValueError, KeyError, TypeError):
        return f"the server answers with status {answer.status_code}, and not as the API does", ""
