"""``enricher api``: serve the HTTP API."""

from __future__ import annotations

from typing import Annotated

import structlog
import typer

from enricher.bootstrap import container
from enricher.settings import LogFormat
from enricher.workers.logs import configure_logging


def serve_api(
    address: Annotated[
        str | None, typer.Option(help="Address to listen on; the settings say by default.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port, likewise.")] = None,
    without_tls: Annotated[  # noqa: FBT002 - Typer's flags
        bool,
        typer.Option(
            "--without-tls",
            help="Listen beyond this machine without TLS, e.g. behind a proxy that has it.",
        ),
    ] = False,
) -> None:
    """Serve the API for playbooks until told to stop.

    It listens on this machine alone, unless there is a certificate or --without-tls.
    `enricher api-keys create` makes the key that every call needs.
    """
    from enricher.api.app import create_app  # noqa: PLC0415 - half a second that nobody else needs
    from enricher.api.serve import check_address, serve  # noqa: PLC0415

    services = container()
    settings = services.settings
    changes = {
        "address": address,
        "port": port,
        "without_tls": without_tls or None,
    }
    chosen = settings.api.model_copy(
        update={name: value for name, value in changes.items() if value is not None}
    )
    check_address(chosen)
    configure_logging(json=settings.log_format is LogFormat.JSON, level=settings.log_level)
    scheme = "https" if chosen.tls_certificate else "http"
    structlog.get_logger("enricher").info(
        "api_starting", url=f"{scheme}://{chosen.address}:{chosen.port}"
    )
    serve(create_app(services), chosen)
