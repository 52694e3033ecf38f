"""Bring alerts to what their events say now: open, count, upgrade, move, supersede, withdraw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.alerts import alert as alerts
from enricher.alerts.contents import look
from enricher.alerts.suppress import with_suppression
from enricher.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from enricher.alerts.alert import Alert, Content, Key
    from enricher.alerts.contents import Found, Question, Stores
    from enricher.alerts.ports import AlertStore, Stored
    from enricher.alerts.rules import Rule

_AT_ONCE = 2_000
_ROUNDS = 5


def settle(
    touched: Iterable[Key], stale: Sequence[Stored], question: Question, stores: Stores
) -> Iterator[tuple[list[Alert], dict[str, str]]]:
    """Write the alerts that are other than before.

    Args:
        touched: What new events belong to.
        stale: Alerts that hold events which were written again.
        question: What they are judged by.
        stores: Where they are.

    Yields:
        In parts, what was written, and which rules failed at it, with the reason.
    """
    left = [one for one in stale if _is_of_rule(one.alert, question.rules)]
    emptied: list[Stored] = []
    for start in range(0, len(left), _AT_ONCE):
        part = left[start : start + _AT_ONCE]
        found = look([one.alert.stands_for for one in part], question, stores)
        emptied += [one for one in part if _is_empty(one, found)]
        kept = [one for one in part if one not in emptied]
        keys = [one.alert.stands_for for one in kept]
        yield _write(keys, found, [], question, stores), found.faults
    gone = {one.alert.key for one in emptied}
    keys = sorted(
        (key for key in touched if key.digest not in gone),
        key=lambda key: (key.rule_id, key.start, key.digest),
    )
    for start in range(0, len(keys), _AT_ONCE):
        part_of_keys = keys[start : start + _AT_ONCE]
        found = look(part_of_keys, question, stores)
        yield _write(part_of_keys, found, emptied, question, stores), found.faults
    yield _leave(emptied, question, stores), {}


def _is_of_rule(alert: Alert, rules: Mapping[str, Rule]) -> bool:
    """Say whether an alert is one that its rule would raise: it may have grouped otherwise."""
    rule = rules.get(alert.rule.id)
    return rule is not None and tuple(one.field for one in alert.group) == rule.group_by


def _is_empty(stored: Stored, found: Found) -> bool:
    key = stored.alert.stands_for
    return bool(stored.alert.count) and key in found.contents and found.contents[key] is None


# --- what becomes of the alerts -------------------------------------------------------------------


def _write(
    keys: Sequence[Key],
    found: Found,
    emptied: list[Stored],
    question: Question,
    stores: Stores,
) -> list[Alert]:
    """Write alerts over what is there, again where others wrote meanwhile."""
    open_ones = {key.digest: key for key in keys if key in found.contents}
    written: list[Alert] = []
    for _ in range(_ROUNDS):
        stored = stores.alerts.by_keys(list(open_ones))
        changes = _changes(open_ones, stored, found, emptied, question, stores)
        results = stores.alerts.write([(alert, before) for alert, before in changes.values()])
        done = [alert for (alert, _), ok in zip(changes.values(), results, strict=True) if ok]
        written += done
        lost = [digest for digest, ok in zip(changes, results, strict=True) if not ok]
        gone = {alert.id for alert in done}
        emptied[:] = [one for one in emptied if one.alert.id not in gone]
        if not lost:
            return written
        open_ones = {digest: open_ones[digest] for digest in lost}
        stores.alerts.refresh()
    raise UnavailableError("alerts are being rewritten by others; try again later")


def _changes(  # noqa: PLR0913, PLR0917 - what is there, what was found, and what it is judged by
    keys: Mapping[str, Key],
    stored: Mapping[str, Stored],
    found: Found,
    emptied: Sequence[Stored],
    question: Question,
    stores: Stores,
) -> dict[str, tuple[Alert, Stored | None]]:
    """Give what is to be written, by digest of the key."""
    changes: dict[str, tuple[Alert, Stored | None]] = {}
    new: dict[str, Key] = {}
    followed: set[str] = set()
    for digest, key in keys.items():
        content, rule = found.contents[key], question.rules[key.rule_id]
        known = stored.get(digest)
        if known is not None:
            after = alerts.found_again(known.alert, rule, content, question.now)
        elif content is None:
            continue
        elif leaver := _leaver(key, content, emptied, followed, question):
            followed.add(leaver.alert.id)
            known = leaver
            after = alerts.moved(known.alert, key, rule, content, question.now)
        else:
            new[digest] = key
            continue
        after = with_suppression(after, question.suppressions, question.now)
        if after is not known.alert:
            changes[digest] = (after, known)
    ids = _ids(list(new), stores.alerts)
    for digest, key in new.items():
        content = found.contents[key]
        if content is not None:
            rule = question.rules[key.rule_id]
            made = alerts.opened(ids[digest], key, rule, content, question.now)
            changes[digest] = (with_suppression(made, question.suppressions, question.now), None)
    return changes


def _leaver(
    key: Key,
    content: Content,
    emptied: Sequence[Stored],
    followed: set[str],
    question: Question,
) -> Stored | None:
    """Find an alert that lost all its events to this one."""
    for one in emptied:
        if one.alert.rule.id == key.rule_id and one.alert.id not in followed:
            heir = question.heirs.get(one.alert.key)
            if heir == key or not {*one.alert.event_ids}.isdisjoint(content.event_ids):
                return one
    return None


def _ids(digests: Sequence[str], store: AlertStore) -> dict[str, str]:
    """Give new alerts their ids: the digest, or one beside it where that alert has moved away."""
    ids = {digest: digest for digest in digests}
    number = 1
    while taken := store.taken(list(ids.values())):
        number += 1
        ids = {one: f"{one}-{number}" if at in taken else at for one, at in ids.items()}
    return ids


def _leave(emptied: Sequence[Stored], question: Question, stores: Stores) -> list[Alert]:
    """Close the alerts that have no event any more, with who has them now."""
    if not emptied:
        return []
    stores.alerts.refresh()
    changes: list[tuple[Alert, Stored | None]] = []
    for one in emptied:
        rule = question.rules[one.alert.rule.id]
        heir = _heir(one, question, stores)
        after = (
            alerts.superseded(one.alert, heir.alert.id, question.now)
            if heir is not None
            else alerts.found_again(one.alert, rule, None, question.now)
        )
        changes.append((after, one))
    # Where somebody else was faster, what they wrote is looked at in the next run.
    results = stores.alerts.write(changes)
    return [alert for (alert, _), ok in zip(changes, results, strict=True) if ok]


def _heir(stored: Stored, question: Question, stores: Stores) -> Stored | None:
    """Find the alert of the same rule that holds what this one held."""
    key = question.heirs.get(stored.alert.key)
    if key is not None and (found := stores.alerts.by_keys([key.digest])):
        return found[key.digest]
    return stores.alerts.naming(stored.alert.rule.id, stored.alert.event_ids, stored.alert.id)
