"""What alert rules are judged by, and where alerts are kept."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from enricher.alerts.backtest import BacktestServices
from enricher.alerts.evaluate import EvaluateServices
from enricher.alerts.triage import TriageServices
from enricher.equipped import Equipped
from enricher.stores.memory import SystemClock
from enricher.stores.memory_alerts import (
    MemoryAlerts,
    MemoryBaseline,
    MemoryProgress,
    MemoryRules,
)
from enricher.stores.opensearch import EVENTS
from enricher.stores.opensearch_alerts import OpenSearchAlerts
from enricher.stores.opensearch_baseline import OpenSearchBaseline
from enricher.stores.opensearch_matching import OpenSearchMatching
from enricher.stores.opensearch_rules import OpenSearchProgress, OpenSearchRules
from enricher.stores.related_alerts import RelatedAlerts
from enricher.stores.templates import event_fields, load_mappings, with_enrichers

if TYPE_CHECKING:
    from enricher.alerts.fields import Fields


class Alerting(Equipped):
    """The servers and enrichers, and what alerting needs of them."""

    @cached_property
    def event_fields(self) -> Fields:
        """What alert rules can ask for: the fields of events, those of plug-ins too."""
        return event_fields(with_enrichers(load_mappings(), self.enrichers))

    @cached_property
    def rules(self) -> OpenSearchRules:
        """Alert rules and suppressions."""
        return OpenSearchRules(self.opensearch)

    @cached_property
    def alerts(self) -> OpenSearchAlerts:
        """Alerts."""
        return OpenSearchAlerts(self.opensearch)

    @cached_property
    def progress(self) -> OpenSearchProgress:
        """How far the evaluation of rules came."""
        return OpenSearchProgress(self.opensearch)

    @cached_property
    def evaluating(self) -> EvaluateServices:
        """What judging by alert rules needs."""
        # The parser of rules takes a tenth of a second to import.
        from enricher.alerts.compiler import CachingCompiler  # noqa: PLC0415

        return EvaluateServices(
            matching=OpenSearchMatching(self.opensearch),
            alerts=self.alerts,
            baseline=OpenSearchBaseline(self.opensearch),
            rules=self.rules,
            progress=self.progress,
            compiler=CachingCompiler(self.event_fields),
            now=SystemClock().now,
            look_back=self.settings.alerts.look_back,
        )

    def backtesting(self, index: str = EVENTS) -> BacktestServices:
        """What trying rules needs: the events of an index, and stores that are forgotten."""
        return BacktestServices(
            matching=OpenSearchMatching(self.opensearch, index),
            alerts=MemoryAlerts(),
            baseline=MemoryBaseline(),
            rules=MemoryRules(),
            progress=MemoryProgress(),
            now=SystemClock().now,
        )

    @cached_property
    def related_alerts(self) -> RelatedAlerts:
        """Alerts as triage asks for them."""
        return RelatedAlerts(self.alerts)

    @cached_property
    def triaging(self) -> TriageServices:
        """What people's work on alerts needs."""
        return TriageServices(alerts=self.alerts, rules=self.rules, now=SystemClock().now)
