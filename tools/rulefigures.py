"""Measures how often our own rules fire on trails of others.

python -m tools.rulefigures FOLDER

Enriches all log files of the folder in memory, indexes them into a real node of its own, runs the
evaluator over them, and writes how many alerts each rule raised: names of rules and numbers only.
``make docs`` puts them into docs/rules.md.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearchpy import helpers

from enricher.alerts.catalogue import check, install
from enricher.alerts.evaluate import evaluate
from enricher.alerts.ports import Wanted
from enricher.bootstrap import Container, container
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time
from enricher.pipeline.documents import EVENTS_PREFIX, Period
from enricher.pipeline.offline import Explained, explain
from enricher.settings import Settings
from enricher.stack import Stack, StackSettings
from enricher.stores import templates
from enricher.stores.directory import DirectoryLogFiles, find_log_files
from enricher.stores.rule_files import read_rule_files, shipped_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from enricher.alerts.alert import Alert
    from enricher.alerts.catalogue import Checked
    from enricher.stack import Endpoints

    Events = Iterable[tuple[str, Mapping[str, Any]]]

FIGURES = Path(__file__).parent / "rulefigures.json"
_INDEX = f"{EVENTS_PREFIX}judged"
_MOST_ALERTS = 10_000
_PORTS = (19_471, 19_472)


class Judged(NamedTuple):
    """What the rules found.

    Attributes:
        alerts: By the name of the rule, which is that of its file.
        failed: Rules that could not be asked, with the reason.
    """

    alerts: dict[str, list[Alert]]
    failed: dict[str, str]


def main() -> None:
    """Measure, and write the figures."""
    events = list(_enriched(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory() as place:
        stack = Stack(
            replace(
                StackSettings.default(),
                data_dir=Path(place),
                opensearch_port=_PORTS[0],
                redis_port=_PORTS[1],
            )
        )
        try:
            judged = judge(stack.up(), events)
        finally:
            stack.down()
    if judged.failed:
        sys.exit(f"some rules could not be asked: {judged.failed}")
    counted = {name: len(alerts) for name, alerts in judged.alerts.items()}
    FIGURES.write_bytes(codec.pretty({"alerts": counted, "events": len(events)}))
    for name, count in Counter(counted).most_common():
        print(f"{count:6} {count * 10_000 / len(events):8.1f}  {name}")


def own_rules(services: Container) -> Checked:
    """Read the rules that come with the project."""
    return check(read_rule_files(shipped_rules()), services.event_fields)


def judge(servers: Endpoints, events: Events) -> Judged:
    """Index events as if they were enriched just now, and run all our rules over them once.

    Args:
        servers: Those of a node that holds nothing.
        events: Document id and document, whole.
    """
    where = {"opensearch": {"url": servers.opensearch_url}, "redis": {"url": servers.redis_url}}
    services = Container(Settings.model_validate(where))
    now = datetime.now(UTC)
    templates.install(services.opensearch, Period.MONTH, services.enrichers)
    helpers.bulk(services.opensearch, _actions(events, format_time(now)), refresh=True)
    checked = own_rules(services)
    install(checked.rules, services.rules, now)
    evaluate(services.evaluating)
    services.alerts.refresh()
    refused = {name: one.reason for one, name in checked.refusals}
    failed = {one.title: one.error for one in services.rules.rules() if one.error is not None}
    alerts: dict[str, list[Alert]] = {rule.id: [] for rule, _, _ in checked.rules}
    for alert in services.alerts.find(Wanted(), _MOST_ALERTS):
        alerts[alert.rule.id].append(alert)
    services.opensearch.close()
    named = {Path(name).stem: alerts[rule.id] for rule, _, name in checked.rules}
    return Judged(named, refused | failed)


def _actions(events: Events, now: str) -> Iterator[Mapping[str, Any]]:
    for document_id, document in events:
        enriched = {**document["enriched"], "at": now, "revision": 1}
        yield {"_index": _INDEX, "_id": document_id, "_source": {**document, "enriched": enriched}}


def _enriched(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    services = container()
    found = find_log_files([folder])
    report = Explained(skipped=dict(found.skipped))
    limits = services.settings.input.limits()
    for event in explain(found.logs, DirectoryLogFiles(), limits, services.enrichers, report):
        document: Any = codec.loads(event.document)
        yield event.document_id, document


if __name__ == "__main__":
    main()
