"""Writes what is generated: pages of docs/reference, docs/rules.md, mappings of the enrichers.

python -m tools.reference
"""

from __future__ import annotations

import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import typer
from pydantic import BaseModel, ByteSize, SecretStr
from typer.testing import CliRunner

from enricher.api import app as _  # noqa: F401 - every series of its routes begins with it
from enricher.api import metrics as api_metrics
from enricher.cli.main import cli
from enricher.cloudtrail import codec
from enricher.enrichers.registry import ENVELOPE, built_in
from enricher.settings import Settings
from enricher.stores.templates import ENVELOPE_COMPONENT, components_of, envelope
from enricher.workers import metrics
from tools.messages import messages_page, notice_schema
from tools.rulepages import rules_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client import CollectorRegistry
    from pydantic.fields import FieldInfo

    from enricher.enrichers.fields import Field

REPOSITORY = Path(__file__).parents[1]
DIRECTORY = REPOSITORY / "docs" / "reference"
COMPONENTS = REPOSITORY / "mappings" / "component"
WRITTEN_BY = "<!-- Written by `make docs`; a test keeps it fresh. -->\n"
UNITS = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


def main() -> None:
    """Write everything anew."""
    for path, content in written().items():
        path.write_text(content)
        print(path)


def written() -> dict[Path, str]:
    """Give every generated file by its place."""
    components = {**components_of(built_in()), ENVELOPE_COMPONENT: envelope()}
    mappings = {
        COMPONENTS / f"{name}.json": codec.pretty(body).decode()
        for name, body in components.items()
    }
    pages = {
        "cli.md": _commands(),
        "metrics.md": _metrics(),
        "settings.md": _settings(),
        "fields.md": _fields(),
        "alert-messages.md": messages_page(WRITTEN_BY),
        "alert-notice.schema.json": notice_schema(),
    }
    rules = {REPOSITORY / "docs" / "rules.md": rules_page()}
    return {**{DIRECTORY / name: text for name, text in pages.items()}, **rules, **mappings}


def _fields() -> str:
    lines = [
        "# Fields of `enriched`",
        "",
        WRITTEN_BY,
        "CloudTrail's own fields stay at the top level of an event, under CloudTrail's names. What",
        "the enricher adds is under `enriched`. A field that does not apply is absent.",
        "",
        "Times are UTC. `confidence` is one of `exact`, `strong`, `moderate`, `weak`, `none`; a",
        "chain is as sure as its weakest hop. Rules are explained in",
        "[How an origin is found](../explanation/origin.md). Plug-ins add fields of their own:",
        "`enricher enrichers describe NAME`.",
        "",
        *_field_table("What the pipeline says", ENVELOPE),
    ]
    for enricher in built_in():
        lines += _field_table(f"The enricher {enricher.name}", enricher.fields)
    return "\n".join(lines).rstrip("\n") + "\n"


def _field_table(title: str, fields: Iterable[Field]) -> Iterator[str]:
    yield from (f"## {title}", "", "| field | type | what | example | since |")
    yield "| --- | --- | --- | --- | --- |"
    for field in fields:
        meaning = field.meaning.replace("|", "\\|")
        yield (
            f"| `enriched.{field.name}` | {field.type} | {meaning} | `{field.shown}` "
            f"| {field.since} |"
        )
    yield ""


