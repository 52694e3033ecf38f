"""What the embedded stack can be told, and what it says about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from platformdirs import user_cache_path, user_data_path

from enricher.stack.errors import StackError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from enricher.stack.credentials import Credentials

GIB = 1 << 30
SMALLEST_HEAP_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Where the stack lives and how much it may take.

    Attributes:
        data_dir: Indices, Valkey's append-only file, logs; one stack per directory.
        cache_dir: Downloaded files, shared by all stacks of this user.
        heap: Java heap of OpenSearch, bytes; the process takes about half as much again.
        opensearch_port: Preferred port; the next free one is taken where it is in use.
        redis_port: Preferred port of Valkey, likewise.
        java_home: A Java 21 or newer to use in place of the packaged one.
        start_timeout: How long one start of the servers may take, downloads not counted.
        secure: Make a new stack a secure one; one that was made secure stays so.
    """

    data_dir: Path
    cache_dir: Path
    heap: int = GIB
    opensearch_port: int = 9200
    redis_port: int = 6379
    java_home: Path | None = None
    start_timeout: timedelta = field(default=timedelta(minutes=3))
    secure: bool = False

    def __post_init__(self) -> None:
        if self.heap < SMALLEST_HEAP_BYTES:
            raise StackError(
                f"a heap of {self.heap} bytes is too small for OpenSearch: "
                f"give it at least {SMALLEST_HEAP_BYTES >> 20} MiB"
            )

    @classmethod
    def default(cls) -> StackSettings:
        """Use the current user's data and cache directories."""
        return cls(
            data_dir=user_data_path("enricher") / "stack",
            cache_dir=user_cache_path("enricher"),
        )


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the servers of a running stack answer.

    Attributes:
        opensearch_url: Address of OpenSearch.
        redis_url: Address of Valkey.
        credentials: The files that open them; None where nothing is needed.
    """

    opensearch_url: str
    redis_url: str
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server of the stack.

    Attributes:
        name: ``opensearch`` or ``valkey``.
        running: The process is there and answers.
        pid: The process, also while it is starting; None where there is none.
        url: Where it answers.
        version: What it says of itself.
        uptime: Since the process began.
        log_path: Its log, also when it is down.
    """

    name: str
    running: bool
    pid: int | None
    url: str | None
    version: str | None
    uptime: timedelta | None
    log_path: Path


@dataclass(frozen=True, slots=True)
class StackStatus:
    """The whole stack at one moment.

    Attributes:
        servers: All of them, also those that are down.
        at: When this was found, UTC.
        credentials: The files that open them; None where nothing is needed.
    """

    servers: tuple[ServerStatus, ...]
    at: datetime
    credentials: Credentials | None = None

    @property
    def running(self) -> bool:
        """Every server answers."""
        return all(server.running for server in self.servers)
