"""The task queue: Celery over Redis, configured for delivery at least once (design §6)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import redis
from celery import Celery
from kombu import Queue
from kombu.exceptions import OperationalError

from enricher.alerts.deliver import Kind
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time, parse_time
from enricher.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

INGEST_TASK = "enricher.ingest_log_files"
PUBLISH_TASK = "enricher.publish_ahead"
ENRICH_TASK = "enricher.enrich_again"
ENRICH_FILE_TASK = "enricher.enrich_file"
RECONCILE_TASK = "enricher.reconcile"
EVALUATE_TASK = "enricher.evaluate_rules"
DISPATCH_TASK = "enricher.dispatch_alerts"
# One name for each kind of target, so that logs and metrics tell them apart.
DELIVER_TASKS = {
    Kind.WEBHOOK: "enricher.deliver_to_webhook",
    Kind.SNS: "enricher.deliver_to_sns",
    Kind.EVENTBRIDGE: "enricher.deliver_to_eventbridge",
}
INGEST_QUEUE = "enricher.ingest"
ENRICH_QUEUE = "enricher.enrich"
ALERTS_QUEUE = "enricher.alerts"
DELIVERY_QUEUE = "enricher.deliver"
QUEUES = (INGEST_QUEUE, ENRICH_QUEUE, ALERTS_QUEUE, DELIVERY_QUEUE)
_IN_HAND = "unacked"  # where kombu keeps messages until they are acknowledged
NOTED = "enricher:again"  # keys that are to be sent, each with a mark of who asked last
_GATHERING = "enricher:gathering"  # is there where some worker has sent them a moment ago
GATHERED = "enricher:gathered"  # the same, for longer
GATHER_EVERY = timedelta(seconds=1)
GATHER_EVERY_WHILE_BUSY = timedelta(seconds=30)
# Forget keys that were sent, but for those that were asked for again meanwhile: KEYS = noted keys;
# ARGV = key and mark in turn.
_SENT = """
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
"""
_QUEUED_AT = "queued_at"  # a header of ours: Celery's messages don't say when they were sent
_KEYS_PER_TASK = 500
_ORPHANS_PING = timedelta(seconds=2)
_GRACE = timedelta(seconds=10)
_DELIVERY_EXPIRES = timedelta(seconds=30)
_ATTEMPTS_KEPT = timedelta(days=1)


def make_celery(
    redis_url: str,
    *,
    time_limit: timedelta,
    reconcile_every: timedelta = timedelta(minutes=5),
    evaluate_every: timedelta | None = None,
    tls: Mapping[str, Any] | None = None,
) -> Celery:
    """Make the Celery application that workers, senders and the scheduler share.

    Args:
        redis_url: The broker.
        time_limit: How long one task may take.
        reconcile_every: How often the scheduler asks for what was forgotten.
        evaluate_every: How often it asks for alert rules to be evaluated; None for never.
        tls: How the broker is reached over TLS.
    """
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
            "visibility_timeout": int((time_limit * 1.2 + _GRACE).total_seconds()),
        },
        task_time_limit=int(time_limit.total_seconds()),
        # A task beyond it is given back as if its process had died; one that fails is not, for
        # what is to be tried again says so. No soft limit: it would strike inside an enricher,
        # whose faults cost no event.
        task_acks_on_failure_or_timeout=False,
        # On TERM, tasks in hand get this long to finish before they are given back.
        worker_soft_shutdown_timeout=30.0,
        # Results are in the ledger, where they outlive the queue.
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_queues=[Queue(name) for name in QUEUES],
        task_default_queue=INGEST_QUEUE,
        task_routes={
            **{
                name: {"queue": ENRICH_QUEUE}
                for name in (ENRICH_TASK, ENRICH_FILE_TASK, RECONCILE_TASK)
            },
            # Apart, so that alerts do not wait behind a thousand log files.
            **{name: {"queue": ALERTS_QUEUE} for name in (EVALUATE_TASK, DISPATCH_TASK)},
            # Apart again, so that rules do not wait behind targets that do not answer.
            **{name: {"queue": DELIVERY_QUEUE} for name in DELIVER_TASKS.values()},
        },
        beat_schedule=_schedule(reconcile_every, evaluate_every),
        broker_connection_retry_on_startup=True,
        # Log lines are ours, in one format; Celery would put its own handlers in front.
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


def _schedule(reconcile: timedelta, evaluate: timedelta | None) -> dict[str, Any]:
    """Give what the scheduler asks for, and how often."""
    found: dict[str, Any] = {
        "reconcile": {"task": RECONCILE_TASK, "schedule": reconcile.total_seconds()}
    }
    if evaluate is not None:
        seconds = evaluate.total_seconds()
        # One that nobody took before the next is due has nothing to add to it.
        for name, task in (("evaluate", EVALUATE_TASK), ("dispatch", DISPATCH_TASK)):
            options = {"expires": seconds}
            found[name] = {"task": task, "schedule": seconds, "options": options}
    return found


def _is_of_queue(message: bytes | str, queue: str) -> bool:
    """Tell whose a message in hand is: kombu keeps it with the queue's name as routing key."""
    _, _, routing_key = codec.loads(message)
    return bool(routing_key == queue)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as err:
        raise UnavailableError("Redis does not answer") from err


