"""``enricher settings``: every setting, its variable and its value."""

from __future__ import annotations

from pydantic import BaseModel, SecretStr
from rich.table import Table

from enricher.bootstrap import container
from enricher.cli.shown import out, text


def show_settings() -> None:
    """List every setting with the environment variable that sets it and its present value."""
    table = Table("variable", "value", "what it is", box=None, pad_edge=False)
    _add_rows(table, container().settings, "ENRICHER_")
    out.print(table)


def _add_rows(table: Table, section: BaseModel, prefix: str) -> None:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            _add_rows(table, value, f"{prefix}{name.upper()}__")
            continue
        shown = "(set)" if isinstance(value, SecretStr) else value
        table.add_row(
            text(f"{prefix}{name.upper()}"),
            text("" if shown is None else shown),
            text(field.description or "", style="dim"),
        )
