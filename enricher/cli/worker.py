"""``enricher worker``: run worker processes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import structlog
import typer

from enricher.bootstrap import container
from enricher.settings import LogFormat
from enricher.stores.task_queue import QUEUES
from enricher.workers.logs import configure_logging
from enricher.workers.shared import counting_directory


def worker(
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Processes; the settings say how many by default.")
    ] = None,
    queues: Annotated[
        str, typer.Option(help="Which queues to serve, separated by commas.")
    ] = ",".join(QUEUES),
) -> None:
    """Run worker processes that take log files from the queue until it is told to stop."""
    services = container()
    settings = services.settings
    configure_logging(json=settings.log_format is LogFormat.JSON, level=settings.log_level)
    served = settings.worker.metrics_port is not None
    with counting_directory() if served else nullcontext() as directory:
        # Metrics learn where they are kept, and tasks register, as they are imported.
        from enricher.workers import account, exporter  # noqa: PLC0415
        from enricher.workers.tasks import app  # noqa: PLC0415

        given_back = services.queue.give_back_orphans()
        if given_back:
            structlog.get_logger("enricher").info("orphans_given_back", tasks=given_back)
        account.connect()
        if directory is not None:
            exporter.serve(settings, directory)
        app.worker_main(
            [
                "worker",
                f"--concurrency={concurrency or settings.worker.concurrency}",
                f"--queues={queues}",
                "--pool=prefork",
                f"--loglevel={settings.log_level}",
                "--without-gossip",
                "--without-mingle",
            ]
        )