class RedisAttempts:
    """Counts beginnings of log files; a count is forgotten a day after the last."""

    def __init__(self, client: redis.Redis, *, prefix: str = "enricher:attempts:") -> None:
        self._client = client
        self._prefix = prefix

    def begin(self, locations: Sequence[str]) -> list[int]:
        """Note beginnings; give how many there were in a row of each."""
        with _translated():
            pipeline = self._client.pipeline(transaction=False)
            for location in locations:
                pipeline.incr(self._prefix + location)
                pipeline.expire(self._prefix + location, _ATTEMPTS_KEPT)
            return [int(count) for count in pipeline.execute()[::2]]

    def end(self, locations: Sequence[str]) -> None:
        """Note ends that the worker survived."""
        with _translated():
            self._client.delete(*(self._prefix + location for location in locations))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLoad:
    """What the queues hold at one moment.

    Attributes:
        waiting: Tasks that no worker has yet, by queue.
        in_hand: Tasks that a worker has, among them those that it will try again later.
        noted: Keys whose events are to be resolved again, for which no task was sent yet.
        oldest_file_at: When the log file that waits longest was queued; None where none waits.
    """

    waiting: dict[str, int]
    in_hand: int
    noted: int = 0
    oldest_file_at: datetime | None = None

    @property
    def total(self) -> int:
        """Tasks that are not done; what is noted is one."""
        return sum(self.waiting.values()) + self.in_hand + bool(self.noted)


