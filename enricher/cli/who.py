"""``enricher who``: the chain from the origin to an event, as a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Protocol

import typer
from rich.text import Text
from rich.tree import Tree

from enricher.bootstrap import container
from enricher.cli.shown import err, out, plain, text
from enricher.cloudtrail.times import format_time
from enricher.response import lineage
from enricher.response.errors import NotIndexedError
from enricher.response.lineage import CredentialLineage, EventLineage
from enricher.response.models import Event, Hop, Origin, Who
from enricher.response.ports import EventReading

_STYLES = {"exact": "green", "strong": "green", "moderate": "yellow", "weak": "red", "none": "red"}


class Lineages(Protocol):
    """Where lineages are asked for."""

    def event(self, event_id: str) -> EventLineage:
        """Who was behind an event."""
        ...

    def credential(self, access_key_id: str) -> CredentialLineage:
        """What is behind an access key."""
        ...


class _OfTheIndex:
    """Asks the index itself."""

    def __init__(self, reading: EventReading) -> None:
        self._reading = reading

    def event(self, event_id: str) -> EventLineage:
        return lineage.event_lineage(event_id, self._reading)

    def credential(self, access_key_id: str) -> CredentialLineage:
        return lineage.credential_lineage(access_key_id, self._reading)


def who(
    term: Annotated[str, typer.Argument(help="An event id, or an access key id.")],
) -> None:
    """Print who was behind an event or an access key, with the events that prove it.

    It asks OpenSearch, or the API that ENRICHER_CLIENT__URL names.
    """
    with _lineages() as lineages:
        trees = _found(term, lineages)
    if not trees:
        err.print(text(f"enricher: nothing is indexed under {plain(term)}", style="red"))
        err.print("Is it an event id or an access key id, and has its log file been ingested?")
        raise typer.Exit(1)
    for tree in trees:
        out.print(tree)


@contextmanager
def _lineages() -> Iterator[Lineages]:
    services = container()
    if services.settings.client.url is None:
        yield _OfTheIndex(services.reading)
        return
    with services.api_client as client:
        yield client


def _found(term: str, lineages: Lineages) -> list[Tree]:
    if not term:
        return []
    try:
        return [_tree(found := lineages.event(term), [found.event])]
    except NotIndexedError:
        pass  # then it may be a key
    try:
        credential = lineages.credential(term)
    except NotIndexedError:
        return []
    trees = [_tree(one, one.events, one.use.events) for one in credential.instances]
    if not trees:  # it was handed out, and nobody used it
        trees = [_tree(lineages.event(one.document_id), [one]) for one in credential.issued_by]
    return trees


def _tree(found: Who, events: Sequence[Event], count: int = 1) -> Tree:
    """Draw origin, hops and events; the events share one credential."""
    tree = Tree(_origin_label(found))
    if found.origin:
        _add_proof(tree, found.origin)
    branch = tree
    for hop in found.chain:
        branch = branch.add(_hop_label(hop))
    for event in events:
        branch.add(_event_label(event))
    if count > len(events):
        branch.add(text(f"… and {count - len(events)} more", style="dim"))
    return tree


def _origin_label(found: Who) -> Text:
    origin = found.origin or Origin(status="?")
    confidence = origin.confidence or "none"
    label = Text()
    label.append(plain(origin.name or origin.id or "nobody known"), style="bold")
    label.append(f"  {plain(origin.kind or '?')}", style="cyan")
    if origin.account_id:
        label.append(f"  account {plain(origin.account_id)}")
    label.append(
        f"  {plain(origin.status)}, {plain(confidence)} ({plain(origin.rule or '?')})",
        style=_STYLES.get(confidence, ""),
    )
    if origin.reason:
        label.append(f"  {plain(origin.reason)}", style="red")
    if found.state == "pending":
        label.append("  pending: more evidence may come", style="yellow")
    return label


def _add_proof(tree: Tree, origin: Origin) -> None:
    for name, word in (("arn", "arn"), ("identity_provider", "at"), ("acting_as", "acting as")):
        if value := getattr(origin, name):
            tree.add(text(f"{word} {plain(value)}", style="dim"))
    if origin.evidence:
        tree.add(text("proof " + " ".join(map(plain, origin.evidence)), style="dim"))
    for candidate in origin.candidates:
        named = candidate.get("arn") or candidate.get("id") or candidate.get("name")
        tree.add(text(f"candidate ({plain(candidate.get('rule'))}) {plain(named)}", style="yellow"))
    if origin.missing:
        missing = origin.missing.model_dump(mode="json", exclude_none=True)
        where = " ".join(f"{plain(k)}={plain(v)}" for k, v in missing.items())
        tree.add(text(f"missing: {where}", style="yellow"))


def _hop_label(hop: Hop) -> Text:
    label = Text()
    label.append(plain(hop.via or "?"), style="bold")
    label.append(f" → {plain(hop.arn or '?')}")
    label.append(f"  account {plain(hop.account_id or '?')}")
    confidence = hop.confidence or "none"
    at = format_time(hop.at) if hop.at else ""
    label.append(
        f"  {at}  {plain(confidence)} ({plain(hop.rule or '?')})",
        style=_STYLES.get(confidence, ""),
    )
    label.append(f"  {plain(hop.event_id or '')}", style="dim")
    return label


def _event_label(event: Event) -> Text:
    label = Text()
    label.append(format_time(event.time) if event.time else "", style="dim")
    label.append(f"  {plain(event.name or '?')}", style="bold magenta")
    label.append(f"  {plain(event.service or '')}  {plain(event.region or '')}")
    if event.error_code:
        label.append(f"  {plain(event.error_code)}", style="red")
    label.append(f"  {plain(event.access or '')}", style="cyan")
    label.append(f"  {plain(event.event_id or '')}", style="dim")
    return label
