"""``enricher alerts``: what rules found, and what became of it."""

from __future__ import annotations

import getpass
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from enricher.alerts import triage
from enricher.alerts.alert import Alert, Status
from enricher.alerts.deliver import tell_again
from enricher.alerts.errors import UnknownAlertError
from enricher.alerts.evaluate import evaluate
from enricher.alerts.ports import Wanted
from enricher.alerts.telling import Telling
from enricher.bootstrap import container
from enricher.cli.shown import err, out, plain, text
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import parse_time
from enricher.stores.memory import SystemClock

app = typer.Typer(
    no_args_is_help=True, help="What alert rules found: look, acknowledge, close, suppress."
)
_MOST_DELIVERIES = 1_000
_ID = Annotated[str, typer.Argument(metavar="ID", help="Its id, whole.")]
_NOTE = Annotated[str | None, typer.Option(help="Why; kept in the alert's history.")]
_RULE = Annotated[str | None, typer.Option(help="Only of the rule with this id.")]
_ORIGIN = Annotated[str | None, typer.Option(help="Only of this origin, by enriched.origin.id.")]
_ACCOUNT = Annotated[str | None, typer.Option(help="Only with events in this account.")]


@app.command("list")
def list_alerts(  # noqa: PLR0913, PLR0917 - one for each option
    status: Annotated[
        Status | None, typer.Option(help="Only with this status; without closed ones by default.")
    ] = None,
    rule: _RULE = None,
    origin: _ORIGIN = None,
    account: _ACCOUNT = None,
    suppressed: Annotated[  # noqa: FBT002 - Typer's flags
        bool, typer.Option("--suppressed", help="Suppressed ones too.")
    ] = False,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 100,
) -> None:
    """List alerts, newest first."""
    services = container()
    wanted = Wanted(
        status=status,
        rule_id=rule,
        origin_id=origin,
        account_id=account,
        silent_at=None if suppressed else SystemClock().now(),
    )
    services.alerts.refresh()
    found = services.alerts.find(wanted, most)
    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True)
    for column in ("severity", "status", "last event", "events", "who", "what"):
        table.add_column(column, overflow="fold")
    for one in found:
        if status is None and one.status is Status.CLOSED:
            continue
        table.add_row(
            text(one.id),
            text(one.severity),
            text(one.status.value),
            text(one.last_at),
            str(one.count),
            text(_who(one)),
            text(one.rule.title),
        )
    out.print(table)
    err.print("`enricher alerts show ID` prints one, whole", soft_wrap=True)


@app.command("show")
def show_alert(alert_id: _ID) -> None:
    """Print one alert as JSON, with its history."""
    services = container()
    services.alerts.refresh()
    found = services.alerts.get(alert_id)
    if found is None:
        raise UnknownAlertError("there is no alert of this id: `enricher alerts list`")
    out.print(text(codec.pretty(found.alert.document()).decode().rstrip()), soft_wrap=True)


@app.command("acknowledge")
def acknowledge(alert_id: _ID, note: _NOTE = None) -> None:
    """Say that somebody looks after an alert."""
    services = container()
    services.alerts.refresh()
    _said(triage.acknowledge(alert_id, _me(), services.triaging, note))


@app.command("close")
def close(alert_id: _ID, note: _NOTE = None) -> None:
    """Say that nothing is left to do about an alert; new events open it again."""
    services = container()
    services.alerts.refresh()
    _said(triage.close(alert_id, _me(), services.triaging, note))


@app.command("suppress")
def suppress(
    reason: Annotated[str, typer.Option(help="Why; shown with every alert that it covers.")],
    until: Annotated[
        str, typer.Option(metavar="TIME", help="Until when, e.g. 2026-03-01, or 7d from now.")
    ],
    rule: _RULE = None,
    origin: _ORIGIN = None,
    account: _ACCOUNT = None,
) -> None:
    """Tell nobody of alerts of a rule, an origin, an account, or of all that is named together.

    They are kept and counted all the same.
    """
    services = container()
    now = SystemClock().now()
    of = Wanted(rule_id=rule, origin_id=origin, account_id=account)
    suppression = triage.new_suppression(
        of, reason=reason, until=_until(until, now), by=_me(), now=now
    )
    count = triage.suppress(suppression, services.triaging)
    out.print(text(f"{suppression.id}: suppressed until {suppression.until}, {count} alerts now"))


@app.command("unsuppress")
def unsuppress(
    suppression_id: Annotated[str, typer.Argument(metavar="ID", help="The suppression's id.")],
) -> None:
    """End a suppression now."""
    if not triage.unsuppress(suppression_id, _me(), container().triaging):
        raise UnknownAlertError(
            "there is no suppression of this id: `enricher alerts suppressions`"
        )
    out.print("ended")


@app.command("suppressions")
def suppressions() -> None:
    """List suppressions, the newest first; also those that are over."""
    table = Table("id", "until", "by", "of", "reason", box=None, pad_edge=False)
    for one in container().rules.suppressions():
        of = {"rule": one.rule_id, "origin": one.origin_id, "account": one.account_id}
        named = ", ".join(f"{name} {plain(value)}" for name, value in of.items() if value)
        table.add_row(text(one.id), text(one.until), text(one.by), text(named), text(one.reason))
    out.print(table)


@app.command("deliveries")
def deliveries() -> None:
    """List alerts of which a target is still to be told, or was given up."""
    services = container()
    services.alerts.refresh()
    table = Table("id", "target", "state", "attempts", "next", "reason", box=None, pad_edge=False)
    for telling in (Telling.GIVEN_UP, Telling.DUE):
        for one in services.alerts.find(Wanted(telling=telling), _MOST_DELIVERIES):
            if not one.told:
                table.add_row(text(one.id), "", text(telling.value), "0", "", "")
            for name, told in sorted(one.told.items()):
                cells = (one.id, name, told.outcome.value, told.attempts, told.next_at, told.reason)
                table.add_row(*(text("" if cell is None else cell) for cell in cells))
    out.print(table)
    err.print("`enricher alerts resend ID` tries targets again that were given up", soft_wrap=True)


@app.command("resend")
def resend(alert_id: _ID) -> None:
    """Let the targets that were given up be told of an alert again."""
    services = container()
    services.alerts.refresh()
    tell_again(alert_id, services.delivering)
    out.print(text(f"{plain(alert_id)}: due"))


@app.command("evaluate")
def evaluate_now() -> None:
    """Judge what is new or changed now, as the scheduler does every few seconds."""
    report = evaluate(container().evaluating)
    if not report.ran:
        out.print("another process evaluates the rules right now")
        return
    out.print(
        f"{report.rules} rules asked, {report.failed} failed; {report.written} alerts written, "
        f"{len(report.notable)} of them new or upgraded."
    )


def _said(alert: Alert) -> None:
    out.print(text(f"{alert.id}: {alert.status.value}"))


def _who(alert: Alert) -> str:
    origin = alert.origin
    return origin.name or origin.arn or origin.id or origin.status or "unknown"


def _until(said: str, now: datetime) -> datetime:
    days = said.removesuffix("d")
    if said.endswith("d") and days.isdecimal():
        return now + timedelta(days=min(int(days), 3650))
    at = parse_time(said)
    if at is None:
        raise typer.BadParameter("say until when, e.g. 2026-03-01, or 7d")
    return at


def _me() -> str:
    return getpass.getuser()
