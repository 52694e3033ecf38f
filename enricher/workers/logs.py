"""Log lines of the workers: one format, never a record's content.

Ours hold counts, reasons from closed sets, and locations. Of those by others nothing is known, so
what could carry content is left out: their DEBUG lines, all but a message's first line, and of an
exception everything but its class and where in the code it came from.
"""

from __future__ import annotations

import logging
import sys
import traceback
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import structlog
from celery import signals

from enricher.cloudtrail.plain import plain
from enricher.errors import ConfigurationError, EnricherError

if TYPE_CHECKING:
    from types import TracebackType

    from structlog.typing import EventDict

OURS = "enricher"
_INNERMOST_FRAMES = 16
_QUIET = {
    "botocore": logging.WARNING,
    "opensearch": logging.WARNING,
    "urllib3": logging.WARNING,
    # Tasks as they come and go, with what they return or raise: ours is the one line of a task.
    "celery.worker.strategy": logging.WARNING,
    "celery.app.trace": logging.CRITICAL,
}


def configure_logging(*, json: bool, level: str) -> None:
    """Send our lines and everybody else's through one renderer to standard error.

    Raises:
        ConfigurationError: If there is no such level.
    """
    wanted = _level(level)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_content,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(json=json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(wanted, logging.INFO))
    logging.getLogger(OURS).setLevel(wanted)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(wanted, least))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    signals.setup_logging.connect(_keep_ours)


def _level(name: str) -> int:
    levels = logging.getLevelNamesMapping()
    if name.upper() not in levels:
        raise ConfigurationError(
            f"ENRICHER_LOG_LEVEL: no such level; set one of {', '.join(levels)}"
        )
    return levels[name.upper()]


def _keep_ours(**_: object) -> None:
    """Celery sets levels and handlers of its own, unless somebody answers this signal."""


def _renderers(*, json: bool) -> list[Any]:
    if json:
        return [structlog.processors.JSONRenderer()]
    return [_printable, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]


def _without_content(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Leave out of a line what could hold a record's content."""
    exc_info = line.pop("exc_info", None)
    record = line.get("_record")
    if record is not None and not line.get("_from_structlog"):
        # Their messages spell exceptions, so of those that have one, only the template.
        message = record.msg if exc_info else line["event"]
        line["event"] = str(message).partition("\n")[0]
    error = _error(exc_info)
    return line if error is None else {**line, **described(error)}


def _error(exc_info: object) -> BaseException | None:
    """Find the exception in what may stand for it: itself, what ``sys.exc_info`` gives, or True."""
    if exc_info is True:
        exc_info = sys.exc_info()
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    return exc_info if isinstance(exc_info, BaseException) else None


def described(error: BaseException) -> dict[str, str]:
    """Say what went wrong without the values that went wrong.

    Returns:
        ``error``, its class; ``reason``, what it says, if it is one of ours, which never hold a
        record's values; ``at``, where in the code it came from, innermost first.
    """
    found = {"error": type(error).__name__}
    if isinstance(error, EnricherError):
        found["reason"] = str(error)
    if error.__traceback__ is not None:
        found["at"] = " < ".join(_places(error.__traceback__))
    return found


def _places(trace: TracebackType) -> list[str]:
    """Spell the innermost frames, without their source and their variables."""
    frames = reversed(list(traceback.walk_tb(trace)))
    return [
        f"{PurePath(frame.f_code.co_filename).name}:{line}"
        for frame, line in islice(frames, _INNERMOST_FRAMES)
    ]


def _printable(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Escape what a terminal would interpret: an S3 key may hold any character."""
    return {
        name: value if value is None or isinstance(value, (bool, int, float)) else plain(value)
        for name, value in line.items()
    }
