"""Errors of the stack: readable, and whole after a journey between processes."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from enricher.errors import Disposition
from enricher.stack.errors import ChecksumError, DownloadError, ServerStartError, StackError

if TYPE_CHECKING:
    from enricher.errors import EnricherError

ERRORS = [
    StackError("no free port"),
    ServerStartError("valkey", "stopped", "/x/valkey.log", ("first", "second")),
    ChecksumError("group:one:1", "aa", "bb"),
    DownloadError("group:one:1", "timeout"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: EnricherError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 -- our own bytes
    assert type(copy) is type(error)
    assert str(copy) == str(error)


def test_a_failed_start_shows_the_end_of_the_log() -> None:
    assert str(ERRORS[1]) == ("valkey stopped. Last lines of /x/valkey.log:\n  | first\n  | second")
    assert "(the log is empty)" in str(ServerStartError("valkey", "stopped", "/x", ()))


def test_a_download_may_be_tried_again_and_a_wrong_checksum_not() -> None:
    assert DownloadError("a:b:1", "timeout").disposition is Disposition.RETRY
    assert ChecksumError("a:b:1", "aa", "bb").disposition is Disposition.STOP
