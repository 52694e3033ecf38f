"""Where everything is acted: records are written here, each with its truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.trailgen import clients
from tools.trailgen.records import Place, record

if TYPE_CHECKING:
    import random

    from tools.trailgen.ids import Ids
    from tools.trailgen.organization import Organization
    from tools.trailgen.records import Call, Client, Json
    from tools.trailgen.session import Session
    from tools.trailgen.truth import Truth

_APART = 3
"""Seconds between two sessions of one principal, so that a creation time names one of them."""

_SHOWN = 0.85
"""Share of the calls of an Identity Center session that carry ``onBehalfOf``."""


class Stage:
    """A generator of randomness, an organization, and the records written so far."""

    def __init__(self, rng: random.Random, organization: Organization, ids: Ids) -> None:
        self.rng = rng
        self.ids = ids
        self.organization = organization
        self.acted: list[tuple[int, Json, Truth]] = []
        self._begun: set[tuple[str, int]] = set()

    def place(
        self, at: int, region: str, account_id: str, *, shared_id: str | None = None
    ) -> Place:
        """Draw the ids of a record."""
        ids = self.ids
        return Place(at, region, account_id, ids.uuid(), ids.uuid(), shared_id)

    def put(self, at: int, written: Json, truth: Truth) -> str:
        """Keep a record; give its event id."""
        self.acted.append((at, written, truth))
        return str(written["eventID"])

    def call(self, session: Session, call: Call, at: int, client: Client | None = None) -> str:
        """Act one call with a session; give its event id."""
        region = call.region(session.region)
        identity = session.signed(call.service, region, self.ids)
        place = self.place(at, region, session.account.id)
        if client is None:
            client = session.client
            if session.browser is not None:
                client = clients.console(client.ip, session.browser, call.service)
        if session.behalf is not None and self.rng.random() < _SHOWN:
            behalf, seen = session.behalf
            identity = {**identity, "onBehalfOf": behalf}
            seen.append(place.event_id)
        written = record(call, client, identity, place)
        return self.put(at, written, session.truth(at, session.access))

    def begin(self, principal_id: str, at: int) -> int:
        """Find the first second from then on at which a session of the principal may begin."""
        while any((principal_id, at + skew) in self._begun for skew in range(-_APART, _APART + 1)):
            at += 1
        self._begun.add((principal_id, at))
        return at

    def key(self, prefix: str, tag: str) -> str:
        """Draw a key id."""
        return self.ids.access_key(prefix, tag)
