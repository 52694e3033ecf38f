"""The state file: which servers of a stack were started, so that any command finds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, distinguishable from a later one with the same number.

    Attributes:
        pid: Its number.
        created_at: When it began, seconds since the epoch, as the system says.
    """

    pid: int
    created_at: float


@dataclass(frozen=True, slots=True)
class ServerState:
    """One server that was started.

    Attributes:
        process: Its process.
        port: Where it listens, or is to listen.
        ready: It has answered; before that it is still starting.
    """

    process: ProcessIdentity
    port: int
    ready: bool = False


@dataclass(frozen=True, slots=True)
class StackState:
    """The servers that were started, by name."""

    servers: dict[str, ServerState] = field(default_factory=dict)


class StateFile:
    """Keeps the state of one stack; a file that cannot be read counts as none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> StackState:
        """Give what was written last; an empty state if nothing was."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=StackState)
        except (FileNotFoundError, msgspec.DecodeError):
            return StackState()

    def write(self, state: StackState) -> None:
        """Replace the file in one step; remove it when no server is left."""
        if not state.servers:
            self._path.unlink(missing_ok=True)
            return
        part = self._path.with_name(self._path.name + ".part")
        part.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n")
        part.replace(self._path)
