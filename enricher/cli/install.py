"""``enricher install``: put the index templates in place."""

from __future__ import annotations

from enricher.bootstrap import container
from enricher.cli.shown import out, text
from enricher.stores import templates


def install() -> None:
    """Put index templates, ledger and quarantine into OpenSearch; safe to repeat."""
    services = container()
    names = templates.install(
        services.opensearch, services.settings.opensearch.period, services.enrichers
    )
    out.print(text(f"Installed in {services.endpoints.opensearch_url}:"))
    for name in names:
        out.print(text(f"  {name}"))
