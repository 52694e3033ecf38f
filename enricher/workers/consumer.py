"""The worker's main process: it outlives a lost connection, and sends what was gathered."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from celery import bootsteps
from celery.worker.consumer import Consumer

from enricher.bootstrap import container
from enricher.errors import UnavailableError
from enricher.stores.task_queue import GATHER_EVERY


class PatientConsumer(Consumer):
    """Celery's consumer, which does not end where closing a lost connection goes wrong.

    Celery closes such a connection twice. Where the first time fails while messages are in hand,
    the second one looks for the address of a connection that is gone, and the worker would end
    (Celery and kombu 5.7). What it had in hand comes back in any case: Redis holds it.
    """

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Let go of the connection; a new one is made afterwards."""
        with suppress(AttributeError):
            super().on_connection_error_after_connected(exc)


class Gathering(bootsteps.StartStopStep):
    """Sends what was asked for in the last moment.

    A task with a countdown for each would do, and be one more thing in hand.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **_: object) -> None:  # noqa: ANN401 - Celery's own
        super().__init__(parent)
        self._entry: Any = None

    def start(self, parent: Any) -> None:  # noqa: ANN401
        """Begin; again after each connection that was lost."""
        self._entry = parent.timer.call_repeatedly(GATHER_EVERY.total_seconds(), _gather)

    def stop(self, parent: Any) -> None:  # noqa: ANN401, ARG002
        """End."""
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None


def _gather() -> None:
    with suppress(UnavailableError):  # what is noted stays; the next second tries again
        container().queue.gather()
