"""Our own alert rules, judged by the evaluator on a real node: what each finds, and what not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rules.example_files import FIRES, SILENT, example_names, load_examples
from tools.rulefigures import judge

if TYPE_CHECKING:
    from enricher.alerts.alert import Alert
    from tests.integration.servers import Servers
    from tests.rules.example_files import Example
    from tools.rulefigures import Judged

every_rule = pytest.mark.parametrize("name", example_names())


@pytest.fixture(scope="module")
def judged(started: Servers) -> Judged:
    """Judge the events of all examples together, once."""
    started.empty()
    examples = [one for name in example_names() for one in load_examples(name)]
    events = [event for example in examples for event in example.events()]
    documents = [(one.document_id, {**one.record, "enriched": one.enriched}) for one in events]
    endpoints = started.stack.endpoints()
    assert endpoints is not None
    return judge(endpoints, documents)


@every_rule
def test_rule_fires_for_what_it_is_made_for(name: str, judged: Judged) -> None:
    """The last record is the one that matters: those before it are how it came to that."""
    (example,) = (one for one in load_examples(name) if one.fires)
    found = alerts_of(judged, example)
    assert found, f"{name}: no alert for the records of {FIRES!r}"
    named = {event_id for alert in found for event_id in alert.event_ids}
    assert example.records[-1]["eventID"] in named
    assert named <= example.event_ids, "an alert mixes the events of two stories"
    assert all(alert.rule.next_steps for alert in found)


@every_rule
def test_rule_is_silent_for_what_only_looks_like_it(name: str, judged: Judged) -> None:
    (example,) = (one for one in load_examples(name) if not one.fires)
    found = [event_id for alert in alerts_of(judged, example) for event_id in alert.event_ids]
    wrong = [record["eventName"] for record in example.records if record["eventID"] in found]
    assert not wrong, f"{name}: an alert for the records of {SILENT!r}"


def test_every_rule_can_be_asked(judged: Judged) -> None:
    assert judged.failed == {}


def alerts_of(judged: Judged, example: Example) -> list[Alert]:
    alerts = judged.alerts[example.rule]
    return [alert for alert in alerts if example.event_ids & set(alert.event_ids)]
