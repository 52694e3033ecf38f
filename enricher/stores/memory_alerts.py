"""The in-memory twins of what alerting keeps: for tests, and to try rules without a trace."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from enricher.alerts.alert import MOST_EVENT_IDS, alert_of, index_of
from enricher.alerts.errors import LeaseLostError
from enricher.alerts.ports import Progress, Stored
from enricher.alerts.telling import Telling
from enricher.cloudtrail import codec
from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from enricher.alerts.alert import Alert
    from enricher.alerts.ports import Changed, Seen, StoredRule, Suppression, Wanted


class MemoryAlerts:
    """Alerts in a dictionary, as the text that they are kept as."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[int, bytes]] = {}

    def refresh(self) -> None:
        """Nothing is hidden here."""

    def by_keys(self, digests: Sequence[str]) -> dict[str, Stored]:
        """Give the alerts that stand for these keys."""
        return {one.alert.key: one for one in self._all() if one.alert.key in {*digests}}

    def holding(self, events: Sequence[Changed]) -> list[Stored]:
        """Give the alerts that hold any of these events, or may."""
        if not events:
            return []
        ids = {one.id for one in events}
        first = format_time(min(one.at for one in events))
        last = format_time(max(one.at for one in events))
        return [
            one
            for one in self._all()
            if not ids.isdisjoint(one.alert.event_ids)
            or (
                one.alert.count > MOST_EVENT_IDS
                and one.alert.first_at <= last
                and one.alert.last_at >= first
            )
        ]

    def naming(self, rule_id: str, event_ids: Sequence[str], besides: str) -> Stored | None:
        """Give an alert of a rule that lists any of these events."""
        found = (one for one in self._all() if one.alert.rule.id == rule_id)
        others = (one for one in found if one.alert.id != besides)
        return next((one for one in others if {*event_ids} & {*one.alert.event_ids}), None)

    def get(self, alert_id: str) -> Stored | None:
        """Give one alert."""
        return next((one for one in self._all() if one.alert.id == alert_id), None)

    def taken(self, ids: Sequence[str]) -> set[str]:
        """Say which of these ids are an alert's."""
        return {*ids} & self.kept.keys()

    def write(self, changes: Sequence[tuple[Alert, Stored | None]]) -> list[bool]:
        """Write alerts over what was read, or as new ones."""
        return [self._write(alert, before) for alert, before in changes]

    def _write(self, alert: Alert, before: Stored | None) -> bool:
        number, _ = self.kept.get(alert.id, (0, b""))
        if number != (0 if before is None else before.seq_no):
            return False
        self.kept[alert.id] = (number + 1, codec.dumps(alert.document()))
        return True

    def find(self, wanted: Wanted, most: int, after: str | None = None) -> list[Alert]:
        """Give alerts by window, newest first."""
        found = [one.alert for one in self._all() if _is_wanted(one.alert, wanted)]
        found.sort(key=lambda one: (one.window.start, one.id), reverse=True)
        ids = [one.id for one in found]
        if after is not None and after not in ids:
            return []
        start = 0 if after is None else ids.index(after) + 1
        return found[start : start + most]

    def due(self, now: datetime, most: int) -> list[Stored]:
        """Give alerts that somebody is to be told of by now, the longest due first."""
        found = [one for one in self._all() if one.alert.telling is Telling.DUE]
        found.sort(key=lambda one: (one.alert.tell_at or "", one.alert.id))
        return [one for one in found if (one.alert.tell_at or "") <= format_time(now)][:most]

    def _all(self) -> list[Stored]:
        found = ((number, alert_of(codec.loads(text))) for number, text in self.kept.values())
        return [
            Stored(alert=one, index=index_of(one.stands_for.start), seq_no=number, primary_term=1)
            for number, one in found
        ]


def _is_wanted(alert: Alert, wanted: Wanted) -> bool:
    until = alert.suppressed.until if alert.suppressed else ""
    return all(
        (
            wanted.status in (None, alert.status),
            wanted.rule_id in (None, alert.rule.id),
            wanted.origin_id in (None, alert.origin.id),
            wanted.account_id is None or wanted.account_id in alert.accounts,
            wanted.telling in (None, alert.telling),
            not wanted.levels or alert.severity in wanted.levels,
            wanted.start is None or alert.last_at >= format_time(wanted.start),
            wanted.end is None or alert.first_at <= format_time(wanted.end),
            wanted.silent_at is None or until <= format_time(wanted.silent_at),
        )
    )


