"""Log lines of the workers: one format, bound to the task, never a record's content."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import structlog
from celery import signals

_STARTED_AT = "started_at"


def configure_logging(*, json: bool, level: str) -> None:
    """Send our lines and everybody else's through one renderer to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("opensearch", "urllib3", "botocore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


@signals.task_prerun.connect
def bind_task(task_id: str, task: Any, **_: object) -> None:  # noqa: ANN401 - Celery's own
    """Bind the task to every line that is logged while it runs."""
    structlog.contextvars.bind_contextvars(task_id=task_id, task_name=task.name)
    structlog.contextvars.bind_contextvars(**{_STARTED_AT: time.monotonic()})


@signals.task_postrun.connect
def clear_task(**_: object) -> None:
    """Write the task's one line and unbind it, so that nothing leaks into the next."""
    bound = structlog.contextvars.get_contextvars()
    started = bound.get(_STARTED_AT)
    structlog.contextvars.unbind_contextvars(_STARTED_AT)
    duration_ms = int((time.monotonic() - started) * 1000) if started is not None else None
    structlog.get_logger("enricher").info("task_finished", duration_ms=duration_ms)
    structlog.contextvars.clear_contextvars()
