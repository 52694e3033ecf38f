"""Rules made of their sources, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.alerts.errors import RuleError
from enricher.alerts.parsing import parse_rules
from enricher.alerts.rules import version_of

if TYPE_CHECKING:
    from enricher.alerts.fields import Fields
    from enricher.alerts.ports import StoredRule
    from enricher.alerts.rules import Rule


class CachingCompiler:
    """Parses each version of a rule once for as long as the process lives."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._known: dict[tuple[str, str], Rule | str] = {}

    def rule(self, stored: StoredRule) -> Rule:
        """Give the rule.

        Raises:
            RuleError: If it cannot be expressed over the fields that events have now.
        """
        name = (stored.id, stored.version)
        if name not in self._known:
            self._known[name] = self._made(stored)
        found = self._known[name]
        if isinstance(found, str):
            raise RuleError(found)
        return found

    def _made(self, stored: StoredRule) -> Rule | str:
        if version_of(stored.source) != stored.version:
            return "its text is not what was installed: install it again"
        parsed = parse_rules(stored.source, self._fields)
        found = next((one for one in parsed.rules if one.id == stored.id), None)
        if found is not None:
            return found
        reasons = [one.reason for one in parsed.refusals if one.id in (None, stored.id)]
        return "; ".join(reasons) or "its file holds no such rule"
