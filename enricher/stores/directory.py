"""Log files on disk: find them, read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from enricher.cloudtrail.logfile import FileKind, kind_of
from enricher.errors import LogFileError
from enricher.pipeline.ports import LogFileStat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHUNK_BYTES = 1 << 20


@dataclass(slots=True)
class Found:
    """What lies below some paths.

    Attributes:
        logs: Log files by absolute path, sorted by it.
        skipped: Why each other file is left out: path → reason.
    """

    logs: dict[str, LogFileStat] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def find_log_files(paths: Iterable[Path]) -> Found:
    """Find log files in directories, recursively; a file that is named itself is taken as it is.

    Raises:
        FileNotFoundError: If a path does not exist.
    """
    found = Found()
    for path in paths:
        if path.is_dir():
            _walk(path, found)
        elif path.exists():
            _sort_in(path, found, named=True)
        else:
            raise FileNotFoundError(path)
    found.logs = dict(sorted(found.logs.items()))
    return found


def _walk(directory: Path, found: Found) -> None:
    try:
        children = sorted(directory.iterdir())
    except PermissionError:
        found.skipped[str(directory.resolve())] = "permission-denied"
        return
    for child in children:
        if child.is_dir() and not child.is_symlink():
            _walk(child, found)
        elif child.is_file():
            _sort_in(child, found, named=False)


def _sort_in(path: Path, found: Found, *, named: bool) -> None:
    location = str(path.resolve())
    kind = kind_of(location)
    if kind is FileKind.LOG or (named and kind is FileKind.OTHER):
        found.logs[location] = LogFileStat(location=location, size_bytes=path.stat().st_size)
    else:
        found.skipped[location] = f"{kind.value}-file" if kind is not FileKind.OTHER else "not-json"


class DirectoryLogFiles:
    """Reads log files from disk; a location is an absolute path."""

    def read(self, location: str) -> Iterator[bytes]:
        """Give the file's bytes in pieces of 1 MiB."""
        try:
            with Path(location).open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
        except FileNotFoundError as err:
            raise LogFileError("file-missing") from err
        except PermissionError as err:
            raise LogFileError("permission-denied") from err
        except OSError as err:
            raise LogFileError("file-unreadable") from err
