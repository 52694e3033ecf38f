"""Nothing of a record is in a worker's log, whatever goes wrong with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from enricher.cloudtrail import codec
from enricher.stores.task_queue import ENRICH_TASK
from tests.integration.test_ingest import log_file, nested, record
from tests.integration.test_metrics import servers, until, working

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.test_metrics import Worker

__all__ = ["servers"]  # a fixture

DATABASES = {"json": "/10", "console": "/11"}  # of Redis, that no other test's worker serves
MARKER = "Zk7QmarkerZk7Q"
HOSTILE_NAME = "a \x1b[31mred\u202e file.json"


def marked(folder: Path) -> None:
    """Write records that hold the marker in every place, and files that fail in every way."""
    whole = record(
        1,
        eventID=f"{MARKER}-1",
        eventName=MARKER,
        eventSource=f"{MARKER}.amazonaws.com",
        sourceIPAddress=MARKER,
        userAgent=MARKER,
        errorCode=MARKER,
        errorMessage=MARKER,
        requestParameters={MARKER: MARKER, "roleArn": f"arn:aws:iam::1:role/{MARKER}"},
        responseElements={"credentials": {"accessKeyId": MARKER, "sessionToken": MARKER}},
        userIdentity={"type": MARKER, "arn": MARKER, "accessKeyId": MARKER, "userName": MARKER},
        resources=[{"ARN": MARKER}],
        **{MARKER: MARKER},
    )
    session = {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE000000001:{MARKER}",
        "arn": f"arn:aws:sts::111122223333:assumed-role/Deploy/{MARKER}",
        "accountId": "111122223333",
        "accessKeyId": "ASIAEXAMPLE000000001",
        "sessionContext": {"attributes": {"creationDate": "2026-03-02T08:00:01Z"}},
    }
    waits = record(2, eventName=MARKER, userIdentity=session)
    files = {
        "whole.json.gz": log_file(whole, waits),
        "broken.json": codec.dumps({"Records": [whole]})[:-1],
        "cut.json.gz": log_file(whole)[:-9],
        "no-gzip.json.gz": codec.dumps({"Records": [whole]}),
        "text.json.gz": log_file(MARKER, whole),
        "time.json.gz": log_file(record(3, eventTime=MARKER), whole),
        "deep.json.gz": log_file(record(4, requestParameters={MARKER: nested(200)}), whole),
        "large.json.gz": log_file(record(5, errorMessage=MARKER * 200_000), whole),
        "no-list.json": codec.dumps({"Records": {MARKER: whole}}),
        "other.json": codec.dumps({MARKER: MARKER}),
        "nothing.json": MARKER.encode(),
        "surrogate.json": b'{"Records":[{"eventID":"\\ud800' + MARKER.encode() + b'"}]}',
        HOSTILE_NAME: codec.dumps({"Records": [record(6)]}),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture(scope="module", params=["json", "console"])
def talkative(
    request: pytest.FixtureRequest,
    servers: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Worker:
    """A worker that logs all it can, and has ingested markers; ended, so that its log is whole."""
    folder, files = tmp_path_factory.mktemp("worker"), tmp_path_factory.mktemp("marked")
    marked(files)
    chosen = {"ENRICHER_LOG_FORMAT": request.param, "ENRICHER_LOG_LEVEL": "DEBUG"}
    mine = re.sub(r"/\d+$", DATABASES[request.param], servers["ENRICHER_REDIS__URL"])
    with working({**servers, "ENRICHER_REDIS__URL": mine}, folder, **chosen) as worker:
        worker.house.run("ingest", "--wait", files)
        # What a server's client cannot spell: an error whose text holds what was asked for.
        worker.send(ENRICH_TASK, ["\ud800" + MARKER])
        worker.send("enricher.unknown", MARKER)
        until(lambda: "unregistered task" in worker.log.read_text())
        until(lambda: "UnicodeEncodeError" in worker.log.read_text())
        worker.house.run("reconcile")
    return worker


def test_a_log_holds_nothing_of_a_record(talkative: Worker) -> None:
    log = talkative.log.read_bytes()
    assert b"task_finished" in log
    assert MARKER.encode() not in log


def test_a_log_holds_no_control_characters_but_line_ends(talkative: Worker) -> None:
    log = talkative.log.read_text()
    assert {char for char in log if not char.isprintable()} == {"\n"}
    assert "[31mred" in log


def test_what_nobody_foresaw_is_said_without_its_values(talkative: Worker) -> None:
    line, *_ = [
        line for line in talkative.log.read_text().splitlines() if "UnicodeEncodeError" in line
    ]
    assert "retried" in line
    assert "redis_evidence.py:" in line
