"""Who holds which credentials: a session, and all that is true of its calls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tools.trailgen.identities import with_key, without_key
from tools.trailgen.organization import PARTITION
from tools.trailgen.times import DAY, HOUR, day_of, stamp
from tools.trailgen.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.trailgen.ids import Ids
    from tools.trailgen.organization import Account
    from tools.trailgen.records import Client, Json
    from tools.trailgen.truth import Hop, Origin, SessionKey


@dataclass(slots=True, kw_only=True)
class Session:
    """Credentials in somebody's hands.

    Attributes:
        account: Where they act.
        region: Where they are used, unless the service is a global one.
        identity: Template of ``userIdentity``.
        origin: Who is really behind it.
        client: How its calls reach AWS.
        key: What signs the calls; None in the console, which uses a key per service and region,
            and where records carry no key at all.
        created_at: Its creation time; None for a long-term key.
        ends_at: No call after it.
        root: The session at the origin; None when this is the first one.
        chain: How it came from the origin.
        depends_on: Groups of records that prove the origin.
        access: Access mode of its calls.
        browser: The browser, where it is a console session.
        behalf: ``onBehalfOf``, and the records on which it was seen.
        status: What ``origin.status`` must be.
        source_identity: What the chain carries.
    """

    account: Account
    region: str
    identity: Json
    origin: Origin
    client: Client
    key: str | None = None
    created_at: int | None = None
    ends_at: int
    root: SessionKey | None = None
    chain: tuple[Hop, ...] = ()
    depends_on: tuple[Sequence[str], ...] = ()
    access: str = "programmatic"
    browser: str | None = None
    behalf: tuple[Json, list[str]] | None = None
    status: str = "resolved"
    source_identity: str | None = None
    _identities: dict[tuple[str, str], Json] = field(init=False, default_factory=dict)
    _truths: dict[tuple[str | None, int], Truth] = field(init=False, default_factory=dict)

    @property
    def arn(self) -> str:
        """ARN of the acting principal."""
        return str(self.identity["arn"])

    @property
    def name(self) -> str:
        """Session name, or the user's name."""
        return self.arn.rpartition("/")[2]

    def key_at(self, at: int) -> SessionKey:
        """Say which session a call at that time belongs to."""
        if self.created_at is None:
            return (PARTITION, self.account.id, str(self.key), day_of(at - at % DAY))
        return session_key(self.identity, self.created_at)

    def root_at(self, at: int) -> SessionKey:
        """Say which session stands at the origin."""
        return self.root or self.key_at(at)

    def signed(self, service: str, region: str, ids: Ids) -> Json:
        """Give ``userIdentity`` of a call; the console draws a key for each service and region."""
        place = ("", "") if self.key is not None else (service, region)
        identity = self._identities.get(place)
        if identity is None:
            key = self.key or ids.access_key("ASIA", self.account.tag)
            identity = self._identities[place] = with_key(self.identity, key)
        return identity

    def unsigned(self) -> Json:
        """Give ``userIdentity`` of a record without a key."""
        return without_key(self.identity)

    def truth(self, at: int, access: str | None) -> Truth:
        """Give what is true of a call; the object is shared between calls."""
        cached = (access, at // DAY)
        truth = self._truths.get(cached)
        if truth is None:
            truth = self._truths[cached] = Truth(
                origin=self.origin,
                chain=self.chain,
                session=self.key_at(at),
                root_session=self.root_at(at),
                access_mode=access,
                depends_on=self.depends_on,
                status=self.status,
                source_identity=self.source_identity,
            )
        return truth

    def held_by(self, client: Client, key: str | None, access: str = "programmatic") -> Session:
        """Give the same session in another client's hands: a shell, a thief."""
        return replace(self, client=client, key=key, access=access, browser=None)

    def moved(self, region: str) -> Session:
        """Give the same session at work in another region."""
        return replace(self, region=region)


def session_key(identity: Json, created_at: int) -> SessionKey:
    """Name the session that a ``userIdentity`` and a creation time make."""
    return (PARTITION, identity["accountId"], identity["principalId"], stamp(created_at))


LONGEST = 12 * HOUR
"""The longest that a role session, a console session or an Identity Center session lasts."""
