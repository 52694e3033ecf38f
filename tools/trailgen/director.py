"""The director of generated trails: picks who acts, where, and how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.trailgen import clients
from tools.trailgen.issuance import session_of_key
from tools.trailgen.records import Client
from tools.trailgen.signin import Browser
from tools.trailgen.times import HOUR, MINUTE
from tools.trailgen.work import work

if TYPE_CHECKING:
    import random

    from tools.trailgen.organization import Account, Organization, Role, Subject, User
    from tools.trailgen.plan import Plan
    from tools.trailgen.session import Session
    from tools.trailgen.stage import Stage


@dataclass(slots=True)
class Director:
    """A stage and the plan for it."""

    stage: Stage
    plan: Plan

    @property
    def rng(self) -> random.Random:
        """The one source of randomness."""
        return self.stage.rng

    @property
    def organization(self) -> Organization:
        """Everybody and everything there is."""
        return self.stage.organization

    def moment(self) -> int:
        """Draw a time at which a scene begins."""
        return self.plan.start + self.rng.randrange(self.plan.hours * HOUR)

    def chance(self, share: float) -> bool:
        """Toss a coin."""
        return self.rng.random() < share

    def account(self) -> Account:
        """Draw an account; the first ones are the busiest."""
        accounts = self.organization.accounts
        return accounts[int(len(accounts) * self.rng.random() ** 2)]

    def role(self, account: Account | None = None) -> Role:
        """Draw a role, of an account if given."""
        return self.rng.choice(self.organization.roles[(account or self.account()).id])

    def person(self) -> User:
        """Draw an IAM user who is a person."""
        return self.rng.choice(self.organization.people)

    def machine(self) -> User:
        """Draw an IAM user who is a machine."""
        return self.rng.choice(self.organization.machines)

    def colleague(self) -> Subject:
        """Draw somebody from Identity Center."""
        return self.rng.choice(self.organization.workforce)

    def outsider(self) -> Subject:
        """Draw somebody from the SAML identity provider."""
        return self.rng.choice(self.organization.federated)

    def permission_set(self) -> Role:
        """Draw a role that only Identity Center assumes."""
        return self.rng.choice(self.organization.permission_sets[self.account().id])

    def region(self, account: Account) -> str:
        """Draw a region; most work is in the first one."""
        return account.regions[int(len(account.regions) * self.rng.random() ** 3)]

    def browser(self, ip: str) -> Browser:
        """Draw a browser at an address."""
        return Browser(ip, self.rng.choice(clients.BROWSERS))

    def kit(self, ip: str) -> Client:
        """Draw a command line or kit at an address."""
        return Client(ip, self.rng.choice(clients.KITS))

    def key(self, user: User) -> Session:
        """Take a user's long-term key, in some region."""
        session = session_of_key(user, self.kit(user.ip))
        return session.moved(self.region(user.account))

    def session_name(self, at: int, person: str | None = None) -> str:
        """Think of a session name: few of them tell a person."""
        names = (f"botocore-session-{at}", f"aws-go-sdk-{at}000000000", "terraform", person)
        return self.rng.choice(names) or "deploy"

    def work(self, session: Session, at: int, *, elsewhere: bool = True) -> int:
        """Let a session do its work, now and then in another region; give the last time."""
        remaining = self.plan.events - len(self.stage.acted)
        fewest, most = self.plan.calls
        count = max(1, min(self.rng.randint(fewest, most), remaining))
        within = min(count * 40, 50 * MINUTE)
        if elsewhere and self.chance(0.15):
            session = session.moved(self.region(session.account))
        return work(self.stage, session, at + 1, count, within)
