"""Rules in files: read, checked, installed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from enricher.alerts.errors import UnknownRuleError
from enricher.alerts.ports import StoredRule
from enricher.alerts.rules import Refusal
from enricher.cloudtrail.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from enricher.alerts.fields import Fields
    from enricher.alerts.ports import RuleStore
    from enricher.alerts.rules import Rule


@dataclass(slots=True)
class Checked:
    """What a folder's rule files hold.

    Attributes:
        rules: Rules that can be used, with the text of their file and its name.
        refusals: Those that cannot, with the name of their file.
    """

    rules: list[tuple[Rule, str, str]] = field(default_factory=list)
    refusals: list[tuple[Refusal, str]] = field(default_factory=list)


@dataclass(slots=True)
class Installed:
    """What an installation changed."""

    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def check(files: Mapping[str, str], fields: Fields) -> Checked:
    """Read rule files, by name; of two rules with one id, the second is refused."""
    # The parser takes a tenth of a second to import: only where rules are read.
    from enricher.alerts.parsing import parse_rules  # noqa: PLC0415

    checked = Checked()
    names: dict[str, str] = {}
    for name, text in files.items():
        parsed = parse_rules(text, fields)
        checked.refusals += [(one, name) for one in parsed.refusals]
        for rule in parsed.rules:
            if rule.id in names:
                reason = f"its id is that of a rule in {names[rule.id]}"
                refusal = Refusal(id=rule.id, title=rule.title, reason=reason)
                checked.refusals.append((refusal, name))
                continue
            names[rule.id] = name
            checked.rules.append((rule, text, name))
    return checked


def install(rules: Iterable[tuple[Rule, str, str]], store: RuleStore, now: datetime) -> Installed:
    """Install rules; one that is there in this version stays as it is, disabled or not."""
    known = {one.id: one for one in store.rules()}
    installed = Installed()
    to_save: list[StoredRule] = []
    for rule, text, _ in rules:
        old = known.get(rule.id)
        if old is not None and old.version == rule.version:
            installed.unchanged.append(rule.id)
            continue
        (installed.new if old is None else installed.updated).append(rule.id)
        to_save.append(stored_rule(rule, text, old, format_time(now)))
    store.save(to_save)
    return installed


def set_enabled(rule_id: str, store: RuleStore, now: datetime, *, enabled: bool) -> StoredRule:
    """Enable or disable a rule; while it is disabled it judges nothing, later neither.

    Raises:
        UnknownRuleError: If it is not installed.
    """
    rule = store.rule(rule_id)
    if rule is None:
        raise UnknownRuleError("there is no rule of this id: `enricher rules list`")
    if rule.enabled is enabled:
        return rule
    new = msgspec.structs.replace(
        rule, enabled=enabled, updated_at=format_time(now), error=None, failing_since=None
    )
    store.save([new])
    return new


def stored_rule(rule: Rule, text: str, old: StoredRule | None, at: str) -> StoredRule:
    """Give a rule as it is installed over what was."""
    return StoredRule(
        id=rule.id,
        title=rule.title,
        level=rule.level,
        tags=rule.tags,
        version=rule.version,
        source=text,
        enabled=old.enabled if old else True,
        installed_at=old.installed_at if old else at,
        updated_at=at,
        error=old.error if old else None,
        failing_since=old.failing_since if old else None,
    )
