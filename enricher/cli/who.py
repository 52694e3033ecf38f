"""``enricher who``: the chain from the origin to an event, as a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree

from enricher.bootstrap import container
from enricher.cli.shown import err, out, plain, text
from enricher.pipeline.ports import StoredEvent

_STYLES = {"exact": "green", "strong": "green", "moderate": "yellow", "weak": "red", "none": "red"}


def who(
    term: Annotated[str, typer.Argument(help="An event id, or an access key id.")],
) -> None:
    """Print who was behind an event or an access key, with the events that prove it."""
    events = container().index.find(term)
    if not events:
        err.print(text(f"enricher: nothing is indexed under {plain(term)}", style="red"))
        err.print("Is it an event id or an access key id, and has its log file been ingested?")
        raise typer.Exit(1)
    exact = [event for event in events if event.source.get("eventID") == term]
    groups = [exact] if exact else _by_credential(events)
    for group in groups:
        out.print(chain_tree(group))


def _by_credential(events: Sequence[StoredEvent]) -> list[list[StoredEvent]]:
    """Tell the credentials behind one key id apart: key ids recur."""
    groups: dict[object, list[StoredEvent]] = {}
    for event in events:
        session = event.source.get("enriched", {}).get("session", {})
        groups.setdefault(session.get("credential_id") or event.id, []).append(event)
    return list(groups.values())


def chain_tree(events: Sequence[StoredEvent]) -> Tree:
    """Draw origin, hops and events; the events share one credential."""
    enriched: Mapping[str, Any] = events[0].source.get("enriched", {})
    origin: Mapping[str, Any] = enriched.get("origin", {})
    tree = Tree(_origin_label(origin, enriched))
    _add_proof(tree, origin)
    branch = tree
    for hop in enriched.get("chain", ()):
        branch = branch.add(_hop_label(hop))
    for event in events[:20]:
        branch.add(_event_label(event.source))
    if len(events) > 20:  # noqa: PLR2004 - a screen's worth
        branch.add(text(f"… and {len(events) - 20} more", style="dim"))
    return tree


def _origin_label(origin: Mapping[str, Any], enriched: Mapping[str, Any]) -> Text:
    confidence = str(origin.get("confidence", "none"))
    label = Text()
    label.append(plain(origin.get("name") or origin.get("id") or "nobody known"), style="bold")
    label.append(f"  {plain(origin.get('kind', '?'))}", style="cyan")
    if origin.get("account_id"):
        label.append(f"  account {plain(origin['account_id'])}")
    label.append(
        f"  {plain(origin.get('status', '?'))}, "
        f"{plain(confidence)} ({plain(origin.get('rule', '?'))})",
        style=_STYLES.get(confidence, ""),
    )
    if origin.get("reason"):
        label.append(f"  {plain(origin['reason'])}", style="red")
    if enriched.get("state") == "pending":
        label.append("  pending: more evidence may come", style="yellow")
    return label


def _add_proof(tree: Tree, origin: Mapping[str, Any]) -> None:
    for name, word in (("arn", "arn"), ("identity_provider", "at"), ("acting_as", "acting as")):
        if origin.get(name):
            tree.add(text(f"{word} {plain(origin[name])}", style="dim"))
    if origin.get("evidence"):
        tree.add(text("proof " + " ".join(map(plain, origin["evidence"])), style="dim"))
    for candidate in origin.get("candidates", ()):
        named = candidate.get("arn") or candidate.get("id") or candidate.get("name")
        tree.add(text(f"candidate ({plain(candidate.get('rule'))}) {plain(named)}", style="yellow"))
    missing = origin.get("missing", {})
    if missing:
        where = " ".join(f"{plain(k)}={plain(v)}" for k, v in missing.items())
        tree.add(text(f"missing: {where}", style="yellow"))


def _hop_label(hop: Mapping[str, Any]) -> Text:
    label = Text()
    label.append(plain(hop.get("via", "?")), style="bold")
    label.append(f" → {plain(hop.get('arn', '?'))}")
    label.append(f"  account {plain(hop.get('account_id', '?'))}")
    confidence = str(hop.get("confidence", "none"))
    label.append(
        f"  {plain(hop.get('at', ''))}  {plain(confidence)} ({plain(hop.get('rule', '?'))})",
        style=_STYLES.get(confidence, ""),
    )
    label.append(f"  {plain(hop.get('event_id', ''))}", style="dim")
    return label


def _event_label(source: Mapping[str, Any]) -> Text:
    enriched = source.get("enriched", {})
    label = Text()
    label.append(plain(source.get("eventTime", "")), style="dim")
    label.append(f"  {plain(source.get('eventName', '?'))}", style="bold magenta")
    label.append(f"  {plain(source.get('eventSource', ''))}  {plain(source.get('awsRegion', ''))}")
    if source.get("errorCode"):
        label.append(f"  {plain(source['errorCode'])}", style="red")
    label.append(f"  {plain(enriched.get('access', {}).get('mode', ''))}", style="cyan")
    label.append(f"  {plain(source.get('eventID', ''))}", style="dim")
    return label
