"""What people and machines do with their credentials once they have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.trailgen.catalog import catalog
from tools.trailgen.denials import REASONS, denied
from tools.trailgen.organization import User
from tools.trailgen.records import Call
from tools.trailgen.times import display_stamp

if TYPE_CHECKING:
    from tools.trailgen.organization import Account, Role
    from tools.trailgen.session import Session
    from tools.trailgen.stage import Stage

_CHANGES = 0.2
"""Share of calls that change something."""

_DENIED = 0.02
"""Share of calls that are refused."""


def work(stage: Stage, session: Session, at: int, count: int, within: int) -> int:
    """Make calls within so many seconds; give the time of the last one."""
    rng = stage.rng
    calls = catalog(session.account, session.region)
    until = min(at + within, session.ends_at)
    step = max(1, (until - at) // max(1, count))
    draw = rng.random
    for _ in range(count):
        luck = draw()
        chosen = calls.changes if luck < _CHANGES else calls.reads
        at = min(until, at + 1 + int(draw() * step))
        call = chosen[int(draw() * len(chosen))]
        stage.call(session, denied(call, session) if luck > 1 - _DENIED else call, at)
    return at


def be_denied(stage: Stage, session: Session, at: int, call: Call | None = None) -> str:
    """Try something that is not allowed."""
    rng = stage.rng
    calls = catalog(session.account, session.region)
    wanted = call or rng.choice((*calls.reads, *calls.changes))
    return stage.call(session, denied(wanted, session, rng.choice(REASONS)), at)


def new_user(stage: Stage, account: Account, name: str) -> User:
    """Think of a user that does not exist yet, and of the key that it will have."""
    ids = stage.ids
    address = f"198.51.100.{stage.rng.randrange(20, 120)}"
    key = ids.access_key("AKIA", account.tag)
    return User(account, name, ids.principal("AIDA"), key, address, mfa=False)


def create_user(stage: Stage, session: Session, user: User, at: int) -> str:
    """Create an IAM user in the session's account."""
    response = {
        "path": "/",
        "userName": user.name,
        "userId": user.id,
        "arn": user.arn,
        "createDate": display_stamp(at),
    }
    request = {"userName": user.name, "tags": []}
    call = Call("iam", "CreateUser", request, {"user": response}, read_only=False)
    return stage.call(session, call, at)


def create_role(stage: Stage, session: Session, role: Role, at: int) -> str:
    """Create a role in the session's account."""
    policy = '{"Version":"2012-10-17","Statement":[]}'
    response = {
        "path": role.path,
        "roleName": role.name,
        "roleId": role.id,
        "arn": role.arn,
        "createDate": display_stamp(at),
        "assumeRolePolicyDocument": policy,
    }
    request = {"roleName": role.name, "assumeRolePolicyDocument": policy}
    call = Call("iam", "CreateRole", request, {"role": response}, read_only=False)
    return stage.call(session, call, at)


def create_access_key(stage: Stage, session: Session, user: User, at: int) -> str:
    """Create the long-term key of a user of the session's account."""
    access_key = {
        "userName": user.name,
        "accessKeyId": user.key,
        "status": "Active",
        "createDate": display_stamp(at),
    }
    request = {"userName": user.name}
    call = Call("iam", "CreateAccessKey", request, {"accessKey": access_key}, read_only=False)
    return stage.call(session, call, at)
