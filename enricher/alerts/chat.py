"""An alert as a message for Slack, and for what takes the same webhooks.

Names, ARNs and error texts in it are an attacker's to choose. Each stands in a code span, where
neither Slack nor its likes read markup, links or mentions; what would end the span, or begin one of
Slack's control sequences, is replaced.

References:
    - Slack documentation, "Formatting text for app surfaces": escaping ``&``, ``<`` and ``>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enricher.alerts.alert import What
from enricher.alerts.shown import notice
from enricher.cloudtrail.plain import plain
from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from enricher.alerts.alert import Alert
    from enricher.alerts.shown import AlertFacts, AlertOrigin

_LONGEST, _FEW = 200, 5
_HEADINGS = {
    What.OPENED: "new alert",
    What.UPGRADED: "more is known",
    What.MOVED: "its origin is another",
    What.REOPENED: "open again",
    What.UNSUPPRESSED: "no longer suppressed",
}
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'"})


def chat_message(alert: Alert) -> dict[str, Any]:
    """Give the body of a Slack-compatible webhook."""
    told = notice(alert)
    heading = _HEADINGS.get(told.what, "alert")
    title = f"*{told.alert.severity.upper()}* ({heading}): {span(told.alert.rule.title)}"
    return {
        "text": "\n".join([title, *_lines(told.alert)]),
        "unfurl_links": False,
        "unfurl_media": False,
    }


def span(value: object) -> str:
    """Quote a value so that it is shown as it is, and does nothing."""
    shown = plain(value)
    shown = shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
    return f"`{shown.translate(_ESCAPED) or '-'}`"


def _lines(facts: AlertFacts) -> Iterator[str]:
    yield f"Who: {_who(facts.origin)}"
    first, last = format_time(facts.first_at), format_time(facts.last_at)
    yield f"Events: {facts.count}, {span(first)} to {span(last)}"
    for name, values in (
        ("Calls", facts.actions),
        ("Targets", facts.targets),
        ("From", facts.sources),
        ("Accounts", facts.accounts),
    ):
        if values:
            yield f"{name}: {_few(values)}"
    for step in facts.rule.next_steps[:_FEW]:
        yield f"Next: {span(step)}"
    yield f"Alert: {span(facts.id)}"


def _who(origin: AlertOrigin) -> str:
    if origin.status is None or origin.status == "unknown":
        return f"unknown ({span(origin.reason or 'no reason given')})"
    names = [one for one in (origin.name, origin.arn or origin.id) if one]
    said = " ".join(span(one) for one in dict.fromkeys(names))
    return f"{said} ({span(origin.status)}, confidence {span(origin.confidence or 'none')})"


def _few(values: Sequence[str]) -> str:
    more = f" and {len(values) - _FEW} more" if len(values) > _FEW else ""
    return ", ".join(span(one) for one in values[:_FEW]) + more
