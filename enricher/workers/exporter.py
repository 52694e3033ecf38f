"""Serves the metrics of all processes of a worker from its main process, for Prometheus.

Imported only once the directory that they share is known: ``enricher.workers.shared``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psutil
from celery import signals
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from enricher.bootstrap import Container
from enricher.errors import ConfigurationError, UnavailableError
from enricher.workers import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from prometheus_client.core import Metric

    from enricher.settings import Settings
    from enricher.workers.metrics import AtScrape

_PATIENCE = timedelta(seconds=3)  # Prometheus gives up after ten by default


def serve(settings: Settings, directory: Path) -> None:
    """Serve until this process ends.

    Raises:
        ConfigurationError: If the address cannot be had.
    """
    port, address = settings.worker.metrics_port, settings.worker.metrics_address
    if port is None:
        return
    registry = CollectorRegistry()
    registry.register(ProcessMetrics(directory))
    # Clients of its own: a process that is forked during a scrape must find no lock of theirs held.
    registry.register(ServerGauges(Container(settings, patience=_PATIENCE)))
    try:
        server, _ = start_http_server(port, address, registry)
    except OSError as err:
        raise ConfigurationError(
            f"metrics cannot be served on {address} port {port}: {err.strerror}; "
            "set ENRICHER_WORKER__METRICS_PORT and ENRICHER_WORKER__METRICS_ADDRESS"
        ) from err
    # Or the port stays taken for as long as a child outlives the main process.
    signals.worker_process_init.connect(
        lambda **_: server.socket.close(), weak=False, dispatch_uid="metrics-socket"
    )


class ProcessMetrics(Collector):
    """What the worker's processes counted, those that ended included."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._counted = MultiProcessCollector(None, path=str(directory))  # type: ignore[no-untyped-call] # no types there

    def collect(self) -> Iterator[Metric]:
        """Sum over the processes; what a dead one was doing just then counts no more."""
        main = psutil.Process()
        living = {main.pid, *(child.pid for child in main.children(recursive=True))}
        for path in self._directory.glob("gauge_live*.db"):
            pid = int(path.stem.rpartition("_")[2])
            if pid not in living:
                mark_process_dead(pid, str(self._directory))  # type: ignore[no-untyped-call] # no types there
        yield from self._counted.collect()  # type: ignore[no-untyped-call] # no types there


class ServerGauges(Collector):
    """What the servers say when they are asked."""

    def __init__(self, services: Container) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        """Ask; what a server does not answer is left out, and said in its own gauge."""
        looks = {"redis": self._queue, "opensearch": self._index}
        answers: dict[str, float] = {}
        for server, look in looks.items():
            found = _answer(look)
            answers[server] = found is not None
            yield from found or ()
        yield _gauge(metrics.SERVER_UP, answers)

    def _queue(self) -> Iterator[Metric]:
        load = self._services.queue.load()
        yield _gauge(metrics.QUEUE_TASKS, load.waiting)
        yield _gauge(metrics.IN_HAND, load.in_hand)
        yield _gauge(metrics.NOTED_KEYS, load.noted)
        if load.oldest_file_at is not None:
            yield _gauge(metrics.OLDEST_FILE, load.oldest_file_at.timestamp())

    def _index(self) -> Iterator[Metric]:
        count, oldest = self._services.index.waiting()
        newest = self._services.index.newest_event(datetime.now(tz=UTC))
        yield _gauge(metrics.PENDING, count)
        yield _gauge(metrics.UNTOLD, self._services.alerts.untold())
        if oldest is not None:
            yield _gauge(metrics.OLDEST_PENDING, oldest.timestamp())
        if newest is not None:
            yield _gauge(metrics.NEWEST_EVENT, newest.timestamp())


def _answer(look: Callable[[], Iterator[Metric]]) -> list[Metric] | None:
    try:
        return list(look())
    except (UnavailableError, ConfigurationError):
        return None


def _gauge(gauge: AtScrape, value: float | dict[str, int] | dict[str, float]) -> Metric:
    family = GaugeMetricFamily(
        gauge.name, gauge.what, labels=None if gauge.label is None else [gauge.label]
    )
    for label, one in value.items() if isinstance(value, dict) else [(None, value)]:
        family.add_metric([] if label is None else [label], one)
    return family
