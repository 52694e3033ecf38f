"""The demonstration: ingest trails into real servers, and show who was behind three events.

    python -m tools.demo [DIR]

Its servers run for the time of this command, on free ports, with a directory of their own that
is removed at the end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from opensearchpy import OpenSearch
from rich.text import Text

from enricher.cli.shown import err, out, plain, text
from enricher.errors import EnricherError
from enricher.stack import Stack, StackSettings
from enricher.stores.opensearch import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from enricher.stack import Endpoints

SAMPLES = Path(__file__).parents[1] / "samples"
HEAP_BYTES = 512 << 20
SOMETHING_QUARANTINED = 1
INTERRUPTED = 130
PATIENCE_TO_END_S = 45
# Away from the usual ports, where servers of the user's own may be.
OPENSEARCH_PORT = 19_200
REDIS_PORT = 16_379
COLUMNS_OF_A_FILE = "100"  # where output goes to no terminal


class Shown(NamedTuple):
    """An event to show, and why."""

    event_id: str
    why: str


OF_THE_SAMPLES = (
    Shown(
        "6f51ebf7-feb4-436a-a37e-303ab0577e50",
        "Somebody was denied a secret in a third account. Who?",
    ),
    Shown(
        "99cdbdcc-fddc-48ae-a68a-7f9aa9a02b11",
        "The role Deploy changed production. Behind it was a pipeline:",
    ),
    Shown(
        "e51cce6d-fe62-4c44-ac0b-68fa5fc2afe6",
        "The role Deploy changed production again. This time a machine's stolen key:",
    ),
)

# What is worth a look in anybody's trails, by a search each: the first event that is new.
_ANSWERED = {"terms": {"enriched.origin.status": ["resolved", "external"]}}
_DENIED = {
    "bool": {
        "should": [
            {"prefix": {"errorCode": "AccessDenied"}},
            {"wildcard": {"errorCode": "*Unauthorized*"}},
        ]
    }
}
_BY_ROLE = {"term": {"userIdentity.type": "AssumedRole"}}
_CHANGE = {"term": {"readOnly": False}}
_SUCCEEDED = {"bool": {"must_not": {"exists": {"field": "errorCode"}}}}
LOOKS: tuple[tuple[str, list[dict[str, Any]]], ...] = (
    ("The longest way from an origin to an event:", [_ANSWERED, _BY_ROLE]),
    ("Somebody was denied, and this is who:", [_ANSWERED, _DENIED]),
    ("Somebody changed something, and this is who:", [_ANSWERED, _CHANGE, _SUCCEEDED]),
    ("A call of which it is not known who made it:", [{"bool": {"must_not": _ANSWERED}}]),
    ("Another call:", []),
)
HOW_MANY = 3
CANDIDATES = 50


def main(arguments: Sequence[str]) -> int:
    """Run the demonstration; give its exit status."""
    directory = Path(arguments[0]) if arguments else SAMPLES
    if not directory.exists():
        err.print(text(f"demo: no such directory: {directory}", style="red"))
        return 2
    began = time.monotonic()
    try:
        # Deleted last, also when interrupted; it holds records.
        with tempfile.TemporaryDirectory(prefix="enricher-demo-") as data_dir:
            status = _with_servers(directory, Path(data_dir))
    except KeyboardInterrupt:
        err.print("\ndemo: interrupted; its servers are down and its data is gone", style="dim")
        return INTERRUPTED
    except EnricherError as error:
        err.print(text(f"demo: {error}", style="red"))
        return 1
    if status == 0:
        _say_what_next(directory, time.monotonic() - began)
    return status


def _with_servers(directory: Path, data_dir: Path) -> int:
    settings = replace(
        StackSettings.default(),
        data_dir=data_dir,
        heap=HEAP_BYTES,
        opensearch_port=OPENSEARCH_PORT,
        redis_port=REDIS_PORT,
    )
    err.print("Starting OpenSearch and Valkey; the first time, some 60 MB are downloaded.")
    with Stack(settings).running() as endpoints:
        environment = _environment(endpoints)
        out.print(text(f"$ enricher ingest {directory}", style="bold"))
        status = _enricher(environment, "ingest", "--wait", str(directory))
        samples = directory.resolve() == SAMPLES
        if status > SOMETHING_QUARANTINED or (samples and status):
            return status
        shown = OF_THE_SAMPLES if samples else _pick(endpoints)
        if not shown:
            err.print("demo: nothing was indexed", style="red")
            return 1
        for event in shown:
            out.print()
            out.print(text(event.why, style="italic"))
            out.print(text(f"$ enricher who {event.event_id}", style="bold"))
            status = _enricher(environment, "who", event.event_id)
            if status:
                return status
    return 0


def _environment(endpoints: Endpoints) -> dict[str, str]:
    """Say where the servers are; settings of the user's own are for servers of their own."""
    inherited = os.environ  # noqa: TID251 - for the commands that are started here
    kept = {k: v for k, v in inherited.items() if not k.startswith("ENRICHER_")}
    if not out.is_terminal:
        kept.setdefault("COLUMNS", COLUMNS_OF_A_FILE)
    return {
        **kept,
        "ENRICHER_OPENSEARCH__URL": endpoints.opensearch_url,
        "ENRICHER_REDIS__URL": endpoints.redis_url,
        "ENRICHER_LOG_LEVEL": "WARNING",
    }


def _enricher(environment: dict[str, str], *arguments: str) -> int:
    """Run a command to its end; when interrupted, let it end the worker that it may have."""
    sys.stdout.flush()
    command = [str(Path(sys.executable).with_name("enricher")), *arguments]
    # In a session of its own: Ctrl-C reaches it once, from here, and not its worker as well.
    process = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
    try:
        return process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_TO_END_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        raise


def _pick(endpoints: Endpoints) -> list[Shown]:
    """Find events worth showing, each of another credential."""
    picked: list[Shown] = []
    seen: set[str] = set()
    client = OpenSearch(endpoints.opensearch_url)
    try:
        for why, filters in LOOKS:
            for event_id, credential in _search(client, filters):
                if credential not in seen:
                    seen.add(credential)
                    picked.append(Shown(event_id, why))
                    break
            if len(picked) == HOW_MANY:
                break
    finally:
        client.close()
    return picked


def _search(client: OpenSearch, filters: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    answer = client.search(
        index=EVENTS,
        body={
            "size": CANDIDATES,
            "query": {"bool": {"filter": filters}},
            "sort": [{"enriched.chain_depth": {"order": "desc", "missing": "_last"}}, "eventTime"],
            "_source": ["eventID", "enriched.session.credential_id"],
        },
    )
    for hit in answer["hits"]["hits"]:
        source = hit["_source"]
        event_id = source.get("eventID")
        if isinstance(event_id, str) and plain(event_id) == event_id:
            session = source.get("enriched", {}).get("session", {})
            yield event_id, str(session.get("credential_id") or hit["_id"])


def _say_what_next(directory: Path, seconds: float) -> None:
    out.print(f"\nThat took {seconds:.0f} s; its servers are down again. Next:")
    for command, what in (
        ("make demo TRAILS=DIR", "all this with log files of your own"),
        (f".venv/bin/enricher explain --stats {directory}", "without any server"),
        (".venv/bin/enricher stack up", "servers that stay"),
        (f".venv/bin/enricher ingest {directory}", "into those"),
        (".venv/bin/enricher who EVENT_ID", "and who that was"),
    ):
        line = Text(f"  {plain(command)}")
        line.append(f"  # {what}", style="dim")
        out.print(line, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
