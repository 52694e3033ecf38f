"""What really happened, record by record: what an enricher has to find out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

SessionKey = tuple[str, str, str, str]
"""Partition, account, principal id, creation time.

The calls of a long-term key have no session of their own: their key id stands for the principal
id, the UTC date for the creation time.
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """The principal at the start of a chain of credentials.

    Attributes:
        kind: ``iam_user``, ``root``, ``saml_subject`` … as in the documents' ``origin.kind``.
        id: What identifies it within its provider; None where even the truth is that nobody knows.
        account_id: The account that it belongs to, where it belongs to one.
        name: What people call it.
        arn: Its ARN, where it has one.
        identity_provider: Who vouches for a federated one.
    """

    kind: str
    id: str | None
    account_id: str | None = None
    name: str | None = None
    arn: str | None = None
    identity_provider: str | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One issuance in a chain: the record that shows its issuer, and whom it made the holder."""

    event_id: str
    arn: str


@dataclass(frozen=True, slots=True)
class Truth:
    """The answer for one record, given all the records of its trail.

    Attributes:
        origin: Who it really was.
        chain: From the origin to the acting credential, the first issuance first.
        session: What the record belongs to; None where its caller has no session.
        root_session: The session at the origin; None where nothing decides it.
        access_mode: ``console``, ``programmatic``, ``service``; None where nothing decides it.
        depends_on: Groups of event ids. While each group has at least one record present, the
            origin must be found; once a group is gone, it may remain unknown (never wrong).
        status: What ``origin.status`` must be with every record present.
        source_identity: What the chain carries, if anything.
    """

    origin: Origin
    chain: tuple[Hop, ...] = ()
    session: SessionKey | None = None
    root_session: SessionKey | None = None
    access_mode: str | None = None
    depends_on: tuple[Sequence[str], ...] = ()
    status: str = "resolved"
    source_identity: str | None = None

    def agrees(self, told: Mapping[str, Any]) -> bool:
        """Say whether an ``enriched.origin`` names the right one; its id may be unknown yet."""
        origin = self.origin
        if told.get("kind") != origin.kind:
            return False
        if told.get("id") is not None:
            return bool(told["id"] == origin.id)
        return bool(told.get("arn") == origin.arn and told.get("name") == origin.name)

    def is_proven(self, event_ids: Container[str]) -> bool:
        """Say whether records with these event ids suffice to find the origin."""
        return all(any(id_ in event_ids for id_ in group) for group in self.depends_on)

    def document(self) -> dict[str, Any]:
        """Give the JSON form, as ``truth.json`` has it; absent members are left out."""
        origin = self.origin
        members = {name: getattr(origin, name) for name in origin.__slots__}
        document: dict[str, Any] = {
            "origin": {name: value for name, value in members.items() if value is not None},
            "chain": [{"event_id": hop.event_id, "arn": hop.arn} for hop in self.chain],
            "session": self.session,
            "root_session": self.root_session,
            "access_mode": self.access_mode,
            "depends_on": [list(group) for group in self.depends_on],
            "status": self.status,
        }
        if self.source_identity is not None:
            document["source_identity"] = self.source_identity
        return document
