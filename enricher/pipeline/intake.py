"""Hand log files over to the workers: first noted in the ledger, then queued (design §6).

The queue may be lost with the server that holds it. The ledger isn't, and says what was queued
and never ended; that is queued again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

from enricher.pipeline.ledger import queued_entry
from enricher.pipeline.ports import LogFileStat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enricher.pipeline.ports import Clock, Ledger, TaskQueue

# Small files share a task, and so their bulk requests. Bounded, so that the work still spreads
# over processes and one that dies gives little back.
_GROUP_BYTES = 640 << 10  # compressed: some 5,000 records
_GROUP_FILES = 256
_UNKNOWN_BYTES = _GROUP_BYTES // 8
# Between noting a file and queueing it; what is older and not in the queue is lost.
_SENDING = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Where log files are handed over."""

    ledger: Ledger
    queue: TaskQueue
    clock: Clock

    def take(self, files: Iterable[LogFileStat], run_id: str) -> int:
        """Note files in the ledger and queue them; give how many.

        Raises:
            UnavailableError: If a server does not answer; calling again harms nothing.
        """
        count = 0
        for group in grouped(files):
            at = self.clock.now()
            self.ledger.save_files([queued_entry(file, run_id, at) for file in group])
            self.queue.ingest([file.location for file in group], run_id)
            count += len(group)
        return count

    def publish_ahead(self, files: Iterable[LogFileStat]) -> None:
        """Have the facts of files published before any of them is taken (ADR 0015).

        Of files that share a task nothing is asked: they are published together anyway.
        """
        groups = grouped(files)
        first, second = next(groups, None), next(groups, None)
        if first is None or second is None:
            return
        for group in chain((first, second), groups):
            self.queue.publish_ahead([file.location for file in group])

    def take_lost(self) -> int:
        """Queue again what the ledger knows as queued and the queue has lost; give how many.

        Only an empty queue tells that something is lost; while there is work, it may be in there.
        """
        if self.queue.ingesting():
            return 0
        lost = self.ledger.still_queued(self.clock.now() - _SENDING)
        by_run: dict[str, list[LogFileStat]] = {}
        for entry in lost:
            stat = LogFileStat(
                location=entry["location"],
                size_bytes=entry.get("size_bytes"),
                etag=entry.get("etag"),
            )
            by_run.setdefault(entry["run_id"], []).append(stat)
        return sum(self.take(files, run_id) for run_id, files in by_run.items())


def grouped(files: Iterable[LogFileStat]) -> Iterator[list[LogFileStat]]:
    """Group files that are ingested together, in order; a large one is alone."""
    group: list[LogFileStat] = []
    size = 0
    for file in files:
        file_bytes = _UNKNOWN_BYTES if file.size_bytes is None else file.size_bytes
        if group and (size + file_bytes > _GROUP_BYTES or len(group) >= _GROUP_FILES):
            yield group
            group, size = [], 0
        group.append(file)
        size += file_bytes
    if group:
        yield group
