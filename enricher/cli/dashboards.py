"""``enricher dashboards``: put dashboards and searches where people look at them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from enricher.bootstrap import container
from enricher.cli.shown import out, text
from enricher.errors import ConfigurationError
from enricher.stores.dashboards_client import load_saved_objects

app = typer.Typer(
    no_args_is_help=True,
    help="Dashboards and searches for OpenSearch Dashboards.",
    rich_markup_mode=None,
)


@app.command("install")
def install(
    url: Annotated[
        str | None,
        typer.Option(
            help="Address of OpenSearch Dashboards, with its base path; without it "
            "ENRICHER_DASHBOARDS__URL.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Import index patterns, dashboards and saved searches; safe to repeat.

    What is there under the same ids is replaced, with all changes that were made to it there.
    """
    services = container()
    count = services.dashboards(url).install(
        load_saved_objects(services.settings.dashboards.investigate_url)
    )
    out.print(text(f"{count} saved objects installed in OpenSearch Dashboards"))


@app.command("export-file")
def export_file(
    path: Annotated[Path, typer.Argument(help="File to write; its name must end in .ndjson.")],
) -> None:
    """Write the same as a file, to import by hand in Dashboards Management, Saved objects."""
    if path.suffix != ".ndjson":
        raise ConfigurationError(
            f"{path} must end in .ndjson: OpenSearch Dashboards takes no other file"
        )
    content = load_saved_objects(container().settings.dashboards.investigate_url)
    try:
        path.write_bytes(content)
    except OSError as err:
        raise ConfigurationError(f"{path} cannot be written: {err.strerror}") from err
    out.print(text(f"{len(content.splitlines())} saved objects in {path}"))