class MemoryBaseline:
    """What was seen, in dictionaries."""

    def __init__(self) -> None:
        self.begun: dict[str, datetime] = {}
        self.entries: dict[str, Seen] = {}

    def beginnings(self, scopes: Sequence[str]) -> dict[str, datetime]:
        """Give the time of the first event that scopes have seen."""
        return {one: self.begun[one] for one in scopes if one in self.begun}

    def begin(self, beginnings: Mapping[str, datetime]) -> None:
        """Keep when scopes' first events were."""
        for scope, at in beginnings.items():
            self.begun[scope] = min(at, self.begun.get(scope, at))

    def note(self, entries: Iterable[Seen]) -> None:
        """Keep combinations; the earlier first event stays."""
        for entry in entries:
            known = self.entries.get(entry.id)
            if known is None or entry.rank < known.rank:
                self.entries[entry.id] = entry

    def replace(self, entries: Sequence[Seen]) -> None:
        """Keep combinations as they are now."""
        self.entries |= {entry.id: entry for entry in entries}

    def known(self, ids: Sequence[str]) -> dict[str, Seen]:
        """Give what is kept under these ids."""
        return {one: self.entries[one] for one in ids if one in self.entries}

    def of_keys(self, scopes: Sequence[str], digests: Sequence[str]) -> list[Seen]:
        """Give the combinations of scopes whose first event belongs to one of these alerts."""
        of_scopes = [one for one in self._ordered() if one.scope in scopes]
        return [one for one in of_scopes if one.key in {*digests}]

    def naming(self, event_ids: Sequence[str]) -> list[Seen]:
        """Give the combinations whose first event is one of these."""
        return [one for one in self._ordered() if one.event_id in {*event_ids}]

    def between(self, scope: str, start: datetime, end: datetime) -> list[Seen]:
        """Give the combinations first seen from start to end."""
        low, high = format_time(start), format_time(end)
        return [one for one in self._ordered() if one.scope == scope and low <= one.first_at < high]

    def _ordered(self) -> list[Seen]:
        return sorted(self.entries.values(), key=lambda one: (one.first_at, one.id))


class MemoryRules:
    """Rules and suppressions in dictionaries."""

    def __init__(self, rules: Iterable[StoredRule] = ()) -> None:
        self.kept = {one.id: one for one in rules}
        self.silences: dict[str, Suppression] = {}

    def rules(self) -> list[StoredRule]:
        """Give all rules, by title."""
        return sorted(self.kept.values(), key=lambda one: (one.title, one.id))

    def rule(self, rule_id: str) -> StoredRule | None:
        """Give one rule."""
        return self.kept.get(rule_id)

    def save(self, rules: Sequence[StoredRule]) -> None:
        """Write rules."""
        self.kept |= {one.id: one for one in rules}

    def note_errors(self, errors: Mapping[str, tuple[str | None, str | None]]) -> None:
        """Note how rules' runs ended."""
        for rule_id, (reason, since) in errors.items():
            self.kept[rule_id] = msgspec.structs.replace(
                self.kept[rule_id], error=reason, failing_since=since
            )

    def suppressions(self) -> list[Suppression]:
        """Give all suppressions, the newest first."""
        return sorted(self.silences.values(), key=lambda one: (one.at, one.id), reverse=True)

    def suppress(self, suppression: Suppression) -> None:
        """Keep a suppression."""
        self.silences[suppression.id] = suppression


class MemoryProgress:
    """The cursor in an attribute."""

    def __init__(self) -> None:
        self._kept: Progress | None = None
        self._held_until: datetime | None = None

    def claim(self, now: datetime, lease: timedelta) -> Progress | None:
        """Take the right to evaluate."""
        if self._held_until is not None and self._held_until > now:
            return None
        kept = self._kept or Progress(cursor=None, marks={}, token=(0, 1))
        return self._write(kept, now + lease)

    def keep(self, progress: Progress, now: datetime, lease: timedelta) -> Progress:
        """Hold it for longer."""
        return self._write(self._own(progress), now + lease)

    def finish(self, progress: Progress, cursor: datetime, marks: Mapping[str, int]) -> None:
        """Move the cursor and let go."""
        self._write(replace(self._own(progress), cursor=cursor, marks=marks), None)

    def release(self, progress: Progress) -> None:
        """Let go and leave the cursor where it was."""
        self._write(self._own(progress), None)

    def read(self) -> Progress | None:
        """Look how far it came."""
        return self._kept

    def _own(self, progress: Progress) -> Progress:
        if self._kept is None or self._kept.token != progress.token:
            raise LeaseLostError("another process evaluates the rules by now")
        return progress

    def _write(self, progress: Progress, held_until: datetime | None) -> Progress:
        self._held_until = held_until
        self._kept = replace(progress, token=(progress.token[0] + 1, 1))
        return self._kept
