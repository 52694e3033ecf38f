"""The chain as a picture: who, through which roles, in which accounts, by which hops.

Places are computed here and drawn by a template as SVG, so that nothing needs a script. It goes
from left to right where there is room, from above downwards on a narrow screen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from enricher.api.pages import wording
from enricher.cloudtrail.arn import parse_arn
from enricher.cloudtrail.plain import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enricher.response.models import Event, Hop, Origin

_BOX_W, _BOX_H = 228, 88
_ACROSS, _DOWN = 140, 74  # between two boxes
_EDGE, _TOP = 14, 34  # around them; the account stands above
_LONGEST, _LONGEST_LINE = 22, 29  # characters that fit into a box
_MOST_IN_A_ROW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Somebody, or a session.

    Attributes:
        figure: ``person``, ``machine``, ``role``, ``unknown`` or ``event``.
        title: What it is called, as far as it fits.
        whole: The same, whole.
        line: What it is.
        account: Whose it is.
        sure: Whether it may be drawn as certain.
    """

    figure: str
    title: str
    whole: str
    line: str
    account: str
    sure: bool
    x: int = 0
    y: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A hop from one box to the next.

    Attributes:
        via: The call.
        told: How sure it is, by which rule.
        method: What that rule is.
    """

    via: str
    told: str
    method: str
    sure: bool
    x1: int
    y1: int
    x2: int
    y2: int


class _Step(NamedTuple):
    """A hop before it has its place."""

    via: str
    told: str
    rule: str | None
    sure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chain with places."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    width: int
    height: int
    across: bool
    box_width: int = _BOX_W
    box_height: int = _BOX_H


def pictures(
    origin: Origin | None, chain: Sequence[Hop], event: Event | None = None
) -> tuple[Picture, ...]:
    """Draw a chain: across where it is short enough, and downwards."""
    nodes = [_start(origin), *(_session(one) for one in chain)]
    steps = [
        _Step(one.via or "?", wording.hop(one), one.rule, wording.is_sure(one.confidence))
        for one in chain
    ]
    if event is not None:
        nodes.append(_act(event))
        steps.append(_Step("calls", "the record itself", "L0", True))
    ways = (True, False) if len(nodes) <= _MOST_IN_A_ROW else (False,)
    return tuple(_placed(nodes, steps, across=way) for way in ways)


def _placed(nodes: Sequence[Node], steps: Sequence[_Step], *, across: bool) -> Picture:
    step_x, step_y = (_BOX_W + _ACROSS, 0) if across else (0, _BOX_H + _DOWN)
    placed = [
        replace(one, x=_EDGE + number * step_x, y=_TOP + number * step_y)
        for number, one in enumerate(nodes)
    ]
    edges = [_edge(placed[n], placed[n + 1], one, across=across) for n, one in enumerate(steps)]
    last = placed[-1]
    return Picture(
        nodes=tuple(placed),
        edges=tuple(edges),
        width=last.x + _BOX_W + _EDGE + (0 if across else 120),
        height=last.y + _BOX_H + _EDGE,
        across=across,
    )


def _edge(one: Node, other: Node, step: _Step, *, across: bool) -> Edge:
    half_w, half_h = _BOX_W // 2, _BOX_H // 2
    ends = (
        (one.x + _BOX_W, one.y + half_h, other.x, other.y + half_h)
        if across
        else (one.x + half_w, one.y + _BOX_H, other.x + half_w, other.y)
    )
    x1, y1, x2, y2 = ends
    return Edge(
        via=cut(step.via, 20),
        told=step.told,
        method=wording.method(step.rule),
        sure=step.sure,
        x1=x1,
        y1=y1,
        x2=x2,
        y2=y2,
    )


def _start(origin: Origin | None) -> Node:
    name = (origin.name or origin.id or origin.arn) if origin else None
    if origin is None or name is None:
        account = origin.account_id if origin else None
        return Node(
            figure="unknown",
            title="not known",
            whole="not known",
            line=origin.reason.replace("-", " ") if origin and origin.reason else "",
            account=_account(account, None),
            sure=False,
        )
    figure = "machine" if origin.human is False else "person"
    sure = origin.status == "resolved" and wording.is_sure(origin.confidence)
    return Node(
        figure=figure,
        title=cut(name),
        whole=name,
        line=wording.KINDS.get(origin.kind or "", origin.kind or ""),
        account=_account(origin.account_id, origin.account_name),
        sure=sure,
    )


def _session(hop: Hop) -> Node:
    arn = parse_arn(hop.arn)
    kind, _, rest = (arn.resource if arn else "").partition("/")
    role, _, name = rest.partition("/")
    title = role if kind == "assumed-role" else (rest or kind or hop.arn or "?")
    line = f"session {name}" if name else kind or "session"
    return Node(
        figure="role",
        title=cut(title),
        whole=hop.arn or "?",
        line=cut(line, _LONGEST_LINE),
        account=_account(hop.account_id, None),
        sure=wording.is_sure(hop.confidence),
    )


def _act(event: Event) -> Node:
    service = event.service or "?"
    told = "" if event.outcome in (None, "success") else f", {event.outcome}"
    return Node(
        figure="event",
        title=cut(event.name or "?"),
        whole=f"{event.name or '?'} on {service}",
        line=cut(service.removesuffix(".amazonaws.com"), _LONGEST_LINE - len(told)) + told,
        account=_account(event.account_id, None),
        sure=True,
    )


def _account(account_id: str | None, name: str | None) -> str:
    if not account_id:
        return "account not known"
    return cut(f"{name} {account_id}" if name else f"account {account_id}", _LONGEST_LINE)


def cut(value: str, most: int = _LONGEST) -> str:
    """Shorten a value in the middle, where names differ least, and spell it visibly."""
    value = plain(value)
    if len(value) <= most:
        return value
    end = most // 3
    return f"{value[: most - end - 1]}…{value[-end:]}"
