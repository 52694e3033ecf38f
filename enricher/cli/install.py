"""``enricher install``: put the index templates in place, and the roles."""

from __future__ import annotations

from typing import Annotated

import typer

from enricher.bootstrap import container
from enricher.cli.shown import out, text
from enricher.stores import templates


def install(
    security: Annotated[  # noqa: FBT002 - Typer's flags
        bool,
        typer.Option(
            "--security", help="Put the roles for the Security plugin in place, nothing else."
        ),
    ] = False,
) -> None:
    """Put index templates, ledger and quarantine into OpenSearch; safe to repeat.

    Roles are put by an administrator of the Security plugin, who then maps users to them.
    """
    services = container()
    names = (
        templates.install_roles(services.opensearch)
        if security
        else templates.install(
            services.opensearch, services.settings.opensearch.period, services.enrichers
        )
    )
    out.print(text(f"Installed in {services.endpoints.opensearch_url}:"))
    for name in names:
        out.print(text(f"  {name}"))
