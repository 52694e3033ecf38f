"""Listens: on this machine alone, unless there is TLS or somebody said that none is needed."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

import uvicorn

from enricher.errors import ConfigurationError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from enricher.settings import ApiSettings

_SECONDS_TO_END = 30


def check_address(settings: ApiSettings) -> None:
    """Refuse to speak in the clear to others than this machine.

    Raises:
        ConfigurationError: If that is what the settings ask for.
    """
    if settings.tls_certificate or settings.without_tls or is_loopback(settings.address):
        return
    raise ConfigurationError(
        f"{settings.address} is not this machine alone, and keys would be sent in the clear: set "
        "ENRICHER_API__TLS_CERTIFICATE and ENRICHER_API__TLS_KEY, or say --without-tls behind a "
        "proxy that has TLS"
    )


def is_loopback(address: str) -> bool:
    """Say whether nobody but this machine reaches an address; a name has to say so everywhere."""
    try:
        found = {ipaddress.ip_address(address)}
    except ValueError:
        try:
            answers = socket.getaddrinfo(address, None)
        except OSError as err:
            raise ConfigurationError(
                f"{address} is no address of this machine: set ENRICHER_API__ADDRESS"
            ) from err
        found = {ipaddress.ip_address(answer[4][0]) for answer in answers}
    return all(one.is_loopback for one in found)


def serve(app: FastAPI, settings: ApiSettings) -> None:
    """Serve until told to stop.

    Raises:
        ConfigurationError: If the address is not to be had, or not to be used.
    """
    check_address(settings)
    config = uvicorn.Config(
        app,
        host=settings.address,
        port=settings.port,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        log_config=None,  # the log is structlog's
        access_log=False,  # the audit has every call, without what was asked for
        server_header=False,
        proxy_headers=False,  # whoever sends them could name any address in the audit
        timeout_graceful_shutdown=_SECONDS_TO_END,
    )
    server = uvicorn.Server(config)
    try:
        server.run()
    except (OSError, SystemExit) as err:
        raise ConfigurationError(
            f"the API cannot listen on {settings.address} port {settings.port}: set "
            "ENRICHER_API__ADDRESS and ENRICHER_API__PORT"
        ) from err
