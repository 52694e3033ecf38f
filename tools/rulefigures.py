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
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearchpy import OpenSearch, helpers

from enricher.alerts.catalogue import check, install
from enricher.alerts.compiler import CachingCompiler
from enricher.alerts.evaluate import EvaluateServices, evaluate
from enricher.alerts.ports import Wanted
from enricher.assets import asset
from enricher.bootstrap import container
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time
from enricher.pipeline.documents import EVENTS_PREFIX, Period
from enricher.pipeline.offline import Explained, explain
from enricher.stack import Stack, StackSettings
from enricher.stores import templates
from enricher.stores.directory import DirectoryLogFiles, find_log_files
from enricher.stores.opensearch_alerts import OpenSearchAlerts
from enricher.stores.opensearch_baseline import OpenSearchBaseline
from enricher.stores.opensearch_matching import OpenSearchMatching
from enricher.stores.opensearch_rules import OpenSearchProgress, OpenSearchRules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from enricher.alerts.alert import Alert
    from enricher.alerts.catalogue import Checked
    from enricher.enrichers.interface import Enricher

FIGURES = Path(__file__).parent / "rulefigures.json"
_INDEX = f"{EVENTS_PREFIX}judged"
_LOOK_BACK = timedelta(hours=1)
_MOST_ALERTS = 10_000
_PORTS = (19_471, 19_472)


class Judged(NamedTuple):
    """What the rules found.

    Attributes:
        failed: Rules that could not be asked, with the reason.
    """

    alerts: list[Alert]
    failed: dict[str, str]


def main() -> None:
    """Measure, and write the figures."""
    events = list(_enriched(Path(sys.argv[1]), container().enrichers))
    with tempfile.TemporaryDirectory() as place:
        stack = Stack(
            replace(
                StackSettings.default(),
                data_dir=Path(place),
                opensearch_port=_PORTS[0],
                redis_port=_PORTS[1],
            )
        )
        client = OpenSearch(stack.up().opensearch_url, timeout=120)
        try:
            judged = judge(client, events, container().enrichers)
        finally:
            client.close()
            stack.down()
    if judged.failed:
        sys.exit(f"some rules could not be asked: {judged.failed}")
    counted = Counter(one.rule.id for one in judged.alerts)
    found = {Path(name).stem: counted[rule.id] for rule, _, name in own_rules().rules}
    FIGURES.write_bytes(codec.pretty({"alerts": found, "events": len(events)}))
    for name, count in sorted(found.items(), key=lambda pair: -pair[1]):
        print(f"{count:6} {count * 10_000 / len(events):8.1f}  {name}")


def own_rules() -> Checked:
    """Read our own rules, by the name of their file."""
    fields = templates.event_fields(templates.load_mappings())
    return check(rule_files(), fields)


def rule_files() -> dict[str, str]:
    """Give the text of each rule file, by its path below ``rules/``."""
    folder = asset("rules")
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*.yml"))
    }


def judge(
    client: OpenSearch,
    events: Iterable[tuple[str, Mapping[str, Any]]],
    enrichers: Sequence[Enricher],
) -> Judged:
    """Index events as if they were enriched just now, and run all our rules over them once.

    Args:
        client: A node that holds nothing.
        events: Document id and document, whole.
        enrichers: Those whose fields are mapped.
    """
    now = datetime.now(UTC)
    templates.install(client, Period.MONTH, enrichers)
    helpers.bulk(client, _actions(events, format_time(now)), refresh=True)
    rules = OpenSearchRules(client)
    checked = own_rules()
    install(checked.rules, rules, now)
    alerts = OpenSearchAlerts(client)
    evaluate(
        EvaluateServices(
            matching=OpenSearchMatching(client),
            alerts=alerts,
            baseline=OpenSearchBaseline(client),
            rules=rules,
            progress=OpenSearchProgress(client),
            compiler=CachingCompiler(templates.event_fields(templates.load_mappings())),
            now=lambda: datetime.now(UTC),
            overlap=_LOOK_BACK,
            look_back=_LOOK_BACK,
        )
    )
    alerts.refresh()
    refused = {f"{name}: {one.title}": one.reason for one, name in checked.refusals}
    failed = {one.title: one.error for one in rules.rules() if one.error is not None}
    return Judged(alerts.find(Wanted(), _MOST_ALERTS), refused | failed)


def _actions(
    events: Iterable[tuple[str, Mapping[str, Any]]], now: str
) -> Iterator[Mapping[str, Any]]:
    for document_id, document in events:
        enriched = {**document["enriched"], "at": now, "revision": 1}
        yield {"_index": _INDEX, "_id": document_id, "_source": {**document, "enriched": enriched}}


def _enriched(folder: Path, enrichers: Sequence[Enricher]) -> Iterator[tuple[str, dict[str, Any]]]:
    found = find_log_files([folder])
    report = Explained(skipped=dict(found.skipped))
    limits = container().settings.input.limits()
    for event in explain(found.logs, DirectoryLogFiles(), limits, enrichers, report):
        document: Any = codec.loads(event.document)
        yield event.document_id, document


if __name__ == "__main__":
    main()
