"""``enricher worker``: run worker processes."""

from __future__ import annotations

from typing import Annotated

import structlog
import typer

from enricher.bootstrap import container
from enricher.settings import LogFormat
from enricher.stores.task_queue import ENRICH_QUEUE, INGEST_QUEUE
from enricher.workers.logs import configure_logging


def worker(
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Processes; the settings say how many by default.")
    ] = None,
    queues: Annotated[
        str, typer.Option(help="Which queues to serve, separated by commas.")
    ] = f"{INGEST_QUEUE},{ENRICH_QUEUE}",
) -> None:
    """Run worker processes that take log files from the queue until it is told to stop."""
    services = container()
    settings = services.settings
    configure_logging(json=settings.log_format is LogFormat.JSON, level=settings.log_level)
    # The tasks register on the application as they are imported; settings are checked by then.
    from enricher.workers.tasks import app  # noqa: PLC0415

    given_back = services.queue.give_back_orphans()
    if given_back:
        structlog.get_logger("enricher").info("orphans_given_back", tasks=given_back)
    processes = concurrency or settings.worker.concurrency
    app.worker_main(
        [
            "worker",
            f"--concurrency={processes}",
            f"--queues={queues}",
            "--pool=prefork",
            f"--loglevel={settings.log_level}",
            "--without-gossip",
            "--without-mingle",
        ]
    )
