"""The scheduler of ``enricher beat``, which ends when it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import platforms
from celery.apps.beat import Beat

if TYPE_CHECKING:
    from types import FrameType

    from celery import Celery
    from celery.beat import Service

_LOOKS_EVERY_SECONDS = 5


class StoppableBeat(Beat):
    """Celery's scheduler, of a schedule that is short and fixed.

    Celery ends it by an exception that a signal raises wherever the process is just then. Raised
    in a finalizer, it is lost, and the scheduler went on for ever. So the service is told to stop
    as well, which it sees when it looks at its schedule next.
    """

    def __init__(self, app: Celery, *, loglevel: str) -> None:
        super().__init__(
            app=app,
            loglevel=loglevel,
            # Where it stood is not worth a file.
            scheduler="celery.beat:Scheduler",
            max_interval=_LOOKS_EVERY_SECONDS,
        )

    def install_sync_handler(self, service: Service) -> None:
        """Have signals end it."""

        def stop(_signal: int, _frame: FrameType | None) -> None:
            service.stop()
            raise SystemExit

        platforms.signals.update(SIGTERM=stop, SIGINT=stop)
