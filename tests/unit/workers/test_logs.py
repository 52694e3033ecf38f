"""What a log line may hold, whoever wrote it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from enricher.cloudtrail import codec
from enricher.errors import ConfigurationError, UnavailableError
from enricher.workers.logs import configure_logging, described

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "of-a-record"  # noqa: S105 - a marker
HOSTILE = "s3://b/a\x1b[31m\u202e\r\nforged line"
LOGGERS = ("", "enricher", "celery.app.trace", "celery.worker.strategy", "urllib3")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave logging as it was found."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize("json", [True, False])
def test_what_is_hostile_stays_on_its_line(capsys: pytest.CaptureFixture[str], json: bool) -> None:  # noqa: FBT001
    configure_logging(json=json, level="info")
    structlog.get_logger("enricher").info("task_finished", location=HOSTILE)
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert {char for char in written if not char.isprintable()} == {"\n"}
    assert "31m" in written
    if json:
        assert codec.loads(written)["location"] == HOSTILE


def test_of_others_only_the_first_line_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json=True, level="debug")
    logging.getLogger("celery.worker.consumer").error("no such task\nbody: %s", SECRET)
    logging.getLogger("some.library").debug("sent %s", SECRET)
    (line,) = capsys.readouterr().err.splitlines()
    assert codec.loads(line)["event"] == "no such task"


def test_of_an_exception_its_class_and_its_place_are_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(json=True, level="info")
    try:
        raise KeyError(SECRET)  # noqa: TRY301 - caught as anything would be
    except KeyError as err:
        logging.getLogger("some.library").exception("went wrong: %r", err)  # noqa: TRY401 - as Celery
    line = codec.loads(capsys.readouterr().err)
    assert (line["event"], line["error"]) == ("went wrong: %r", "KeyError")
    assert line["at"].startswith("test_logs.py:")


@pytest.mark.parametrize("as_itself", [True, False])
def test_an_exception_of_ours_is_not_spelt_out_either(
    capsys: pytest.CaptureFixture[str],
    as_itself: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    configure_logging(json=False, level="info")
    try:
        raise KeyError(SECRET)  # noqa: TRY301 - caught as anything would be
    except KeyError as err:
        structlog.get_logger("enricher").error("went_wrong", exc_info=err if as_itself else True)
    written = capsys.readouterr().err
    assert "KeyError" in written
    assert SECRET not in written


def test_of_our_own_errors_the_reason_is_kept() -> None:
    assert described(UnavailableError("Redis does not answer")) == {
        "error": "UnavailableError",
        "reason": "Redis does not answer",
    }
    assert described(ValueError(SECRET)) == {"error": "ValueError"}


def test_a_level_that_does_not_exist_is_said() -> None:
    with pytest.raises(ConfigurationError, match=r"ENRICHER_LOG_LEVEL.*DEBUG"):
        configure_logging(json=True, level="loud")
