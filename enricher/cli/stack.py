"""``enricher stack``: OpenSearch and Valkey on this machine, without installing anything."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from enricher.errors import EnricherError
from enricher.stack import Stack, StackSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from enricher.stack import ServerStatus
    from enricher.stack.credentials import Credentials

FOLLOW_POLL_S = 0.3
INTERRUPTED_EXIT_STATUS = 130

app = typer.Typer(no_args_is_help=True, help="Run OpenSearch and Valkey on this machine.")
output = Console()
notices = Console(stderr=True)


class ServerName(StrEnum):
    """The servers of the stack."""

    OPENSEARCH = "opensearch"
    VALKEY = "valkey"


def parse_size(text: str) -> int:
    """Read a size as Java writes it: 512m, 2g; or in bytes.

    Raises:
        typer.BadParameter: It is not a size.
    """
    match = re.fullmatch(r"(\d+)\s*([kmg]?)(?:i?b)?", text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a size; write 512m or 2g")
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2]]


DataDir = Annotated[
    Path | None,
    typer.Option(
        envvar="ENRICHER_STACK__DATA_DIR",
        help="Where its data is kept; every directory is a stack of its own.",
        show_default="the user's data directory",
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        envvar="ENRICHER_STACK__CACHE_DIR",
        help="Where downloads are kept, shared by all stacks.",
        show_default="the user's cache directory",
    ),
]
Heap = Annotated[
    int | None,
    typer.Option(
        envvar="ENRICHER_STACK__HEAP",
        parser=parse_size,
        metavar="SIZE",
        help="Java heap of OpenSearch, e.g. 512m or 2g.",
        show_default="1g",
    ),
]
OpenSearchPort = Annotated[
    int | None,
    typer.Option(
        "--opensearch-port",
        min=1,
        max=65535,
        help="Preferred port of OpenSearch; the next free one if it is taken.",
        show_default="9200",
    ),
]
RedisPort = Annotated[
    int | None,
    typer.Option(
        "--redis-port",
        min=1,
        max=65535,
        help="Preferred port of Valkey; the next free one if it is taken.",
        show_default="6379",
    ),
]


@app.command()
def up(  # noqa: PLR0913 - Typer's options
    data_dir: DataDir = None,
    cache_dir: CacheDir = None,
    heap: Heap = None,
    opensearch_port: OpenSearchPort = None,
    redis_port: RedisPort = None,
    *,
    secure: Annotated[
        bool,
        typer.Option(
            "--secure", help="Make a new stack with users, roles, passwords and certificates."
        ),
    ] = False,
) -> None:
    """Start the servers and wait until they answer; those that run already are left alone.

    The first start downloads about 60 MB, a secure one 110 MB. Other machines cannot reach the
    servers. What was made secure stays so, with or without --secure.
    """
    with _errors_shown():
        settings = _settings(data_dir, cache_dir)
        settings = replace(
            settings,
            heap=settings.heap if heap is None else heap,
            opensearch_port=opensearch_port or settings.opensearch_port,
            redis_port=redis_port or settings.redis_port,
            secure=secure,
        )
        stack = Stack(settings)
        was_up = stack.endpoints() is not None
        with _progress("Starting") as report:
            endpoints = stack.up(report)
    headline = "The stack is up already" if was_up else "The stack is up"
    opened = "with" if endpoints.credentials else "without"
    output.print(f"[green]{headline}[/green]: for this machine only, {opened} passwords")
    _print_pair("OpenSearch", endpoints.opensearch_url)
    _print_pair("Valkey", endpoints.redis_url)
    _print_pair("Data", str(settings.data_dir))
    _print_credentials(endpoints.credentials)
    output.print("Next: [bold]enricher stack status[/bold], [bold]logs[/bold] or [bold]down[/bold]")


@app.command()
def down(data_dir: DataDir = None) -> None:
    """End the servers; their data stays for the next start."""
    with _errors_shown():
        settings = _settings(data_dir)
        stack = Stack(settings)
        was_up = any(server.pid for server in stack.status().servers)
        with _progress("Ending the servers"):
            stack.down()
    if was_up:
        output.print("[green]The stack is down[/green]; its data stays:")
        _print_pair("Data", str(settings.data_dir))
    else:
        output.print("No stack was running there.")
    output.print("Next: [bold]enricher stack up[/bold]")


@app.command()
def status(data_dir: DataDir = None) -> None:
    """Show each server: whether it answers, where, and for how long. Exits with 1 unless all do."""
    with _errors_shown():
        found = Stack(_settings(data_dir)).status()
    table = Table(
        "server", "state", "version", "address", "pid", "up for", box=None, pad_edge=False
    )
    for server in found.servers:
        table.add_row(
            server.name,
            _state(server),
            server.version or "",
            server.url or "",
            str(server.pid or ""),
            str(timedelta(seconds=int(server.uptime.total_seconds()))) if server.uptime else "",
        )
    output.print(table)
    _print_credentials(found.credentials)
    if not found.running:
        output.print("Next: [bold]enricher stack up[/bold], or [bold]enricher stack logs[/bold]")
        raise typer.Exit(1)


@app.command()
def logs(
    server: Annotated[ServerName | None, typer.Argument(help="Only this server's log.")] = None,
    data_dir: DataDir = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last.")] = 20,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
) -> None:
    """Print the end of the servers' logs."""
    with _errors_shown():
        stack = Stack(_settings(data_dir))
        names = [server] if server else list(ServerName)
        paths = {name: stack.log_path(name) for name in names}
        for name, path in paths.items():
            notices.print(f"[bold]{name}[/bold] {escape(str(path))}", soft_wrap=True)
            for line in stack.log_tail(name, lines):
                _print_plain(line)
    if follow:
        with suppress(KeyboardInterrupt):
            _follow(list(paths.values()))


