"""Alert rules as they are asked: a query, and what makes an alert of what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from enricher.cloudtrail import codec

if TYPE_CHECKING:
    from datetime import timedelta

    from enricher.alerts.clauses import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSeen:
    """A rule that fires only for what it has not seen before.

    Attributes:
        fields: What is new is a combination of their values.
        learn: Events so soon after the first that matches the rule only teach.
    """

    fields: tuple[str, ...]
    learn: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A rule that fires where enough happens within a span of time.

    Attributes:
        least: How many events, or distinct values, are enough.
        within: The span, whatever instant it begins at.
        field: Whose distinct values are counted; None to count events.
    """

    least: int
    within: timedelta
    field: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that can be asked.

    Attributes:
        version: Digest of its file; another version is another rule text.
        query: What matches it, in OpenSearch's query DSL; of a threshold, what is counted.
        group_by: Events with the same values of these fields share an alert.
        window: Events of the same aligned window of event time share an alert.
        next_steps: What a responder does next.
    """

    id: str
    title: str
    level: str
    status: str
    description: str
    tags: tuple[str, ...]
    references: tuple[str, ...]
    false_positives: tuple[str, ...]
    next_steps: tuple[str, ...]
    version: str
    query: Query
    group_by: tuple[str, ...]
    window: timedelta
    first_seen: FirstSeen | None = None
    threshold: Threshold | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A rule that cannot be used.

    Attributes:
        id: Its id; None where it has none, or the file cannot be read.
    """

    id: str | None
    title: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """The rules of one file."""

    rules: tuple[Rule, ...]
    refusals: tuple[Refusal, ...]


def version_of(text: str) -> str:
    """Give the version of a rule's file."""
    return codec.digest(text)[:16]
