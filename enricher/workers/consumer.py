"""The worker's main process: it outlives a lost connection, and sends what was gathered."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from celery import bootsteps
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel, Transport

from enricher.bootstrap import container
from enricher.errors import UnavailableError
from enricher.stores.task_queue import GATHER_EVERY


class _Channel(Channel):
    """A channel that calls itself closed when it is used after its connection was lost.

    Acknowledgements and a second attempt to close come that late. Celery takes a connection error
    for what it is; the AttributeError that kombu 5.7 raises instead ends the whole worker. What was
    not acknowledged comes back, for Redis holds it.
    """

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
        if getattr(self.connection, "client", None) is None:  # either may be gone
            raise ConnectionError("this connection to Redis is closed")
        found: dict[str, Any] = super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]
        return found


class PatientTransport(Transport):
    """Celery's transport over Redis, whose workers outlive a lost connection."""

    Channel = _Channel


def outlive_lost_connections() -> None:
    """Have this process reach Redis so; before its first connection, and under the usual names."""
    name = f"{PatientTransport.__module__}:{PatientTransport.__qualname__}"
    TRANSPORT_ALIASES.update(redis=name, rediss=name)


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