def _settings(data_dir: Path | None, cache_dir: Path | None = None) -> StackSettings:
    settings = StackSettings.default()
    return replace(
        settings,
        data_dir=(data_dir or settings.data_dir).expanduser().resolve(),
        cache_dir=(cache_dir or settings.cache_dir).expanduser().resolve(),
    )


def _state(server: ServerStatus) -> str:
    if server.running:
        return "[green]up[/green]"
    return "[yellow]not answering[/yellow]" if server.pid else "[red]down[/red]"


def _print_pair(name: str, value: str) -> None:
    output.print(f"  {name:<11}{escape(value)}", soft_wrap=True, highlight=False)


def _print_credentials(credentials: Credentials | None) -> None:
    """Say where they are, never what they are."""
    if credentials is not None:
        _print_pair("Secrets", f"{credentials.directory} (USER.password, USER.pem, ca.pem)")


def _print_plain(line: str) -> None:
    output.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _progress(first: str) -> Iterator[Callable[[str], None]]:
    """Show what goes on: as one changing line on a terminal, as lines elsewhere."""
    if not notices.is_terminal:
        yield notices.print
        return
    with notices.status(first) as line:
        yield line.update


@contextmanager
def _errors_shown() -> Iterator[None]:
    try:
        yield
    except EnricherError as err:
        notices.print(f"[red]Error[/red]: {escape(str(err))}", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from err
    except KeyboardInterrupt as err:
        notices.print("Interrupted: what had been started was ended again.")
        raise typer.Exit(INTERRUPTED_EXIT_STATUS) from err


def _follow(paths: list[Path]) -> None:
    positions = {path: path.stat().st_size if path.exists() else 0 for path in paths}
    while True:
        for path in paths:
            size = path.stat().st_size if path.exists() else 0
            if size < positions[path]:  # a new run began a new log
                positions[path] = 0
            if size > positions[path]:
                with path.open("rb") as file:
                    file.seek(positions[path])
                    added = file.read(size - positions[path])
                # What follows the last line break waits for its rest.
                complete = added[: added.rfind(b"\n") + 1]
                positions[path] += len(complete)
                for line in complete.decode(errors="replace").splitlines():
                    _print_plain(line)
        time.sleep(FOLLOW_POLL_S)
