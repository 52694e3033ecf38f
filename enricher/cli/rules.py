"""``enricher rules``: install alert rules, see how they do, and try them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from enricher.alerts.alert import Alert
from enricher.alerts.backtest import BEGINNING
from enricher.alerts.backtest import backtest as alerts_since
from enricher.alerts.catalogue import Checked, check, install, set_enabled
from enricher.alerts.errors import UnknownRuleError
from enricher.alerts.exporting import EVENTS, ExportFormat, NotExported, exported
from enricher.bootstrap import Container, container
from enricher.cli.shown import err, out, plain, text
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time, parse_time
from enricher.errors import ConfigurationError
from enricher.pipeline.offline import Explained, explain
from enricher.stores import templates
from enricher.stores.directory import DirectoryLogFiles, find_log_files
from enricher.stores.memory import SystemClock
from enricher.stores.opensearch_scratch import scratch_index
from enricher.stores.rule_files import read_rule_files, shipped_rules

if TYPE_CHECKING:
    from enricher.alerts.rules import Rule

app = typer.Typer(
    no_args_is_help=True,
    help="Alert rules: Sigma, on CloudTrail's fields and on who was behind them.",
    rich_markup_mode=None,
)
_PATHS = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[PATH]...",
        help="Rule files, or folders of them; those that come with the enricher by default.",
        show_default=False,
    ),
]
_ID = Annotated[str, typer.Argument(metavar="ID", help="Its id, or how it begins.")]


@app.command("install")
def install_rules(paths: _PATHS = None) -> None:
    """Install rules; those that are there in this version already stay as they are.

    What was disabled stays disabled. The exit code is 1 if a rule cannot be expressed.
    """
    services = container()
    templates.ensure(services.opensearch, services.settings.opensearch.period, services.enrichers)
    checked = _check(paths, services)
    done = install(checked.rules, services.rules, SystemClock().now())
    out.print(
        f"{len(done.new)} rules installed, {len(done.updated)} updated, "
        f"{len(done.unchanged)} as they were."
    )
    _end_with(checked)


@app.command("check")
def check_rules(paths: _PATHS = None) -> None:
    """Say which rules cannot be expressed, and why; asks no server.

    The exit code is 1 if there is one.
    """
    checked = _check(paths, container())
    out.print(f"{len(checked.rules)} rules can be used.")
    _end_with(checked)


@app.command("list")
def list_rules() -> None:
    """List installed rules, what is wrong with them, and when they last ran."""
    services = container()
    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True)
    for column in ("level", "runs", "title", "fault"):
        table.add_column(column, overflow="fold")
    rules = services.rules.rules()
    for one in rules:
        fault = f"{one.error} (since {one.failing_since})" if one.error else ""
        table.add_row(
            text(one.id),
            text(one.level),
            "yes" if one.enabled else "no",
            text(one.title),
            text(fault, style="red"),
        )
    out.print(table)
    progress = services.progress.read()
    judged = format_time(progress.cursor) if progress and progress.cursor else "nothing yet"
    err.print(text(f"{len(rules)} rules; judged until {judged}"))


@app.command("disable")
def disable(rule_id: _ID) -> None:
    """Let a rule judge nothing any more; its alerts stay."""
    _switch(rule_id, enabled=False)


@app.command("enable")
def enable(rule_id: _ID) -> None:
    """Let a rule judge again: what is enriched from now on."""
    _switch(rule_id, enabled=True)


@app.command("test")
def test(
    rule: Annotated[
        str, typer.Argument(metavar="RULE", help="A rule file, or an installed rule's id.")
    ],
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Log files, or folders of them.")
    ],
) -> None:
    """Enrich log files, and say which alerts a rule would raise by them; nothing is kept.

    The events are searched in an index of their own, which is deleted afterwards. The exit code
    is 1 if the rule finds nothing in them.
    """
    services = container()
    rules = _rules_of(rule, services)
    report = Explained()
    found = find_log_files(paths)
    limits = services.settings.input.limits()
    events = list(explain(found.logs, DirectoryLogFiles(), limits, services.enrichers, report))
    mappings = templates.with_enrichers(templates.load_mappings(), services.enrichers)
    documents = ((event.document_id, event.document) for event in events)
    with scratch_index(services.opensearch, mappings, documents) as index:
        alerts, errors = alerts_since(rules, BEGINNING, services.backtesting(index))
    _show(alerts, rules, errors)
    err.print(text(f"{len(events)} events looked at"))
    if not alerts:
        raise typer.Exit(1)


@app.command("backtest")
def backtest(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="From when on, e.g. 2026-03-01 or …T08:00:00Z.")
    ],
    paths: _PATHS = None,
) -> None:
    """Say which alerts rules would have raised by the events that are indexed; keeps nothing.

    Without a path, the rules that are installed and enabled are tried.
    """
    at = parse_time(since)
    if at is None:
        raise typer.BadParameter("say since when, e.g. 2026-03-01")
    services = container()
    if paths:
        checked = _check(paths, services)
        rules = [rule for rule, _, _ in checked.rules]
    else:
        compiler = services.evaluating.compiler
        rules = [compiler.rule(one) for one in services.rules.rules() if one.enabled]
    alerts, errors = alerts_since(rules, at, services.backtesting())
    _show(alerts, rules, errors)


@app.command("export")
def export(
    form: Annotated[
        ExportFormat, typer.Option("--format", help="For which plug-in of OpenSearch.")
    ],
    paths: _PATHS = None,
    installed: Annotated[  # noqa: FBT002 - Typer's flags
        bool, typer.Option("--installed", help="Those that are installed and enabled instead.")
    ] = False,
    index: Annotated[str, typer.Option(help="Where the events are.")] = EVENTS,
) -> None:
    """Write rules for OpenSearch's Alerting or Security Analytics: a line of JSON for each request.

    A line is the body of `POST _plugins/_alerting/monitors`; or it holds, as `rule`, the body of
    `POST _plugins/_security_analytics/rules?category=cloudtrail`. What a plug-in cannot judge is
    said on standard error, with the reason.
    """
    refused = 0
    for rule, source in _exportable(paths, container(), installed=installed):
        found = exported(rule, source, form, index)
        if isinstance(found, NotExported):
            refused += 1
            said = f"not exported: {rule.title}: {found.reason}"
            err.print(text(said, style="yellow"), soft_wrap=True)
            continue
        for one in found:
            typer.echo(codec.dumps(one).decode())
    err.print(f"{refused} rules cannot be exported")


def _exportable(
    paths: list[Path] | None, services: Container, *, installed: bool
) -> list[tuple[Rule, str]]:
    if not installed:
        return [(rule, source) for rule, source, _ in _check(paths, services).rules]
    compiler = services.evaluating.compiler
    stored = [one for one in services.rules.rules() if one.enabled]
    return [(compiler.rule(one), one.source) for one in stored]


def _check(paths: list[Path] | None, services: Container) -> Checked:
    files = {
        name: content
        for path in paths or [shipped_rules()]
        for name, content in read_rule_files(path).items()
    }
    return check(files, services.event_fields)


def _end_with(checked: Checked) -> None:
    for refusal, name in checked.refusals:
        said = f"{plain(name)}: {refusal.title}: {refusal.reason}"
        err.print(text(f"cannot be used: {said}", style="yellow"), soft_wrap=True)
    if checked.refusals:
        err.print(f"{len(checked.refusals)} rules cannot be used")
        raise typer.Exit(1)


def _switch(beginning: str, *, enabled: bool) -> None:
    services = container()
    rule = set_enabled(
        _whole_id(beginning, services), services.rules, SystemClock().now(), enabled=enabled
    )
    out.print(text(f"{rule.title}: {'runs' if rule.enabled else 'does not run'}"))


def _whole_id(beginning: str, services: Container) -> str:
    found = [one.id for one in services.rules.rules() if one.id.startswith(beginning)]
    if len(found) != 1:
        said = "several rules begin" if found else "no rule begins"
        raise UnknownRuleError(f"{said} with this id: `enricher rules list`")
    return found[0]


def _rules_of(name: str, services: Container) -> list[Rule]:
    if Path(name).exists():
        checked = _check([Path(name)], services)
        if not checked.rules:
            _end_with(checked)
        return [rule for rule, _, _ in checked.rules]
    stored = services.rules.rule(_whole_id(name, services))
    if stored is None:
        raise ConfigurationError("the rule was removed meanwhile")
    return [services.evaluating.compiler.rule(stored)]


def _show(alerts: list[Alert], rules: list[Rule], errors: dict[str, str]) -> None:
    counts = Counter(alert.rule.id for alert in alerts)
    events = Counter[str]()
    for alert in alerts:
        events[alert.rule.id] += alert.count
    table = Table("alerts", "events", "level", "rule", box=None, pad_edge=False)
    titles = {rule.id: rule for rule in rules}
    for rule_id, count in counts.most_common():
        rule = titles[rule_id]
        table.add_row(str(count), str(events[rule_id]), text(rule.level), text(rule.title))
    out.print(table)
    quiet = len(rules) - len(counts) - len(errors)
    out.print(f"{len(alerts)} alerts of {len(counts)} rules; {quiet} rules find nothing")
    for rule_id, reason in errors.items():
        err.print(text(f"failed: {titles[rule_id].title}: {reason}", style="red"))
