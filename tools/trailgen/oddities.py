"""Scenes that are rare, hostile or misleading."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tools.trailgen.catalog import bucket_call
from tools.trailgen.identities import iam_user, role_session
from tools.trailgen.issuance import (
    FOREVER,
    Assume,
    assume_from_outside,
    assume_role,
    assume_root,
    refused_assume,
    session_of_key,
)
from tools.trailgen.organization import Account, Role, User
from tools.trailgen.records import Call
from tools.trailgen.session import Session
from tools.trailgen.truth import Origin
from tools.trailgen.work import (
    be_denied,
    create_access_key,
    create_role,
    create_user,
    new_user,
)

if TYPE_CHECKING:
    from tools.trailgen.director import Director


def assume_root_of_member(director: Director, at: int) -> None:
    """The management account becomes root of a member for one task."""
    home, *members = director.organization.accounts
    member = director.rng.choice(members or [home])
    wish = Assume(role=director.role(home), name="root-tasks")
    admin = assume_role(director.stage, director.key(director.person()), wish, at)
    session = assume_root(director.stage, admin, member, (admin.created_at or at) + 5)
    unlock = bucket_call(member, session.region, "DeleteBucketPolicy")
    director.stage.call(session, unlock, (session.created_at or at) + 20)


def new_identities(director: Director, at: int) -> None:
    """Somebody creates a user with a key, and a role; both act then."""
    stage = director.stage
    maker = director.key(director.person())
    number = director.rng.randrange(1_000)
    user = new_user(stage, maker.account, f"service-{number}")
    create_user(stage, maker, user, at)
    create_access_key(stage, maker, user, at + 10)
    session = session_of_key(user, director.kit(user.ip))
    director.work(session, at + 60)
    role = Role(maker.account, f"task-{number}", stage.ids.principal("AROA"))
    create_role(stage, maker, role, at + 20)
    wish = Assume(role=role, name=director.session_name(at))
    assumed = assume_role(stage, session, wish, at + 90)
    director.work(assumed, assumed.created_at or at)


def stolen_key(director: Director, at: int) -> None:
    """A machine's key at a strange address: it looks around, is denied, assumes a role."""
    user = director.machine()
    stage = director.stage
    stolen = session_of_key(user, director.kit("203.0.113.66"))
    for step, (service, name) in enumerate((("sts", "GetCallerIdentity"), ("iam", "ListUsers"))):
        stage.call(stolen, Call(service, name), at + step)
    be_denied(stage, stolen, at + 5, Call("iam", "CreateUser", read_only=False))
    wish = Assume(role=director.role(), name=director.session_name(at))
    session = assume_role(stage, stolen, wish, at + 9)
    director.work(session, session.created_at or at)


def refused(director: Director, at: int) -> None:
    """One is refused a role that another assumes seconds later, under the same name."""
    role = director.role()
    refused_assume(director.stage, director.key(director.machine()), role, at)
    wish = Assume(role=role, name="shared-name")
    session = assume_role(director.stage, director.key(director.person()), wish, at + 1)
    director.work(session, session.created_at or at)


def recycled_key(director: Director, at: int) -> None:
    """STS issues the same key id twice while the first one is valid, to different callers."""
    role = director.role()
    caller = director.key(director.person())
    first = assume_role(director.stage, caller, Assume(role=role, name="first"), at)
    wish = Assume(role=role, name="second", key=first.key)
    other = director.key(director.machine())
    second = assume_role(director.stage, other, wish, (first.created_at or at) + 600)
    director.work(second, second.created_at or at)
    director.work(first, (second.created_at or at) + 60)


def twice_in_a_second(director: Director, at: int) -> None:
    """One caller gets two keys for the same session name in the same second."""
    stage = director.stage
    role = director.role()
    caller = director.key(director.machine())
    wish = Assume(role=role, name=f"go-sdk-{at}")
    first = assume_role(stage, caller, wish, at)
    second = assume_role(stage, caller, replace(wish, at_once=True), first.created_at or at)
    director.work(first, first.created_at or at)
    director.work(second, second.created_at or at)


def partner(director: Director, at: int) -> None:
    """A partner's account, whose trail we do not have, assumes a role."""
    stage = director.stage
    ids = stage.ids
    outside = Account(
        "999900001111", "partner", "PARTNER7", director.organization.accounts[0].regions
    )
    client = director.kit("203.0.113.90")
    if director.chance(0.5):
        user = User(outside, "vendor", ids.principal("AIDA"), "", client.ip)
        identity = iam_user(user)
        origin = Origin("external_iam_user", user.id, outside.id)
    else:
        role = Role(outside, "Connector", ids.principal("AROA"))
        identity = role_session(role, "sync", at - 60)
        origin = Origin("external_role_session", str(identity["principalId"]), outside.id)
    caller = Session(
        account=outside,
        region=outside.regions[0],
        identity=identity,
        origin=origin,
        client=client,
        ends_at=FOREVER,
    )
    wish = Assume(role=director.role(), name=director.session_name(at))
    session = assume_from_outside(stage, caller, wish, at)
    last = director.work(session, session.created_at or at)
    if director.chance(0.5):
        wish = Assume(role=director.role(), name="further")
        assumed = assume_role(stage, session, wish, last + 1)
        director.work(assumed, assumed.created_at or at)
