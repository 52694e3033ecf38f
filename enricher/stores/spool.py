"""Log files that arrive on a stream: kept on disk, so that tasks can refer to them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from enricher.errors import LogFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK_BYTES = 1 << 20


def spool(stream: BinaryIO, directory: Path, *, limit: int) -> str:
    """Write a stream to a file named after its content; the same content twice is one file.

    Only the present user may read it: records hold secrets.

    Args:
        stream: Read to its end.
        directory: Made where it is missing.
        limit: Bytes at most.

    Returns:
        The file's absolute path.

    Raises:
        LogFileError: ``file-empty``, ``inflated-size-exceeded``; nothing is kept then.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=directory, prefix=".arriving-")
    arriving = Path(name)
    try:
        digest, size = hashlib.sha256(), 0
        with os.fdopen(descriptor, "wb") as file:
            for chunk in _chunks(stream):
                size += len(chunk)
                if size > limit:
                    raise LogFileError("inflated-size-exceeded")
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if not size:
            raise LogFileError("file-empty")
        kept = directory.resolve() / f"stdin-{digest.hexdigest()}"
        arriving.replace(kept)
    finally:
        arriving.unlink(missing_ok=True)
    return str(kept)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk
