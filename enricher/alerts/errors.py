"""What can be wrong with a rule or an alert."""

from __future__ import annotations

from enricher.errors import EnricherError


class RuleError(EnricherError):
    """A rule cannot be used; the message says why, in words for the rule's author."""


class UnknownRuleError(EnricherError):
    """There is no such rule."""


class UnknownAlertError(EnricherError):
    """There is no such alert."""


class LeaseLostError(EnricherError):
    """Another process evaluates by now; what this one found stands, its cursor does not move."""


class DeliveryError(EnricherError):
    """A target was not told of an alert.

    Attributes:
        reason: A slug, e.g. ``answered-500``, ``address-refused``, ``timeout``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