def _settings() -> str:
    lines = [
        "# Settings",
        "",
        WRITTEN_BY,
        "Every setting is an environment variable; `enricher settings` shows their values.",
        "A variable that begins with `ENRICHER_` and is not listed here is refused.",
        "",
        "Durations are written `HH:MM:SS` or as ISO 8601 has it (`PT30S`, `P30D`), sizes as",
        "`512MiB` or in bytes.",
        "",
        "| variable | default | what it is |",
        "| --- | --- | --- |",
        *_rows(Settings, "ENRICHER_"),
    ]
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _rows(kind, f"{prefix}{name.upper()}__")
        else:
            words = " ".join((field.description or "").split()).replace("|", "\\|")
            yield f"| `{prefix}{name.upper()}` | {_default(field)} | {words} |"


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "the user's own"  # differs from user to user
    value: Any = field.get_default()
    if value is None or isinstance(value, SecretStr):
        return ""
    if _is_size(field.annotation):
        return f"`{_size(int(value))}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _is_size(kind: Any) -> bool:  # noqa: ANN401 - any annotation
    if get_origin(kind) in (Union, types.UnionType):
        return any(_is_size(part) for part in get_args(kind))
    return kind is ByteSize


def _size(count: int) -> str:
    for unit, factor in UNITS:
        if count % factor == 0:
            return f"{count // factor}{unit}"
    return str(count)


def _metrics() -> str:
    lines = [
        "# Metrics",
        "",
        WRITTEN_BY,
        "What a worker serves for Prometheus where `ENRICHER_WORKER__METRICS_PORT` is set;",
        "[how to monitor](../how-to/monitor.md) says how to scrape it and what to watch.",
        "",
        "Labels come from closed sets, never from records. Counters and histograms are of one",
        "worker, all its processes together; they begin at zero when it starts.",
        "",
        "| metric | kind | labels | what it is |",
        "| --- | --- | --- | --- |",
        *sorted(_counted(metrics.REGISTRY)),
        "",
        "These are asked of the servers at each scrape, so every worker gives the same: take the",
        "`max` over workers, never the sum.",
        "",
        "| metric | kind | labels | what it is |",
        "| --- | --- | --- | --- |",
        *(
            _metric_row(gauge.name, "gauge", _label(gauge.label, gauge.values), gauge.what)
            for gauge in metrics.AT_SCRAPE
        ),
        "",
        "What `enricher api` gives under `/metrics`, to keys with the scope admin. They are of one",
        "process; the route `none` is of calls that no route took.",
        "",
        "| metric | kind | labels | what it is |",
        "| --- | --- | --- | --- |",
        *sorted(_counted(api_metrics.REGISTRY)),
    ]
    return "\n".join(lines) + "\n"


def _counted(registry: CollectorRegistry) -> Iterator[str]:
    for family in registry.collect():
        values: dict[str, set[str]] = {}
        for sample in family.samples:
            for label, value in sample.labels.items():
                values.setdefault(label, set()).add(value)
        values.pop("le", None)
        labels = "<br>".join(_label(label, sorted(found)) for label, found in values.items())
        suffix = "_total" if family.type == "counter" else ""
        yield _metric_row(family.name + suffix, family.type, labels, family.documentation)


def _label(label: str | None, values: Iterable[str]) -> str:
    return "" if label is None else f"`{label}`: {', '.join(f'`{value}`' for value in values)}"


def _metric_row(name: str, kind: str, labels: str, what: str) -> str:
    return f"| `{name}` | {kind} | {labels} | {what} |"


def _commands() -> str:
    lines = ["# Commands", "", WRITTEN_BY]
    for path in command_paths():
        help_text = _help(path)
        lines += [f"## {' '.join(('enricher', *path))}", "", "```text", help_text, "```", ""]
    return "\n".join(lines)


def command_paths() -> list[tuple[str, ...]]:
    """Give every command, groups among them, as the words after ``enricher``."""
    return list(_walk(typer.main.get_command(cli), ()))


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:  # noqa: ANN401
    yield path
    for name, child in sorted(getattr(command, "commands", {}).items()):
        yield from _walk(child, (*path, name))


def _help(path: tuple[str, ...]) -> str:
    answer = CliRunner().invoke(
        cli, [*path, "--help"], prog_name="enricher", env={"COLUMNS": "80", "TERM": "dumb"}
    )
    return "\n".join(line.rstrip() for line in answer.output.strip().splitlines())


if __name__ == "__main__":
    main()
