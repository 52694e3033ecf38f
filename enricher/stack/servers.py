"""What the stack needs to know of a server in order to run it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class Server(Protocol):
    """One server of the stack."""

    name: str
    log_path: Path
    directory: Path
    preferred_port: int

    def prepare(self, report: Callable[[str], None]) -> None:
        """Have everything ready that a start needs; slow the first time."""
        ...

    def command(self, port: int) -> tuple[str, ...]:
        """Write its settings for this port and give its command line."""
        ...

    def environment(self) -> Mapping[str, str]:
        """Give all environment variables that it gets."""
        ...

    def version(self, port: int) -> str | None:
        """Ask it for its version: None while it does not answer, or not yet in earnest."""
        ...

    def url(self, port: int) -> str:
        """Say where it answers."""
        ...
