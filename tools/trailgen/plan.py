"""Plans: how large a trail is, how long it lasts, and who acts in it how often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.trailgen.times import MINUTE, instant

if TYPE_CHECKING:
    from collections.abc import Mapping

_START = instant("2026-03-02T06:00:00Z")

EVERY_SCENE: Mapping[str, int] = {
    "long_term_key": 2,
    "session_token": 1,
    "federation_token": 1,
    "console": 2,
    "console_root": 1,
    "console_failed": 1,
    "console_switch": 2,
    "console_switch_twice": 1,
    "cloudshell": 1,
    "aws_login": 1,
    "saml": 1,
    "saml_console": 1,
    "identity_center": 2,
    "identity_center_console": 1,
    "role_chain": 4,
    "self_assume": 1,
    "github": 1,
    "service_account": 1,
    "instance": 2,
    "function": 1,
    "task": 1,
    "pod": 1,
    "config_recorder": 1,
    "service": 1,
    "forward": 1,
    "sign_in_token": 1,
    "agent": 1,
    "certificate": 1,
    "app_user": 1,
    "assume_root": 1,
    "new_identities": 1,
    "stolen_key": 1,
    "refused": 1,
    "recycled_key": 1,
    "twice_in_a_second": 1,
    "partner": 1,
}
"""Every kind of scene, with its weight in a small plan."""

_LOAD: Mapping[str, int] = {
    "long_term_key": 34,
    "session_token": 4,
    "console": 6,
    "console_switch": 2,
    "cloudshell": 1,
    "identity_center": 8,
    "identity_center_console": 2,
    "role_chain": 16,
    "github": 8,
    "service_account": 4,
    "instance": 8,
    "function": 8,
    "task": 4,
    "pod": 2,
    "config_recorder": 6,
    "service": 16,
    "forward": 4,
    "partner": 1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to generate.

    Attributes:
        events: At least so many records; the last scene may add some.
        accounts: Accounts of the organization, the management account among them.
        people: IAM users with a browser.
        machines: IAM users without.
        roles: Roles in each account.
        regions: Regions in use, one to five.
        chain_depth: The most hops from an origin.
        hours: How long the trail lasts.
        start: Its first second, since the epoch.
        calls: Fewest and most calls of one session.
        shares: Weight of each kind of scene; see ``EVERY_SCENE``.
        every: Seconds that one log file covers.
        largest: Records in one log file at most.
        organization_trail: Whether the files lie below the organization's id.
    """

    events: int
    accounts: int = 3
    people: int = 3
    machines: int = 2
    roles: int = 3
    regions: int = 3
    chain_depth: int = 6
    hours: int = 10
    start: int = _START
    calls: tuple[int, int] = (1, 3)
    shares: Mapping[str, int] = field(default_factory=lambda: EVERY_SCENE)
    every: int = 5 * MINUTE
    largest: int = 5_000
    organization_trail: bool = True


def small_plan(events: int = 80) -> Plan:
    """Plan a trail that is made in milliseconds and mixes everything, by its seed."""
    return Plan(events=events)


def load_plan(events: int = 200_000, accounts: int = 20) -> Plan:
    """Plan some busy hours of a large organization, in files of one to thousands of records.

    Of its records about 60 % are by role sessions, 10 % by way of the console.
    """
    return Plan(
        events=events,
        accounts=accounts,
        people=40,
        machines=20,
        roles=8,
        regions=5,
        chain_depth=4,
        hours=3,
        calls=(15, 90),
        shares=_LOAD,
    )
