"""An invented organization: accounts, roles, people, machines, identity providers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.trailgen.ids import Ids

PARTITION = "aws"
GLOBAL_REGION = "us-east-1"

_MACHINES = 100
"""Machines are counted from here, people from nought; it tells their networks apart."""

GITHUB = "token.actions.githubusercontent.com"


@dataclass(frozen=True, slots=True)
class Account:
    """One AWS account; ``tag`` is the part that the ids of its access keys share."""

    id: str
    name: str
    tag: str
    regions: tuple[str, ...]

    @property
    def root_arn(self) -> str:
        """ARN of the root user."""
        return f"arn:{PARTITION}:iam::{self.id}:root"


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role; ``id`` is its ``AROA…``."""

    account: Account
    name: str
    id: str
    path: str = "/"

    @property
    def arn(self) -> str:
        """ARN of the role, with its path."""
        return f"arn:{PARTITION}:iam::{self.account.id}:role{self.path}{self.name}"

    def session_arn(self, name: str) -> str:
        """ARN of a session of the role: without the path."""
        return f"arn:{PARTITION}:sts::{self.account.id}:assumed-role/{self.name}/{name}"


@dataclass(frozen=True, slots=True)
class User:
    """An IAM user: a person with a browser, or a machine; ``id`` is its ``AIDA…``."""

    account: Account
    name: str
    id: str
    key: str
    ip: str
    mfa: bool = True

    @property
    def arn(self) -> str:
        """ARN of the user."""
        return f"arn:{PARTITION}:iam::{self.account.id}:user/{self.name}"

    @property
    def mfa_arn(self) -> str:
        """ARN of the user's MFA device."""
        return f"arn:{PARTITION}:iam::{self.account.id}:mfa/{self.name}"


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody whom an identity provider vouches for.

    Attributes:
        id: The subject of assertions and tokens; the user id in Identity Center.
        name: The session name that the provider sets.
        ip: Where the calls come from.
    """

    id: str
    name: str
    ip: str


@dataclass(frozen=True, slots=True)
class IdentityCenter:
    """The organization's Identity Center: lives in one account and region."""

    account: Account
    region: str
    store_id: str
    provider_hash: str

    @property
    def store_arn(self) -> str:
        """ARN of the identity store."""
        return f"arn:{PARTITION}:identitystore::{self.account.id}:identitystore/{self.store_id}"

    def provider_arn(self, account: Account) -> str:
        """ARN of the SAML provider that it keeps in a member account."""
        name = f"AWSSSO_{self.provider_hash}_DO_NOT_DELETE"
        return f"arn:{PARTITION}:iam::{account.id}:saml-provider/{name}"


@dataclass(frozen=True, slots=True)
class Organization:
    """Everybody and everything that acts.

    Attributes:
        accounts: The first one is the management account; people's IAM users live there.
        roles: Roles of each account, by account id; every list has the same names.
        permission_sets: Roles that only Identity Center assumes, by account id.
    """

    id: str
    accounts: tuple[Account, ...]
    people: tuple[User, ...]
    machines: tuple[User, ...]
    roles: dict[str, tuple[Role, ...]]
    permission_sets: dict[str, tuple[Role, ...]]
    workforce: tuple[Subject, ...]
    federated: tuple[Subject, ...]
    identity_center: IdentityCenter

    def role(self, account: Account, name: str) -> Role:
        """Find a role by name."""
        return next(role for role in self.roles[account.id] if role.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large an organization is, and what its parts are called.

    Attributes:
        account_ids: Ids of the accounts; drawn where not given.
        regions: The home region first; Identity Center lives in the last one.
    """

    accounts: tuple[str, ...]
    people: tuple[str, ...]
    machines: tuple[str, ...]
    roles: tuple[str, ...]
    regions: tuple[str, ...]
    account_ids: tuple[str, ...] = ()


def found(shape: Shape, ids: Ids) -> Organization:
    """Invent an organization."""
    account_ids = shape.account_ids or tuple(ids.digits(12) for _ in shape.accounts)
    accounts = tuple(
        Account(account_id, name, ids.base32(4), shape.regions)
        for account_id, name in zip(account_ids, shape.accounts, strict=True)
    )
    home = accounts[0]
    center = IdentityCenter(
        home, shape.regions[-1], f"d-{ids.hexadecimal(10)}", ids.hexadecimal(16)
    )
    return Organization(
        id=f"o-{ids.hexadecimal(10)}",
        accounts=accounts,
        people=tuple(_user(home, name, place, ids) for place, name in enumerate(shape.people)),
        machines=tuple(
            _user(accounts[place % len(accounts)], name, _MACHINES + place, ids)
            for place, name in enumerate(shape.machines)
        ),
        roles={
            account.id: tuple(Role(account, name, ids.principal("AROA")) for name in shape.roles)
            for account in accounts
        },
        permission_sets={
            account.id: _permission_sets(account, center, ids) for account in accounts
        },
        workforce=tuple(
            Subject(
                f"{ids.hexadecimal(8)}-{ids.uuid()[9:]}",
                f"{name}@example.com",
                f"192.0.2.{100 + place}",
            )
            for place, name in enumerate(("grace", "heidi", "ivan", "judy"))
        ),
        federated=tuple(
            Subject(f"{name}@example.com", name, f"192.0.2.{150 + place}")
            for place, name in enumerate(("mallory", "niaj", "olivia"))
        ),
        identity_center=center,
    )


def _user(account: Account, name: str, place: int, ids: Ids) -> User:
    if place < _MACHINES:
        address = f"192.0.2.{10 + place % 90}"
    else:
        address = f"198.51.100.{10 + (place - _MACHINES) % 100}"
    key = ids.access_key("AKIA", account.tag)
    return User(account, name, ids.principal("AIDA"), key, address)


def _permission_sets(account: Account, center: IdentityCenter, ids: Ids) -> tuple[Role, ...]:
    path = f"/aws-reserved/sso.amazonaws.com/{center.region}/"
    return tuple(
        Role(
            account,
            f"AWSReservedSSO_{name}_{ids.hexadecimal(16)}",
            ids.principal("AROA"),
            path,
        )
        for name in ("AdministratorAccess", "ReadOnlyAccess")
    )