class CeleryTaskQueue:
    """Sends work by task name, so that nobody who sends imports the workers."""

    def __init__(self, app: Celery, client: redis.Redis) -> None:
        self._app = app
        self._client = client
        self._sent_script = client.register_script(_SENT)

    def ingest(self, locations: Sequence[str], run_id: str) -> None:
        """Ask for log files to be ingested; the arguments are references, never records."""
        self._send(INGEST_TASK, [list(locations), run_id])

    def publish_ahead(self, locations: Sequence[str]) -> None:
        """Ask for the facts of log files to be published, before the files are ingested.

        Both wait in the same queue, so that what is asked for first is done first.
        """
        self._send(PUBLISH_TASK, [list(locations)])

    def enrich_again(self, keys: Sequence[str]) -> None:
        """Ask for the events behind these keys to be resolved again, soon.

        Keys are noted, and a worker sends them a moment later together with what others ask for
        until then: each task refreshes the index and searches it, however few its keys are.
        """
        with _translated():
            mark = uuid4().hex
            for start in range(0, len(keys), _KEYS_PER_TASK):
                part = keys[start : start + _KEYS_PER_TASK]
                self._client.hset(NOTED, mapping=dict.fromkeys(part, mark))

    def gather(self) -> int:
        """Send what was noted, unless somebody just did; give how many keys.

        While files wait, much of what would be woken is about to be told more, and each waking
        makes the cluster refresh its indices: it is done less often.

        A key is forgotten after it was sent, and only if nobody asked for it again meanwhile. One
        that is sent twice changes nothing.
        """
        with _translated():
            if not self._client.hlen(NOTED):
                return 0
            if self._client.llen(INGEST_QUEUE) and self._client.exists(GATHERED):
                return 0
            if not self._client.set(_GATHERING, "", px=GATHER_EVERY * 0.9, nx=True):
                return 0
            self._client.set(GATHERED, "", px=GATHER_EVERY_WHILE_BUSY * 0.9)
            found: Any = self._client.hgetall(NOTED)  # not awaited
            noted = [(key.decode(), mark) for key, mark in found.items()]
        for start in range(0, len(noted), _KEYS_PER_TASK):
            part = noted[start : start + _KEYS_PER_TASK]
            self._send(ENRICH_TASK, [[key for key, _ in part]])
            with _translated():
                self._sent_script(keys=[NOTED], args=[one for pair in part for one in pair])
        return len(noted)

    def enrich_file(self, location: str) -> None:
        """Ask for what was written raw of a log file to be enriched."""
        self._send(ENRICH_FILE_TASK, [location])

    def dispatch(self) -> None:
        """Ask for everything to be told that is due."""
        self._send(DISPATCH_TASK, [])

    def deliver(self, kind: Kind, alert_id: str, target: str) -> None:
        """Ask for a target to be told of an alert.

        An attempt that nobody takes soon is forgotten: whoever looks next asks for it again.
        """
        expires = _DELIVERY_EXPIRES.total_seconds()
        self._send(DELIVER_TASKS[kind], [alert_id, target], expires=expires)

    def depth(self) -> int:
        """Give how many tasks wait or are in hand."""
        return self.load().total

    def ingesting(self) -> int:
        """Give how many tasks of log files wait or are in hand."""
        with _translated():
            waiting = int(self._client.llen(INGEST_QUEUE))
            in_hand = self._client.hvals(_IN_HAND)
        return waiting + sum(_is_of_queue(message, INGEST_QUEUE) for message in in_hand)

    def load(self) -> QueueLoad:
        """Look at the queues.

        Raises:
            UnavailableError: If Redis does not answer.
        """
        with _translated():
            pipeline = self._client.pipeline(transaction=False)
            for name in QUEUES:
                pipeline.llen(name)
            pipeline.hlen(NOTED)
            pipeline.hlen(_IN_HAND)
            pipeline.lindex(INGEST_QUEUE, -1)  # tasks are taken from this end
            *waiting, noted, in_hand, oldest = pipeline.execute()
        return QueueLoad(
            waiting={name: int(count) for name, count in zip(QUEUES, waiting, strict=True)},
            in_hand=int(in_hand),
            noted=int(noted),
            oldest_file_at=_queued_at(oldest),
        )

    def workers(self, timeout: timedelta = timedelta(seconds=1)) -> int:
        """Give how many workers answer."""
        answers = self._app.control.ping(timeout=timeout.total_seconds())
        return len(answers or ())

    def give_back_orphans(self) -> int:
        """Queue again what workers had in hand that died, where none is left; give how many.

        Without this, it would come back only when the visibility timeout is over. A task that
        somebody works on after all, unheard, is then done twice, which changes nothing.
        """
        if self.workers(_ORPHANS_PING):
            return 0
        with _translated(), self._app.connection_for_write() as connection:
            channel: Any = connection.default_channel  # Redis transport's own
            tags = self._client.zrange(channel.unacked_index_key, 0, -1)
            for tag in tags:
                channel.qos.restore_by_tag(tag)
        return len(tags)

    def _send(self, task: str, args: list[object], expires: float | None = None) -> None:
        try:
            queued_at = format_time(datetime.now(tz=UTC))
            headers = {_QUEUED_AT: queued_at}
            self._app.send_task(task, args=args, headers=headers, expires=expires)
        except OperationalError as err:
            raise UnavailableError("the task queue does not answer") from err


def _queued_at(message: bytes | None) -> datetime | None:
    if message is None:
        return None
    return parse_time(codec.loads(message)["headers"].get(_QUEUED_AT))
