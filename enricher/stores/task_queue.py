"""The task queue: Celery over Redis, configured for delivery at least once (design §6)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import redis
from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError

from enricher.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INGEST_TASK = "enricher.ingest_log_file"
ENRICH_TASK = "enricher.enrich_again"
ENRICH_FILE_TASK = "enricher.enrich_file"
RECONCILE_TASK = "enricher.reconcile"
INGEST_QUEUE = "enricher.ingest"
ENRICH_QUEUE = "enricher.enrich"
_KEYS_PER_TASK = 500
_GRACE = timedelta(minutes=15)
_ATTEMPTS_KEPT = timedelta(days=1)


def make_celery(
    redis_url: str,
    *,
    time_limit: timedelta,
    reconcile_every: timedelta = timedelta(minutes=5),
    tls: Mapping[str, Any] | None = None,
) -> Celery:
    """Make the Celery application that workers, senders and the scheduler share."""
    app = Celery("enricher", broker=redis_url, broker_use_ssl=tls)
    app.conf.update(
        # A worker that dies in the middle of a task gives it back: documents are written with
        # op create and facts are sets, so a repetition harms nothing.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        # One reserved task a process: a crash gives back little, and large files don't wait
        # behind one another while other processes are idle.
        worker_prefetch_multiplier=1,
        # Redis hands a task out again when it was not acknowledged for this long; it must outlast
        # the longest task, or long files would be ingested twice at the same time.
        broker_transport_options={
            "visibility_timeout": int((time_limit + _GRACE).total_seconds()),
        },
        task_time_limit=int(time_limit.total_seconds()),
        # The soft limit comes first and lets the task fail in order, with its connections closed.
        task_soft_time_limit=int((time_limit * 0.95).total_seconds()),
        # On TERM, tasks in hand get this long to finish before they are given back.
        worker_soft_shutdown_timeout=30.0,
        # Results are in the ledger, where they outlive the queue.
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_queues=[Queue(INGEST_QUEUE), Queue(ENRICH_QUEUE)],
        task_default_queue=INGEST_QUEUE,
        task_routes={
            name: {"queue": ENRICH_QUEUE}
            for name in (ENRICH_TASK, ENRICH_FILE_TASK, RECONCILE_TASK)
        },
        beat_schedule={
            "reconcile": {"task": RECONCILE_TASK, "schedule": reconcile_every.total_seconds()},
        },
        broker_connection_retry_on_startup=True,
        # Log lines are ours, in one format; Celery would put its own handlers in front.
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


class RedisAttempts:
    """Counts beginnings of log files; a count is forgotten a day after the last."""

    def __init__(self, client: redis.Redis, *, prefix: str = "enricher:attempts:") -> None:
        self._client = client
        self._prefix = prefix

    def begin(self, location: str) -> int:
        """Note a beginning; give how many there were in a row."""
        try:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.incr(self._prefix + location)
            pipeline.expire(self._prefix + location, _ATTEMPTS_KEPT)
            return int(pipeline.execute()[0])
        except (redis.ConnectionError, redis.TimeoutError) as err:
            raise UnavailableError("Redis does not answer") from err

    def end(self, location: str) -> None:
        """Note an end that the worker survived."""
        try:
            self._client.delete(self._prefix + location)
        except (redis.ConnectionError, redis.TimeoutError) as err:
            raise UnavailableError("Redis does not answer") from err


class CeleryTaskQueue:
    """Sends work by task name, so that nobody who sends imports the workers."""

    def __init__(self, app: Celery, client: redis.Redis) -> None:
        self._app = app
        self._client = client

    def ingest(self, location: str, run_id: str) -> None:
        """Ask for a log file to be ingested; its arguments are references, never records."""
        self._send(INGEST_TASK, [location, run_id])

    def enrich_again(self, keys: Sequence[str]) -> None:
        """Ask for the events behind these keys to be resolved again.

        A key may be asked for twice; to note which are queued would lose those that a process
        noted and died before it sent them.
        """
        for start in range(0, len(keys), _KEYS_PER_TASK):
            self._send(ENRICH_TASK, [list(keys[start : start + _KEYS_PER_TASK])])

    def enrich_file(self, location: str) -> None:
        """Ask for what was written raw of a log file to be enriched."""
        self._send(ENRICH_FILE_TASK, [location])

    def depth(self) -> int:
        """Give how many tasks wait or are in hand."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.llen(INGEST_QUEUE)
        pipeline.llen(ENRICH_QUEUE)
        pipeline.hlen("unacked")
        return sum(int(count) for count in pipeline.execute())

    def workers(self, timeout: timedelta = timedelta(seconds=1)) -> int:
        """Give how many workers answer."""
        answers = self._app.control.ping(timeout=timeout.total_seconds())
        return len(answers or ())

    def _send(self, task: str, args: list[object]) -> None:
        try:
            self._app.send_task(task, args=args)
        except OperationalError as err:
            raise UnavailableError("the task queue does not answer") from err
