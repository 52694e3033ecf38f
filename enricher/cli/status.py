"""``enricher status``: how far behind each account and region is, what waits, how fast it goes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from enricher.bootstrap import Container, container
from enricher.cli.shown import err, out, text
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time, parse_time
from enricher.errors import EnricherError

Json = dict[str, Any]

_PATIENCE = timedelta(seconds=10)
_WINDOWS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 60))
_DELAYS_OF = timedelta(hours=24)
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_UNITS_SHOWN = 2


def show_status(
    *,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output, for scripts.")
    ] = False,
) -> None:
    """Show lag and delay by account and region, events by state, the queue, and rates.

    Lag is the age of the newest event that is in. Delay is the time from a log file's newest event
    to its end in the ledger, over the files of the last 24 hours: median and 95th percentile. The
    exit code is 1 if a server does not answer; what the others know is shown all the same.
    """
    found = look(replace(container(), patience=_PATIENCE), datetime.now(tz=UTC))
    if json:
        sys.stdout.write(codec.dumps(found).decode() + "\n")
    else:
        _show(found)
    if found["down"]:
        raise typer.Exit(1)


def look(services: Container, now: datetime) -> Json:
    """Ask the servers; what one does not answer is None, and ``down`` says why."""
    down: Json = {}

    def asked(server: str, question: Callable[[], object]) -> Any:  # noqa: ANN401 - JSON
        if server in down:
            return None
        try:
            return question()
        except EnricherError as error:
            down[server] = str(error)
            return None

    return {
        "at": format_time(now),
        "accounts": asked("opensearch", lambda: _accounts(services, now)),
        "events": asked("opensearch", lambda: _states(services)),
        "rates": asked("opensearch", lambda: _rates(services, now)),
        "queue": asked("redis", lambda: _queue(services, now)),
        "workers": asked("redis", lambda: _workers(services)),
        "down": down,
    }


def _accounts(services: Container, now: datetime) -> list[Json]:
    return [
        {
            "account_id": row["account_id"],
            "region": row["region"],
            "files": row["files"],
            "records": row["records"],
            "newest_event_at": _time(newest := parse_time(row["newest_event_at"])),
            "lag_seconds": _age(newest, now),
            "delay_seconds": {name: _seconds(ms) for name, ms in row["delay_ms"].items()},
        }
        for row in services.index.lag(now - _DELAYS_OF)
    ]


def _rates(services: Container, now: datetime) -> list[Json]:
    return [
        {
            "minutes": int(row["window"].total_seconds() // 60),
            "records_per_second": round(row["records"] / row["window"].total_seconds(), 2),
            "records": row["records"],
            "indexed": row["indexed"],
            "quarantined": row["quarantined"],
            "files": row["files"],
            "failed_files": row["failed_files"],
        }
        for row in services.index.rates(now, _WINDOWS)
    ]


def _queue(services: Container, now: datetime) -> Json:
    load = services.queue.load()
    return {
        "waiting": load.waiting,
        "in_hand": load.in_hand,
        "noted_keys": load.noted,
        "oldest_file_queued_at": _time(load.oldest_file_at),
        "oldest_file_seconds": _age(load.oldest_file_at, now),
    }


# Functions, since a container makes its parts, and may fail at it, when they are first named.


def _states(services: Container) -> dict[str, int]:
    return services.index.states()


def _workers(services: Container) -> int:
    return services.queue.workers()


def _time(at: datetime | None) -> str | None:
    return format_time(at) if at else None


def _age(at: datetime | None, now: datetime) -> int | None:
    return int((now - at).total_seconds()) if at else None


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds / 1000, 1)


# --- for people -----------------------------------------------------------------------------------


def _show(found: Json) -> None:
    if found["accounts"] is not None:
        _print(
            ("account", "region", "files", "records", "newest event", "lag", "delay", "delay p95"),
            (
                (
                    row["account_id"],
                    row["region"],
                    f"{row['files']:,}",
                    f"{row['records']:,}",
                    row["newest_event_at"] or "",
                    span(row["lag_seconds"]),
                    span(row["delay_seconds"]["median"]),
                    span(row["delay_seconds"]["p95"]),
                )
                for row in found["accounts"]
            ),
        )
    if found["rates"] is not None:
        _print(
            ("within", "records/s", "records", "quarantined", "files", "failed files"),
            (
                (
                    f"{row['minutes']} min",
                    f"{row['records_per_second']:,}",
                    *(f"{row[name]:,}" for name in ("records", "quarantined", "files")),
                    f"{row['failed_files']:,}",
                )
                for row in found["rates"]
            ),
        )
    _print(None, _numbers(found))
    for server, reason in found["down"].items():
        err.print(text(f"{server} is down: {reason}", style="red"))


def _numbers(found: Json) -> Iterable[tuple[str, str]]:
    for state, count in sorted((found["events"] or {}).items()):
        yield f"{state} events", f"{count:,}"
    if (queue := found["queue"]) is not None:
        for name, count in queue["waiting"].items():
            yield f"queued in {name}", f"{count:,}"
        yield "tasks in hand", f"{queue['in_hand']:,}"
        if queue["oldest_file_seconds"] is not None:
            yield "oldest queued file", span(queue["oldest_file_seconds"])
    if found["workers"] is not None:
        yield "workers", f"{found['workers']:,}"


def _print(headings: tuple[str, ...] | None, rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(*headings or (), box=None, pad_edge=False, show_header=headings is not None)
    for row in rows:
        table.add_row(*(text(cell) for cell in row))
    if table.row_count:
        out.print(table)
        out.print()


def span(seconds: float | None) -> str:
    """Spell a length of time in its two largest units, e.g. ``3 h 20 min``; "" where there is none.

    A negative one lies ahead: an event may claim any time.
    """
    if seconds is None:
        return ""
    rest = round(abs(seconds))
    parts: list[str] = []
    for length, unit in _UNITS:
        count, rest = divmod(rest, length)
        if count or parts or unit == "s":
            parts.append(f"{count} {unit}")
    shown = [part for part in parts[:_UNITS_SHOWN] if not part.startswith("0 ")] or parts[:1]
    return ("-" if seconds < 0 else "") + " ".join(shown)
